#include "bench/simulated_processor.hpp"

#include <algorithm>

namespace repasse {

void simulated_processor::post(caller_id caller, const payment_id& id, const taken_payments::payment& payment,
                               steady_time now) {
  const job posted{caller, id, payment, switches.hostile.draw()};
  if (posted.mode == hostile_mode::refuse_429)
    reply({caller, verdict::too_many, delivery::whole});
  else if (at_work_ < at_work_max)
    begin(posted, now);
  else if (waiting_.size() < waiting_max)
    waiting_.push_back(posted);
  else
    reply({caller, verdict::too_many, delivery::whole});
}

void simulated_processor::begin(const job& begun, steady_time now) {
  if (switches.delay.count() == 0) {
    finish(begun, now);
    return;
  }
  ++at_work_;
  appointments_.push({now + switches.delay, ++appointments_made_, begun, {}});
}

/// The delay is over: only now is the failure switch read, and the payment taken.
void simulated_processor::finish(const job& ended, steady_time now) {
  const hostile_effect& effect = effect_of(ended.mode);
  const simulated_reply answer =
      effect.works ? simulated_reply{ended.caller, work(ended), effect.how} : refusal(ended);
  if (ended.mode == hostile_mode::take_then_late)
    appointments_.push({now + switches.hostile.late_after, ++appointments_made_, std::nullopt, answer});
  else if (answer.how != delivery::nothing)
    reply(answer);
}

verdict simulated_processor::work(const job& ended) {
  if (switches.failing) return verdict::failed;
  if (payments.take(ended.id, ended.payment)) return verdict::taken;
  return ended.mode == hostile_mode::error_when_taken ? verdict::failed : verdict::already_taken;
}

simulated_reply simulated_processor::refusal(const job& ended) {
  const delivery how = effect_of(ended.mode).how;
  if (ended.mode == hostile_mode::status_400) return {ended.caller, verdict::bad_request, how};
  if (ended.mode == hostile_mode::status_401) return {ended.caller, verdict::unauthorized, how};
  if (ended.mode != hostile_mode::wrong_status) return {ended.caller, verdict::failed, how};
  switch (wrong_statuses_++ % 3) {
  case 0:
    return {ended.caller, verdict::redirect, how};
  case 1:
    return {ended.caller, verdict::teapot, how};
  default:
    return {ended.caller, verdict::failed, delivery::only_continue};
  }
}

void simulated_processor::let_in_waiting(steady_time now) {
  while (!waiting_.empty() && at_work_ < at_work_max) {
    const job first = waiting_.front();
    waiting_.pop_front();
    begin(first, now);
  }
}

void simulated_processor::advance(steady_time now) {
  while (!appointments_.empty() && appointments_.top().due <= now) {
    const appointment kept = appointments_.top();
    appointments_.pop();
    if (!kept.ending) {
      reply(kept.late);
      continue;
    }
    --at_work_;
    finish(*kept.ending, now);
    let_in_waiting(now);
  }
  if (!health_held_back_.empty() && next_health_window_ <= now) {
    const caller_id first = health_held_back_.front();
    health_held_back_.pop_front();
    next_health_window_ = now + health_window;
    reply({first, verdict::health, delivery::whole});
  }
}

std::optional<steady_time> simulated_processor::next_due() const {
  std::optional<steady_time> due;
  if (!appointments_.empty()) due = appointments_.top().due;
  if (!health_held_back_.empty()) due = std::min(due.value_or(next_health_window_), next_health_window_);
  return due;
}

void simulated_processor::ask_health(caller_id caller, steady_time now) {
  ++health_asked_.asked;
  if (health_held_back_.empty() && next_health_window_ <= now) {
    next_health_window_ = now + health_window;
    reply({caller, verdict::health, delivery::whole});
    return;
  }
  ++health_asked_.early;
  if (health_held_back_.size() < health_held_back_max)
    health_held_back_.push_back(caller);
  else
    reply({caller, verdict::too_many, delivery::whole});
}

void simulated_processor::forget(caller_id caller) { std::erase(health_held_back_, caller); }

simulated_health simulated_processor::health() const {
  if (switches.health_lie) return *switches.health_lie;
  return {switches.failing, static_cast<std::uint64_t>(switches.delay.count())};
}

} // namespace repasse
