// Latencies of one processor as seen by one reactor: an expectation for routing, percentiles for the eye.
#pragma once

#include "storage/clock.hpp"

#include <array>
#include <chrono>
#include <cstdint>

namespace repasse {

/// Log-linear: eight steps to each doubling, from 1 µs to over an hour; error below 7 %.
class latency_histogram {
public:
  void record(std::chrono::nanoseconds latency);
  void add(const latency_histogram& other);
  [[nodiscard]] std::uint64_t count() const { return count_; }
  /// The latency that the given share (0 to 1) of all calls did not exceed; 0 if there were none.
  [[nodiscard]] std::chrono::microseconds percentile(double share) const;

private:
  static constexpr std::size_t steps = 8;
  static constexpr std::size_t doublings = 32;

  std::array<std::uint32_t, steps * doublings> counts_{};
  std::uint64_t count_ = 0;
};

/// What the next call is expected to take: a moving average of the calls, begun anew by the next call, or by
/// the processor's own word, when there was none for a second.
class expectation {
public:
  void observe(steady_time now, std::chrono::nanoseconds latency);
  void told(steady_time now, std::chrono::nanoseconds min_response_time);
  [[nodiscard]] std::chrono::nanoseconds value() const { return value_; }

private:
  [[nodiscard]] bool is_stale(steady_time now) const;

  std::chrono::nanoseconds value_{0};
  steady_time observed_{};
};

} // namespace repasse
