// A load second by second, from what became of each post. A post counts in the second that it was intended
// for, with the latency from that moment on, however late it was sent or answered (coordinated omission).
#pragma once

#include "bench/open_loop.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace repasse {

/// Times are microseconds.
struct load_second {
  std::size_t posts = 0;
  std::size_t accepted = 0; ///< answered with 202
  std::size_t refused = 0;  ///< answered otherwise
  std::size_t unanswered = 0;
  std::uint32_t p50 = 0;
  std::uint32_t p99 = 0;
  std::uint32_t max = 0;
  std::uint32_t late_p99 = 0; ///< of the generator
  std::uint32_t late_max = 0;
};

/// Each second of the load, also those without a post.
[[nodiscard]] std::vector<load_second> seconds_of(const open_loop_result& load, double seconds);

/// When each acknowledged payment was so first, in microseconds from the start, ascending.
[[nodiscard]] std::vector<std::uint64_t> acknowledgements_of(const open_loop_result& load);

/// How many of them had been by then.
[[nodiscard]] std::size_t acknowledged_by(const std::vector<std::uint64_t>& acknowledgements, double second);

} // namespace repasse
