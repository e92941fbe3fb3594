// Reconciliation runs and findings as JSON, for the endpoints.
#pragma once

#include "storage/reconciliations.hpp"

#include <span>
#include <string>

namespace repasse {

void write_finding(std::string& to, const reconciliation_finding& finding);

/// `processors` are the configured names, in order; `next` is where to go on, if there is more.
void write_runs(std::string& to, std::span<const reconciliation_run> runs,
                std::span<const std::string> processors, std::optional<std::int64_t> next);

} // namespace repasse
