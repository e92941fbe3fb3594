// Reconciliation runs as JSON, for the endpoint.
#pragma once

#include "storage/reconciliations.hpp"

#include <span>
#include <string>

namespace repasse {

/// `processors` are the configured names, in order; `next` is where to go on, if there is more.
void write_runs(std::string& to, std::span<const reconciliation_run> runs,
                std::span<const std::string> processors, std::optional<std::int64_t> next);

} // namespace repasse
