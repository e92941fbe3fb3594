#include "bench/answer_scanner.hpp"

#include "bench/http_scanner.hpp"

#include <charconv>

namespace repasse {
namespace {

constexpr std::string_view line_end = "\r\n";

void read_header(std::string_view line, scanned_answer& answer, std::size_t& body_bytes) {
  const std::size_t colon = line.find(':');
  if (colon == line.npos) return;
  const std::string_view name = line.substr(0, colon);
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' '))
    value.remove_prefix(1);
  if (equal_in_any_case(name, "Content-Length"))
    std::from_chars(value.data(), value.data() + value.size(), body_bytes);
  else if (equal_in_any_case(name, "Idempotent-Replayed"))
    answer.replayed = value == "true";
  else if (equal_in_any_case(name, "Connection"))
    answer.closes = equal_in_any_case(value, "close");
}

} // namespace

std::optional<scanned_answer> scan_answer(std::string_view received) {
  constexpr std::string_view start = "HTTP/1.1 ";
  const std::size_t head_bytes = received.find("\r\n\r\n");
  if (head_bytes == received.npos) return std::nullopt;
  scanned_answer answer;
  std::size_t body_bytes = 0;
  std::string_view head = received.substr(0, head_bytes);
  if (!head.starts_with(start)) return answer;
  std::from_chars(head.data() + start.size(), head.data() + head.size(), answer.status);
  for (std::size_t end = head.find(line_end); end != head.npos; end = head.find(line_end)) {
    head.remove_prefix(end + line_end.size());
    read_header(head.substr(0, head.find(line_end)), answer, body_bytes);
  }
  answer.size_bytes = head_bytes + 4 + body_bytes;
  if (answer.size_bytes > received.size()) return std::nullopt;
  return answer;
}

} // namespace repasse
