// The one time of a simulation. clock.cpp beside this file stands in for storage/clock.cpp: a clock reads
// this, plus what its instance's wall clock is off by.
#pragma once

#include "storage/clock.hpp"

#include <chrono>

namespace repasse::simulation {

/// Since the beginning of the seed.
[[nodiscard]] steady_time virtual_now();
void set_virtual_now(steady_time now);

/// Of every clock built from here on.
void set_wall_skew(std::chrono::milliseconds skew);

[[nodiscard]] wall_time true_wall();

} // namespace repasse::simulation
