// Histograms of fixed buckets, as Prometheus has them: plain integers of one thread, nothing to allocate, a
// few nanoseconds an observation. What is shown of them is made of the sums of several.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace repasse {

/// `Scale::bounds` are the inclusive upper bounds of all buckets but the last, ascending; `Scale::unit` is
/// what one of its integers is worth in the unit that is shown.
template <typename Scale>
class histogram {
public:
  static constexpr std::size_t bounded = Scale::bounds.size();

  /// What is negative, of two clocks that disagree, counts as 0: the sum never goes down.
  void observe(std::int64_t value) {
    value = std::max(value, std::int64_t{0});
    std::size_t bucket = 0;
    while (bucket < bounded && value > Scale::bounds[bucket])
      ++bucket;
    ++counts_[bucket];
    sum_ += static_cast<double>(value);
  }
  void observe(std::chrono::nanoseconds time) requires(Scale::is_time) { observe(time.count()); }

  void add(const histogram& other) {
    for (std::size_t i = 0; i <= bounded; ++i)
      counts_[i] += other.counts_[i];
    sum_ += other.sum_;
  }

  /// Of the `bucket`th alone, not of those below it; the last is bucket `bounded`.
  [[nodiscard]] std::uint64_t count_in(std::size_t bucket) const { return counts_[bucket]; }
  [[nodiscard]] std::uint64_t count() const {
    std::uint64_t all = 0;
    for (const std::uint64_t one : counts_)
      all += one;
    return all;
  }
  [[nodiscard]] double sum() const { return sum_; }

private:
  std::array<std::uint64_t, bounded + 1> counts_{};
  double sum_ = 0; // nanoseconds of a long backlog do not fit an integer
};

/// From 100 µs to 30 s, in nanoseconds; shown in seconds. A bucket ends at each limit of an alert
/// (compose/prometheus/check sees to it): between two bounds a percentile is guessed.
struct duration_scale {
  static constexpr bool is_time = true;
  static constexpr double unit = 1e-9;
  static constexpr std::array<std::int64_t, 17> bounds = {
      100'000,       250'000,       500'000,       1'000'000,      2'500'000,     5'000'000,
      10'000'000,    25'000'000,    50'000'000,    100'000'000,    200'000'000,   500'000'000,
      1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000, 30'000'000'000};
};
using duration_histogram = histogram<duration_scale>;

/// Of batches: how many at once.
struct size_scale {
  static constexpr bool is_time = false;
  static constexpr double unit = 1;
  static constexpr std::array<std::int64_t, 10> bounds = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1'000};
};
using size_histogram = histogram<size_scale>;

} // namespace repasse
