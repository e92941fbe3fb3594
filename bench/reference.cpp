#include "bench/reference.hpp"

#include "bench/child_process.hpp"
#include "bench/flat_json.hpp"
#include "bench/http_caller.hpp"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <stop_token>
#include <thread>

namespace repasse {
namespace {

using steady = std::chrono::steady_clock;

/// False if it was asked to stop before.
bool sleep_until(const std::stop_token& stop, steady::time_point due) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_until(lock, stop, due, [] { return false; });
  return !stop.stop_requested();
}

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

void check_regularly(const std::stop_token& stop, const reference_config& config, steady::time_point start,
                     std::vector<summary_check>& checks) {
  summary_checker checker(config.audit);
  for (auto due = start + config.check_every; sleep_until(stop, due); due += config.check_every)
    checks.push_back(checker.check());
}

double read_number(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::vector<processor_takings> read_takings(const audit_config& audit) {
  audit_reader reader(audit);
  std::vector<processor_takings> all;
  for (std::size_t i = 0; i < audit.processors.size(); ++i) {
    const audited_processor& processor = audit.processors[i];
    http_caller caller(processor.host, processor.port);
    const http_reply answer =
        caller.call("GET", "/admin/payments-summary", "", {{"X-Rinha-Token", processor.token}});
    const auto members = flat_json::read(answer.body);
    processor_takings takings;
    takings.taken = reader.summary_of(i, std::nullopt).value_or(told_totals{});
    takings.fees = read_number(members ? members->number("totalFee").value_or("") : "");
    all.push_back(takings);
  }
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

} // namespace

std::size_t reference_report::inconsistencies() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(checks, [](const summary_check& each) { return !each.is_consistent(); }));
}

reference_report run_reference(const reference_config& config) {
  reference_report report;
  report.stages_entered = enter_stage(config.stages.front(), config.audit.processors);
  const auto cpu_before = cpu_time_of(config.pid);
  const auto start = steady::now();
  {
    const std::jthread stages(
        [&](const std::stop_token& stop) { go_through_stages(stop, config, start, report.stages_entered); });
    const std::jthread checks(
        [&](const std::stop_token& stop) { check_regularly(stop, config, start, report.checks); });
    report.load = run_open_loop(config.load);
    report.unsettled_at_end = count_unsettled(config.audit, report.load);
    report.takings = read_takings(config.audit);
  }
  report.cpu_time = cpu_time_of(config.pid) - cpu_before;
  report.resident_bytes = resident_bytes_of(config.pid);
  report.checks.push_back(summary_checker(config.audit).check());
  report.audit = audit_load(config.audit, report.load);
  return report;
}

} // namespace repasse
