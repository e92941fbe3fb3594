// A memory ledger that already holds settled payments, for measurements whose payments would take too long
// to go through the whole server.
#pragma once

#include "storage/memory_ledger.hpp"

#include <cstddef>
#include <random>

namespace repasse {

/// Every payment is settled, a millisecond after the one before it; every fourth with the second processor.
class filled_ledger {
public:
  explicit filled_ledger(std::size_t payments);

  [[nodiscard]] memory_ledger& books() { return books_; }
  [[nodiscard]] std::size_t payments() const { return payments_; }
  /// What the process has grown by while it was filled.
  [[nodiscard]] std::size_t resident_bytes() const { return resident_bytes_; }

  /// Between two payments' times, to the millisecond.
  [[nodiscard]] time_window random_window(std::mt19937_64& random) const;

private:
  task<> fill();

  std::size_t payments_;
  memory_ledger books_;
  std::size_t resident_bytes_ = 0;
};

/// Runs a coroutine to its end on the calling thread.
void run_to_end(task<> work);

} // namespace repasse
