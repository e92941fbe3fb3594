#include "server/payment_flow.hpp"

#include "storage/planted.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// How long an append waits for a new epoch before its clients are told.
constexpr std::chrono::nanoseconds epoch_patience = 500ms;
/// How often those who wait look again, while nothing tells them to.
constexpr std::chrono::nanoseconds waiting_look = 10ms;
constexpr std::chrono::nanoseconds idle_look = 50ms;
/// After a send that was not taken.
constexpr std::chrono::nanoseconds retry_pause_min = 5ms;
constexpr std::chrono::nanoseconds retry_pause_max = 1s;

} // namespace

payment_flow::payment_flow(clock& time, ledger& books, intake* taking_in,
                           std::span<const std::unique_ptr<processor>> processors, const config& settings)
    : clock_(time),
      ledger_(books),
      intake_(taking_in),
      processors_(processors),
      config_(settings),
      cheapest_first_(processors.size()),
      candidates_(processors.size()),
      patience_(config_.how.cheapest_patience),
      epoch_begun_(time),
      epoch_lost_(time),
      jitter_(settings.jitter_seed),
      doubts_(processors.size()),
      words_wanted_(time),
      recoveries_(processors.size()),
      appends_(time, settings.batch_max),
      diverted_(time, intake::batch_max),
      amends_(time, settings.batch_max),
      settlements_(time, settings.batch_max),
      flush_wanted_(time),
      work_(time),
      traces_(settings.trace_seed),
      tasks_(time) {
  figures_.settled.resize(processors.size());
  if (is_planted(planted::send_unasked)) config_.asks_first = false;
  std::iota(cheapest_first_.begin(), cheapest_first_.end(), processor_index{0});
  std::stable_sort(cheapest_first_.begin(), cheapest_first_.end(), [&](auto a, auto b) {
    return processors_[a]->settings().fee_ppm < processors_[b]->settings().fee_ppm;
  });
}

void payment_flow::start() {
  tasks_.spawn(journal());
  if (intake_ != nullptr) tasks_.spawn(take_in());
  tasks_.spawn(dispatch());
  tasks_.spawn(amend_batches());
  tasks_.spawn(settle_batches());
  tasks_.spawn(hear_declarations());
}

// 1. Accept: route it, hold it, put it into the next batch.

void payment_flow::accept(const posted_payment& payment, const accept_reply& reply,
                          std::string_view traceparent) {
  if (!stuck_ && held_.size() < config_.backlog_max) return hold(payment, {}, reply, traceparent);
  if (stuck_ || !ledger_.health().is_up) {
    const steady_time now = clock_.now();
    std::optional<trace_key> trace;
    if (traces_.wants(traceparent, now) && traces_.begin({payment.id}, traceparent, now))
      trace = {payment.id};
    return divert(payment, now, reply, trace);
  }
  accept_reply client = reply;
  turn_away(client, refusal::backlog);
}

void payment_flow::import(const taken_payment& payment, const accept_reply& reply) {
  if (!stuck_) return hold({payment.id, payment.amount_cents}, payment.accepted_at, reply, {});
  reply.answer(reply.who, reply.where, accept_verdict::unavailable);
}

void payment_flow::hold(const posted_payment& payment, wall_time accepted_at, const accept_reply& reply,
                        std::string_view traceparent) {
  const steady_time now = clock_.now();
  held_payment held;
  held.id = payment.id;
  held.set_cents(payment.amount_cents);
  held.attempts = 0;
  held.since_ms = since(now);
  entry one;
  one.slot = held_.hold(held);
  if (traces_.wants(traceparent, now))
    held_[one.slot].traced = traces_.begin(key_of(one.slot), traceparent, now);
  one.token = ++next_token_;
  one.accepted_at = accepted_at;
  one.began = now;
  one.reply = reply;
  // The choice of processor rides on the row's insert, if the send can start at once.
  if (held_.waiting() == 0 && now < send_by() && !config_.asks_first) one.at = route_for(one.slot, now);
  if (one.at != no_processor) processors_[one.at]->reserve(payment.id);
  if (is_planted(planted::answer_before_durable)) {
    one.reply = {};
    reply.answer(reply.who, reply.where, accept_verdict::accepted);
  }
  appends_.push(one);
}

// 2. Journal: one batch at a time; what is done is durable. An append is never given up while its fate is
// open: a client that cannot wait is told, the row is found out all the same. What the ledger does not take
// goes on in payment_flow_away.cpp.

task<> payment_flow::journal() {
  for (;;) {
    const std::span<entry> batch = co_await appends_.next();
    appending_ = batch;
    const steady_time begun = clock_.now();
    append_due_ = begun + append_patience;
    co_await append(batch, begun);
    append_due_ = never;
  }
}

task<> payment_flow::append(std::span<entry> batch, steady_time begun) {
  append_items_.clear();
  const wall_time wall = clock_.wall();
  for (const entry& one : batch) {
    const held_payment& held = held_[one.slot];
    append_items_.push_back({.id = held.id,
                             .amount_cents = held.cents(),
                             .token = one.token,
                             .accepted_at = one.is_import() ? one.accepted_at : wall,
                             .processor = one.at,
                             .trace = trace_of(one.slot)});
  }
  bool in_doubt = false;
  for (;;) {
    while (epoch_ == 0) {
      const bool has_begun = co_await epoch_begun_.wait_for(epoch_patience);
      begun = clock_.now();
      if (epoch_ != 0 || (has_begun && !stuck_)) continue;
      give_up_waiting(batch);
      if (!in_doubt) co_return refuse(batch);
    }
    const epoch_id epoch = epoch_;
    const ledger_status status = co_await ledger_.append(epoch, append_items_);
    const steady_time now = clock_.now();
    figures_.append.observe(now - begun, batch.size());
    switch (status) {
    case ledger_status::done:
      stuck_ = false;
      vouched_ = true;
      refused_since_.reset();
      co_return conclude(batch, epoch, begun, now);
    case ledger_status::unavailable:
      vouched_ = false;
      if (!refused_since_) refused_since_ = now;
      if (in_doubt) {
        give_up_waiting(batch); // again: with a new epoch others may wait behind it by now
        break;
      }
      stuck_ = false; // the next one asks again, and is told at once
      co_return refuse(batch);
    case ledger_status::in_doubt:
      in_doubt = true;
      ++counters_.repeated_appends;
      give_up_waiting(batch);
      break;
    case ledger_status::epoch_ended:
      if (epoch == epoch_) {
        spdlog::warn("epoch {} was ended by another", epoch);
        lose_epoch();
      }
      begun = now;
      continue;
    }
    event pause(clock_);
    co_await pause.wait_for(jittered(config_.ledger_pause));
    begun = clock_.now();
  }
}

void payment_flow::conclude(std::span<entry> batch, epoch_id epoch, steady_time begun, steady_time now) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    entry& one = batch[i];
    if (held_[one.slot].traced) trace_append(one, begun, now, append_items_[i].answer);
    if (now - one.began > config_.slow_after && !one.is_import() && one.reply.answer != nullptr)
      tell_slow(held_[one.slot].id, append_items_[i].trace, "ledger", begun - one.began, now - begun);
    accept_verdict verdict = accept_verdict::accepted;
    std::uint64_t* counter = &counters_.accepted;
    switch (append_items_[i].answer) {
    case append_item::verdict::fresh:
      full_ = false;
      conclude_fresh(one, epoch == epoch_);
      break;
    case append_item::verdict::known:
      verdict = accept_verdict::replayed;
      counter = &counters_.replayed;
      let_go(one);
      break;
    case append_item::verdict::conflict:
      verdict = accept_verdict::conflict;
      counter = &counters_.conflicts;
      let_go(one);
      break;
    case append_item::verdict::unaudited: // known to be in conflict: nothing for the intake
      verdict = accept_verdict::unavailable;
      counter = &counters_.of(refusal::unaudited);
      let_go(one);
      break;
    case append_item::verdict::full:
      full_ = true;
      verdict = accept_verdict::overloaded;
      counter = &counters_.of(refusal::ledger_full);
      let_go(one);
      break;
    }
    if (!one.is_import()) {
      tell(one.reply, verdict, *counter, now - one.began);
    } else {
      if (verdict == accept_verdict::accepted) ++counters_.imported;
      answer(one.reply, verdict);
    }
  }
}

/// Answers a post, unless it was answered before, and counts that.
void payment_flow::tell(accept_reply& reply, accept_verdict verdict, std::uint64_t& counter,
                        std::chrono::nanoseconds took) {
  if (reply.answer == nullptr) return;
  ++counter;
  if (verdict != accept_verdict::overloaded && verdict != accept_verdict::unavailable)
    figures_.accept.observe(took);
  answer(reply, verdict);
}

void payment_flow::answer(accept_reply& reply, accept_verdict verdict) {
  if (reply.answer != nullptr) reply.answer(reply.who, reply.where, verdict);
  reply.answer = nullptr;
}

void payment_flow::conclude_fresh(const entry& one, bool still_ours) {
  if (!still_ours) { // whoever takes the row over goes on with it
    end_trace(one.slot, left_to_another);
    return let_go(one);
  }
  held_[one.slot].version = 1;
  if (one.at != no_processor) {
    tasks_.spawn(process(one.slot, one.at));
  } else if (config_.asks_first) {
    ask_soon(one.slot, no_processor);
  } else {
    held_.wait(one.slot);
    if (held_.waiting() == 1) work_.notify();
  }
}

void payment_flow::let_go(const entry& one) {
  if (one.at != no_processor) {
    processors_[one.at]->withdraw(held_[one.slot].id);
    processors_[one.at]->release();
  }
  held_.release(one.slot);
}

// 3. Wait: payments that could not start at once name no processor. They go oldest first, and each fourth
// time the newest, as soon as the router lets one.

task<> payment_flow::dispatch() {
  for (;;) {
    const bool some_wait = held_.waiting() > 0 || !refused_waiting_.empty();
    co_await work_.wait_for(some_wait ? waiting_look : idle_look);
    look_after_processors();
    look_after_stores();
    note_acceptance();
    send_waiting();
  }
}

void payment_flow::send_waiting() {
  const steady_time now = clock_.now();
  if (now >= send_by() || epoch_ == 0) return;
  send_refused_elsewhere(now);
  while (held_.waiting() > 0) {
    held_slot slot = held_.next();
    processor_index at = route_for(slot, now);
    if (at != no_processor) {
      held_.take_next();
    } else {
      slot = held_.oldest(); // the longer one waits, the more is open to it
      at = route_for(slot, now);
      if (at == no_processor) return;
      held_.take_oldest();
    }
    processors_[at]->reserve(held_[slot].id);
    tasks_.spawn(choose(slot, at));
  }
}

task<> payment_flow::choose(held_slot slot, processor_index at) {
  const epoch_id epoch = epoch_;
  if (is_planted(planted::send_before_choice)) {
    const outcome seen = co_await charge(slot, epoch, at);
    if (seen.what == outcome::verdict::taken) co_return settle(slot, at, seen.requested_at);
  }
  const bool chosen = co_await amend(slot, epoch, payment_status::sending, at);
  if (!chosen && !is_planted(planted::send_after_refused_choice)) {
    ++counters_.refused_choices;
    processors_[at]->withdraw(held_[slot].id);
    co_return forget(slot, at);
  }
  co_await process(slot, at);
}

/// Those that some processor refuses stand apart, so that they hold up nobody who may go there.
void payment_flow::send_refused_elsewhere(steady_time now) {
  for (std::size_t i = 0; i < refused_waiting_.size();) {
    const held_slot slot = refused_waiting_[i];
    const processor_index at = route_for(slot, now);
    if (at == no_processor) {
      ++i;
      continue;
    }
    refused_waiting_.erase(refused_waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    processors_[at]->reserve(held_[slot].id);
    tasks_.spawn(choose(slot, at));
  }
}

/// It names no processor any more, and is older than all that wait.
void payment_flow::wait_again(held_slot slot) {
  if (refusals_.contains(slot))
    refused_waiting_.push_back(slot);
  else
    held_.wait_first(slot);
  work_.notify();
}

processor_index payment_flow::route_for(held_slot slot, steady_time now) {
  if (leaving_) return no_processor;
  for (std::size_t i = 0; i < processors_.size(); ++i) {
    const processor& one = *processors_[i];
    candidates_[i] = one.view(now);
    // The trial of a breaker that is not closed belongs to a payment in doubt there, if there is one.
    if (!one.circuit().is_closed() && !doubts_[i].empty()) candidates_[i].admits = false;
  }
  std::uint64_t refused = 0;
  if (!refusals_.empty())
    if (const auto found = refusals_.find(slot); found != refusals_.end()) refused = found->second;
  const steady_time waits_since = now - std::chrono::milliseconds{since(now) - held_[slot].since_ms};
  return route(candidates_, cheapest_first_, config_.how, patience_.waited(waits_since, now), refused);
}

bool payment_flow::refused_by_all(held_slot slot) const {
  const auto found = refusals_.find(slot);
  if (found == refusals_.end()) return false;
  return static_cast<std::size_t>(std::popcount(found->second)) == processors_.size();
}

// 4. Process: the row names `at`, by a confirmed commit. One send after the other until the outcome is known;
// one that stays unknown goes on in payment_flow_doubt.cpp.

task<> payment_flow::process(held_slot slot, processor_index at) {
  const epoch_id epoch = epoch_;
  std::chrono::nanoseconds pause = retry_pause_min;
  for (;;) {
    const bool ours = co_await may_send(epoch);
    if (!ours) {
      processors_[at]->withdraw(held_[slot].id);
      co_return forget(slot, at);
    }
    if (leaving_) { // never sent, or every send proved not taken
      processors_[at]->withdraw(held_[slot].id);
      const bool left = co_await leave(slot, epoch, at, no_processor);
      if (left) wait_again(slot);
      co_return;
    }
    const outcome seen = co_await charge(slot, epoch, at);
    switch (seen.what) {
    case outcome::verdict::taken:
      co_return settle(slot, at, seen.requested_at);
    case outcome::verdict::other_amount:
      co_return co_await reject(slot, epoch, at, to_string(seen.seen));
    case outcome::verdict::unknown:
      if (is_planted(planted::reroute_on_unknown)) break;
      if (is_planted(planted::trust_missing_in_doubt)) {
        const holding held = co_await ask(slot, at);
        if (held.what == holding::verdict::missing) break;
      }
      co_return co_await resolve(slot, at, to_string(seen.seen));
    case outcome::verdict::refused:
      refusals_[slot] |= std::uint64_t{1} << at;
      break;
    case outcome::verdict::not_taken:
    case outcome::verdict::no_turn:
      break;
    }
    event sleep(clock_);
    co_await sleep.wait_for(jittered(pause));
    if (seen.what != outcome::verdict::no_turn) pause = std::min(2 * pause, retry_pause_max);
    if (epoch_ != epoch) co_return forget(slot, at);

    if (refused_by_all(slot)) co_return co_await reject(slot, epoch, at, "refused by all");
    const steady_time now = clock_.now();
    const processor_index next = route_for(slot, now);
    if (next == at) {
      processors_[at]->claim(held_[slot].id);
      continue;
    }
    const bool left = co_await leave(slot, epoch, at, next);
    if (!left) co_return;
    if (next == no_processor) co_return wait_again(slot);
    at = next;
  }
}

/// True once a send may begin; false when the payment is no longer ours.
task<bool> payment_flow::may_send(epoch_id epoch) {
  while (epoch_ == epoch && !leaving_ && clock_.now() >= send_by()) {
    event pause(clock_);
    co_await pause.wait_for(config_.ledger_pause);
  }
  co_return epoch_ == epoch;
}

/// `self`: it is in doubt, and nothing is sent once a word on it stands, or later than word_lease after the
/// last look for one.
task<outcome> payment_flow::charge(held_slot slot, epoch_id epoch, processor_index at, const doubt* self) {
  processor& to = *processors_[at];
  bool has_turn = to.take_turn(held_[slot].id);
  if (!has_turn) {
    has_turn = co_await to.wait_for_turn();
    const bool is_declared = self != nullptr && self->declared && !is_planted(planted::send_after_word);
    if (has_turn && (epoch_ != epoch || is_declared)) {
      to.give_back_turn();
      has_turn = false;
    }
  }
  if (!has_turn) co_return outcome{.what = outcome::verdict::no_turn};
  held_payment& held = held_[slot];
  if (held.attempts < std::numeric_limits<std::uint16_t>::max())
    held.attempts = (held.attempts + 1U) & 0xffff;
  const steady_time begun = traced_now(slot);
  const steady_time send_until = self == nullptr ? send_by() : std::min(send_by(), self->heard + word_lease);
  const outcome seen = co_await to.charge(held.id, held.cents(), send_until, context_of(slot));
  if (held_[slot].traced) add_span(slot, "charge", begun, at, to_string(seen.seen));
  co_return seen;
}

/// As processor::ask.
task<holding> payment_flow::ask(held_slot slot, processor_index at) {
  const held_payment& held = held_[slot];
  const steady_time begun = traced_now(slot);
  const holding seen = co_await processors_[at]->ask(held.id, held.cents(), context_of(slot));
  if (held_[slot].traced) add_span(slot, "ask", begun, at, to_string(seen.what));
  co_return seen;
}

/// Every send to `from` is proved not taken: the row names `to` from here on, or none. False when it is no
/// longer ours.
task<bool> payment_flow::leave(held_slot slot, epoch_id epoch, processor_index from, processor_index to) {
  if (to != no_processor) processors_[to]->reserve(held_[slot].id);
  const payment_status status = to == no_processor ? payment_status::accepted : payment_status::sending;
  const bool applied = co_await amend(slot, epoch, status, to);
  if (applied) {
    processors_[from]->release();
    co_return true;
  }
  ++counters_.refused_choices;
  if (to != no_processor) {
    processors_[to]->withdraw(held_[slot].id);
    processors_[to]->release();
  }
  if (is_planted(planted::believe_old_read_back)) {
    const auto read = co_await ledger_.find(held_[slot].id);
    const bool looks_unchanged =
        read && *read && (*read)->status == payment_status::sending && (*read)->processor == from;
    if (looks_unchanged) { // so it is sent there again
      processors_[from]->claim(held_[slot].id);
      co_await process(slot, from);
      co_return false;
    }
  }
  forget(slot, from);
  co_return false;
}

/// Refused by all, or the processor has the id with another amount, or as declared: the owner's decision, so
/// a compare-and-set.
task<> payment_flow::reject(held_slot slot, epoch_id epoch, processor_index at, std::string_view reason) {
  const bool applied = co_await amend(slot, epoch, payment_status::rejected, at, reason);
  if (applied) {
    ++counters_.rejected;
    say(spdlog::level::err, slot, "payment rejected");
    end_trace(slot, "rejected");
  } else {
    ++counters_.refused_rejections;
  }
  forget(slot, at);
}

// 5. Settle: in the books and out of the queue, with the next batch. It is held until that is durable.

void payment_flow::settle(held_slot slot, processor_index at, wall_time requested_at) {
  processors_[at]->release();
  ++answers_;
  settlement one;
  one.slot = slot;
  one.epoch = epoch_;
  one.item.id = held_[slot].id;
  one.item.requested_at = requested_at;
  one.item.processed_at = clock_.wall();
  one.item.attempts = static_cast<std::uint16_t>(held_[slot].attempts);
  one.item.processor = at;
  one.item.amount_cents = held_[slot].cents();
  one.item.trace = trace_of(slot);
  if (one.item.trace.exists()) traces_.find(key_of(slot))->await("settle", clock_.now());
  settlements_.push(one);
  if (held_.waiting() > 0) work_.notify();
}

void payment_flow::bring(const settle_item& item) {
  ++answers_;
  settlements_.push({std::nullopt, epoch_, item});
}

task<> payment_flow::settle_batches() {
  for (;;) {
    const std::span<settlement> batch = co_await settlements_.next();
    settle_items_.clear();
    for (const settlement& one : batch)
      settle_items_.push_back(one.item);
    for (;;) {
      const steady_time asked = clock_.now();
      const ledger_status status = co_await ledger_.settle(settle_items_);
      figures_.settle.observe(clock_.now() - asked, batch.size());
      if (status == ledger_status::done) break;
      ++counters_.repeated_settles;
      event pause(clock_);
      co_await pause.wait_for(jittered(config_.ledger_pause));
    }
    settled(batch, settle_items_);
    if (flushes_.empty() && settlements_.size() < config_.batch_max)
      co_await flush_wanted_.wait_for(config_.settle_pause);
  }
}

void payment_flow::settled(std::span<const settlement> batch, std::span<const settle_item> items) {
  const steady_time now = clock_.now();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!batch[i].slot) { // by a witness who looks again
      if (items[i].answer == settle_item::verdict::settled) note_settled(items[i]);
      continue;
    }
    const held_slot slot = *batch[i].slot;
    switch (items[i].answer) {
    case settle_item::verdict::settled:
      note_settled(items[i]);
      break;
    case settle_item::verdict::known:
      break;
    case settle_item::verdict::mismatch:
      ++counters_.mismatches;
      say(spdlog::level::critical, slot,
          "payment was taken by a processor that its row does not name, " +
              processors_[items[i].processor]->settings().name);
      break;
    case settle_item::verdict::missing:
      ++counters_.missing;
      if (batch[i].epoch == epoch_) // no purge came in between
        say(spdlog::level::critical, slot, "payment was taken, and has no row");
      break;
    }
    if (held_[slot].traced) trace_settled(slot, items[i].answer, now);
    refusals_.erase(slot);
    held_.release(slot);
  }
  booked_ += batch.size();
  while (!flushes_.empty() && flushes_.front().target <= booked_) {
    flushes_.front().done.notify();
    flushes_.pop_front();
  }
}

void payment_flow::note_settled(const settle_item& item) {
  ++counters_.settled;
  processor_total& by = figures_.settled[item.processor];
  ++by.requests;
  by.amount_cents += item.amount_cents;
  figures_.end_to_end.observe(item.processed_at - item.accepted_at);
}

task<bool> payment_flow::flush(steady_time due) {
  if (booked_ >= answers_) co_return true;
  flush_waiter self(clock_);
  self.target = answers_;
  flushes_.push_back(self);
  flush_wanted_.notify();
  co_return co_await self.done.wait_until(due);
}

/// No longer ours: whoever owns the row goes on with it, or it is final.
void payment_flow::forget(held_slot slot, processor_index at) {
  if (at != no_processor) processors_[at]->release();
  end_trace(slot, left_to_another);
  refusals_.erase(slot);
  held_.release(slot);
  if (held_.waiting() > 0) work_.notify();
}

} // namespace repasse
