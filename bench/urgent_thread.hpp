// While it lives, the thread that made it comes before all that is not real-time, as far as this process is
// allowed: a load generator that has to wait for a processor is late, and measures itself. Niceness would
// not do, it counts only among the processes of one session.
#pragma once

#include <sched.h>

namespace repasse {

class urgent_thread {
public:
  urgent_thread() {
    before_ = ::sched_getscheduler(0); // 0: this thread
    const sched_param lowest{.sched_priority = 1};
    changed_ = ::sched_getparam(0, &parameters_) == 0 &&
               ::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &lowest) == 0;
  }
  ~urgent_thread() {
    if (changed_) ::sched_setscheduler(0, before_, &parameters_);
  }
  urgent_thread(const urgent_thread&) = delete;
  urgent_thread& operator=(const urgent_thread&) = delete;

private:
  int before_ = SCHED_OTHER;
  sched_param parameters_{};
  bool changed_ = false;
};

} // namespace repasse
