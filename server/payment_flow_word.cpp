// The part of payment_flow for payments in doubt of which an administrator has said what became of them. The
// word stands in the audit trail, where the owner of the payment looks for it: it alone knows its sends.
#include "server/payment_flow.hpp"
#include "storage/planted.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// Between two looks at what was declared, while some are in doubt.
constexpr std::chrono::nanoseconds word_look = 1s;
/// Payments that one question is about.
constexpr std::size_t ids_max = 1'000;

} // namespace

task<> payment_flow::hear_declarations() {
  std::vector<payment_id> ids;
  std::uint64_t looks = 0;
  for (;;) {
    co_await words_wanted_.wait_for(word_look);
    ids.clear();
    for (doubt& one : oldest_doubts_) {
      one.look = looks + 1 + ids.size() / ids_max;
      ids.push_back(one.id);
    }
    for (std::size_t i = 0; i < ids.size(); i += ids_max) {
      const std::uint64_t look = ++looks;
      const steady_time begun = clock_.now();
      const std::span<const payment_id> some = std::span{ids}.subspan(i, std::min(ids_max, ids.size() - i));
      const auto told = co_await ledger_.declarations(some);
      if (told) hear(*told, look, begun);
    }
  }
}

/// `words`: all that stand, of the payments in doubt that this look was about, which `begun` then.
void payment_flow::hear(std::span<const declaration> words, std::uint64_t look, steady_time begun) {
  for (doubt& one : oldest_doubts_) {
    if (one.look != look) continue;
    one.heard = begun;
    const auto told = std::ranges::find(words, one.id, &declaration::id);
    if (told == words.end()) {
      one.declared.reset();
      continue;
    }
    if (!one.declared) one.wake.notify();
    one.hook::unlink(); // it takes no trial from those who may be sent
    one.declared = word{{}, told->outcome, told->requested_at, begun - told->age};
    if (!one.declared->is_linked()) words_.push_back(*one.declared);
    one.pace_max = word_look; // also of one that its processor refuses
  }
}

std::chrono::nanoseconds payment_flow::oldest_declared() const {
  const steady_time now = clock_.now();
  std::chrono::nanoseconds age{0};
  for (const word& one : words_)
    age = std::max(age, now - one.since);
  return age;
}

/// What was declared of a payment of which its processor, `asked` at that time, has said nothing or that it
/// does not have it; true if that was the payment's end. Nothing is sent any more once a word stands. A
/// rejection waits until no send can land, and then for the processor to say once more that it has nothing;
/// if it is silent, for a word that was given when nothing could land any more. Until then it is asked as
/// ever.
task<bool> payment_flow::carry_out(held_slot slot, epoch_id epoch, processor_index at, doubt& self,
                                   holding::verdict said, steady_time asked) {
  const word declared = *self.declared;
  const bool is_silent = said == holding::verdict::silent;
  if (declared.outcome == payment_status::processed) {
    if (!is_silent) co_return co_await set_aside(slot, epoch, self);
    ++counters_.declared;
    settle(slot, at, declared.requested_at);
    co_return true;
  }
  const steady_time landed = self.last_doubtful + landing_limit;
  const bool may_land = asked < landed && !is_planted(planted::believe_word_at_once);
  const bool is_early = is_silent && declared.since < landed && !is_planted(planted::believe_early_word);
  if (may_land || is_early) co_return false;
  ++counters_.declared;
  co_await reject(slot, epoch, at, "as declared");
  co_return true;
}

/// Its processor says that it does not have it, so it cannot be taken for processed. What stands then is to
/// be read anew: a look under way may still see this word, or not yet the next one.
task<bool> payment_flow::set_aside(held_slot slot, epoch_id epoch, doubt& self) {
  const payment_id id = held_[slot].id;
  audit_entry trace{.at = clock_.wall(),
                    .by = epoch,
                    .what = std::string{set_aside_event},
                    .detail = "the processor says that it does not have it"};
  const ledger_status status = co_await ledger_.note(id, std::move(trace));
  if (status != ledger_status::done) co_return false;
  ++counters_.set_aside;
  self.declared.reset();
  self.heard = {};
  self.look = 0;
  words_wanted_.notify();
  spdlog::warn("payment {}: that it is processed was declared against its processor's word", to_string(id));
  co_return false;
}

} // namespace repasse
