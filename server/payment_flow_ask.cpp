// The part of payment_flow for the time after a restore of the ledger to an earlier moment. What processors
// have taken since that moment the books do not know, so each payment waits until all of them were asked
// about it, before this process sends it for the first time.
#include "server/payment_flow.hpp"
#include "storage/planted.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// Payments that are asked about at once: a processor is asked no more questions at a time.
constexpr std::size_t askers_max = 32;
/// After a processor has not answered, of each asker.
constexpr std::chrono::nanoseconds silence_pause_min = 50ms;
constexpr std::chrono::nanoseconds silence_pause_max = 2s;

constexpr std::chrono::nanoseconds log_pause = 10s;

} // namespace

/// `named` is what its row names, perhaps none.
void payment_flow::ask_soon(held_slot slot, processor_index named) {
  unasked_.push_back({slot, named});
  if (askers_ == askers_max) return;
  ++askers_;
  tasks_.spawn(ask_unasked());
}

/// One asker; it ends when nobody is left to ask about.
task<> payment_flow::ask_unasked() {
  std::chrono::nanoseconds pause = silence_pause_min;
  while (!unasked_.empty()) {
    const unasked one = unasked_.front();
    unasked_.pop_front();
    const epoch_id epoch = epoch_;
    const sighting seen = co_await ask_all(one);
    if (seen.what != holding::verdict::silent) {
      pause = silence_pause_min;
      co_await act_on(one, epoch, seen);
    } else if (epoch_ != epoch) {
      forget(one.slot, one.named);
    } else {
      unasked_.push_back(one);
      event sleep(clock_);
      co_await sleep.wait_for(jittered(pause));
      pause = std::min(2 * pause, silence_pause_max);
    }
  }
  --askers_;
}

/// One that has this payment says all there is to know. That none has it takes all of them to say, and so
/// does that one has it with another amount.
task<payment_flow::sighting> payment_flow::ask_all(unasked one) {
  sighting seen{.what = holding::verdict::missing};
  bool all_answer = true;
  for (std::size_t i = 0; i < processors_.size(); ++i) {
    const auto at = static_cast<processor_index>(i);
    const holding held = co_await ask(one.slot, at);
    switch (held.what) {
    case holding::verdict::same_amount:
      co_return sighting{held.what, at, held.requested_at};
    case holding::verdict::other_amount:
      // One that the row names may take it yet, whatever another has.
      if (one.named == no_processor || one.named == at) seen = {held.what, at, {}};
      break;
    case holding::verdict::missing:
      break;
    case holding::verdict::silent:
      all_answer = all_answer && is_planted(planted::trust_silence);
      tell_silence(*processors_[at]);
      break;
    }
  }
  if (!all_answer) seen.what = holding::verdict::silent;
  co_return seen;
}

void payment_flow::tell_silence(const processor& of) {
  const steady_time now = clock_.now();
  if (now - silence_told_ < log_pause) return;
  silence_told_ = now;
  spdlog::warn("processor {} does not say which payments it has: they wait for its answer, with all others",
               of.settings().name);
}

task<> payment_flow::act_on(unasked one, epoch_id epoch, sighting seen) {
  switch (seen.what) {
  case holding::verdict::same_amount:
    ++counters_.found;
    if (seen.at != one.named) { // its row has to name it, or it cannot be settled
      const bool applied =
          co_await amend(one.slot, epoch, payment_status::unknown, seen.at, "found there after a restore");
      if (!applied) {
        ++counters_.refused_doubts;
        co_return forget(one.slot, one.named);
      }
      if (one.named != no_processor) processors_[one.named]->release();
      processors_[seen.at]->adopt();
    }
    co_return settle(one.slot, seen.at, seen.requested_at);
  case holding::verdict::other_amount:
    if (one.named == no_processor) processors_[seen.at]->adopt();
    co_return co_await reject(one.slot, epoch, seen.at, to_string(evidence::known_other));
  case holding::verdict::missing:
    if (epoch_ != epoch) co_return forget(one.slot, one.named);
    if (one.named != no_processor) co_return tasks_.spawn(resolve(one.slot, one.named, {}));
    held_.wait(one.slot);
    if (held_.waiting() == 1) work_.notify();
    co_return;
  case holding::verdict::silent:
    co_return;
  }
}

} // namespace repasse
