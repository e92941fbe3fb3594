// The reference load of CONTRACT section 3 over real connections: clients that each post a payment a second,
// more and more of them, while the processors go through stages of delay and failure; comparisons of the
// summaries meanwhile; the strict audit afterwards. Run by the program `reference` against servers that are
// running and empty.
#pragma once

#include "bench/open_loop.hpp"
#include "bench/reference_checks.hpp"
#include "bench/reference_stages.hpp"
#include "bench/strict_audit.hpp"

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace repasse {

struct reference_config {
  open_loop_config load;
  audit_config audit;                  ///< names the servers, too
  std::vector<reference_stage> stages; ///< each of them equally long
  std::chrono::seconds check_every{10};
  pid_t pid = 0; ///< of repasse, to tell what it used; 0: not known
};

/// What a processor had taken when the load ended.
struct processor_takings {
  told_totals taken;
  double fees = 0;
};

struct reference_report {
  open_loop_result load;
  std::vector<summary_check> checks;
  bool stages_entered = true; ///< every processor accepted every stage
  std::vector<processor_takings> takings;
  std::size_t unsettled_at_end = 0; ///< acknowledged and not in the summary when the load ended
  audit_report audit;
  std::chrono::nanoseconds cpu_time{0};
  std::size_t resident_bytes = 0;

  [[nodiscard]] std::size_t inconsistencies() const;
  [[nodiscard]] bool ok() const { return stages_entered && inconsistencies() == 0 && audit.ok(); }
};

/// In currency units, as far as paid when the load ended.
struct reference_score {
  double taken = 0;
  double fees = 0;
  double penalty = 0; ///< 35 % of what is left of it, for any inconsistency
  double bonus = 0;   ///< 2 % of it for each millisecond that the p99 is under 11 ms
  double total = 0;   ///< 0 if more payments were charged than posted
};

/// Throws std::system_error if repasse cannot be reached.
[[nodiscard]] reference_report run_reference(const reference_config& config);

/// Reorders the report's latencies.
[[nodiscard]] reference_score score(reference_report& report);

[[nodiscard]] std::string to_text(reference_report& report, const reference_config& config);
[[nodiscard]] std::string to_json(reference_report& report, const reference_config& config);

} // namespace repasse
