#include "health/breaker.hpp"

#include <algorithm>

namespace repasse {

bool breaker::admits(steady_time now) const {
  switch (state_) {
  case state::closed:
    return true;
  case state::open:
    return now >= try_at_;
  case state::half_open:
    return false; // its trial is under way
  }
  return false;
}

bool breaker::begin() {
  if (state_ != state::open) return false;
  state_ = state::half_open;
  is_invited_ = false;
  return true;
}

void breaker::succeeded(steady_time now) {
  last_success_ = now;
  failures_in_a_row_ = 0;
  if (state_ != state::closed) close(now);
}

void breaker::failed(steady_time now, std::chrono::nanoseconds took, bool is_trial) {
  const bool opens = state_ == state::closed ? ++failures_in_a_row_ >= config_.failures_to_open
                                             : state_ == state::half_open && is_trial;
  if (opens) open(now, took > config_.slow_after);
}

void breaker::withdrawn(bool is_trial) {
  if (is_trial && state_ == state::half_open) state_ = state::open;
}

void breaker::overdue(steady_time now, bool is_trial) {
  failed(now, std::chrono::nanoseconds::max(), is_trial);
}

void breaker::trip(steady_time now, bool is_trial) {
  const bool opens = state_ == state::closed || (state_ == state::half_open && is_trial);
  if (opens) open(now, false);
}

void breaker::heard(const health_report& report) {
  const bool slow = report.min_response_time > config_.slow_after;
  if (!report.failing) {
    if (state_ == state::open && report.heard >= opened_) {
      try_at_ = report.heard;
      is_invited_ = !slow;
    }
    return;
  }
  is_invited_ = false;
  // Successes within the last second outweigh what the processor says of itself.
  const bool contradicted =
      last_success_ != steady_time{} && report.heard - last_success_ < std::chrono::seconds{1};
  if (state_ == state::closed && !contradicted) {
    open(report.heard, slow);
    if (!slow) try_at_ = report.heard;
  }
}

void breaker::open(steady_time now, bool slow) {
  if (state_ == state::closed) {
    since_ = now;
    ++times_opened_;
    pause_ = config_.pause_min;
  } else {
    pause_ = std::min(pause_ * 2, config_.pause_max);
  }
  state_ = state::open;
  opened_ = now;
  jitter_ = jitter_ * 1664525U + 1013904223U;
  try_at_ = now + (slow ? config_.slow_pause : pause_ + pause_ * (jitter_ >> 24) / 1024);
}

void breaker::close(steady_time now) {
  state_ = state::closed;
  is_invited_ = false;
  ++times_closed_;
  since_ = now;
}

std::string_view to_string(breaker::state state) {
  switch (state) {
  case breaker::state::closed:
    return "closed";
  case breaker::state::open:
    return "open";
  case breaker::state::half_open:
    return "half-open";
  }
  return "";
}

int weight(breaker::state state, bool is_on_trial) {
  switch (state) {
  case breaker::state::open:
    return 3;
  case breaker::state::half_open:
    return is_on_trial ? 2 : 0;
  case breaker::state::closed:
    return 1;
  }
  return 0;
}

} // namespace repasse
