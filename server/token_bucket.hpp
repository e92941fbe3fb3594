// So many at once, and so many a second in the long run. Pure.
#pragma once

#include "storage/clock.hpp"

#include <algorithm>

namespace repasse {

class token_bucket {
public:
  /// Full at first. Both are at least 1.
  token_bucket(double per_second, double burst) : per_second_(per_second), burst_(burst), tokens_(burst) {}

  [[nodiscard]] bool take(steady_time now) {
    const std::chrono::duration<double> passed = now - filled_;
    if (passed.count() > 0) {
      tokens_ = std::min(burst_, tokens_ + passed.count() * per_second_);
      filled_ = now;
    }
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

private:
  double per_second_;
  double burst_;
  double tokens_;
  steady_time filled_{};
};

} // namespace repasse
