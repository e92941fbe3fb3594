#include "storage/memory_reconciliations.hpp"

#include <algorithm>

namespace repasse {
namespace {

steady_time steady_now() { return std::chrono::steady_clock::now(); }
wall_time wall_now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

std::string line_of(const reconciliation_finding& finding) {
  return to_string(wall_now()) + " " + std::string{to_string(finding.state)} + ": " + finding.history;
}

std::string text_of(const processor_total& sum) {
  char amount[24];
  return std::to_string(sum.requests) + " of " + std::string{amount, write_amount(amount, sum.amount_cents)};
}

} // namespace

task<std::optional<bool>> memory_reconciliations::take_turn(std::int64_t holder,
                                                            std::chrono::milliseconds period) {
  const std::lock_guard lock(mutex_);
  const steady_time now = steady_now();
  if (now < held_until_ || (is_over_ && begun_ && now - *begun_ < period)) co_return false;
  holder_ = holder;
  is_over_ = false;
  begun_ = now;
  held_until_ = now + turn_limit;
  co_return true;
}

task<bool> memory_reconciliations::keep_turn(std::int64_t holder) {
  const std::lock_guard lock(mutex_);
  if (holder_ != holder || is_over_) co_return false;
  held_until_ = steady_now() + turn_limit;
  co_return true;
}

task<bool> memory_reconciliations::end_turn(std::int64_t holder) {
  const std::lock_guard lock(mutex_);
  if (holder_ != holder) co_return false;
  is_over_ = true;
  held_until_ = {};
  co_return true;
}

task<std::optional<std::int64_t>> memory_reconciliations::begin_run(processor_index processor,
                                                                    time_window window) {
  const std::lock_guard lock(mutex_);
  std::erase_if(runs_, [&](const reconciliation_run& run) {
    return run.processor == processor && run.window.from == window.from && run.window.to == window.to;
  });
  reconciliation_run& run = runs_.emplace_back();
  run.id = ++last_id_;
  run.processor = processor;
  run.window = window;
  run.started_at = wall_now();
  if (runs_.size() > runs_max) runs_.pop_front();
  co_return run.id;
}

task<bool> memory_reconciliations::end_run(reconciliation_run run) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(runs_, run.id, &reconciliation_run::id);
  if (found == runs_.end()) co_return true;
  run.started_at = found->started_at;
  run.ended_at = wall_now();
  run.findings.clear();
  *found = std::move(run);
  co_return true;
}

task<bool> memory_reconciliations::keep_finding(std::int64_t run, reconciliation_finding finding) {
  const std::lock_guard lock(mutex_);
  if (is_explained(finding)) co_return true;
  const auto [at, is_new] = findings_.try_emplace(key{finding.processor, finding.kind, finding.subject()});
  reconciliation_finding& kept = at->second.what;
  finding.id = is_new ? ++last_finding_ : kept.id;
  finding.first_seen = is_new ? wall_now() : kept.first_seen;
  finding.last_seen = wall_now();
  if (is_new)
    finding.history = line_of(finding);
  else
    finding.history = kept.state == finding.state ? kept.history : kept.history + "\n" + line_of(finding);
  if (is_new) at->second.run = run;
  kept = std::move(finding);
  if (findings_.size() > findings_max)
    findings_.erase(std::ranges::min_element(findings_, {}, [](const auto& one) {
      return one.second.what.explained_at.value_or(one.second.what.last_seen);
    }));
  co_return true;
}

bool memory_reconciliations::is_explained(const reconciliation_finding& finding) const {
  const std::string subject = finding.subject();
  for (auto at = findings_.lower_bound(key{finding.processor, finding.kind, subject});
       at != findings_.end() && std::get<std::string>(at->first).starts_with(subject); ++at)
    if (at->second.what.state == finding_state::explained && at->second.what.is_same_difference(finding))
      return true;
  return false;
}

task<explanation> memory_reconciliations::explain(std::int64_t finding, std::string reason) {
  const std::lock_guard lock(mutex_);
  const auto at = std::ranges::find(findings_, finding, [](const auto& one) { return one.second.what.id; });
  if (at == findings_.end()) co_return explanation{explanation::verdict::no_such_finding};
  reconciliation_finding& kept = at->second.what;
  if (kept.state != finding_state::open) co_return explanation{explanation::verdict::not_open};
  kept.state = finding_state::explained;
  kept.explained_at = wall_now();
  kept.history += "\n" + to_string(*kept.explained_at) + " explained, ours " + text_of(kept.ours) +
                  ", theirs " + text_of(kept.theirs) + ": " + reason;
  const explanation done{explanation::verdict::done, kept};
  auto one = findings_.extract(at);
  std::get<std::string>(one.key()) += " " + std::to_string(finding);
  findings_.insert(std::move(one));
  co_return done;
}

task<std::optional<std::optional<time_window>>>
memory_reconciliations::unfinished(processor_index processor) {
  const std::lock_guard lock(mutex_);
  std::optional<time_window> found;
  for (const reconciliation_run& run : runs_)
    if (run.processor == processor && run.status == run_status::running && !found) found = run.window;
  co_return found;
}

task<std::optional<std::optional<wall_time>>>
memory_reconciliations::reconciled_until(processor_index processor) {
  const std::lock_guard lock(mutex_);
  std::optional<wall_time> until;
  for (const reconciliation_run& run : runs_)
    if (run.processor == processor && run.status == run_status::done)
      until = std::max(until.value_or(wall_time::min()), run.window.to);
  co_return until;
}

task<std::optional<std::vector<reconciliation_finding>>>
memory_reconciliations::open_of(processor_index processor, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<reconciliation_finding> found;
  for (const auto& [of, one] : findings_)
    if (one.what.processor == processor && one.what.state == finding_state::open) found.push_back(one.what);
  std::ranges::sort(found, {}, &reconciliation_finding::last_seen);
  if (found.size() > limit) found.resize(limit);
  co_return found;
}

task<std::optional<open_findings>> memory_reconciliations::count_open() {
  const std::lock_guard lock(mutex_);
  open_findings counted{};
  for (const auto& [of, one] : findings_)
    if (one.what.state == finding_state::open) ++counted[static_cast<std::size_t>(one.what.kind)];
  co_return counted;
}

task<std::optional<std::vector<reconciliation_run>>> memory_reconciliations::read_runs(std::int64_t before,
                                                                                       std::size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<reconciliation_run> read;
  for (auto run = runs_.rbegin(); run != runs_.rend() && read.size() < limit; ++run)
    if (run->id < before) read.push_back(*run);
  for (const auto& [of, one] : findings_) {
    const auto run = std::ranges::find(read, one.run, &reconciliation_run::id);
    if (run != read.end() && run->findings.size() < findings_a_run_max) run->findings.push_back(one.what);
  }
  co_return read;
}

void memory_reconciliations::purged() {
  const std::lock_guard lock(mutex_);
  runs_.clear();
  findings_.clear();
}

} // namespace repasse
