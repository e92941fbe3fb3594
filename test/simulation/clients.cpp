#include "test/simulation/clients.hpp"

#include "test/simulation/run_now.hpp"

#include <cstring>

namespace repasse::simulation {

void clients::post(std::size_t count, std::chrono::nanoseconds from, std::chrono::nanoseconds to,
                   double foreign) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = static_cast<std::uint32_t>(posted_.size());
    posted& one = posted_.emplace_back();
    const std::uint64_t high = world_.below(~std::uint64_t{0});
    const std::uint64_t low = number;
    std::memcpy(one.id.bytes.data(), &high, 8);
    std::memcpy(one.id.bytes.data() + 8, &low, 8);
    one.amount_cents = static_cast<std::int64_t>(1 + world_.below(1'000'000));
    one.is_foreign = world_.chance(foreign);
    if (one.is_foreign) {
      peer& holder = world_.peers[world_.below(world_.peers.size())];
      holder.books.payments.take(one.id, {one.amount_cents + 1, wall_time{}});
    }
    if (!world_.has_restore && world_.chance(0.03)) {
      one.other_amount_cents = one.amount_cents + 2;
      world_.after(world_.between(from, to + 5s), [this, number] { post_other(number); });
    }
    world_.after(world_.between(from, to), [this, number] { try_once(number, true); });
  }
}

void clients::post_other(std::uint32_t number) {
  const posted& one = posted_[number];
  const std::size_t to = world_.below(cluster_.size());
  if (cluster_.is_up(to))
    cluster_.at(to).post_payment({one.id, one.other_amount_cents},
                                 {&clients::answered, this, {number, 0, 0}});
}

void clients::try_once(std::uint32_t number, bool repeats) {
  post_to(number, world_.below(cluster_.size()), repeats);
  if (!repeats || posted_[number].tries >= 40) return;
  // All say it again until it is acknowledged, some even then.
  if (world_.chance(0.02)) world_.after(world_.between(0s, 60s), [this, number] { try_once(number, false); });
  world_.after(world_.between(1s, 6s), [this, number] {
    if (!posted_[number].acknowledged) try_once(number, true);
  });
}

void clients::post_to(std::uint32_t number, std::size_t to, bool repeats) {
  posted& one = posted_[number];
  ++one.tries;
  if (cluster_.is_up(to))
    cluster_.at(to).post_payment({one.id, one.amount_cents}, {&clients::answered, this, {number, 0, 0}});
  // Some say it twice, at once or a little later, to the same instance.
  if (repeats && world_.chance(0.15))
    world_.after(world_.between(0s, 4s), [this, number, to] { post_to(number, to, false); });
}

void clients::say_again() {
  for (std::uint32_t number = 0; number < posted_.size(); ++number) {
    posted& one = posted_[number];
    if (one.tries == 0 || run_now(cluster_.books().find(one.id))->has_value()) continue;
    one.acknowledged = false;
    one.tries = 0;
    world_.after(world_.between(0s, 20s), [this, number] { try_once(number, true); });
  }
}

void clients::answered(void* self, const accept_reply::place& where, accept_verdict verdict) {
  auto& all = *static_cast<clients*>(self);
  ++all.heard_[static_cast<std::size_t>(verdict)];
  if (verdict == accept_verdict::accepted || verdict == accept_verdict::replayed)
    all.posted_[where.session].acknowledged = true;
}

} // namespace repasse::simulation
