#include "server/event_history.hpp"

#include <fmt/format.h>

#include <charconv>

namespace repasse {
namespace {

/// Milliseconds. An event that is ahead of all by less came from another instance, by more from before this
/// clock was set back.
constexpr std::int64_t ahead_max = 5'000;

std::string millis_or_null(const std::optional<double>& value) {
  return value ? fmt::format("{:.2f}", *value) : "null";
}

} // namespace

void event_history::remember(std::int64_t id, const overview::point& made) {
  while (!points_.empty() && points_.back().id >= id)
    points_.pop_back();
  points_.push_back({id, made});
}

std::string event_history::beginning(std::string_view last_event_id) const {
  std::int64_t seen = 0;
  std::from_chars(last_event_id.data(), last_event_id.data() + last_event_id.size(), seen);
  const bool is_of_another_time = !points_.empty() && seen > points_.back().id + ahead_max;
  if (is_of_another_time) seen = 0;
  std::string text = "retry: 1000\n\n";
  std::string rows;
  for (const auto& [id, point] : points_)
    if (id > seen)
      rows += fmt::format("{}[{},{:.1f},{:.1f},{},{},{},{}]", rows.empty() ? "" : ",", id, point.accepted,
                          point.settled, point.held, millis_or_null(point.accept_p99),
                          millis_or_null(point.end_to_end_p99),
                          point.in_redis ? fmt::to_string(*point.in_redis) : "null");
  if (!rows.empty()) text += "event: history\ndata: {\"points\":[" + rows + "]}\n\n";
  return text;
}

} // namespace repasse
