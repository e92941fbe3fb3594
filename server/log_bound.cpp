#include "server/log_bound.hpp"

#include <functional>

namespace repasse {

log_bound::log_bound()
    : levels_(levels, token_bucket{level_per_second, level_burst}),
      kinds_(kinds, token_bucket{kind_per_second, kind_burst}),
      traces_(trace_per_second, trace_burst) {}

bool log_bound::admits(std::size_t level, std::string_view text, steady_time now) {
  const std::string_view word = text.substr(0, text.find_first_of(" :0123456789"));
  const std::size_t kind = (std::hash<std::string_view>{}(word) + level) % kinds;
  return kinds_[kind].take(now) && levels_[level].take(now);
}

} // namespace repasse
