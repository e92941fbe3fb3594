#include "bench/taken_payments.hpp"

#include <chrono>

namespace repasse {
namespace {

/// Room without a pause for rehashing; memory is touched only as it fills.
constexpr std::size_t payments_expected = 1U << 20;

void add(taken_totals& to, const taken_totals& more) {
  to.requests += more.requests;
  to.amount_cents += more.amount_cents;
}

} // namespace

taken_payments::taken_payments() { by_id_.reserve(payments_expected); }

bool taken_payments::take(const payment_id& id, const payment& taken) {
  if (!by_id_.emplace(id, taken).second) return false;
  second& its_second = by_second_[std::chrono::floor<std::chrono::seconds>(taken.requested_at)];
  its_second.payments.push_back(taken);
  add(its_second.totals, {1, taken.amount_cents});
  add(all_, {1, taken.amount_cents});
  return true;
}

std::optional<taken_payments::payment> taken_payments::find(const payment_id& id) const {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return std::nullopt;
  return found->second;
}

taken_totals taken_payments::within(wall_time from, wall_time to) const {
  taken_totals totals;
  if (from > to) return totals;
  const auto last = by_second_.upper_bound(std::chrono::floor<std::chrono::seconds>(to));
  for (auto each = by_second_.lower_bound(std::chrono::floor<std::chrono::seconds>(from)); each != last;
       ++each) {
    const auto& [start, one] = *each;
    if (start >= from && start + std::chrono::milliseconds(999) <= to) {
      add(totals, one.totals);
      continue;
    }
    for (const payment& taken : one.payments)
      if (from <= taken.requested_at && taken.requested_at <= to) add(totals, {1, taken.amount_cents});
  }
  return totals;
}

void taken_payments::clear() {
  by_id_.clear();
  by_second_.clear();
  all_ = {};
}

} // namespace repasse
