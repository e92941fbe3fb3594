#include "bench/load_seconds.hpp"

#include <algorithm>
#include <cmath>

namespace repasse {
namespace {

constexpr std::uint64_t micros_per_second = 1'000'000;

struct one_second {
  load_second counted;
  std::vector<std::uint32_t> latencies;
  std::vector<std::uint32_t> lateness;
};

void count(const open_loop_post& post, one_second& in) {
  ++in.counted.posts;
  if (post.sent) in.lateness.push_back(post.lateness);
  if (post.status == 0) {
    ++in.counted.unanswered;
    return;
  }
  ++(post.status == 202 ? in.counted.accepted : in.counted.refused);
  in.latencies.push_back(post.latency);
}

} // namespace

std::vector<load_second> seconds_of(const open_loop_result& load, double seconds) {
  std::vector<one_second> all(std::max<std::size_t>(static_cast<std::size_t>(std::ceil(seconds)), 1));
  for (const open_loop_post& each : load.posts)
    count(each, all[std::min<std::size_t>(each.intended / micros_per_second, all.size() - 1)]);
  std::vector<load_second> told;
  for (one_second& each : all) {
    load_second& made = told.emplace_back(each.counted);
    made.p50 = percentile(each.latencies, 0.5);
    made.p99 = percentile(each.latencies, 0.99);
    made.max = percentile(each.latencies, 1);
    made.late_p99 = percentile(each.lateness, 0.99);
    made.late_max = percentile(each.lateness, 1);
  }
  return told;
}

std::vector<std::uint64_t> acknowledgements_of(const open_loop_result& load) {
  constexpr std::uint64_t never = UINT64_MAX;
  std::vector<std::uint64_t> first(load.payments.size(), never);
  for (const open_loop_post& each : load.posts)
    if (each.status == 202) first[each.payment] = std::min(first[each.payment], each.intended + each.latency);
  std::erase(first, never);
  std::ranges::sort(first);
  return first;
}

std::size_t acknowledged_by(const std::vector<std::uint64_t>& acknowledgements, double second) {
  const auto micros = static_cast<std::uint64_t>(std::max(second, 0.0) * micros_per_second);
  return static_cast<std::size_t>(std::ranges::upper_bound(acknowledgements, micros) -
                                  acknowledgements.begin());
}

} // namespace repasse
