// The totals that Redis holds a copy of, as their writer keeps them in memory: sums by second, minute, hour
// and day, all of one snapshot of the books. Seconds are kept for two hours or more, minutes for two days,
// hours for sixty days, days for ever (4,000 of them), so that the copy has some 12,000 fields for each
// processor, whatever its age. Pure; written by totals_copy alone. plan_spans() is what a reader needs: which
// fields add up to a window.
#pragma once

#include "storage/ledger.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace repasse {

/// Second, minute, hour, day.
inline constexpr std::array<std::int64_t, 4> span_seconds{1, 60, 3600, 86400};
inline constexpr std::size_t span_levels = span_seconds.size();

/// The beginning of the span that holds the second.
[[nodiscard]] constexpr std::int64_t span_of(std::size_t level, std::int64_t second) {
  const std::int64_t width = span_seconds[level];
  return second - (second % width + width) % width;
}

struct total_key {
  std::size_t level = 0;
  std::int64_t begins = 0; ///< seconds since 1970
  processor_index processor = 0;

  friend auto operator<=>(const total_key&, const total_key&) = default;
};

/// From where each level is there, in seconds since 1970, aligned to the next coarser level; it goes up to
/// `end`. What lies before the first day is not there.
struct totals_layout {
  std::array<std::int64_t, span_levels> begins{};
  std::int64_t end = 0;

  friend bool operator==(const totals_layout&, const totals_layout&) = default;
};

/// What is kept at `now` (a second).
[[nodiscard]] totals_layout layout_at(std::int64_t now);

/// A window made of whole spans of a layout: the largest within [from, to), and its spans.
struct span_plan {
  std::int64_t from = 0;
  std::int64_t to = 0; ///< not in it
  std::vector<std::pair<std::size_t, std::int64_t>> spans;
};
[[nodiscard]] span_plan plan_spans(const totals_layout& layout, std::int64_t from, std::int64_t to);

class totals_image {
public:
  /// Empty, with this layout.
  explicit totals_image(const totals_layout& layout) : layout_(layout) {}

  [[nodiscard]] const totals_layout& layout() const { return layout_; }
  [[nodiscard]] const std::map<total_key, processor_total>& sums() const { return sums_; }

  /// While it is being filled: a sum of a level; what it adds to coarser levels is added there, for what lies
  /// in the part that this level alone tells of.
  void load(const total_key& key, const processor_total& sum);

  /// What a span holds now, all processors of it: a span of the finest level that is there for its time, as
  /// finest_level() tells.
  void set(std::size_t level, std::int64_t begins, std::span<const processor_total> sums);
  /// Empty for what is older than all days.
  [[nodiscard]] std::optional<std::size_t> finest_level(std::int64_t second) const;
  /// Time goes on: a later layout. What no longer has its place is dropped.
  void move_to(const totals_layout& layout);

  /// Fields that were set, or dropped, since the last call.
  struct changes {
    std::vector<total_key> set;
    std::vector<total_key> dropped;
  };
  [[nodiscard]] changes take_changes();

private:
  void add(const total_key& key, const processor_total& sum);

  totals_layout layout_;
  std::map<total_key, processor_total> sums_;
  std::map<total_key, bool> changed_; ///< true: set, false: dropped
};

} // namespace repasse
