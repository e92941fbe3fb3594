// The comparison that the reference load makes while it runs: repasse's summary of the last seconds against
// the processors' own, all read at the same instant.
#pragma once

#include "bench/audit_reader.hpp"
#include "bench/strict_audit.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <vector>

namespace repasse {

/// What one comparison found. A call that failed, or took longer than allowed, counts as zeros.
struct summary_check {
  audit_window window;
  std::vector<told_totals> ours; ///< by processor
  std::vector<told_totals> theirs;
  std::size_t calls_failed = 0;

  [[nodiscard]] bool is_consistent() const { return ours == theirs; }
  /// Payments, and cents, that one side has more than the other, over all processors.
  [[nodiscard]] std::uint64_t requests_apart() const;
  [[nodiscard]] std::int64_t cents_apart() const;
};

/// Belongs to one thread; a thread of its own makes each call.
class summary_checker {
public:
  explicit summary_checker(const audit_config& config);

  /// Of the window [now - 15 s, now - 1.5 s].
  [[nodiscard]] summary_check check();

private:
  const audit_config& config_;
  std::list<audit_reader> readers_; ///< repasse's, then each processor's
};

} // namespace repasse
