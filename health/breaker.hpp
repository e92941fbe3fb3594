// The circuit breaker of one processor, one per reactor. Pure: time is an argument, nothing waits here.
// Traffic is its fast evidence, the processor's own health answers are its slow evidence.
//
// It opens after a few failed or over-slow calls in a row, and closes on one successful trial. A processor
// that failed fast is tried by one payment at a time, after a pause that doubles. One that was slow when it
// failed may hold a trial and take it seconds later, so it is tried only after a good health answer, or when
// it has been left alone for 30 s.
#pragma once

#include "health/status.hpp"

#include <chrono>
#include <cstdint>
#include <string_view>

namespace repasse {

class breaker {
public:
  enum class state : std::uint8_t { closed, open, half_open };

  struct config {
    /// A failure that took longer than this was slow.
    std::chrono::nanoseconds slow_after = std::chrono::seconds{1};
    /// Failures in a row that open it.
    int failures_to_open = 3;
    std::chrono::nanoseconds pause_min = std::chrono::milliseconds{50};
    std::chrono::nanoseconds pause_max = std::chrono::seconds{1};
    std::chrono::nanoseconds slow_pause = std::chrono::seconds{30};
    /// Spreads the pauses of different reactors by up to a quarter.
    std::uint32_t jitter_seed = 1;
  };

  explicit breaker(const config& settings) : config_(settings), jitter_(settings.jitter_seed) {}

  /// May a payment be sent now? Closed: yes. Otherwise only as the one trial, which begin() then claims.
  [[nodiscard]] bool admits(steady_time now) const;
  [[nodiscard]] bool is_closed() const { return state_ == state::closed; }
  /// Half open: a payment tries it, or the next may, since it was said to be well, and not slow, after it had
  /// opened. One that is not needed may stay so for long: no payment pays a higher fee only to try it.
  [[nodiscard]] state now_in() const { return is_invited_ ? state::half_open : state_; }
  /// A payment is trying it.
  [[nodiscard]] bool is_on_trial() const { return state_ == state::half_open; }
  /// When it last changed between closed and not closed.
  [[nodiscard]] steady_time since() const { return since_; }
  /// How often it did.
  [[nodiscard]] std::uint64_t opened() const { return times_opened_; }
  [[nodiscard]] std::uint64_t closed() const { return times_closed_; }

  /// One call begins; true if it is the trial of a breaker that is not closed. Whoever calls one of those
  /// below for it says so: calls that were sent before it opened do not end the trial.
  [[nodiscard]] bool begin();
  void succeeded(steady_time now);
  void failed(steady_time now, std::chrono::nanoseconds took, bool is_trial);
  /// The payment was not sent after all.
  void withdrawn(bool is_trial);
  /// A call that is still open has passed its soft limit: it counts as failed now, and not again later.
  void overdue(steady_time now, bool is_trial);
  /// The processor is set up wrongly: open at once.
  void trip(steady_time now, bool is_trial);
  /// What the processor says of itself, and what the breakers of other instances say of it: both are a word,
  /// not an evidence. A good word lets an open breaker be tried at once, unless it was said before the
  /// breaker opened; it closes none. A bad one opens a closed breaker that has had no success of its own
  /// within the last second, and that one may be tried at once, one payment at a time, unless the processor
  /// said that it is slow: so a false word costs one trial. It does nothing to a breaker that is open
  /// already. Since only changes by own evidence are passed on, instances cannot keep each other's breakers
  /// open, nor open them in turns.
  void heard(const health_report& report);

private:
  void open(steady_time now, bool slow);
  void close(steady_time now);
  config config_;
  state state_ = state::closed;
  int failures_in_a_row_ = 0;
  std::uint32_t jitter_;
  std::chrono::nanoseconds pause_{0};
  steady_time try_at_{};
  bool is_invited_ = false; ///< open, and a good word has come since
  steady_time since_{};
  steady_time opened_{}; ///< the last time, that of a failed trial included
  steady_time last_success_{};
  std::uint64_t times_opened_ = 0;
  std::uint64_t times_closed_ = 0;
};

[[nodiscard]] std::string_view to_string(breaker::state state);
/// Of several reactors the one that weighs most tells how the processor is: open, tried, closed, and only
/// then one that is half open because nobody has come to try it there.
[[nodiscard]] int weight(breaker::state state, bool is_on_trial);

} // namespace repasse
