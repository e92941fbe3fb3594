// The part of payment_flow for what the ledger does not take: it is away, or does not say what became of an
// append. Redis may take the payments in instead, durably; whoever reaches the ledger imports them.
#include "server/payment_flow.hpp"
#include "storage/planted.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// How long the intake may take before its clients are told.
constexpr std::chrono::nanoseconds take_in_patience = 150ms;

} // namespace

/// The ledger has not written these.
void payment_flow::refuse(std::span<entry> batch) {
  for (entry& one : batch) {
    if (one.is_import()) {
      answer(one.reply, accept_verdict::unavailable);
      end_trace(one.slot, "not written");
    } else if (const accept_reply reply = std::exchange(one.reply, {}); reply.answer != nullptr) {
      divert({held_[one.slot].id, held_[one.slot].cents()}, one.began, reply,
             held_[one.slot].traced ? std::optional(key_of(one.slot)) : std::nullopt);
    } else {
      end_trace(one.slot, "not written");
    }
    if (is_planted(planted::intake_authorises_send) && one.at != no_processor && can_take_in())
      conclude_fresh(one, true);
    else
      let_go(one);
  }
}

/// The ledger does not say what became of `batch`: its rows are found out all the same, but its clients, and
/// those behind them, wait no longer. A row that is there and in the intake too is one payment: it is
/// imported as known.
void payment_flow::give_up_waiting(std::span<entry> batch) {
  stuck_ = true;
  if (!refused_since_) refused_since_ = clock_.now();
  for (entry& one : batch) {
    if (one.is_import()) {
      answer(one.reply, accept_verdict::unavailable);
      continue;
    }
    const accept_reply reply = std::exchange(one.reply, {});
    if (reply.answer != nullptr)
      divert({held_[one.slot].id, held_[one.slot].cents()}, one.began, reply, std::nullopt);
  }
  appends_.drop([this](entry& one) { refuse({&one, 1}); });
}

void payment_flow::divert(const posted_payment& payment, steady_time began, const accept_reply& reply,
                          const std::optional<trace_key>& trace) {
  if (can_take_in()) return diverted_.push({payment, began, reply, trace});
  if (trace) traces_.end(*trace, "unavailable", clock_.now());
  accept_reply client = reply;
  turn_away(client, refusal::unavailable);
}

task<> payment_flow::take_in() {
  for (;;) {
    const std::span<diverted> batch = co_await diverted_.next();
    intake_items_.clear();
    const wall_time now = clock_.wall();
    for (const diverted& one : batch)
      intake_items_.push_back(
          {.id = one.payment.id, .amount_cents = one.payment.amount_cents, .accepted_at = now});
    taking_in_ = batch;
    const steady_time begun = clock_.now();
    take_in_due_ = begun + take_in_patience;
    co_await intake_->take_in(intake_items_);
    take_in_due_ = never;
    is_intake_stuck_ = false;
    const steady_time done = clock_.now();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      diverted& one = batch[i];
      accept_reply& reply = one.reply;
      const std::chrono::nanoseconds took = done - one.began;
      if (took > config_.slow_after)
        tell_slow(one.payment.id, one.trace ? find_trace(*one.trace) : trace_id{}, "intake",
                  begun - one.began, done - begun);
      if (one.trace) trace_intake(one, begun, done, intake_items_[i].answer);
      switch (intake_items_[i].answer) {
      case intake_item::verdict::taken:
        tell(reply, accept_verdict::accepted, counters_.taken_in, took);
        break;
      case intake_item::verdict::known:
        tell(reply, accept_verdict::replayed, counters_.replayed, took);
        break;
      case intake_item::verdict::conflict:
        tell(reply, accept_verdict::conflict, counters_.conflicts, took);
        break;
      case intake_item::verdict::full:
        turn_away(reply, refusal::intake_full);
        break;
      case intake_item::verdict::unavailable:
        turn_away(reply, refusal::unavailable);
        break;
      }
    }
  }
}

/// A store that is silent holds up no client: an append's are led to the intake, the intake's are told.
void payment_flow::look_after_stores() {
  const steady_time now = clock_.now();
  if (now >= append_due_ && can_take_in()) {
    append_due_ = now + append_patience;
    give_up_waiting(appending_);
  }
  if (now < take_in_due_) return;
  take_in_due_ = never;
  is_intake_stuck_ = true;
  const auto refuse_one = [this, now](diverted& one) {
    turn_away(one.reply, refusal::unavailable);
    if (one.trace) traces_.end(*one.trace, "unavailable", now);
  };
  std::for_each(taking_in_.begin(), taking_in_.end(), refuse_one);
  diverted_.drop(refuse_one);
}

void payment_flow::turn_away(accept_reply& reply, refusal why) {
  const bool is_unknown = why == refusal::unavailable || why == refusal::unaudited;
  tell(reply, is_unknown ? accept_verdict::unavailable : accept_verdict::overloaded, counters_.of(why), {});
}

void payment_flow::note_acceptance() {
  if (could_accept_ == can_accept()) return;
  could_accept_ = can_accept();
  could_accept_since_ = clock_.now();
  if (could_accept_)
    spdlog::info("payments are accepted again{}", can_append() ? "" : ", by Redis");
  else
    spdlog::warn("no payments are accepted: {}", held_.size() >= config_.backlog_max ? "too many wait"
                                                 : full_                             ? "the ledger is full"
                                                                                     : "the ledger is away");
}

} // namespace repasse
