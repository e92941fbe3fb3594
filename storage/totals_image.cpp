#include "storage/totals_image.hpp"

#include <algorithm>

namespace repasse {
namespace {

constexpr std::int64_t seconds_kept = 2 * 3600;
constexpr std::int64_t minutes_kept = 2 * 86400;
constexpr std::int64_t hours_kept = 60 * 86400;
constexpr std::int64_t days_kept = 4000 * 86400LL;

std::int64_t rounded_up(std::size_t level, std::int64_t second) {
  return span_of(level, second + span_seconds[level] - 1);
}

} // namespace

totals_layout layout_at(std::int64_t now) {
  totals_layout made;
  made.begins[0] = span_of(2, now - seconds_kept); // by hours, so that little is dropped often
  made.begins[1] = span_of(3, now - minutes_kept);
  made.begins[2] = span_of(3, now - hours_kept);
  made.begins[3] = span_of(3, now - days_kept);
  made.end = now + 1;
  return made;
}

span_plan plan_spans(const totals_layout& layout, std::int64_t from, std::int64_t to) {
  span_plan made;
  std::int64_t at = std::max(from, layout.begins[span_levels - 1]);
  to = std::min(to, layout.end);
  // Where a bound lies among older times, it moves inwards to the next span that is there.
  for (std::size_t level = 0; level + 1 < span_levels; ++level)
    if (at < layout.begins[level]) at = rounded_up(level + 1, at);
  for (std::size_t level = 0; level + 1 < span_levels; ++level)
    if (to < layout.begins[level]) to = span_of(level + 1, to);
  made.from = at;
  made.to = std::max(at, to);
  while (at < to) {
    std::size_t level = span_levels - 1;
    while (level > 0 && (span_of(level, at) != at || at + span_seconds[level] > to))
      --level;
    made.spans.emplace_back(level, at);
    at += span_seconds[level];
  }
  return made;
}

void totals_image::add(const total_key& key, const processor_total& sum) {
  processor_total& own = sums_[key];
  own.requests += sum.requests;
  own.amount_cents += sum.amount_cents;
  changed_[key] = true;
}

void totals_image::load(const total_key& key, const processor_total& sum) {
  for (std::size_t level = key.level; level < span_levels; ++level) {
    const std::int64_t begins = span_of(level, key.begins);
    if (begins >= layout_.begins[level]) add({level, begins, key.processor}, sum);
  }
  layout_.end = std::max(layout_.end, key.begins + span_seconds[key.level]);
}

void totals_image::set(std::size_t level, std::int64_t begins, std::span<const processor_total> sums) {
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const total_key key{level, begins, static_cast<processor_index>(i)};
    const auto there = sums_.find(key);
    const processor_total before = there == sums_.end() ? processor_total{} : there->second;
    if (before == sums[i]) continue;
    // Unsigned requests wrap around and back.
    load(key, {sums[i].requests - before.requests, sums[i].amount_cents - before.amount_cents});
  }
}

std::optional<std::size_t> totals_image::finest_level(std::int64_t second) const {
  for (std::size_t level = 0; level < span_levels; ++level)
    if (second >= layout_.begins[level]) return level;
  return std::nullopt;
}

void totals_image::move_to(const totals_layout& layout) {
  for (std::size_t level = 0; level < span_levels; ++level) {
    const auto first = sums_.lower_bound({level, INT64_MIN, 0});
    const auto last = sums_.lower_bound({level, layout.begins[level], 0});
    for (auto each = first; each != last; ++each)
      changed_[each->first] = false;
    sums_.erase(first, last);
  }
  const std::int64_t end = std::max(layout_.end, layout.end);
  layout_ = layout;
  layout_.end = end;
}

totals_image::changes totals_image::take_changes() {
  changes made;
  for (const auto& [key, is_set] : changed_)
    (is_set ? made.set : made.dropped).push_back(key);
  changed_.clear();
  return made;
}

} // namespace repasse
