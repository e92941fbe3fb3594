// A restore of the ledger to an earlier moment: everything that was written after it is gone, and what the
// processors have taken since is not.
#pragma once

#include "test/simulation/clients.hpp"
#include "test/simulation/cluster.hpp"

namespace repasse::simulation {

/// Once within `span` from now. All instances are gone for so long that what they have sent has come to its
/// end; from then on they ask first. Clients say again what the ledger has forgotten.
void schedule_restore(world& outside, cluster& servers, clients& posters, std::chrono::nanoseconds span);

} // namespace repasse::simulation
