// One seed: a cluster, about a thousand payments, ten virtual minutes, several faults; then the faults end,
// and the books must be right.
#pragma once

#include "test/simulation/instance.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace repasse::simulation {

struct seed_result {
  std::vector<std::string> violations; ///< empty: all is well
  coverage seen;
  std::chrono::nanoseconds virtual_time{0};
};

/// Repeats exactly, whatever ran before.
[[nodiscard]] seed_result run_seed(std::uint64_t seed);

} // namespace repasse::simulation
