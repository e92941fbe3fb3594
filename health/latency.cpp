#include "health/latency.hpp"

#include <algorithm>
#include <bit>

namespace repasse {

void latency_histogram::record(std::chrono::nanoseconds latency) {
  const auto micros = static_cast<std::uint64_t>(
      std::max<std::int64_t>(1, std::chrono::duration_cast<std::chrono::microseconds>(latency).count()));
  const auto doubling = static_cast<std::size_t>(std::bit_width(micros) - 1);
  const std::uint64_t above = micros - (std::uint64_t{1} << doubling);
  const auto step = static_cast<std::size_t>((above * steps) >> doubling);
  ++counts_[std::min(doubling * steps + step, counts_.size() - 1)];
  ++count_;
}

void latency_histogram::add(const latency_histogram& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i)
    counts_[i] += other.counts_[i];
  count_ += other.count_;
}

std::chrono::microseconds latency_histogram::percentile(double share) const {
  const auto rank = static_cast<std::uint64_t>(share * static_cast<double>(count_));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen > rank || (seen == count_ && count_ > 0)) {
      const std::uint64_t base = std::uint64_t{1} << (i / steps);
      return std::chrono::microseconds{base + base * (2 * (i % steps) + 1) / (2 * steps)};
    }
  }
  return std::chrono::microseconds{0};
}

void expectation::observe(steady_time now, std::chrono::nanoseconds latency) {
  value_ = is_stale(now) ? latency : value_ + (latency - value_) / 8;
  observed_ = now;
}

void expectation::told(steady_time now, std::chrono::nanoseconds min_response_time) {
  if (is_stale(now)) value_ = min_response_time;
}

bool expectation::is_stale(steady_time now) const {
  return observed_ == steady_time{} || now - observed_ > std::chrono::seconds{1};
}

} // namespace repasse
