#include "health/prober.hpp"

#include <algorithm>
#include <utility>

namespace repasse {

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

task<> prober::watch(processor_index processor) {
  event& pause = *pauses_[processor];
  const std::chrono::nanoseconds not_allowed_pause = std::chrono::milliseconds{100};
  while (!stopping_) {
    if (!calls_.allowed()) {
      co_await pause.wait_for(not_allowed_pause);
      continue;
    }
    const steady_time asked = clock_.now();
    const std::optional<health_report> report = co_await calls_.ask(processor, asked + config_.limit);
    if (report && !stopping_) calls_.heard(processor, *report);
    const steady_time next = std::max(asked + config_.period, clock_.now() + not_allowed_pause);
    while (!stopping_ && clock_.now() < next)
      co_await pause.wait_until(next);
  }
}

} // namespace repasse
