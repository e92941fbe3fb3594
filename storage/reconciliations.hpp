// What comparing our books with the processors' has found, and whose turn it is to compare. The reconciler
// writes it, the endpoints and `repasse reconcile` read it. Two implementations: postgres_ledger, for all
// instances, and memory_reconciliations, for the process.
#pragma once

#include "storage/ledger.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

enum class finding_kind : std::uint8_t {
  not_settled,     ///< the processor has taken it, and our row was still open
  ours_not_theirs, ///< settled with us, and the processor does not have it
  theirs_not_ours, ///< the processor has it, and our books do not, or elsewhere
  other_amount,
  other_time ///< another `requestedAt`
};
inline constexpr std::size_t finding_kinds = 5;
enum class finding_state : std::uint8_t {
  open,
  mended,   ///< the books agree now
  explained ///< they do not, and an administrator has said why: closed for good
};
enum class run_status : std::uint8_t { running, done, failed };

[[nodiscard]] std::string_view to_string(finding_kind kind);
[[nodiscard]] std::string_view to_string(finding_state state);
[[nodiscard]] std::string_view to_string(run_status status);

/// A difference; of one payment, or of a window where it is not known of which.
struct reconciliation_finding {
  std::int64_t id = 0; ///< told by the store, as what stands last
  processor_index processor = 0;
  finding_kind kind = finding_kind::not_settled;
  std::optional<payment_id> payment{};
  time_window window{}; ///< where the difference lies
  processor_total ours{};
  processor_total theirs{};
  finding_state state = finding_state::open;
  std::string history{}; ///< a line for each change of state; as it is noted, the last one's words
  // Told by the store.
  wall_time first_seen{};
  wall_time last_seen{};
  std::optional<wall_time> explained_at{};

  /// What tells it from others of its processor and kind that are not explained.
  [[nodiscard]] std::string subject() const;
  /// Of the same payment or part, and by the same sums.
  [[nodiscard]] bool is_same_difference(const reconciliation_finding& other) const;
};

/// One window of one processor.
struct reconciliation_run {
  std::int64_t id = 0;
  processor_index processor = 0;
  time_window window{};
  run_status status = run_status::running;
  processor_total ours{};
  processor_total theirs{};
  bool matched = false; ///< nothing was left open
  wall_time started_at{};
  std::optional<wall_time> ended_at{};
  std::string error{};                            ///< why it failed; one line
  std::vector<reconciliation_finding> findings{}; ///< first seen by it; at most findings_a_run_max
};

/// A run stops there.
inline constexpr std::size_t findings_a_run_max = 1000;
/// Who is silent for so long has lost its turn.
inline constexpr std::chrono::seconds turn_limit{15};
/// Findings not seen for longer, or explained longer ago, are forgotten, and runs without a finding.
inline constexpr std::chrono::days reconciliations_kept{90};

using open_findings = std::array<std::uint64_t, finding_kinds>;

struct explanation {
  enum class verdict : std::uint8_t { done, no_such_finding, not_open, unavailable };
  verdict what = verdict::unavailable;
  reconciliation_finding finding{}; ///< as it is now; if done
};

/// Reads that fail are empty, writes false: the store is unavailable.
class reconciliations {
public:
  reconciliations() = default;
  virtual ~reconciliations() = default;
  reconciliations(const reconciliations&) = delete;
  reconciliations& operator=(const reconciliations&) = delete;

  /// True: `holder` alone compares, until it ends its turn or is silent for turn_limit. False if another
  /// does, or if the last turn ended as it should and began less than `period` ago.
  virtual task<std::optional<bool>> take_turn(std::int64_t holder, std::chrono::milliseconds period) = 0;
  /// False also if the turn is another's by now.
  virtual task<bool> keep_turn(std::int64_t holder) = 0;
  virtual task<bool> end_turn(std::int64_t holder) = 0;

  /// The number of the run of this window; an earlier one of the same window begins anew.
  virtual task<std::optional<std::int64_t>> begin_run(processor_index processor, time_window window) = 0;
  virtual task<bool> end_run(reconciliation_run run) = 0;
  /// One that is known is seen again, and changes its state and its numbers. Nothing is kept of the very
  /// difference that was explained.
  virtual task<bool> keep_finding(std::int64_t run, reconciliation_finding finding) = 0;

  /// A run that did not end; then what it was about comes first. Inner empty: there is none.
  virtual task<std::optional<std::optional<time_window>>> unfinished(processor_index processor) = 0;
  /// Up to where all windows were compared; inner empty: none was.
  virtual task<std::optional<std::optional<wall_time>>> reconciled_until(processor_index processor) = 0;
  /// Of those open, the ones seen longest ago.
  virtual task<std::optional<std::vector<reconciliation_finding>>> open_of(processor_index processor,
                                                                           std::size_t limit) = 0;
  /// Of the processors that are configured: nobody looks at others again.
  virtual task<std::optional<open_findings>> count_open() = 0;
  /// Closes an open one: it keeps its numbers, which its history says with the `reason`, one line.
  virtual task<explanation> explain(std::int64_t finding, std::string reason) = 0;
  /// The payments are purged, and with them what was found of them; where both live in one store it has done
  /// so.
  virtual void purged() = 0;
  /// Newest first, with their findings; only those before `before`.
  virtual task<std::optional<std::vector<reconciliation_run>>> read_runs(std::int64_t before,
                                                                         std::size_t limit) = 0;
};

} // namespace repasse
