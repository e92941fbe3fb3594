#include "bench/oracle.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

namespace repasse {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();

/// A processor, and when the payment is sent to it.
struct choice {
  std::size_t processor = 0;
  double second = never;
  bool fast = false;
};

class oracle {
public:
  explicit oracle(const oracle_config& config);

  [[nodiscard]] choice choose(double posted) const;

private:
  [[nodiscard]] choice first_of_any(double from) const;
  [[nodiscard]] choice first_moment(std::size_t processor, double from, bool fast_only) const;
  [[nodiscard]] std::size_t stage_at(double second) const;
  [[nodiscard]] bool takes(std::size_t processor, double second) const;
  [[nodiscard]] bool is_fast(const processor_condition& condition) const {
    return condition.delay <= config_.settle_within;
  }

  const oracle_config& config_;
  double stage_seconds_;
  std::vector<std::size_t> by_fee_;
};

oracle::oracle(const oracle_config& config)
    : config_(config),
      stage_seconds_(config.seconds / static_cast<double>(config.stages.size())),
      by_fee_(config.fees.size()) {
  std::iota(by_fee_.begin(), by_fee_.end(), std::size_t{0});
  std::ranges::stable_sort(by_fee_, {}, [&](std::size_t each) { return config.fees[each]; });
}

choice oracle::choose(double posted) const {
  const double patient_until = posted + config_.patience.count();
  choice best;
  for (const std::size_t processor : by_fee_) {
    const choice made = first_moment(processor, posted, true);
    if (made.second > patient_until) continue;
    best = made;
    break;
  }
  if (best.second == never) best = first_of_any(posted);
  const choice later = first_of_any(patient_until);
  const bool nothing_then = later.second > patient_until && later.second != never;
  return nothing_then && config_.fees[later.processor] < config_.fees[best.processor] ? later : best;
}

choice oracle::first_of_any(double from) const {
  choice best;
  for (const std::size_t processor : by_fee_)
    for (const bool fast_only : {true, false}) {
      const choice made = first_moment(processor, from, fast_only);
      if (std::tuple(made.second, !made.fast) < std::tuple(best.second, !best.fast)) best = made;
    }
  return best;
}

/// Conditions change where stages begin, so the first moment is `from` or such a beginning.
choice oracle::first_moment(std::size_t processor, double from, bool fast_only) const {
  for (std::size_t stage = stage_at(from); stage < config_.stages.size(); ++stage) {
    const double second = std::max(from, static_cast<double>(stage) * stage_seconds_);
    const bool fast = is_fast(config_.stages[stage][processor]);
    if ((fast || !fast_only) && takes(processor, second)) return {processor, second, fast};
  }
  return {};
}

std::size_t oracle::stage_at(double second) const {
  return std::min(static_cast<std::size_t>(second / stage_seconds_), config_.stages.size() - 1);
}

bool oracle::takes(std::size_t processor, double second) const {
  const processor_condition& sent = config_.stages[stage_at(second)][processor];
  const double answered = second + std::chrono::duration<double>(sent.delay).count();
  if (sent.failing || answered > config_.counted_at) return false;
  return !config_.stages[stage_at(answered)][processor].failing;
}

} // namespace

oracle_result ask_oracle(const oracle_config& config, std::span<const oracle_payment> payments) {
  const oracle knowing(config);
  oracle_result result;
  result.paid.resize(config.fees.size());
  for (const oracle_payment& each : payments) {
    const choice made = knowing.choose(each.second);
    const bool paid = made.second != never;
    oracle_result::share& share = paid ? result.paid[made.processor] : result.unpaid;
    ++share.payments;
    share.amount_cents += each.amount_cents;
    if (paid)
      result.profit_cents += static_cast<double>(each.amount_cents) * (1 - config.fees[made.processor]);
  }
  return result;
}

} // namespace repasse
