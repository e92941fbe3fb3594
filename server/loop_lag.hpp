// How late a reactor's loop runs: a timer that is due every 100 ms, and when it really came. What is late
// there has kept everything else waiting as long. One per reactor; it ends with its `io_context`.
#pragma once

#include "storage/clock.hpp"
#include "storage/histogram.hpp"

namespace repasse {

class loop_lag {
public:
  explicit loop_lag(clock& time) : clock_(time), tasks_(time) {}

  void start() { tasks_.spawn(watch()); }
  [[nodiscard]] const duration_histogram& late() const { return late_; }

private:
  task<> watch();

  clock& clock_;
  duration_histogram late_;
  task_group tasks_;
};

} // namespace repasse
