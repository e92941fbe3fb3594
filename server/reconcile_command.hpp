// `repasse reconcile`: one reconciliation from the command line, beside any servers that run.
#pragma once

#include "server/config.hpp"

namespace repasse {

/// Prints a line for each run and finding. Needs DATABASE_URL. True if all books are equal.
[[nodiscard]] bool reconcile(const config& settings);

} // namespace repasse
