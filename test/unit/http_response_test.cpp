// Answers to the byte: head, body, and the date of every day.
#include "server/http_response.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <ctime>
#include <string>

namespace repasse {
namespace {

using namespace std::chrono_literals;

const wall_time noon = *parse_time("2025-07-15T12:00:00Z", rounding::down);

std::string written(const http_response& response, connection_fate fate = connection_fate::keep,
                    bool is_head = false) {
  std::string text;
  write_response(text, response, fate, is_head, noon);
  return text;
}

std::string date_of(wall_time time) {
  std::array<char, http_date_bytes + 1> text{};
  text.back() = '!';
  char* const end = write_http_date(text.data(), time);
  BOOST_TEST(end - text.data() == 29);
  BOOST_TEST(text.back() == '!');
  return {text.data(), end};
}

std::string date_of(std::string_view iso) { return date_of(*parse_time(iso, rounding::down)); }

/// The same by the C library.
std::string date_by_strftime(wall_time time) {
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_response_test)

BOOST_AUTO_TEST_CASE(an_empty_answer_has_a_length_but_no_type) {
  http_response accepted;
  accepted.status = 202;
  BOOST_TEST(written(accepted) == "HTTP/1.1 202 Accepted\r\n"
                                  "Date: Tue, 15 Jul 2025 12:00:00 GMT\r\n"
                                  "Content-Length: 0\r\n"
                                  "\r\n");
}

BOOST_AUTO_TEST_CASE(a_body_comes_with_its_type_and_length) {
  http_response summary;
  summary.body = R"({"default":{}})";
  BOOST_TEST(written(summary) == "HTTP/1.1 200 OK\r\n"
                                 "Date: Tue, 15 Jul 2025 12:00:00 GMT\r\n"
                                 "Content-Type: application/json\r\n"
                                 "Content-Length: 14\r\n"
                                 "\r\n"
                                 R"({"default":{}})");
}

BOOST_AUTO_TEST_CASE(further_fields_stand_in_the_head) {
  http_response replayed;
  replayed.status = 202;
  replayed.headers = "Idempotent-Replayed: true\r\nRetry-After: 1\r\n";
  BOOST_TEST(written(replayed) == "HTTP/1.1 202 Accepted\r\n"
                                  "Date: Tue, 15 Jul 2025 12:00:00 GMT\r\n"
                                  "Idempotent-Replayed: true\r\n"
                                  "Retry-After: 1\r\n"
                                  "Content-Length: 0\r\n"
                                  "\r\n");
}

BOOST_AUTO_TEST_CASE(a_head_tells_the_length_of_the_body_that_it_leaves_out) {
  http_response page;
  page.content_type = "text/plain; charset=utf-8";
  page.body = std::string(12'345, 'x');
  const std::string whole = written(page);
  const std::string head = written(page, connection_fate::keep, true);
  BOOST_TEST(head == "HTTP/1.1 200 OK\r\n"
                     "Date: Tue, 15 Jul 2025 12:00:00 GMT\r\n"
                     "Content-Type: text/plain; charset=utf-8\r\n"
                     "Content-Length: 12345\r\n"
                     "\r\n");
  BOOST_TEST(whole == head + page.body);
}

BOOST_AUTO_TEST_CASE(a_fate_that_is_not_the_default_is_told) {
  http_response none;
  const std::string before = "HTTP/1.1 200 OK\r\nDate: Tue, 15 Jul 2025 12:00:00 GMT\r\n";
  const std::string after = "Content-Length: 0\r\n\r\n";
  BOOST_TEST(written(none, connection_fate::keep) == before + after);
  BOOST_TEST(written(none, connection_fate::close) == before + "Connection: close\r\n" + after);
  BOOST_TEST(written(none, connection_fate::keep_http10) == before + "Connection: keep-alive\r\n" + after);
}

BOOST_AUTO_TEST_CASE(pipelined_answers_stand_one_behind_the_other) {
  http_response first;
  first.body = "[]";
  const http_response second = problem(404, "there is no such path");
  std::string text = "> ";
  write_response(text, first, connection_fate::keep, false, noon);
  write_response(text, second, connection_fate::close, false, noon);
  BOOST_TEST(text == "> " + written(first) + written(second, connection_fate::close));
}

BOOST_AUTO_TEST_CASE(bodies_are_bytes) {
  http_response bytes;
  bytes.body = std::string("a\0\r\n\xff", 5);
  const std::string text = written(bytes);
  BOOST_TEST(text.ends_with("Content-Length: 5\r\n\r\n" + bytes.body));
}

BOOST_AUTO_TEST_CASE(a_problem_names_its_status_and_escapes_its_detail) {
  const http_response refused = problem(422, "\"amount\" has\nmore than two decimals");
  BOOST_TEST(refused.status == 422);
  BOOST_TEST(refused.content_type == "application/problem+json");
  BOOST_TEST(refused.headers.empty());
  BOOST_TEST(refused.body == R"({"type":"about:blank","title":"Unprocessable Content","status":422,)"
                             R"("detail":"\"amount\" has\u000amore than two decimals"})");
}

BOOST_AUTO_TEST_CASE(every_status_of_ours_has_its_phrase) {
  for (const int status : {200, 202, 400, 401, 403, 404, 405, 409, 413, 414, 415, 417, 422, 431, 503, 505})
    BOOST_TEST(reason_phrase(status) != "Unknown", "status " << status);
  BOOST_TEST(reason_phrase(404) == "Not Found");
  BOOST_TEST(reason_phrase(599) == "Unknown");
}

BOOST_AUTO_TEST_CASE(dates_are_those_of_edge_days) {
  BOOST_TEST(date_of("1994-11-06T08:49:37Z") == "Sun, 06 Nov 1994 08:49:37 GMT");
  BOOST_TEST(date_of("1970-01-01T00:00:00Z") == "Thu, 01 Jan 1970 00:00:00 GMT");
  BOOST_TEST(date_of("1969-12-31T23:59:59.999Z") == "Wed, 31 Dec 1969 23:59:59 GMT");
  BOOST_TEST(date_of("2000-02-29T23:59:59.999Z") == "Tue, 29 Feb 2000 23:59:59 GMT");
  BOOST_TEST(date_of("2024-02-29T00:00:00Z") == "Thu, 29 Feb 2024 00:00:00 GMT");
  BOOST_TEST(date_of("2024-12-31T23:59:59.999Z") == "Tue, 31 Dec 2024 23:59:59 GMT");
  BOOST_TEST(date_of("2025-01-01T00:00:00Z") == "Wed, 01 Jan 2025 00:00:00 GMT");
  BOOST_TEST(date_of("2038-01-19T03:14:08Z") == "Tue, 19 Jan 2038 03:14:08 GMT");
  BOOST_TEST(date_of("2100-02-28T12:00:00Z") == "Sun, 28 Feb 2100 12:00:00 GMT");
  BOOST_TEST(date_of("2100-03-01T12:00:00Z") == "Mon, 01 Mar 2100 12:00:00 GMT");
  BOOST_TEST(date_of("9999-12-31T23:59:59.999Z") == "Fri, 31 Dec 9999 23:59:59 GMT");
}

BOOST_AUTO_TEST_CASE(dates_agree_with_the_c_library_on_every_day_of_two_centuries) {
  const wall_time last = *parse_time("2101-01-01T00:00:00Z", rounding::down);
  const auto nearly_a_day = 23h + 59min + 59s + 999ms;
  for (wall_time day = *parse_time("1901-01-01T00:00:00Z", rounding::down); day < last; day += 24h) {
    BOOST_REQUIRE(date_of(day) == date_by_strftime(day));
    BOOST_REQUIRE(date_of(day + nearly_a_day) == date_by_strftime(day + nearly_a_day));
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
