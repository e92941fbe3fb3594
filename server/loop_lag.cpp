#include "server/loop_lag.hpp"

namespace repasse {
namespace {

constexpr std::chrono::nanoseconds period = std::chrono::milliseconds{100};

} // namespace

task<> loop_lag::watch() {
  event pause(clock_);
  for (;;) {
    const steady_time due = clock_.now() + period;
    co_await pause.wait_until(due);
    late_.observe(clock_.now() - due);
  }
}

} // namespace repasse
