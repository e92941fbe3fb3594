#include "bench/http_scanner.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace repasse {
namespace {

scanned_request refused(unsigned status) {
  scanned_request request;
  request.what = scan_verdict::refused;
  request.refusal_status = status;
  return request;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

/// Takes one line without its CRLF from `rest`, which ends with one; a bare CR or LF stays in the line.
std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find("\r\n");
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 2);
  return line;
}

bool has_bare_line_end(std::string_view line) {
  return line.find('\n') != line.npos || line.find('\r') != line.npos;
}

bool read_request_line(std::string_view line, scanned_request& request) {
  if (has_bare_line_end(line)) return false;
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == 0 || first == line.npos || last < first + 2) return false;
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  request.keep_alive = version == "HTTP/1.1";
  return (request.keep_alive || version == "HTTP/1.0") && request.target.find(' ') == line.npos;
}

/// What the header section says of the body's length.
struct body_framing {
  std::optional<std::size_t> length_bytes;
  bool transfer_encoding = false;
};

bool read_field(std::string_view line, scanned_request& request, body_framing& framing) {
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == line.npos || line.find(' ') < colon || has_bare_line_end(line)) return false;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  switch (name.size()) {
  case 10:
    if (equal_in_any_case(name, "connection"))
      request.keep_alive = equal_in_any_case(value, "keep-alive") ||
                           (request.keep_alive && !equal_in_any_case(value, "close"));
    return true;
  case 12:
    if (equal_in_any_case(name, "content-type")) request.content_type = value;
    return true;
  case 13:
    if (equal_in_any_case(name, "x-rinha-token")) request.token = value;
    return true;
  case 14: {
    if (!equal_in_any_case(name, "content-length")) return true;
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
    const bool again = std::exchange(framing.length_bytes, length).has_value();
    return error == std::errc{} && end == value.data() + value.size() && !again;
  }
  case 17:
    framing.transfer_encoding |= equal_in_any_case(name, "transfer-encoding");
    return true;
  default:
    return true;
  }
}

} // namespace

bool equal_in_any_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

scanned_request scan_request(std::string_view received) {
  scanned_request request;
  const std::size_t header_end = received.find("\r\n\r\n");
  if (header_end == received.npos) return received.size() > header_section_bytes_max ? refused(431) : request;
  const std::size_t head_bytes = header_end + 4;
  if (head_bytes > header_section_bytes_max) return refused(431);

  std::string_view rest = received.substr(0, header_end + 2);
  if (!read_request_line(take_line(rest), request)) return refused(400);
  body_framing framing;
  while (!rest.empty())
    if (!read_field(take_line(rest), request, framing)) return refused(400);

  if (framing.transfer_encoding) return refused(411);
  const std::size_t body_bytes = framing.length_bytes.value_or(0);
  if (body_bytes > request_body_bytes_max) return refused(413);
  if (received.size() - head_bytes < body_bytes) return request;
  request.body = received.substr(head_bytes, body_bytes);
  request.size_bytes = head_bytes + body_bytes;
  request.what = scan_verdict::complete;
  return request;
}

} // namespace repasse
