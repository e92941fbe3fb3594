// Which seconds hold rows that an epoch owns and has not settled, by when they were accepted: what each beat
// carries, so that whoever takes the epoch over looks nowhere else. Pure; it may name a second that holds
// none, never leave one out.
#pragma once

#include "storage/time_spans.hpp"

#include <cstdint>
#include <map>

namespace repasse {

class open_rows {
public:
  /// So many make a beat small, and a payment that hangs for hours cheap.
  static constexpr std::size_t spans_max = 16;

  void add(wall_time accepted_at) {
    const seconds second = second_of(accepted_at);
    ++counts_[second];
    if (is_looking_ && second < look_end_) ++seen_[second]; // the look may see it too: then it counts twice
  }
  /// By what is known to be true: a row that may still be open stays counted.
  void remove(wall_time accepted_at) {
    const seconds second = second_of(accepted_at);
    decrease(counts_, second);
    if (is_looking_ && second < look_end_ && accepted_at < passed_) decrease(seen_, second);
  }

  // A look at own rows, oldest first, counts anew those of the seconds before `end`: some may not have been
  // counted (taken over in doubt), others counted and settled by someone else. It ends there, since it would
  // otherwise see what add() counts as well: `end` must not be later than now, nor than what is being
  // appended. The rows of one look and all that remove() is told of meanwhile must be of one order of events.
  void begin_look(wall_time end) {
    seen_.clear();
    passed_ = wall_time::min();
    look_end_ = second_of(end);
    is_looking_ = true;
  }
  void see(wall_time accepted_at) {
    if (second_of(accepted_at) < look_end_) ++seen_[second_of(accepted_at)];
  }
  /// All that was accepted before has been seen.
  void pass(wall_time accepted_at) { passed_ = accepted_at; }
  /// All has been seen.
  void end_look() {
    if (!std::exchange(is_looking_, false)) return;
    counts_.erase(counts_.begin(), counts_.lower_bound(look_end_));
    counts_.merge(seen_);
  }

  /// Where open rows may be: all of `uncounted` and later, and before it whatever is counted. At most
  /// spans_max, in order, apart; the last never ends.
  [[nodiscard]] std::vector<time_span> spans(wall_time uncounted) const {
    std::vector<time_span> made;
    const auto append = [&made](wall_time begin, wall_time end) {
      if (!made.empty() && begin <= made.back().end)
        made.back().end = end;
      else
        made.push_back({begin, end});
      if (made.size() > spans_max) join_closest(made);
    };
    for (auto one = counts_.begin(); one != counts_.end() && one->first < uncounted; ++one)
      append(one->first, one->first + std::chrono::seconds{1});
    append(uncounted, wall_time::max());
    return made;
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
  wall_time passed_{};
  seconds look_end_{};
  bool is_looking_ = false;
};

} // namespace repasse
