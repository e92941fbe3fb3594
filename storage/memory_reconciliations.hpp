// Reconciliations where payments live in memory: one for the process, called by its reactors, each from its
// own thread. It ends with the process, as the payments do.
#pragma once

#include "storage/reconciliations.hpp"

#include <deque>
#include <map>
#include <mutex>
#include <tuple>

namespace repasse {

class memory_reconciliations final : public reconciliations {
public:
  /// Beyond, the oldest runs and the findings seen or explained longest ago are forgotten.
  static constexpr std::size_t runs_max = 1000;
  static constexpr std::size_t findings_max = 10'000;

  task<std::optional<bool>> take_turn(std::int64_t holder, std::chrono::milliseconds period) override;
  task<bool> keep_turn(std::int64_t holder) override;
  task<bool> end_turn(std::int64_t holder) override;
  task<std::optional<std::int64_t>> begin_run(processor_index processor, time_window window) override;
  task<bool> end_run(reconciliation_run run) override;
  task<bool> keep_finding(std::int64_t run, reconciliation_finding finding) override;
  task<std::optional<std::optional<time_window>>> unfinished(processor_index processor) override;
  task<std::optional<std::optional<wall_time>>> reconciled_until(processor_index processor) override;
  task<std::optional<std::vector<reconciliation_finding>>> open_of(processor_index processor,
                                                                   std::size_t limit) override;
  task<std::optional<open_findings>> count_open() override;
  task<explanation> explain(std::int64_t finding, std::string reason) override;
  void purged() override;
  task<std::optional<std::vector<reconciliation_run>>> read_runs(std::int64_t before,
                                                                 std::size_t limit) override;

private:
  struct kept_finding {
    std::int64_t run = 0;
    reconciliation_finding what;
  };
  /// Whose subject, once it is explained, ends with its number.
  using key = std::tuple<processor_index, finding_kind, std::string>;

  [[nodiscard]] bool is_explained(const reconciliation_finding& finding) const;

  std::mutex mutex_;
  std::int64_t holder_ = 0;
  bool is_over_ = true;
  steady_time held_until_{};
  std::optional<steady_time> begun_;
  std::int64_t last_id_ = 0;
  std::int64_t last_finding_ = 0;
  std::deque<reconciliation_run> runs_; ///< oldest first
  std::map<key, kept_finding> findings_;
};

} // namespace repasse
