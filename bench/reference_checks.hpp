// The comparison that the reference load makes while it runs: repasse's summary of the last seconds against
// the processors' own, all read at the same instant. A difference is followed: the same window is read
// again until both sides agree, which explains it by a call that was just being answered, or a time is over.
#pragma once

#include "bench/audit_reader.hpp"
#include "bench/strict_audit.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace repasse {

/// What one comparison found. A call that failed, or took longer than allowed, counts as zeros.
struct summary_check {
  audit_window window;
  std::vector<told_totals> ours; ///< by processor
  std::vector<told_totals> theirs;
  std::size_t calls_failed = 0;
  double second = 0;  ///< of the load, when it was made
  bool scored = true; ///< a difference costs profit
  /// After a difference: how long until the same window was read alike; nullopt: it was not.
  std::optional<std::chrono::milliseconds> explained_after;

  [[nodiscard]] bool is_consistent() const { return ours == theirs; }
  [[nodiscard]] bool is_unexplained() const { return !is_consistent() && !explained_after; }
  /// Payments, and cents, that one side has more than the other, over all processors.
  [[nodiscard]] std::uint64_t requests_apart() const;
  [[nodiscard]] std::int64_t cents_apart() const;
};

struct check_config {
  /// The window is [now - begins, now - ends].
  std::chrono::milliseconds begins{15'000};
  std::chrono::milliseconds ends{1'500};
  std::chrono::milliseconds every{10'000};
  /// The first check of each such period is scored; zero: every check.
  std::chrono::milliseconds score_every{0};
  std::chrono::milliseconds read_again_every{50};
  std::chrono::milliseconds explain_within{2'000};
};

struct check_counts {
  std::size_t made = 0;
  std::size_t scored = 0;
  std::size_t differed = 0;
  std::size_t scored_differed = 0;
  std::size_t explained = 0; ///< of those that differed
  std::size_t unexplained = 0;
};

[[nodiscard]] check_counts count_checks(const std::vector<summary_check>& checks);

/// Belongs to one thread; a thread of its own makes each call.
class summary_checker {
public:
  summary_checker(const audit_config& servers, const check_config& config);

  /// Until it is stopped; then every difference has been followed. The first check is due a period after
  /// `start`; what is missed because a call took long is made late, or left out if the next is due by then.
  void run(const std::stop_token& stop, std::chrono::steady_clock::time_point start);
  /// One more, scored, with its difference followed.
  void check_once(double second);

  [[nodiscard]] const std::vector<summary_check>& made() const { return made_; }

private:
  using time_point = std::chrono::steady_clock::time_point;

  struct followed {
    std::size_t check;
    time_point since;
    time_point due;
  };

  [[nodiscard]] summary_check read(const std::optional<audit_window>& window);
  void check(double second, bool scored);
  void follow();
  void follow_to_the_end();

  const audit_config& servers_;
  check_config config_;
  std::list<audit_reader> readers_; ///< repasse's, then each processor's
  std::vector<summary_check> made_;
  std::vector<followed> followed_;
};

} // namespace repasse
