#include "bench/reference.hpp"

#include <algorithm>

namespace repasse {

namespace {

constexpr double penalty_share = 0.35;
constexpr double bonus_share_per_milli = 0.02;
constexpr double bonus_below_millis = 11;

} // namespace

reference_score score_of(const reference_report& report) {
  reference_score made;
  std::uint64_t charged = 0;
  for (const told_takings& each : report.takings) {
    made.taken += units(each.taken.amount_cents);
    made.fees += each.fees;
    charged += each.taken.requests;
  }
  made.profit = made.taken - made.fees;
  std::vector<std::uint32_t> latencies = report.load.latencies();
  const double p99_millis = percentile(latencies, 0.99) / 1000.0;
  if (count_checks(report.checks).scored_differed > 0) made.penalty = penalty_share * made.profit;
  made.bonus = made.profit * bonus_share_per_milli * std::max(0.0, bonus_below_millis - p99_millis);
  made.disqualified = charged > report.load.payments.size();
  if (!made.disqualified) made.total = made.profit - made.penalty + made.bonus;
  return made;
}

double cpu_micros_per_payment(std::chrono::nanoseconds cpu, const reference_report& report) {
  const double payments = static_cast<double>(std::max<std::size_t>(report.load.payments.size(), 1));
  return std::chrono::duration<double, std::micro>(cpu).count() / payments;
}

double oracle_ratio(const reference_report& report) {
  const double profit = report.oracle.profit_cents / 100;
  return profit > 0 ? report.score.profit / profit : 0;
}

} // namespace repasse
