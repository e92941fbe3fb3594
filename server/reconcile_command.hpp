// `repasse reconcile`: one reconciliation from the command line, beside any servers that run.
#pragma once

#include "server/config.hpp"

#include <string>

namespace repasse {

/// What is missing in the configuration; empty if nothing is.
[[nodiscard]] std::string why_not_reconcile(const config& settings);

/// Prints a line for each run and finding. True if all books are equal.
[[nodiscard]] bool reconcile(const config& settings);

} // namespace repasse
