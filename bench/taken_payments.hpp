// The book of one simulated processor: every payment that it has taken, by id and by `requestedAt`.
// Made so that a window over a million payments costs microseconds: whole seconds come from totals, only
// the two seconds at its edges are looked at payment by payment.
#pragma once

#include "storage/payment.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace repasse {

struct taken_totals {
  std::uint64_t requests = 0;
  std::int64_t amount_cents = 0;

  friend bool operator==(const taken_totals&, const taken_totals&) = default;
};

class taken_payments {
public:
  struct payment {
    std::int64_t amount_cents;
    wall_time requested_at;
  };

  taken_payments();

  /// False, and nothing changes, if the id is there already.
  bool take(const payment_id& id, const payment& taken);

  [[nodiscard]] std::optional<payment> find(const payment_id& id) const;

  [[nodiscard]] const taken_totals& all() const { return all_; }
  /// Of the payments with from <= requestedAt <= to.
  [[nodiscard]] taken_totals within(wall_time from, wall_time to) const;

  void clear();

private:
  struct hash {
    using is_avalanching = void;
    std::size_t operator()(const payment_id& id) const { return hash_of(id); }
  };
  struct second {
    taken_totals totals;
    std::vector<payment> payments;
  };

  boost::unordered_flat_map<payment_id, payment, hash> by_id_;
  std::map<std::chrono::sys_seconds, second> by_second_;
  taken_totals all_;
};

} // namespace repasse
