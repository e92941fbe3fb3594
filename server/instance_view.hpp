// What one reactor shows of itself to all who look: as `instances:<epoch>` in Redis, and, made of its report,
// to the dashboard of its own process. Small: some hundred bytes and a hundred a processor.
#pragma once

#include "health/breaker.hpp"
#include "server/config.hpp"
#include "server/log.hpp"
#include "storage/histogram.hpp"
#include "storage/payment.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

struct reactor_report;

/// By bucket, since the start or between two views.
using duration_counts = std::array<std::uint64_t, duration_histogram::bounded + 1>;
[[nodiscard]] duration_counts counts_of(const duration_histogram& seen);
/// In milliseconds, interpolated within its bucket; empty if nothing was counted.
[[nodiscard]] std::optional<double> percentile_millis(const duration_counts& counts, double share);

struct instance_view {
  /// More of what is read is no view.
  static constexpr std::size_t bytes_max = 8192;
  static constexpr std::size_t changes_max = 4;
  static constexpr std::size_t took_over_max = 32;

  struct change {
    std::uint64_t number = 0; ///< within its process, ascending
    wall_time at{};
    std::string level;
    std::string text;
  };
  struct seen_processor {
    breaker::state circuit = breaker::state::closed;
    bool is_on_trial = false;
    double since_seconds = 0;
    std::size_t in_flight = 0;
    double oldest_millis = 0; ///< of the calls without an answer
    duration_counts charges{};
  };

  std::string instance; ///< `host:pid`
  epoch_id epoch = 0;
  std::uint32_t reactor = 0;
  wall_time started{};
  wall_time at{};
  bool is_stopping = false;
  bool is_eldest = false;
  std::size_t held = 0;
  std::size_t waiting = 0;
  std::size_t in_doubt = 0;
  double oldest_seconds = 0;
  double oldest_in_doubt_seconds = 0;
  bool is_ledger_away = false;
  /// Entries of the intake's stream, which is one for all: not told to others. Empty: not known, or none.
  std::optional<std::uint64_t> in_redis{};
  // Since the start.
  std::uint64_t accepted = 0;
  std::uint64_t replayed = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t refused = 0;
  std::uint64_t taken_in = 0;
  std::uint64_t settled = 0;
  std::uint64_t rejected = 0;
  duration_counts accept{};
  duration_counts end_to_end{};
  std::vector<seen_processor> processors; ///< in configured order
  std::vector<epoch_id> took_over;        ///< the last epochs whose payments it has taken over, newest last
  std::vector<change> changes; ///< the last ones of its process, oldest first; of its first reactor
};

/// Without changes.
[[nodiscard]] instance_view view_of(const reactor_report& report, std::string_view instance,
                                    std::uint32_t reactor, steady_time now, wall_time wall, bool is_stopping);
/// Of the lines of this process's log after the `number`th the last `most`, as changes.
[[nodiscard]] std::vector<instance_view::change> changes_after(std::uint64_t number, std::size_t most);

[[nodiscard]] std::string instance_json(const config& settings, const instance_view& view);
/// Members that an instance of another release does not show are zero; a processor that is not configured
/// here is left out. Empty: no view.
[[nodiscard]] std::optional<instance_view> parse_instance(const config& settings, std::string_view json);

} // namespace repasse
