#include "server/parameters.hpp"

#include <charconv>

namespace repasse {

http_response refused(const wrong_parameter& wrong) {
  return problem(422, std::string{wrong.name} + " must be " + std::string{wrong.expected});
}

bool read_window(const query_parameters& parameters, time_window& window, wrong_parameter& wrong) {
  const auto read = [&](std::string_view name, rounding round, wall_time& bound) {
    const std::optional<std::string_view> text = parameters.find(name);
    if (!text || text->empty()) return true;
    const std::optional<wall_time> time = parse_time(restore_zone_plus(*text), round);
    if (time)
      bound = *time;
    else
      wrong = {name, "an ISO 8601 time such as 2025-07-15T12:34:56.000Z"};
    return time.has_value();
  };
  return read("from", rounding::up, window.from) && read("to", rounding::down, window.to);
}

bool read_limit(const query_parameters& parameters, std::size_t& limit, wrong_parameter& wrong) {
  const std::optional<std::string_view> text = parameters.find("limit");
  if (!text || text->empty()) return true;
  const std::optional<std::int64_t> number = parse_number(*text);
  if (number && *number <= 1000) {
    limit = static_cast<std::size_t>(*number);
    return true;
  }
  wrong = {"limit", "a number from 1 to 1000"};
  return false;
}

std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 1) return std::nullopt;
  return number;
}

} // namespace repasse
