#include "server/config_value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace repasse {
namespace {

constexpr std::size_t processor_name_max = 64;
constexpr std::size_t shown_max = 200;
constexpr std::int64_t ppm = 1'000'000;

struct unit {
  std::string_view name;
  std::int64_t milliseconds;
};
constexpr std::array<unit, 4> units{{{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

std::string_view take_digits(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(digits.size());
  return digits;
}

std::string_view without_blanks(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// `postgres://` and the like; empty where there is none.
std::string_view scheme_of(std::string_view url) {
  constexpr std::string_view mark = "://";
  const auto end = url.find(mark);
  const bool found = end != std::string_view::npos &&
                     std::ranges::all_of(url.substr(0, end), [](char c) { return is_lower(c) || c == '-'; });
  return found ? url.substr(0, end + mark.size()) : std::string_view{};
}

/// Whether a user, password or query may be in it, well-formed or not: also `host=a password=b`, and a
/// colon that no port follows.
bool may_hold_secret(std::string_view url) {
  if (url.find_first_of("@?#=% ") != std::string_view::npos) return true;
  const auto rest = url.substr(scheme_of(url).size());
  const auto follows_colon = [](char before, char c) { return before == ':' && c != ':' && !is_digit(c); };
  return std::ranges::adjacent_find(rest, follows_colon) != rest.end();
}

} // namespace

std::optional<std::size_t> parse_whole(std::string_view text) {
  std::size_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr std::size_t digits_max = 9; // keeps the sum far from overflow
  std::int64_t sum = 0;
  auto allowed = units.begin();
  do {
    const auto digits = take_digits(text);
    const auto end = std::find_if(text.begin(), text.end(), is_digit);
    const auto name = text.substr(0, static_cast<std::size_t>(end - text.begin()));
    const auto found = std::find_if(allowed, units.end(), [&](const unit& u) { return u.name == name; });
    if (digits.empty() || digits.size() > digits_max || found == units.end()) return std::nullopt;
    sum += static_cast<std::int64_t>(*parse_whole(digits)) * found->milliseconds;
    allowed = found + 1;
    text.remove_prefix(name.size());
  } while (!text.empty());
  return std::chrono::milliseconds(sum);
}

std::string duration_text(std::chrono::milliseconds duration) {
  std::string text;
  auto rest = duration.count();
  for (const auto& unit : units) {
    if (rest >= unit.milliseconds) text += fmt::format("{}{}", rest / unit.milliseconds, unit.name);
    rest %= unit.milliseconds;
  }
  return text.empty() ? "0s" : text;
}

std::optional<bool> parse_flag(std::string_view text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return std::nullopt;
}

std::optional<std::int64_t> parse_fee_ppm(std::string_view text) {
  constexpr std::size_t decimals_max = 6;
  const auto whole = take_digits(text);
  if (whole != "0" && whole != "1") return std::nullopt;
  std::int64_t value = whole == "1" ? ppm : 0;
  if (text.empty()) return value;
  const auto decimals = text.substr(1);
  if (text.front() != '.' || decimals.empty() || decimals.size() > decimals_max ||
      !std::ranges::all_of(decimals, is_digit))
    return std::nullopt;
  std::int64_t place = ppm;
  for (const char digit : decimals)
    value += (digit - '0') * (place /= 10);
  return value <= ppm ? std::optional(value) : std::nullopt;
}

std::string fee_text(std::int64_t fee_ppm) {
  auto text = fmt::format("{}.{:06}", fee_ppm / ppm, fee_ppm % ppm);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

bool is_processor_name(std::string_view text) {
  const auto may_begin = [](char c) { return is_digit(c) || is_lower(c); };
  return !text.empty() && text.size() <= processor_name_max && may_begin(text.front()) &&
         std::ranges::all_of(text, [&](char c) { return may_begin(c) || c == '_' || c == '-'; });
}

std::string processor_name_in_variables(std::string_view name) {
  std::string text(name);
  for (char& c : text)
    c = c == '-' ? '_' : is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

std::vector<std::string_view> parse_list(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto comma = text.find(',');
    parts.push_back(without_blanks(text.substr(0, comma)));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

std::string shown(std::string_view value, redaction rule) {
  constexpr std::string_view hidden = "***";
  if (rule == redaction::secret) return std::string(hidden);
  if (rule == redaction::url && may_hold_secret(value)) return std::string(scheme_of(value)).append(hidden);
  std::string text(value.substr(0, shown_max));
  std::ranges::replace_if(
      text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return value.size() > shown_max ? text + "..." : text;
}

} // namespace repasse
