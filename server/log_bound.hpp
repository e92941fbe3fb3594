// How much may be logged: whatever happens a thousand times a second is told some times, and counted. Used by
// log_sink; pure.
#pragma once

#include "server/token_bucket.hpp"

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace repasse {

/// Lines of one level that begin with the same word are of one kind, so that a storm of one kind hides no
/// other, and one of some level none of another.
class log_bound {
public:
  static constexpr double kind_per_second = 10;
  static constexpr double kind_burst = 50;
  static constexpr double level_per_second = 50;
  static constexpr double level_burst = 200;
  static constexpr double trace_per_second = 50;
  static constexpr double trace_burst = 200;
  static constexpr std::size_t levels = 6; ///< as spdlog numbers them

  log_bound();

  /// `level` is below `levels`.
  [[nodiscard]] bool admits(std::size_t level, std::string_view text, steady_time now);
  [[nodiscard]] bool admits_trace(steady_time now) { return traces_.take(now); }

private:
  static constexpr std::size_t kinds = 64; ///< kinds may meet in one place, and then share its bound

  std::vector<token_bucket> levels_;
  std::vector<token_bucket> kinds_;
  token_bucket traces_;
};

} // namespace repasse
