// Asks each processor for its health, once in just over 5 s, since that is all they allow. Only the eldest
// epoch's prober asks; the others hear of it. One loop per processor, never two calls at a time. Who has just
// become the eldest keeps the distance to the last call of its forerunner, as far as it has heard of it.
#pragma once

#include "health/status.hpp"

#include <functional>

namespace repasse {

class prober {
public:
  struct config {
    std::size_t processors = 0;
    std::chrono::nanoseconds period = std::chrono::milliseconds{5200};
    /// Above the 5 s for which a processor may hold a call back.
    std::chrono::nanoseconds limit = std::chrono::seconds{8};
  };

  /// `ask` makes one call and ends by its deadline: nullopt if there was no answer that makes sense.
  /// `allowed` says whether this is the eldest. `heard` takes what was learned. `last_heard` is when the
  /// processor last answered anybody, as far as is known here.
  struct calls {
    std::function<task<std::optional<health_report>>(processor_index, steady_time deadline)> ask;
    std::function<bool()> allowed;
    std::function<void(processor_index, const health_report&)> heard;
    std::function<steady_time(processor_index)> last_heard = [](processor_index) { return steady_time{}; };
  };

  prober(clock& time, const config& settings, calls how);

  void start();
  /// Ends every loop at its next step; a call under way ends by its limit.
  void stop();
  task<bool> join_until(steady_time due) { return tasks_.join_until(due); }

private:
  [[nodiscard]] steady_time in_step(steady_time earliest, steady_time began) const;
  task<> watch(processor_index processor);

  clock& clock_;
  config config_;
  calls calls_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<event>> pauses_;
  task_group tasks_;
};

} // namespace repasse
