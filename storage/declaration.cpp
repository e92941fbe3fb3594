#include "storage/declaration.hpp"

namespace repasse {
namespace {

constexpr std::string_view processed_event = "declared processed";
constexpr std::string_view rejected_event = "declared rejected";
constexpr std::string_view separator = ": ";
constexpr std::size_t time_bytes = 24;

} // namespace

std::string event_of(const declaration& what) {
  return std::string{what.outcome == payment_status::processed ? processed_event : rejected_event};
}

std::string detail_of(const declaration& what) {
  if (what.outcome != payment_status::processed) return what.reason;
  return to_string(what.requested_at) + std::string{separator} + what.reason;
}

bool read_declaration(std::string_view event, std::string_view detail, declaration& what) {
  if (event == rejected_event) {
    what.outcome = payment_status::rejected;
    what.reason = detail;
    return true;
  }
  if (event != processed_event || detail.size() < time_bytes + separator.size()) return false;
  const std::optional<wall_time> time = parse_time(detail.substr(0, time_bytes), rounding::down);
  if (!time) return false;
  what.outcome = payment_status::processed;
  what.requested_at = *time;
  what.reason = detail.substr(time_bytes + separator.size());
  return true;
}

} // namespace repasse
