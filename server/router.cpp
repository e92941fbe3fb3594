#include "server/router.hpp"

#include <algorithm>
#include <limits>

namespace repasse {
namespace {

/// A call open for this much longer than expected: stalled.
constexpr std::chrono::nanoseconds stall_margin = std::chrono::milliseconds{150};

bool usable(const candidate& one, processor_index index, std::uint64_t refused) {
  if (((refused >> index) & 1U) != 0) return false;
  return one.admits && !is_stalled(one);
}

std::chrono::nanoseconds expectation(const candidate& one) { return std::max(one.expected, one.oldest_open); }

/// The cheapest that is expected to answer in time, unless the payment can still wait for a cheaper one; a
/// slow one only when there is no other.
processor_index cheapest(std::span<const candidate> candidates, std::span<const processor_index> order,
                         const routing& how, std::chrono::nanoseconds waited, std::uint64_t refused) {
  const bool patient = waited < how.cheapest_patience;
  std::int64_t missed_fee_ppm =
      std::numeric_limits<std::int64_t>::max(); // of the cheapest that is not to be had
  int possible = 0;
  processor_index slow = no_processor;
  for (const processor_index index : order) {
    if (((refused >> index) & 1U) != 0) continue;
    ++possible;
    const candidate& one = candidates[index];
    const bool in_time = expectation(one) <= how.settle_within;
    if (usable(one, index, refused) && in_time)
      return missed_fee_ppm < one.fee_ppm && patient ? no_processor : index;
    if (usable(one, index, refused) && slow == no_processor) slow = index;
    missed_fee_ppm = std::min(missed_fee_ppm, one.fee_ppm);
  }
  return patient && possible > 1 ? no_processor : slow;
}

processor_index fastest(std::span<const candidate> candidates, std::span<const processor_index> order,
                        std::uint64_t refused) {
  processor_index best = no_processor;
  for (const processor_index index : order) {
    if (!usable(candidates[index], index, refused)) continue;
    if (best == no_processor || expectation(candidates[index]) < expectation(candidates[best])) best = index;
  }
  return best;
}

} // namespace

bool is_stalled(const candidate& one) { return one.oldest_open > one.expected + stall_margin; }

void patience::note(bool some_breaker_is_closed, steady_time now) {
  if (some_breaker_is_closed == has_choice_) return;
  has_choice_ = some_breaker_is_closed;
  if (!has_choice_)
    outage_began_ = now;
  else if (now - outage_began_ > longest_)
    begins_ = now;
}

std::chrono::nanoseconds patience::waited(steady_time since, steady_time now) const {
  return now - (has_choice_ ? std::max(since, begins_) : since);
}

processor_index route(std::span<const candidate> candidates, std::span<const processor_index> cheapest_first,
                      const routing& how, std::chrono::nanoseconds waited, std::uint64_t refused) {
  switch (how.policy) {
  case routing_policy::cheapest:
    return cheapest(candidates, cheapest_first, how, waited, refused);
  case routing_policy::fastest:
    return fastest(candidates, cheapest_first, refused);
  }
  return no_processor;
}

} // namespace repasse
