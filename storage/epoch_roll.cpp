#include "storage/epoch_roll.hpp"

#include "storage/planted.hpp"

namespace repasse {

epoch_id epoch_roll::open(steady_time now) {
  epochs_.push_back({.last_beat = now, .steady_since = now});
  return last();
}

beat_answer epoch_roll::beat(epoch_id epoch, steady_time now) {
  if (ended(epoch)) return {.ended = true};
  state& own = epochs_[epoch - 1];
  if (now - own.last_beat >= gap_max) own.steady_since = now;
  own.last_beat = now;
  while (ended(eldest_))
    ++eldest_;
  return {.eldest = epoch == eldest_};
}

void epoch_roll::mark(epoch_id epoch) {
  if (opened(epoch)) epochs_[epoch - 1].marked = true;
}

void epoch_roll::mark_all() {
  for (state& each : epochs_)
    each.marked = true;
}

void epoch_roll::mark_silent(steady_time now) {
  if (is_planted(planted::no_mark)) return;
  for (state& each : epochs_)
    if (now - each.last_beat >= silent_after) each.marked = true;
}

void epoch_roll::sweep(epoch_id epoch) {
  if (opened(epoch)) epochs_[epoch - 1].swept = true;
}

bool epoch_roll::to_sweep(epoch_id epoch, steady_time now) const {
  if (!opened(epoch)) return true;
  const state& one = epochs_[epoch - 1];
  const bool unmarked = is_planted(planted::no_mark) && now - one.last_beat >= silent_after;
  return (one.marked || unmarked) && !one.swept;
}

bool epoch_roll::ended(epoch_id epoch) const { return !opened(epoch) || epochs_[epoch - 1].marked; }

bool epoch_roll::steady(epoch_id epoch, steady_time now) const {
  if (ended(epoch)) return false;
  const state& own = epochs_[epoch - 1];
  return now - own.last_beat < gap_max && now - own.steady_since >= steady_after;
}

} // namespace repasse
