#include "server/http_syntax.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace repasse {
namespace {

constexpr std::uint8_t token_bit = 1;  // RFC 9110 section 5.6.2
constexpr std::uint8_t target_bit = 2; // RFC 3986: reserved but '#', unreserved, '%'
constexpr std::uint8_t host_bit = 4;   // RFC 3986: reg-name, without '%'

constexpr std::array<std::uint8_t, 256> char_classes = [] {
  std::array<std::uint8_t, 256> classes{};
  const auto add = [&classes](std::string_view chars, std::uint8_t bits) {
    for (const char c : chars)
      classes[static_cast<std::uint8_t>(c)] |= bits;
  };
  constexpr std::string_view alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  add(alphanumeric, token_bit | target_bit | host_bit);
  add("!#$%&'*+-.^_`|~", token_bit);
  add("-._~!$&'()*+,;=", target_bit | host_bit);
  add(":/?@[]%", target_bit);
  return classes;
}();

bool has_class(char c, std::uint8_t bit) { return (char_classes[static_cast<std::uint8_t>(c)] & bit) != 0; }

const char* skip_class(const char* first, const char* last, std::uint8_t bit) {
  while (first != last && has_class(*first, bit))
    ++first;
  return first;
}

const char* find_control_or_tab(const char* first, const char* last) {
  // Eight bytes at a time: the lowest marked bit belongs to the first byte below 0x20 or equal to 0x7f.
  static_assert(std::endian::native == std::endian::little);
  constexpr std::uint64_t ones = 0x0101010101010101ULL;
  constexpr std::uint64_t tops = 0x8080808080808080ULL;
  for (; last - first >= 8; first += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, first, 8);
    const std::uint64_t low = (word - ones * 0x20) & ~word;
    const std::uint64_t without_delete = word ^ (ones * 0x7f);
    const std::uint64_t deletes = (without_delete - ones) & ~without_delete;
    if (const std::uint64_t marks = (low | deletes) & tops; marks != 0)
      return first + std::countr_zero(marks) / 8;
  }
  while (first != last && static_cast<std::uint8_t>(*first) >= 0x20 && *first != 0x7f)
    ++first;
  return first;
}

checked_line incomplete() { return {}; }

checked_line malformed(const char* reason, std::uint16_t status = 400) {
  return {checked_line::kind::malformed, status, 0, reason};
}

checked_line whole(checked_line::kind what, const char* first, const char* end) {
  return {what, 0, static_cast<std::uint32_t>(end - first), ""};
}

/// The version with the line's end: ten bytes, which may not all be there yet.
checked_line check_version(std::string_view rest) {
  constexpr std::string_view form = "HTTP/d.d\r\n";
  if (rest.starts_with("HTTP/1.1\r\n") || rest.starts_with("HTTP/1.0\r\n"))
    return whole(checked_line::kind::line, rest.data(), rest.data() + form.size());
  for (std::size_t i = 0; i < std::min(rest.size(), form.size()); ++i) {
    const bool fits = form[i] == 'd' ? rest[i] >= '0' && rest[i] <= '9' : rest[i] == form[i];
    if (!fits) return malformed("malformed request line");
  }
  if (rest.size() < form.size()) return incomplete();
  return malformed("only HTTP/1.1 and HTTP/1.0 are spoken here", 505);
}

bool is_ip_literal(std::string_view text) {
  return text.size() > 2 && std::all_of(text.begin() + 1, text.end() - 1,
                                        [](char c) { return c == ':' || c == '.' || hex_value(c) >= 0; });
}

bool is_reg_name(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (has_class(text[i], host_bit)) continue;
    if (text[i] != '%' || i + 2 >= text.size() || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
      return false;
    i += 2;
  }
  return true;
}

} // namespace

checked_line check_request_line(std::string_view bytes, std::size_t target_bytes_max) {
  const char* const first = bytes.data();
  const char* const last = first + bytes.size();
  const char* p = skip_class(first, last, token_bit);
  if (p == last) return incomplete();
  if (p == first || *p != ' ') return malformed("malformed request line");

  const char* const target = ++p;
  p = skip_class(target, last, target_bit);
  if (p > target + target_bytes_max) return malformed("the request target is too long", 414);
  if (p == last) return incomplete();
  if (p == target || *p != ' ') return malformed("malformed request target");
  ++p;

  checked_line line = check_version({p, last});
  if (line.what == checked_line::kind::line) line.bytes += static_cast<std::uint32_t>(p - first);
  return line;
}

checked_line check_field_line(std::string_view bytes) {
  const char* const first = bytes.data();
  const char* const last = first + bytes.size();
  const char* p = skip_class(first, last, token_bit);
  const bool named = p != first;
  if (p == last) return incomplete();
  if (named) {
    if (*p != ':') return malformed("malformed field name");
    do
      p = find_control(p + 1, last);
    while (p != last && *p == '\t');
  }
  if (p == last) return incomplete();
  if (*p != '\r') return malformed(named ? "control character in a field value" : "malformed field line");
  if (p + 1 == last) return incomplete();
  if (p[1] != '\n') return malformed("bare CR");
  return whole(named ? checked_line::kind::line : checked_line::kind::empty, first, p + 2);
}

bool is_valid_host(std::string_view host) {
  const std::size_t bracket = host.starts_with('[') ? host.find(']') : 0;
  if (bracket == std::string_view::npos) return false;
  const std::size_t colon = host.find(':', bracket);
  const std::string_view name = host.substr(0, colon);
  const std::string_view port = colon == std::string_view::npos ? "" : host.substr(colon + 1);
  if (!std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; })) return false;
  if (bracket == 0) return is_reg_name(name);
  return name.size() == bracket + 1 && is_ip_literal(name);
}

const char* find_control(const char* first, const char* last) {
  const char* found = find_control_or_tab(first, last);
  while (found != last && *found == '\t')
    found = find_control_or_tab(found + 1, last);
  return found;
}

bool equals_ignoring_case(std::string_view text, std::string_view lower_case) {
  const auto same = [](char a, char lower) {
    return a == lower || (a >= 'A' && a <= 'Z' && a + 32 == lower);
  };
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(), same);
}

std::string_view take_token(std::string_view& rest) {
  const char* const end = skip_class(rest.data(), rest.data() + rest.size(), token_bit);
  const std::string_view token{rest.data(), end};
  rest.remove_prefix(token.size());
  return token;
}

bool take_token_or_quoted(std::string_view& rest, std::string_view& value) {
  if (!rest.starts_with('"')) {
    value = take_token(rest);
    return !value.empty();
  }
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '\\') {
      ++i;
    } else if (rest[i] == '"') {
      value = rest.substr(1, i - 1);
      rest.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

void skip_blanks(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

} // namespace repasse
