// What goes wrong in one seed, and when: drawn at its beginning, all of it over at a known time.
#pragma once

#include "test/simulation/clients.hpp"
#include "test/simulation/cluster.hpp"

namespace repasse::simulation {

/// Schedules several faults that begin within `span` from now, most of them in a burst of payments; each
/// ends within 30 s of its beginning.
void schedule_faults(world& outside, cluster& servers, clients& posters, std::chrono::nanoseconds span);

/// Ends every fault that is still on, and starts every instance that is down.
void end_faults(world& outside, cluster& servers);

} // namespace repasse::simulation
