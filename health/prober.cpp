#include "health/prober.hpp"

#include <algorithm>
#include <utility>

namespace repasse {
namespace {

constexpr std::chrono::nanoseconds not_allowed_pause = std::chrono::milliseconds{100};
/// A call may be so much later than its moment, 100 ms of 5.2 s, and still leave a period to the next moment.
constexpr int lateness_share = 52;
/// Between two looks whether it is still this one's turn.
constexpr std::chrono::nanoseconds allowed_look = std::chrono::seconds{1};

} // namespace

prober::prober(clock& time, const config& settings, calls how)
    : clock_(time), config_(settings), calls_(std::move(how)), tasks_(time) {
  for (std::size_t i = 0; i < config_.processors; ++i)
    pauses_.push_back(std::make_unique<event>(time));
}

void prober::start() {
  for (std::size_t i = 0; i < config_.processors; ++i)
    tasks_.spawn(watch(static_cast<processor_index>(i)));
}

void prober::stop() {
  stopping_ = true;
  for (const auto& pause : pauses_)
    pause->notify();
}

/// All processors are asked at the same moments, counted from the one at which this became the eldest: those
/// that recover together are seen to at once, and none is used for being looked at first.
steady_time prober::in_step(steady_time earliest, steady_time began) const {
  const std::chrono::nanoseconds step = config_.period + config_.period / lateness_share;
  if (earliest <= began || step.count() == 0) return std::max(began, earliest);
  return began + (earliest - began + step - std::chrono::nanoseconds{1}) / step * step;
}

task<> prober::watch(processor_index processor) {
  event& pause = *pauses_[processor];
  steady_time own_next{};
  std::optional<steady_time> allowed_since;
  while (!stopping_) {
    const steady_time now = clock_.now();
    if (!calls_.allowed()) {
      allowed_since.reset();
      co_await pause.wait_for(not_allowed_pause);
      continue;
    }
    if (!allowed_since) allowed_since = now;
    // Once it is this one's turn nobody else asks: what is heard from then on is no call, but a breaker's
    // change.
    const steady_time others = std::min(calls_.last_heard(processor), *allowed_since);
    const steady_time next = in_step(std::max(own_next, others + config_.period), *allowed_since);
    if (now < next) {
      co_await pause.wait_until(std::min(next, now + allowed_look));
      continue;
    }
    const std::optional<health_report> report = co_await calls_.ask(processor, now + config_.limit);
    if (report && !stopping_) calls_.heard(processor, *report);
    own_next = std::max(now + config_.period, clock_.now() + not_allowed_pause);
  }
}

} // namespace repasse
