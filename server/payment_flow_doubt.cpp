// The part of payment_flow for payments in doubt: only the processor that the row names may ever take it. It
// is asked, and sent the payment again, until it is known.
#include "server/payment_flow.hpp"
#include "storage/planted.hpp"

#include <algorithm>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// A payment in doubt is looked at with pauses that double between these; much more rarely once its
/// processor refuses it, which no haste can change.
constexpr std::chrono::nanoseconds doubt_pause_min = 50ms;
constexpr std::chrono::nanoseconds doubt_pause_max = 2s;
constexpr std::chrono::nanoseconds refused_pause_max = 60s;

} // namespace

/// `unmarked`: why its row has to be marked as `unknown` first, before which nothing can be declared of it;
/// empty: it is, perhaps since long ago, so it is not sent before it is known what was declared.
task<> payment_flow::resolve(held_slot slot, processor_index at, std::string_view unmarked) {
  const epoch_id epoch = epoch_;
  ++counters_.doubts;
  if (held_[slot].traced) say(spdlog::level::warn, slot, "payment in doubt");
  doubt self(clock_, in_doubt_, held_[slot].id);
  doubts_[at].push_back(self);
  oldest_doubts_.push_back(self);
  std::chrono::nanoseconds pace = doubt_pause_min;
  self.pace_max = doubt_pause_max;
  if (!unmarked.empty() || is_planted(planted::send_unheard))
    self.heard = self.since;
  else
    words_wanted_.notify();
  while (epoch_ == epoch) {
    if (!unmarked.empty()) {
      const bool marked = co_await amend(slot, epoch, payment_status::unknown, at, unmarked);
      if (!marked) {
        ++counters_.refused_doubts;
        break;
      }
      unmarked = {};
    }
    const steady_time asked = clock_.now();
    const holding held = co_await ask(slot, at);
    if (held.what == holding::verdict::same_amount) co_return settle(slot, at, held.requested_at);
    if (held.what == holding::verdict::other_amount)
      co_return co_await reject(slot, epoch, at, to_string(evidence::known_other));

    bool ended = false;
    const steady_time now = clock_.now();
    const bool is_ours = epoch_ == epoch && now < send_by();
    const bool is_declared = self.declared && !is_planted(planted::send_after_word);
    const bool may_be_sent = !is_declared && now < self.heard + word_lease;
    self.hook::unlink();
    if (may_be_sent) doubts_[at].push_back(self);
    if (is_ours && is_declared)
      ended = co_await carry_out(slot, epoch, at, self, held.what, asked);
    else if (is_ours && may_be_sent && processors_[at]->admits())
      ended = co_await resend(slot, epoch, at, self);
    if (ended) co_return;
    const bool woken = co_await self.wake.wait_for(jittered(pace));
    pace = woken ? doubt_pause_min : std::min(2 * pace, self.pace_max);
  }
  forget(slot, at);
}

/// One more send of a payment in doubt; true if that was its end. What is "not taken" of this send says
/// nothing of those before: it changes only the pace.
task<bool> payment_flow::resend(held_slot slot, epoch_id epoch, processor_index at, doubt& self) {
  ++counters_.resends;
  processors_[at]->claim(held_[slot].id);
  const outcome seen = co_await charge(slot, epoch, at, &self);
  self.pace_max = doubt_pause_max;
  switch (seen.what) {
  case outcome::verdict::taken:
    settle(slot, at, seen.requested_at);
    co_return true;
  case outcome::verdict::other_amount:
    co_await reject(slot, epoch, at, to_string(seen.seen));
    co_return true;
  case outcome::verdict::refused:
    self.pace_max = refused_pause_max;
    break;
  case outcome::verdict::not_taken:
    if (is_planted(planted::reopen_after_failed_resend)) {
      const bool left = co_await leave(slot, epoch, at, no_processor);
      if (left) wait_again(slot);
      co_return true;
    }
    break;
  case outcome::verdict::no_turn:
    break;
  case outcome::verdict::unknown:
    self.last_doubtful = clock_.now();
    break;
  }
  co_return false;
}

void payment_flow::look_at(const payment_id& id) {
  for (doubt& one : oldest_doubts_)
    if (one.id == id) one.wake.notify();
}

std::chrono::nanoseconds payment_flow::oldest_in_doubt() const {
  return oldest_doubts_.empty() ? std::chrono::nanoseconds{0} : clock_.now() - oldest_doubts_.front().since;
}

/// Recovery wakes those in doubt there, and so does a trial that is to be had.
void payment_flow::look_after_processors() {
  bool some_breaker_is_closed = false;
  for (std::size_t i = 0; i < processors_.size(); ++i) {
    processor& one = *processors_[i];
    one.look_after();
    some_breaker_is_closed = some_breaker_is_closed || one.circuit().is_closed();
    linked<doubt>& sleepers = doubts_[i];
    if (recoveries_[i] != one.recoveries()) {
      recoveries_[i] = one.recoveries();
      for (doubt& sleeper : sleepers)
        sleeper.wake.notify();
    } else if (!sleepers.empty() && !one.circuit().is_closed() && one.admits()) {
      sleepers.front().wake.notify();
      sleepers.splice(sleepers.end(), sleepers, sleepers.begin());
    }
  }
  patience_.note(some_breaker_is_closed, clock_.now());
}

} // namespace repasse
