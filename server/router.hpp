// Which processor takes the next payment. A pure function of what is known of each; nothing is kept here.
// What it is worth, in this order: no payment sent where it may land late or twice, no backlog left
// standing, a short p99, then the fee.
#pragma once

#include "storage/clock.hpp"
#include "storage/payment.hpp"

#include <chrono>
#include <cstdint>
#include <span>

namespace repasse {

enum class routing_policy : std::uint8_t { cheapest, fastest };

/// One processor, as one reactor sees it now.
struct candidate {
  std::int64_t fee_ppm = 0;
  /// The breaker lets a payment through, and there is room for one more in flight.
  bool admits = false;
  std::chrono::nanoseconds expected{0};
  /// Age of the oldest call that is not answered yet.
  std::chrono::nanoseconds oldest_open{0};
};

/// A call is open for much longer than expected: the processor has become slow.
[[nodiscard]] bool is_stalled(const candidate& one);

struct routing {
  routing_policy policy = routing_policy::cheapest;
  std::chrono::nanoseconds settle_within = std::chrono::seconds{1};
  std::chrono::nanoseconds cheapest_patience = std::chrono::seconds{2};
};

/// `cheapest_first` holds the positions of `candidates` by fee, ties in configured order. `waited` is how
/// long the payment has waited already; `refused` has a bit for each processor that will never take it.
/// no_processor: wait.
[[nodiscard]] processor_index route(std::span<const candidate> candidates,
                                    std::span<const processor_index> cheapest_first, const routing& how,
                                    std::chrono::nanoseconds waited, std::uint64_t refused = 0);

/// From when on payments have waited for a cheaper processor. While all breakers are open they wait for any;
/// when that has lasted longer than the patience, it begins anew for all with the first that closes: the
/// cheapest is likely to be back as soon, and those that piled up meanwhile would pay the higher fee. A
/// shorter outage begins nothing anew, or processors that come and go would never get rid of what waits.
class patience {
public:
  explicit patience(std::chrono::nanoseconds longest) : longest_(longest) {}

  void note(bool some_breaker_is_closed, steady_time now);
  /// How long a payment that waits since then has waited for a cheaper one.
  [[nodiscard]] std::chrono::nanoseconds waited(steady_time since, steady_time now) const;

private:
  std::chrono::nanoseconds longest_;
  bool has_choice_ = true;
  steady_time outage_began_{};
  steady_time begins_{};
};

} // namespace repasse
