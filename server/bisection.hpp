// Finds out in which parts of a window two books differ, by asking for the sums of ever smaller parts. Pure:
// it is given the answers. A run of the reconciler drives it.
#pragma once

#include "storage/ledger.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace repasse {

class bisection {
public:
  /// What both books say of a window.
  struct part {
    time_window window;
    processor_total ours;
    processor_total theirs;

    [[nodiscard]] bool differs() const { return !(ours == theirs); }
  };

  /// `questions_max` bounds how often next() asks; what is not yet divided then stays as wide as it is.
  bisection(const part& whole, std::size_t questions_max) : questions_left_(questions_max) {
    if (whole.differs()) open_.push_back(whole);
  }

  /// The half of a part to ask both books for; empty: all is known.
  [[nodiscard]] std::optional<time_window> next();
  /// Of the window that next() named. The other half is the difference to the whole.
  void answer(const processor_total& ours, const processor_total& theirs);

  /// Where the books differ, earliest first: a millisecond each, or a part that they have nothing of, or
  /// where the questions ended. To be read once next() is empty.
  [[nodiscard]] const std::vector<part>& found() const { return found_; }

private:
  std::vector<part> open_; ///< earliest last: depth first, so that few are open at once
  std::vector<part> found_;
  std::size_t questions_left_;
};

} // namespace repasse
