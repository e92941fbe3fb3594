// Fills a ledger with settled payments, for measurements whose payments would take too long to go through the
// whole server.
#pragma once

#include "storage/ledger.hpp"

#include <cstddef>
#include <random>

namespace repasse {

/// Between the times of two of so many payments, to the millisecond.
[[nodiscard]] time_window random_window(std::size_t payments, std::mt19937_64& random);

/// Appends and settles so many payments, a millisecond after one another; every fourth goes to the second
/// processor.
task<> fill(ledger& books, std::size_t payments);

} // namespace repasse
