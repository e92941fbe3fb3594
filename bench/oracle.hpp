// The most that an intermediary which knows the stages can earn over the same payments while it obeys the
// same promises: the measure of a reference load's profit. It is never overloaded, and its calls cost no
// time besides the processor's delay.
//
// At second t a processor can be sent to if it is not failing then, and not failing either when its delay is
// over, within the test. It is fast if its delay is at most `settle_within`. A payment posted at t may wait
// for a cheaper processor until t + patience, and must then go to what can be sent to. So it goes
//   1. to the cheapest processor that is fast at some moment of [t, t + patience], at the first such moment;
//   2. if none is: to the first that can be sent to, fast or not; the fast before the slow, then the cheaper,
//      if several can at that moment;
//   3. if none at all can be sent to at t + patience, it may wait for the first that can be afterwards, and
//      does so if that is cheaper.
// A payment that no processor can take is unpaid.
// Profit is the sum over what is paid of amount * (1 - fee).
#pragma once

#include "bench/reference_stages.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace repasse {

struct oracle_config {
  std::vector<reference_stage> stages; ///< equally long
  double seconds = 60;                 ///< all of them
  double counted_at = 60;              ///< when the test ends: what is taken later is unpaid
  std::vector<double> fees;            ///< by processor
  std::chrono::duration<double> patience{2};
  std::chrono::duration<double> settle_within{1};
};

struct oracle_payment {
  double second = 0; ///< when it was posted
  std::int64_t amount_cents = 0;
};

struct oracle_result {
  struct share {
    std::size_t payments = 0;
    std::int64_t amount_cents = 0;
  };
  std::vector<share> paid; ///< by processor
  share unpaid;
  double profit_cents = 0;
};

[[nodiscard]] oracle_result ask_oracle(const oracle_config& config, std::span<const oracle_payment> payments);

} // namespace repasse
