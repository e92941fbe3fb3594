#include "server/bisection.hpp"

namespace repasse {

std::optional<time_window> bisection::next() {
  while (!open_.empty()) {
    const part& top = open_.back();
    const bool is_small = top.window.from >= top.window.to;
    const bool is_ours_alone = top.theirs.requests == 0;
    if (is_small || is_ours_alone || questions_left_ == 0) {
      found_.push_back(top);
      open_.pop_back();
      continue;
    }
    --questions_left_;
    return time_window{top.window.from, top.window.from + (top.window.to - top.window.from) / 2};
  }
  return std::nullopt;
}

void bisection::answer(const processor_total& ours, const processor_total& theirs) {
  const part whole = open_.back();
  open_.pop_back();
  const wall_time middle = whole.window.from + (whole.window.to - whole.window.from) / 2;
  const part first{{whole.window.from, middle}, ours, theirs};
  // Books that grow meanwhile would leave less than nothing.
  const auto rest = [](const processor_total& of, const processor_total& less) {
    return processor_total{of.requests - std::min(of.requests, less.requests),
                           of.amount_cents - less.amount_cents};
  };
  const part second{{middle + std::chrono::milliseconds{1}, whole.window.to},
                    rest(whole.ours, ours),
                    rest(whole.theirs, theirs)};
  if (second.differs()) open_.push_back(second);
  if (first.differs()) open_.push_back(first);
}

} // namespace repasse
