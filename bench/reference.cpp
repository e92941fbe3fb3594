#include "bench/reference.hpp"

#include "bench/child_process.hpp"
#include "bench/stoppable_sleep.hpp"

#include <algorithm>
#include <numeric>
#include <stop_token>
#include <thread>

namespace repasse {
namespace {

using steady = std::chrono::steady_clock;

/// The first stage is entered before the load begins.
void go_through_stages(const std::stop_token& stop, const reference_config& config, steady::time_point start,
                       bool& entered) {
  const std::chrono::duration<double> each(config.load.seconds / static_cast<double>(config.stages.size()));
  for (std::size_t i = 1; i < config.stages.size(); ++i) {
    const auto begins = std::chrono::duration_cast<std::chrono::nanoseconds>(each * static_cast<double>(i));
    if (!sleep_until(stop, start + begins)) return;
    entered = enter_stage(config.stages[i], config.audit.processors) && entered;
  }
}

std::vector<told_takings> read_takings(const audit_config& audit) {
  audit_reader reader(audit);
  std::vector<told_takings> all;
  for (std::size_t i = 0; i < audit.processors.size(); ++i)
    all.push_back(reader.takings_of(i).value_or(told_takings{}));
  return all;
}

std::size_t count_unsettled(const audit_config& audit, const open_loop_result& load) {
  audit_reader reader(audit);
  const auto totals = reader.summary(std::nullopt).value_or(std::vector<told_totals>{});
  const std::uint64_t settled =
      std::accumulate(totals.begin(), totals.end(), std::uint64_t{0},
                      [](std::uint64_t sum, const told_totals& each) { return sum + each.requests; });
  const auto acknowledged = static_cast<std::uint64_t>(
      std::ranges::count_if(load.payments, [](const open_loop_payment& each) { return each.acknowledged; }));
  return acknowledged > settled ? acknowledged - settled : 0;
}

audit_report audit_load(const audit_config& audit, const open_loop_result& load) {
  std::vector<posted_entry> posted;
  posted.reserve(load.payments.size());
  for (const open_loop_payment& each : load.payments)
    posted.push_back({each.id, each.amount_cents, each.acknowledged});
  return audit_strictly(audit, posted);
}

/// A payment's first post is the earliest of it.
oracle_result ask_oracle_about(const reference_config& config, const open_loop_result& load, double ended) {
  std::vector<oracle_payment> payments;
  payments.reserve(load.payments.size());
  for (const open_loop_post& each : load.posts)
    if (each.payment == payments.size())
      payments.push_back(
          {static_cast<double>(each.intended) / 1e6, load.payments[each.payment].amount_cents});
  return ask_oracle({config.stages, config.load.seconds, std::max(config.load.seconds, ended), config.fees,
                     config.patience, config.settle_within},
                    payments);
}

} // namespace

std::size_t reference_report::inconsistencies() const {
  return static_cast<std::size_t>(std::ranges::count_if(checks, [](const summary_check& each) {
    return !each.is_consistent() && (each.scored || each.is_unexplained());
  }));
}

reference_report run_reference(const reference_config& config) {
  reference_report report;
  report.stages_entered = enter_stage(config.stages.front(), config.audit.processors);
  summary_checker checker(config.audit, config.checks);
  reference_sampler sampler(config.audit, config.looked_at);
  const auto cpu_before = cpu_time_of(config.pid);
  open_loop_config load = config.load;
  constexpr std::chrono::milliseconds to_connect{300};
  load.start = steady::now() + to_connect;
  const auto second_of = [&](steady::time_point moment) {
    return std::chrono::duration<double>(moment - load.start).count();
  };
  {
    const std::jthread stages([&](const std::stop_token& stop) {
      go_through_stages(stop, config, load.start, report.stages_entered);
    });
    const std::jthread checks([&](const std::stop_token& stop) { checker.run(stop, load.start); });
    const std::jthread samples([&](const std::stop_token& stop) { sampler.run(stop, load.start); });
    report.load = run_open_loop(load);
    report.unsettled_at_end = count_unsettled(config.audit, report.load);
    report.takings = read_takings(config.audit);
    report.ended = second_of(steady::now());
  }
  report.cpu_time = cpu_time_of(config.pid) - cpu_before;
  report.resident_bytes = resident_bytes_of(config.pid);
  checker.check_once(second_of(steady::now()));
  report.checks = checker.made();
  report.takings_seen = std::move(sampler.takings());
  report.containers = std::move(sampler.all_watched());
  report.audit = audit_load(config.audit, report.load);
  report.score = score_of(report);
  report.oracle = ask_oracle_about(config, report.load, report.ended);
  return report;
}

} // namespace repasse
