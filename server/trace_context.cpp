#include "server/trace_context.hpp"

#include <algorithm>
#include <span>

namespace repasse {
namespace {

constexpr std::size_t text_bytes = 55;

/// Upper case is not allowed.
std::optional<std::uint8_t> digit(char from) {
  if (from >= '0' && from <= '9') return static_cast<std::uint8_t>(from - '0');
  if (from >= 'a' && from <= 'f') return static_cast<std::uint8_t>(from - 'a' + 10);
  return std::nullopt;
}

bool read_hex(std::string_view text, std::span<std::uint8_t> to) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    const auto high = digit(text[2 * i]);
    const auto low = digit(text[2 * i + 1]);
    if (!high || !low) return false;
    to[i] = static_cast<std::uint8_t>(*high << 4 | *low);
  }
  return true;
}

void write_hex(std::string& to, std::span<const std::uint8_t> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (const std::uint8_t one : bytes) {
    to.push_back(digits[one >> 4]);
    to.push_back(digits[one & 15]);
  }
}

bool is_zero(std::span<const std::uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t one) { return one == 0; });
}

} // namespace

std::optional<trace_context> parse_traceparent(std::string_view text) {
  if (text.size() < text_bytes) return std::nullopt;
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  std::array<std::uint8_t, 1> version{};
  std::array<std::uint8_t, 1> flags{};
  trace_context read;
  const bool is_hex = read_hex(text, version) && read_hex(text.substr(3), read.trace.bytes) &&
                      read_hex(text.substr(36), read.parent) && read_hex(text.substr(53), flags);
  if (!is_hex || version[0] == 0xff) return std::nullopt;
  if (text.size() > text_bytes && (version[0] == 0 || text[text_bytes] != '-')) return std::nullopt;
  if (!read.trace.exists() || is_zero(read.parent)) return std::nullopt;
  read.is_sampled = (flags[0] & 1) != 0;
  return read;
}

void write_traceparent(std::string& to, const trace_context& from) {
  to.append("00-");
  write_hex(to, from.trace.bytes);
  to.push_back('-');
  write_hex(to, from.parent);
  to.append(from.is_sampled ? "-01" : "-00");
}

std::string to_string(const trace_id& id) {
  std::string text;
  write_hex(text, id.bytes);
  return text;
}

std::string span_text(const std::array<std::uint8_t, 8>& span) {
  std::string text;
  write_hex(text, span);
  return text;
}

} // namespace repasse
