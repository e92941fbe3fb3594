// How each kind of variable is taken over into the config and shown from it: what the rows of the table
// point to. A read_ returns what is wrong, empty if nothing is; see config_variable::read.
#pragma once

#include "server/config.hpp"
#include "server/config_value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <type_traits>

namespace repasse {

inline constexpr std::array<std::string_view, 2> policy_names{"cheapest", "fastest"};
inline constexpr std::array<std::string_view, 4> level_names{"debug", "info", "warn", "error"};
inline constexpr std::array<std::string_view, 2> format_names{"text", "json"};

template <auto Member, std::size_t Min, std::size_t Max>
std::string read_whole(std::string_view text, config& to, std::size_t) {
  const auto value = parse_whole(text);
  if (!value || *value < Min || *value > Max)
    return fmt::format("expected a whole number from {} to {}", Min, Max);
  to.*Member = *value;
  return {};
}

template <auto Member>
std::string show_whole(const config& from, std::size_t) {
  return std::to_string(from.*Member);
}

template <auto Member, std::chrono::milliseconds::rep MinMs>
std::string read_duration(std::string_view text, config& to, std::size_t) {
  constexpr std::chrono::milliseconds shortest{MinMs};
  constexpr std::chrono::milliseconds longest = std::chrono::hours(24);
  const auto value = parse_duration(text);
  if (!value || *value < shortest || *value > longest)
    return fmt::format("expected a duration from {} to {}, such as 500ms, 2s or 1h30m",
                       duration_text(shortest), duration_text(longest));
  to.*Member = *value;
  return {};
}

/// The same, or 0.
template <auto Member, std::int64_t MinMs>
std::string read_duration_or_zero(std::string_view text, config& to, std::size_t processor) {
  if (parse_duration(text) == std::chrono::milliseconds{0}) {
    to.*Member = {};
    return {};
  }
  std::string error = read_duration<Member, MinMs>(text, to, processor);
  if (!error.empty()) error += ", or 0s";
  return error;
}

template <auto Member>
std::string show_duration(const config& from, std::size_t) {
  return duration_text(from.*Member);
}

inline constexpr std::string_view flag_expected = "expected true, false, 1 or 0";

template <auto Member>
std::string read_flag(std::string_view text, config& to, std::size_t) {
  const auto value = parse_flag(text);
  if (!value) return std::string(flag_expected);
  to.*Member = *value;
  return {};
}

template <auto Member>
std::string show_flag(const config& from, std::size_t) {
  return from.*Member ? "true" : "false";
}

/// One of `Names`, in the order of the enumeration.
template <auto Member, const auto& Names>
std::string read_choice(std::string_view text, config& to, std::size_t) {
  const auto found = std::ranges::find(Names, text);
  if (found == Names.end()) return fmt::format("expected one of {}", fmt::join(Names, ", "));
  using choice = std::remove_reference_t<decltype(to.*Member)>;
  to.*Member = static_cast<choice>(found - Names.begin());
  return {};
}

template <auto Member, const auto& Names>
std::string show_choice(const config& from, std::size_t) {
  return std::string(Names[static_cast<std::size_t>(from.*Member)]);
}

std::string read_listen(std::string_view text, config& to, std::size_t);
std::string show_listen(const config& from, std::size_t);
std::string read_processors(std::string_view text, config& to, std::size_t);
std::string show_processors(const config& from, std::size_t);
std::string read_url(std::string_view text, config& to, std::size_t processor);
std::string show_url(const config& from, std::size_t processor);
std::string read_fee(std::string_view text, config& to, std::size_t processor);
std::string show_fee(const config& from, std::size_t processor);
std::string read_ca_file(std::string_view path, config& to, std::size_t processor);
std::string show_ca_file(const config& from, std::size_t processor);
std::string read_admin_token(std::string_view text, config& to, std::size_t);
std::string show_admin_token(const config& from, std::size_t);
std::string read_admin_token_file(std::string_view path, config& to, std::size_t processor);
std::string read_processor_token(std::string_view text, config& to, std::size_t processor);
std::string show_processor_token(const config& from, std::size_t processor);

} // namespace repasse
