// Health as instances tell each other by Redis: `{"processor","healthy","minResponseTime","timestamp"}`, the
// value of `processor:health:<name>` and every message of `processor:health:updates` (CONTRACT section 5).
// Pure. Messages come from outside: any bytes may.
#pragma once

#include "health/status.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace repasse {

struct health_message {
  std::string processor;
  bool healthy = false;
  std::chrono::milliseconds min_response_time{0};
  wall_time timestamp{};
};

/// More is not looked at.
inline constexpr std::size_t health_message_bytes_max = 512;

[[nodiscard]] std::string health_message_json(const health_message& message);
/// Nullopt for whatever is no such object; members beside these are ignored.
[[nodiscard]] std::optional<health_message> parse_health_message(std::string_view text);

/// Which messages are news. Each bears its sender's clock, so news of one processor is what is later than all
/// before.
class health_news {
public:
  /// Clocks may differ by this much; who is further ahead would silence all others for as long.
  static constexpr std::chrono::seconds ahead_max{5};

  enum class verdict : std::uint8_t {
    news,
    malformed,
    unknown,    ///< a processor that is not configured here
    stale,      ///< not later than what is known, or too old to matter; an own message's echo, too
    from_future ///< by more than ahead_max
  };
  static constexpr std::size_t verdict_count = 5;

  /// `names` must outlive it.
  explicit health_news(std::span<const std::string> names) : names_(names) {}

  /// For `news` fills `index` and `report`; the report's times are this host's.
  [[nodiscard]] verdict judge(std::string_view text, steady_time now, wall_time wall, processor_index& index,
                              health_report& report);
  /// The timestamp of an own message about this processor, which comes to be the last one known: `wall`, or
  /// later, since a clock that is behind another instance's would make it stale to all.
  [[nodiscard]] wall_time stamp(processor_index index, wall_time wall);

private:
  std::span<const std::string> names_;
  std::array<wall_time, processors_max> last_{}; ///< by processor
};

} // namespace repasse
