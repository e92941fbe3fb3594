// The part of payment_flow that is not one payment's life: changes of rows, batched; epochs, as ownership
// tells them; the end.
#include "server/payment_flow.hpp"
#include "storage/planted.hpp"

#include <algorithm>

namespace repasse {
namespace {

constexpr std::chrono::nanoseconds drain_look = std::chrono::milliseconds{10};

} // namespace

// Changes of rows that are not settled: batched like all writes, each a compare-and-set.

/// True if the row is ours and now as wished; false if it is no longer ours. Waits as long as neither is
/// known.
task<bool> payment_flow::amend(held_slot slot, epoch_id epoch, payment_status status, processor_index at,
                               std::string_view reason) {
  change wish(clock_);
  wish.epoch = epoch;
  wish.item.id = held_[slot].id;
  wish.item.version = held_[slot].version;
  wish.item.attempts = static_cast<std::uint16_t>(held_[slot].attempts);
  wish.item.status = status;
  wish.item.processor = at;
  wish.item.reason = reason;
  wish.item.amount_cents = held_[slot].cents();
  wish.item.trace = trace_of(slot);
  const steady_time begun = traced_now(slot);
  amends_.push(&wish);
  co_await wish.done.wait_until();
  if (held_[slot].traced) add_span(slot, "amend", begun, at, to_string(status));
  if (wish.item.applied) held_[slot].version = wish.item.version + 1;
  co_return wish.item.applied;
}

task<> payment_flow::amend_batches() {
  for (;;) {
    const std::span<change*> batch = co_await amends_.next();
    for (;;) {
      amend_items_.clear();
      const epoch_id epoch = epoch_;
      for (change* one : batch)
        if (one->epoch == epoch) amend_items_.push_back(one->item);
      if (amend_items_.empty()) break;
      const steady_time asked = clock_.now();
      const ledger_status status = co_await ledger_.amend(epoch, amend_items_);
      figures_.amend.observe(clock_.now() - asked, amend_items_.size());
      if (status == ledger_status::done) {
        auto answer = amend_items_.begin();
        for (change* one : batch)
          if (one->epoch == epoch) one->item.applied = (answer++)->applied;
        break;
      }
      if (status == ledger_status::epoch_ended) break;
      if (status == ledger_status::in_doubt && is_planted(planted::believe_choice_in_doubt)) {
        for (change* one : batch)
          one->item.applied = true;
        break;
      }
      if (status == ledger_status::in_doubt && is_planted(planted::believe_old_read_back)) break;
      ++counters_.repeated_amends;
      event pause(clock_);
      co_await pause.wait_for(jittered(config_.ledger_pause));
    }
    for (change* one : batch)
      one->done.notify();
  }
}

// Epochs: what ownership tells.

void payment_flow::begin_epoch(epoch_id epoch, steady_time beat_sent) {
  epoch_ = epoch;
  beat_confirmed(beat_sent);
  stuck_ = false;
  epoch_begun_.notify();
}

void payment_flow::refuse_epoch() {
  stuck_ = true;
  epoch_begun_.notify();
}

void payment_flow::lose_epoch() {
  epoch_ = 0;
  last_beat_ = {};
  ++counters_.epochs_lost;
  full_ = false; // it may have been a purge
  send_until_ = {};
  traces_.end_all(left_to_another, clock_.now());
  forget_waiting();
  refusals_.clear();
  for (const auto& one : processors_)
    one->dismiss();
  for (doubt& sleeper : oldest_doubts_)
    sleeper.wake.notify();
  epoch_lost_.notify();
}

void payment_flow::forget_waiting() {
  held_.forget_waiting();
  for (const held_slot slot : refused_waiting_) {
    refusals_.erase(slot);
    held_.release(slot);
  }
  refused_waiting_.clear();
  for (const unasked& one : std::exchange(unasked_, {}))
    forget(one.slot, one.named);
}

void payment_flow::adopt(std::span<const owned_row> rows) {
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) { // so that the oldest comes to stand first
    held_payment held;
    held.id = row->id;
    held.set_cents(row->amount_cents);
    held.attempts = row->attempts;
    held.version = row->version;
    held.since_ms = since(clock_.now());
    const held_slot slot = held_.hold(held);
    ++counters_.adopted;
    const bool names_one = row->processor != no_processor && !is_planted(planted::adopt_as_accepted);
    if (names_one) processors_[row->processor]->adopt();
    if (config_.asks_first)
      ask_soon(slot, names_one ? row->processor : no_processor);
    else if (names_one)
      tasks_.spawn(resolve(slot, row->processor, {}));
    else
      held_.wait_first(slot);
  }
  if (held_.waiting() > 0) work_.notify();
}

task<> payment_flow::adopt_strays(std::span<const owned_row> rows) {
  std::deque<change> wishes; // all at once: one after the other could take longer than a beat may wait
  std::vector<const owned_row*> wished;
  for (const owned_row& row : rows) {
    if (held_.holds(row.id)) continue;
    change& wish = wishes.emplace_back(clock_);
    wished.push_back(&row);
    wish.epoch = epoch_;
    wish.item = {.id = row.id,
                 .version = row.version,
                 .attempts = row.attempts,
                 .status = row.status,
                 .processor = row.processor};
    if (row.processor != no_processor) wish.item.status = payment_status::unknown;
    wish.item.reason = "its owner did not remember it";
    amends_.push(&wish);
  }
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    co_await wishes[i].done.wait_until();
    if (!wishes[i].item.applied || held_.holds(wished[i]->id)) continue;
    owned_row taken = *wished[i];
    ++taken.version;
    adopt({&taken, 1});
  }
}

std::size_t payment_flow::room() const {
  return leaving_ || held_.size() >= config_.backlog_max ? 0 : config_.backlog_max - held_.size();
}

task<bool> payment_flow::drain(steady_time due) {
  std::chrono::nanoseconds longest = config_.how.settle_within;
  for (const auto& one : processors_)
    longest = std::max(longest, one->expected().value());
  last_send_ = due - longest; // what is begun later could be left without its outcome
  leaving_ = config_.hands_over;
  if (leaving_)
    for (const auto& one : processors_)
      one->dismiss();
  while (held_.size() > 0 && clock_.now() < due) {
    if (leaving_ && waiting() > 0) co_await hand_over();
    event pause(clock_);
    co_await pause.wait_for(drain_look);
  }
  co_return held_.size() == 0;
}

/// What names no processor goes to whoever looks next; what cannot be released now, when the epoch ends.
task<> payment_flow::hand_over() {
  forget_waiting();
  const epoch_id epoch = epoch_;
  std::size_t released = config_.batch_max;
  while (epoch != 0 && epoch == epoch_ && released == config_.batch_max) {
    const ledger_status status = co_await ledger_.release(epoch, config_.batch_max, released);
    if (status != ledger_status::done) co_return;
    counters_.released += released;
  }
}

std::chrono::nanoseconds payment_flow::oldest_waiting() const {
  const std::uint32_t now = since(clock_.now());
  std::uint32_t oldest_ms = 0;
  const auto look_at = [&](held_slot slot) { oldest_ms = std::max(oldest_ms, now - held_[slot].since_ms); };
  if (held_.waiting() > 0) look_at(held_.oldest());
  if (!refused_waiting_.empty()) look_at(refused_waiting_.front());
  if (!unasked_.empty()) look_at(unasked_.front().slot);
  return std::chrono::milliseconds{oldest_ms};
}

std::uint32_t payment_flow::since(steady_time now) const {
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  return static_cast<std::uint32_t>(millis.count());
}

/// Between three quarters of `pause` and five quarters.
std::chrono::nanoseconds payment_flow::jittered(std::chrono::nanoseconds pause) {
  jitter_ = jitter_ * 1664525U + 1013904223U;
  return pause * 3 / 4 + pause * (jitter_ >> 24) / 512;
}

} // namespace repasse
