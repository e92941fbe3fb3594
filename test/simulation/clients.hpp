// The clients of one seed: they post, lose patience, repeat, and remember what they were promised.
#pragma once

#include "test/simulation/cluster.hpp"

#include <array>
#include <deque>
#include <vector>

namespace repasse::simulation {

struct posted {
  payment_id id{};
  std::int64_t amount_cents = 0;
  /// Some say it again with this amount: one of the two is booked, once. 0: none does.
  std::int64_t other_amount_cents = 0;
  bool acknowledged = false;
  /// Another's payment of this id, with another amount, is at a processor already.
  bool is_foreign = false;
  int tries = 0;
};

class clients {
public:
  clients(world& outside, cluster& servers) : world_(outside), cluster_(servers) {}

  /// Spreads `count` payments over a time from now; of a `foreign` share, another payment of that id is at a
  /// processor already.
  void post(std::size_t count, std::chrono::nanoseconds from, std::chrono::nanoseconds to,
            double foreign = 0.02);
  /// What was posted, and the ledger does not have.
  void say_again();
  [[nodiscard]] const std::deque<posted>& all() const { return posted_; }
  /// How often they were answered so.
  [[nodiscard]] std::uint64_t heard(accept_verdict verdict) const {
    return heard_[static_cast<std::size_t>(verdict)];
  }

private:
  void try_once(std::uint32_t number, bool repeats);
  void post_to(std::uint32_t number, std::size_t to, bool repeats);
  void post_other(std::uint32_t number);
  static void answered(void* self, const accept_reply::place& where, accept_verdict verdict);

  world& world_;
  cluster& cluster_;
  std::deque<posted> posted_;
  std::array<std::uint64_t, 5> heard_{}; ///< by verdict
};

} // namespace repasse::simulation
