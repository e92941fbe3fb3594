#include "bench/reference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace repasse {
namespace {

constexpr double penalty_share = 0.35;
constexpr double bonus_share_per_milli = 0.02;
constexpr double bonus_below_millis = 11;

double units(std::int64_t cents) { return static_cast<double>(cents) / 100; }

double cpu_micros_per_payment(const reference_report& report) {
  const double payments = static_cast<double>(std::max<std::size_t>(report.load.payments.size(), 1));
  return std::chrono::duration<double, std::micro>(report.cpu_time).count() / payments;
}

std::string statuses_text(const open_loop_result& load) {
  std::string text;
  for (const auto& [status, count] : load.statuses)
    fmt::format_to(std::back_inserter(text), "{} x {}, ", count, status);
  return text;
}

std::string checks_text(const std::vector<summary_check>& checks) {
  std::string text;
  for (const summary_check& each : checks) {
    if (each.is_consistent() && each.calls_failed == 0) continue;
    fmt::format_to(std::back_inserter(text),
                   "  from {} to {}: {} payments and {:.2f} apart, {} calls failed\n",
                   to_string(each.window.from), to_string(each.window.to), each.requests_apart(),
                   units(each.cents_apart()), each.calls_failed);
  }
  return text;
}

} // namespace

reference_score score(reference_report& report) {
  reference_score made;
  std::uint64_t charged = 0;
  for (const processor_takings& each : report.takings) {
    made.taken += units(each.taken.amount_cents);
    made.fees += each.fees;
    charged += each.taken.requests;
  }
  const double profit = made.taken - made.fees;
  std::vector<std::uint32_t> latencies = report.load.latencies();
  const double p99_millis = percentile(latencies, 0.99) / 1000.0;
  if (report.inconsistencies() > 0) made.penalty = penalty_share * profit;
  made.bonus = profit * bonus_share_per_milli * std::max(0.0, bonus_below_millis - p99_millis);
  if (charged <= report.load.payments.size()) made.total = profit - made.penalty + made.bonus;
  return made;
}

std::string to_text(reference_report& report, const reference_config& config) {
  const reference_score result = score(report);
  const open_loop_result& load = report.load;
  std::vector<std::uint32_t> latencies = load.latencies();
  std::vector<std::uint32_t> lateness = load.lateness();
  std::string text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "posted       {} payments in {} posts: {}{} replayed, {} unanswered\n",
                 load.payments.size(), load.posts.size(), statuses_text(load), load.replayed,
                 load.unanswered);
  fmt::format_to(out, "latency      p50 {} us, p99 {} us, max {} us; generator late by p99 {} us\n",
                 percentile(latencies, 0.5), percentile(latencies, 0.99), percentile(latencies, 1),
                 percentile(lateness, 0.99));
  if (!report.stages_entered) text += "stages       a processor did not accept one\n";
  fmt::format_to(out, "checks       {}, {} of them inconsistent\n", report.checks.size(),
                 report.inconsistencies());
  text += checks_text(report.checks);
  for (std::size_t i = 0; i < report.takings.size(); ++i) {
    const processor_takings& each = report.takings[i];
    fmt::format_to(out, "{:<12} took {} payments of {:.2f}, fees {:.2f}\n", config.audit.processors[i].name,
                   each.taken.requests, units(each.taken.amount_cents), each.fees);
  }
  fmt::format_to(out, "lag          {} payments not settled when the load ended\n", report.unsettled_at_end);
  fmt::format_to(out, "score        {:.2f} taken - {:.2f} fees - {:.2f} penalty + {:.2f} bonus = {:.2f}\n",
                 result.taken, result.fees, result.penalty, result.bonus, result.total);
  if (config.pid != 0)
    fmt::format_to(out, "used         {:.1f} us of CPU per payment, {:.1f} MB resident\n",
                   cpu_micros_per_payment(report), static_cast<double>(report.resident_bytes) / 1e6);
  return text + report.audit.to_text() + "\n";
}

std::string to_json(reference_report& report, const reference_config& config) {
  const reference_score result = score(report);
  const open_loop_result& load = report.load;
  std::vector<std::uint32_t> latencies = load.latencies();
  std::string takings;
  for (std::size_t i = 0; i < report.takings.size(); ++i) {
    const processor_takings& each = report.takings[i];
    fmt::format_to(std::back_inserter(takings), R"({}"{}":{{"requests":{},"amount":{:.2f},"fees":{:.2f}}})",
                   i == 0 ? "" : ",", config.audit.processors[i].name, each.taken.requests,
                   units(each.taken.amount_cents), each.fees);
  }
  return fmt::format(
      R"({{"ok":{},"payments":{},"posts":{},"replayed":{},"unanswered":{},"p50Micros":{},"p99Micros":{},)"
      R"("checks":{},"inconsistencies":{},"takings":{{{}}},"unsettledAtEnd":{},"penalty":{:.2f},"bonus":{:.2f},)"
      R"("score":{:.2f},"cpuMicrosPerPayment":{:.2f},"residentBytes":{},"auditFindings":{}}})"
      "\n",
      report.ok(), load.payments.size(), load.posts.size(), load.replayed, load.unanswered,
      percentile(latencies, 0.5), percentile(latencies, 0.99), report.checks.size(), report.inconsistencies(),
      takings, report.unsettled_at_end, result.penalty, result.bonus, result.total,
      cpu_micros_per_payment(report), report.resident_bytes, report.audit.finding_count);
}

} // namespace repasse
