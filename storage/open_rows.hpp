// Since when the rows that an epoch owns and has not settled were accepted: the bound that each beat carries,
// so that whoever takes the epoch over need not look at older rows. Pure; the bound may be too early, never
// too late.
#pragma once

#include "storage/clock.hpp"

#include <algorithm>
#include <cstdint>
#include <map>

namespace repasse {

class open_rows {
public:
  void add(wall_time accepted_at) {
    ++counts_[second_of(accepted_at)];
    if (is_looking_) ++seen_[second_of(accepted_at)];
  }
  /// By what is known to be true: a row that may still be open stays counted.
  void remove(wall_time accepted_at) {
    decrease(counts_, second_of(accepted_at));
    if (is_looking_ && second_of(accepted_at) < second_of(passed_)) decrease(seen_, second_of(accepted_at));
  }

  // A look at all own rows, oldest first, counts anew: some may not have been counted (taken over in doubt),
  // others counted and settled by someone else. What is added meanwhile may lie behind it, and counts too.
  void begin_look() {
    seen_.clear();
    passed_ = wall_time::min();
    is_looking_ = true;
  }
  void see(wall_time accepted_at) { ++seen_[second_of(accepted_at)]; }
  /// All that was accepted before has been seen.
  void pass(wall_time accepted_at) { passed_ = accepted_at; }
  void end_look() {
    if (is_looking_) counts_.swap(seen_);
    is_looking_ = false;
  }

  /// Nothing that is open was accepted before; `now` if nothing is.
  [[nodiscard]] wall_time oldest(wall_time now) const {
    return counts_.empty() ? now : std::min(now, wall_time{counts_.begin()->first});
  }

private:
  using seconds = std::chrono::sys_seconds;
  using counts = std::map<seconds, std::uint64_t>;
  static seconds second_of(wall_time time) { return std::chrono::floor<std::chrono::seconds>(time); }
  static void decrease(counts& of, seconds second) {
    const auto found = of.find(second);
    if (found != of.end() && --found->second == 0) of.erase(found);
  }

  counts counts_;
  counts seen_;
  wall_time passed_ = wall_time::min();
  bool is_looking_ = false;
};

} // namespace repasse
