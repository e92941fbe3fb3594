#include "server/http_target.hpp"

#include "server/http_syntax.hpp"

#include <algorithm>

namespace repasse {
namespace {

/// Cuts `http://authority` off an absolute form, leaving a path that may be empty; false if it is none.
bool cut_origin(std::string_view& target) {
  constexpr std::string_view scheme = "http://";
  if (!equals_ignoring_case(target.substr(0, scheme.size()), scheme)) return false;
  target.remove_prefix(scheme.size());
  const std::size_t end = std::min(target.find_first_of("/?"), target.size());
  const std::string_view authority = target.substr(0, end);
  target.remove_prefix(end);
  // User and password, which RFC 9110 section 4.2.4 refuses, have a '@' that no host has.
  return !authority.empty() && authority.front() != ':' && is_valid_host(authority);
}

/// Takes what stands before the first `separator`, or all, off the front of `rest`, with the separator.
std::string_view take_until(std::string_view& rest, char separator) {
  const std::size_t found = rest.find(separator);
  const std::string_view taken = rest.substr(0, found);
  rest = found == std::string_view::npos ? std::string_view{} : rest.substr(found + 1);
  return taken;
}

} // namespace

std::optional<http_target> http_target::parse(std::string_view method, std::string_view target) {
  http_target result;
  if (target == "*" && method == "OPTIONS") {
    result.path_ = target;
    return result;
  }
  const bool is_absolute = !target.starts_with('/');
  if (is_absolute && !cut_origin(target)) return std::nullopt;

  result.path_ = take_until(target, '?');
  result.query_ = target;
  if (result.path_.empty()) result.path_ = "/";
  if (result.path_.find('%') != std::string_view::npos) {
    std::optional<std::string> decoded = percent_decode(result.path_, escape_rules::path);
    if (!decoded) return std::nullopt;
    result.decoded_ = std::move(*decoded);
  }
  return result;
}

std::optional<query_parameters> query_parameters::parse(std::string_view query) {
  query_parameters result;
  while (!query.empty()) {
    std::string_view pair = take_until(query, '&');
    if (pair.empty()) continue;
    std::optional<std::string> name = percent_decode(take_until(pair, '='), escape_rules::query);
    std::optional<std::string> value = percent_decode(pair, escape_rules::query);
    if (!name || !value || result.parameters_.size() == count_max) return std::nullopt;
    result.parameters_.push_back({std::move(*name), std::move(*value)});
  }
  return result;
}

std::optional<std::string_view> query_parameters::find(std::string_view name) const {
  const auto found = std::find_if(parameters_.begin(), parameters_.end(),
                                  [name](const parameter& each) { return each.name == name; });
  if (found == parameters_.end()) return std::nullopt;
  return found->value;
}

std::optional<std::string_view> query_parameters::repeated() const {
  for (auto each = parameters_.begin(); each != parameters_.end(); ++each)
    if (std::any_of(parameters_.begin(), each,
                    [each](const parameter& other) { return other.name == each->name; }))
      return each->name;
  return std::nullopt;
}

std::string restore_zone_plus(std::string_view time) {
  constexpr std::size_t date_and_separator_bytes = 11;
  std::string restored{time};
  if (restored.size() > date_and_separator_bytes)
    std::replace(restored.begin() + date_and_separator_bytes, restored.end(), ' ', '+');
  return restored;
}

std::optional<std::string> percent_decode(std::string_view text, escape_rules rules) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i] == '+' && rules == escape_rules::query ? ' ' : text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    const char c = static_cast<char>(high * 16 + low);
    if (c == '\0') return std::nullopt;
    if (c == '/' && rules == escape_rules::path)
      decoded.append("%2F");
    else
      decoded.push_back(c);
    i += 2;
  }
  return decoded;
}

} // namespace repasse
