// Spans of time that hold what somebody looks for, and a walk over payments by age that visits those alone.
// Pure.
#pragma once

#include "storage/ledger.hpp"

#include <algorithm>
#include <vector>

namespace repasse {

/// From `begin` up to `end`, which is not within.
struct time_span {
  wall_time begin = wall_time::min();
  wall_time end = wall_time::max();

  friend bool operator==(const time_span&, const time_span&) = default;
};

/// The same times in order, spans that meet made one.
[[nodiscard]] inline std::vector<time_span> joined(std::vector<time_span> spans) {
  std::sort(spans.begin(), spans.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  std::vector<time_span> made;
  for (const time_span& one : spans) {
    if (!made.empty() && one.begin <= made.back().end)
      made.back().end = std::max(made.back().end, one.end);
    else
      made.push_back(one);
  }
  return made;
}

/// Two or more spans in order become one less: those with the least between them are made one.
inline void join_closest(std::vector<time_span>& spans) {
  auto closest = spans.begin();
  for (auto one = closest; one + 1 != spans.end(); ++one)
    if ((one + 1)->begin - one->end < (closest + 1)->begin - closest->end) closest = one;
  closest->end = (closest + 1)->end;
  spans.erase(closest + 1);
}

/// Before every row that was accepted at `time` or later.
[[nodiscard]] inline page_cursor just_before(wall_time time) {
  page_cursor at{.accepted_at = time, .id = {}};
  if (time > wall_time::min()) at.accepted_at -= std::chrono::milliseconds{1};
  at.id.bytes.fill(0xff);
  return at;
}

/// Of one who looks at payments oldest first, a window at a time: where the next window begins.
class span_walk {
public:
  /// Has ended.
  span_walk() = default;
  /// `spans`: one at least, in order, apart.
  explicit span_walk(std::vector<time_span> spans)
      : spans_(std::move(spans)), at_(just_before(spans_.front().begin)) {}

  [[nodiscard]] bool has_ended() const { return next_ == spans_.size(); }
  /// The next window begins behind this.
  [[nodiscard]] const page_cursor& at() const { return at_; }

  /// All rows up to this one have been looked at.
  void pass(const page_cursor& row) {
    at_ = row;
    while (!has_ended() && spans_[next_].end <= row.accepted_at)
      ++next_;
    if (!has_ended() && row.accepted_at < spans_[next_].begin) at_ = just_before(spans_[next_].begin);
  }
  /// There are no more rows.
  void end() { next_ = spans_.size(); }

private:
  std::vector<time_span> spans_;
  std::size_t next_ = 0; ///< of the spans, the one that is walked through
  page_cursor at_{};
};

} // namespace repasse
