// The reference load of CONTRACT section 3 over real connections: clients that each post a payment a second,
// more and more of them, while the processors go through stages of delay and failure; comparisons of the
// summaries meanwhile; the strict audit afterwards. Run by the program `reference` against servers that are
// running and empty.
#pragma once

#include "bench/open_loop.hpp"
#include "bench/oracle.hpp"
#include "bench/reference_checks.hpp"
#include "bench/reference_sampler.hpp"
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
  check_config checks;
  std::vector<double> fees;                  ///< by processor, as the oracle knows them
  std::chrono::duration<double> patience{2}; ///< what repasse is configured with, for the oracle
  std::chrono::duration<double> settle_within{1};
  std::vector<watched_config> looked_at;
  pid_t pid = 0; ///< of repasse, to tell what it used; 0: not known
};

/// In currency units, as far as paid when the load ended.
struct reference_score {
  double taken = 0;
  double fees = 0;
  double profit = 0;         ///< taken - fees
  double penalty = 0;        ///< 35 % of it, for any difference in a scored check
  double bonus = 0;          ///< 2 % of it for each millisecond that the p99 is under 11 ms
  double total = 0;          ///< 0 if disqualified
  bool disqualified = false; ///< more payments were charged than posted
};

struct reference_report {
  open_loop_result load;
  std::vector<summary_check> checks;
  bool stages_entered = true;               ///< every processor accepted every stage
  double ended = 0;                         ///< second at which all answers were there, or given up
  std::vector<told_takings> takings;        ///< by processor, at that moment
  std::size_t unsettled_at_end = 0;         ///< acknowledged and not in the summary when the load ended
  std::vector<takings_sample> takings_seen; ///< each second
  std::vector<watched> containers;
  audit_report audit;
  std::chrono::nanoseconds cpu_time{0};
  std::size_t resident_bytes = 0;
  reference_score score;
  oracle_result oracle; ///< over all payments posted, from the moments they were intended for

  /// A difference in a scored check, or one that nothing explains, is inconsistent.
  [[nodiscard]] std::size_t inconsistencies() const;
  [[nodiscard]] bool ok() const { return stages_entered && inconsistencies() == 0 && audit.ok(); }
};

/// Throws std::system_error if repasse cannot be reached.
[[nodiscard]] reference_report run_reference(const reference_config& config);

[[nodiscard]] reference_score score_of(const reference_report& report);

/// What the three forms of the report share: currency units, and shares of the whole run.
[[nodiscard]] inline double units(std::int64_t cents) { return static_cast<double>(cents) / 100; }
[[nodiscard]] double cpu_micros_per_payment(std::chrono::nanoseconds cpu, const reference_report& report);
/// Our profit by the oracle's; 0 if it had none.
[[nodiscard]] double oracle_ratio(const reference_report& report);

[[nodiscard]] std::string to_text(const reference_report& report, const reference_config& config);
[[nodiscard]] std::string to_json(const reference_report& report, const reference_config& config);

} // namespace repasse
