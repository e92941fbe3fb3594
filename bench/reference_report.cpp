#include "bench/reference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace repasse {
namespace {

using out = std::back_insert_iterator<std::string>;

constexpr std::size_t checks_shown_max = 20;

double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

std::string statuses_text(const open_loop_result& load) {
  std::string text;
  for (const auto& [status, count] : load.statuses)
    fmt::format_to(out(text), "{} x {}, ", count, status);
  return text;
}

void add_load(out to, const open_loop_result& load) {
  std::vector<std::uint32_t> latencies = load.latencies();
  std::vector<std::uint32_t> lateness = load.lateness();
  fmt::format_to(to, "posted       {} payments in {} posts: {}{} replayed, {} unanswered\n",
                 load.payments.size(), load.posts.size(), statuses_text(load), load.replayed,
                 load.unanswered);
  fmt::format_to(to, "latency      p50 {} us, p99 {} us, max {} us, from the intended moment\n",
                 percentile(latencies, 0.5), percentile(latencies, 0.99), percentile(latencies, 1));
  fmt::format_to(to, "lateness     p50 {} us, p99 {} us, max {} us, of this generator\n",
                 percentile(lateness, 0.5), percentile(lateness, 0.99), percentile(lateness, 1));
}

void add_checks(out to, const std::vector<summary_check>& checks) {
  const check_counts counts = count_checks(checks);
  fmt::format_to(
      to, "checks       {}, {} of them scored; {} differed ({} of them scored): {} explained, {} not\n",
      counts.made, counts.scored, counts.differed, counts.scored_differed, counts.explained,
      counts.unexplained);
  std::size_t shown = 0;
  for (const summary_check& each : checks) {
    if (each.is_consistent() && each.calls_failed == 0) continue;
    if (++shown > checks_shown_max) continue;
    fmt::format_to(to, "  at {:.2f} s, from {} to {}: {} payments and {:.2f} apart, {} calls failed{}",
                   each.second, to_string(each.window.from), to_string(each.window.to), each.requests_apart(),
                   units(each.cents_apart()), each.calls_failed, each.scored ? ", scored" : "");
    if (each.explained_after)
      fmt::format_to(to, "; alike {} ms later: a call was just being answered",
                     each.explained_after->count());
    else if (!each.is_consistent())
      fmt::format_to(to, "; unexplained");
    fmt::format_to(to, "\n");
  }
  if (shown > checks_shown_max) fmt::format_to(to, "  and {} more\n", shown - checks_shown_max);
}

void add_oracle(out to, const reference_report& report, const reference_config& config) {
  const oracle_result& oracle = report.oracle;
  std::string shares;
  for (std::size_t i = 0; i < oracle.paid.size(); ++i)
    fmt::format_to(out(shares), "{} at {}, ", oracle.paid[i].payments, config.audit.processors[i].name);
  fmt::format_to(to, "oracle       {:.2f} profit ({}{} unpaid); ours {:.2f}, {:.2f} % of it\n",
                 oracle.profit_cents / 100, shares, oracle.unpaid.payments, report.score.profit,
                 100 * oracle_ratio(report));
}

void add_containers(out to, const reference_report& report) {
  for (const watched& each : report.containers) {
    const container_usage usage = usage_over(each.samples);
    fmt::format_to(to, "{:<12} {:.2f} cores, at most {:.2f}; {:.1f} us of CPU per payment; {:.1f} MB",
                   each.name, usage.cores_mean, usage.cores_max, cpu_micros_per_payment(usage.cpu, report),
                   megabytes(usage.held_bytes_max));
    if (each.limits.memory_bytes > 0)
      fmt::format_to(to, " of {:.0f}, {:.1f} %", megabytes(each.limits.memory_bytes),
                     100 * static_cast<double>(usage.held_bytes_max) /
                         static_cast<double>(each.limits.memory_bytes));
    if (each.is_container)
      fmt::format_to(to, ", cache {:.1f} MB; {} of {} periods throttled, {:.2f} %; {} OOM kills",
                     megabytes(usage.cache_bytes_max), usage.throttled_periods, usage.periods,
                     100 * usage.throttled_share(), usage.oom_kills);
    fmt::format_to(to, "\n");
  }
}

} // namespace

std::string to_text(const reference_report& report, const reference_config& config) {
  const reference_score& score = report.score;
  std::string text;
  const out to(text);
  add_load(to, report.load);
  if (!report.stages_entered) text += "stages       a processor did not accept one\n";
  add_checks(to, report.checks);
  for (std::size_t i = 0; i < report.takings.size(); ++i) {
    const told_takings& each = report.takings[i];
    fmt::format_to(to, "{:<12} took {} payments of {:.2f}, fees {:.2f}\n", config.audit.processors[i].name,
                   each.taken.requests, units(each.taken.amount_cents), each.fees);
  }
  fmt::format_to(to, "lag          {} payments not settled when the load ended\n", report.unsettled_at_end);
  fmt::format_to(to, "score        {:.2f} taken - {:.2f} fees - {:.2f} penalty + {:.2f} bonus = {:.2f}{}\n",
                 score.taken, score.fees, score.penalty, score.bonus, score.total,
                 score.disqualified ? ", disqualified: more was charged than posted" : "");
  add_oracle(to, report, config);
  if (config.pid != 0)
    fmt::format_to(to, "used         {:.1f} us of CPU per payment, {:.1f} MB resident\n",
                   cpu_micros_per_payment(report.cpu_time, report), megabytes(report.resident_bytes));
  add_containers(to, report);
  return text + report.audit.to_text() + "\n";
}

} // namespace repasse
