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
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
  if (error == std::errc{} && end == text->data() + text->size() && limit >= 1 && limit <= 1000) return true;
  wrong = {"limit", "a number from 1 to 1000"};
  return false;
}

} // namespace repasse
