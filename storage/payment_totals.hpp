// What one processor has taken, summed by any window of time to the millisecond.
// A B+ tree of milliseconds whose inner nodes hold the sums of their subtrees: a sum looks at one path for
// each bound, whatever the number of payments, in whatever order and however far apart their times are.
// Memory per millisecond in use: 20 to 45 bytes.
#pragma once

#include "storage/ledger.hpp"

#include <cstdint>
#include <memory>

namespace repasse {

class payment_totals {
public:
  payment_totals();
  ~payment_totals();
  payment_totals(payment_totals&& other) noexcept;
  payment_totals& operator=(payment_totals&& other) noexcept;

  void add(wall_time requested_at, std::int64_t amount_cents);
  [[nodiscard]] processor_total sum(time_window window) const;

private:
  struct node;

  [[nodiscard]] processor_total before(wall_time end) const;

  std::unique_ptr<node> root_;
  wall_time latest_ = wall_time::min();
};

} // namespace repasse
