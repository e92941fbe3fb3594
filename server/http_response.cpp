#include "server/http_response.hpp"

#include "server/payment_json.hpp"

#include <array>
#include <charconv>

namespace repasse {
namespace {

void write_number(std::string& to, std::size_t number) {
  std::array<char, 20> digits;
  to.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
}

char* write_two(char* to, unsigned value) {
  *to++ = static_cast<char>('0' + value / 10);
  *to++ = static_cast<char>('0' + value % 10);
  return to;
}

char* write_text(char* to, std::string_view text) { return text.copy(to, text.size()) + to; }

} // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
  case 200:
    return "OK";
  case 202:
    return "Accepted";
  case 304:
    return "Not Modified";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 409:
    return "Conflict";
  case 413:
    return "Content Too Large";
  case 414:
    return "URI Too Long";
  case 415:
    return "Unsupported Media Type";
  case 417:
    return "Expectation Failed";
  case 422:
    return "Unprocessable Content";
  case 431:
    return "Request Header Fields Too Large";
  case 503:
    return "Service Unavailable";
  case 505:
    return "HTTP Version Not Supported";
  default:
    return "Unknown";
  }
}

http_response problem(int status, std::string_view detail) {
  http_response response;
  response.status = status;
  response.content_type = "application/problem+json";
  write_problem(response.body, status, reason_phrase(status), detail);
  return response;
}

http_response unavailable(std::string_view detail) {
  http_response response = problem(503, detail);
  response.headers = "Retry-After: 1\r\n";
  return response;
}

void write_response(std::string& to, const http_response& response, connection_fate fate, bool is_head,
                    wall_time now) {
  to.append("HTTP/1.1 ");
  write_number(to, static_cast<std::size_t>(response.status));
  to.append(" ").append(reason_phrase(response.status)).append("\r\nDate: ");
  std::array<char, http_date_bytes> date;
  write_http_date(date.data(), now);
  to.append(date.data(), date.size()).append("\r\n").append(response.headers);
  if (fate == connection_fate::close) to.append("Connection: close\r\n");
  if (fate == connection_fate::keep_http10) to.append("Connection: keep-alive\r\n");
  if (!response.body.empty()) to.append("Content-Type: ").append(response.content_type).append("\r\n");
  if (response.status != 304 && !response.is_stream) { // of 304 it would be that of what is not sent
    to.append("Content-Length: ");
    write_number(to, response.body.size());
    to.append("\r\n");
  }
  to.append("\r\n");
  if (!is_head) to.append(response.body);
}

char* write_http_date(char* to, wall_time time) {
  using namespace std::chrono;
  static constexpr std::array<std::string_view, 7> days_of_week = {"Sun", "Mon", "Tue", "Wed",
                                                                   "Thu", "Fri", "Sat"};
  static constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{floor<seconds>(time - day)};
  to = write_text(to, days_of_week[weekday{day}.c_encoding()]);
  to = write_two(write_text(to, ", "), static_cast<unsigned>(date.day()));
  *to++ = ' ';
  to = write_text(to, months[static_cast<unsigned>(date.month()) - 1]);
  *to++ = ' ';
  const auto year_number = static_cast<unsigned>(static_cast<int>(date.year()));
  to = write_two(write_two(to, year_number / 100), year_number % 100);
  *to++ = ' ';
  to = write_two(to, static_cast<unsigned>(clock.hours().count()));
  *to++ = ':';
  to = write_two(to, static_cast<unsigned>(clock.minutes().count()));
  *to++ = ':';
  to = write_two(to, static_cast<unsigned>(clock.seconds().count()));
  return write_text(to, " GMT");
}

} // namespace repasse
