// The report of the reference load as one JSON object: totals, then containers, then each second.
#include "bench/load_seconds.hpp"
#include "bench/reference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace repasse {
namespace {

using out = std::back_insert_iterator<std::string>;

/// Names and findings are ours or from the command line.
std::string json_string(std::string_view text) {
  std::string made = "\"";
  for (const char each : text) {
    if (each == '"' || each == '\\') made += '\\';
    if (static_cast<unsigned char>(each) >= ' ') made += each;
  }
  return made + '"';
}

/// `each(item)` writes one element of an array or object.
template <typename Items, typename Each>
std::string joined(const Items& items, Each each) {
  std::string text;
  for (const auto& item : items) {
    if (!text.empty()) text += ',';
    text += each(item);
  }
  return text;
}

template <typename Values>
std::string percentiles(Values values) {
  return fmt::format(R"({{"p50":{},"p90":{},"p99":{},"p999":{},"max":{}}})", percentile(values, 0.5),
                     percentile(values, 0.9), percentile(values, 0.99), percentile(values, 0.999),
                     percentile(values, 1));
}

std::string takings_json(const reference_report& report, const reference_config& config) {
  std::string text;
  for (std::size_t i = 0; i < report.takings.size(); ++i) {
    const told_takings& each = report.takings[i];
    fmt::format_to(out(text), R"({}{}:{{"requests":{},"amount":{:.2f},"fees":{:.2f}}})", i == 0 ? "" : ",",
                   json_string(config.audit.processors[i].name), each.taken.requests,
                   units(each.taken.amount_cents), each.fees);
  }
  return text;
}

std::string oracle_json(const reference_report& report, const reference_config& config) {
  std::string paid;
  for (std::size_t i = 0; i < report.oracle.paid.size(); ++i)
    fmt::format_to(out(paid), R"({}{}:{})", i == 0 ? "" : ",", json_string(config.audit.processors[i].name),
                   report.oracle.paid[i].payments);
  return fmt::format(R"({{"profit":{:.2f},"paid":{{{}}},"unpaid":{},"ours":{:.2f},"ratio":{:.5f}}})",
                     report.oracle.profit_cents / 100, paid, report.oracle.unpaid.payments,
                     report.score.profit, oracle_ratio(report));
}

std::string checks_json(const std::vector<summary_check>& checks) {
  std::string differed;
  for (const summary_check& each : checks) {
    if (each.is_consistent() && each.calls_failed == 0) continue;
    fmt::format_to(out(differed),
                   R"({}{{"second":{:.3f},"from":"{}","to":"{}","requestsApart":{},"amountApart":{:.2f},)"
                   R"("callsFailed":{},"scored":{},"explainedAfterMillis":{}}})",
                   differed.empty() ? "" : ",", each.second, to_string(each.window.from),
                   to_string(each.window.to), each.requests_apart(), units(each.cents_apart()),
                   each.calls_failed, each.scored,
                   each.explained_after ? std::to_string(each.explained_after->count()) : "null");
  }
  const check_counts counts = count_checks(checks);
  return fmt::format(
      R"("checks":{},"checksScored":{},"differences":{},"differencesScored":{},"explained":{},)"
      R"("unexplained":{},"checksThatDiffered":[{}])",
      counts.made, counts.scored, counts.differed, counts.scored_differed, counts.explained,
      counts.unexplained, differed);
}

std::string container_json(const watched& container, const reference_report& report) {
  const container_usage usage = usage_over(container.samples);
  std::string text = fmt::format(
      R"({{"name":{},"container":{},"coresMean":{:.4f},"coresMax":{:.4f},"coresLimit":{:.3f},)"
      R"("cpuMicrosPerPayment":{:.2f},"heldBytesMax":{},"cacheBytesMax":{},"memoryLimitBytes":{},"periods":{},)"
      R"("throttledPeriods":{},"throttledMillis":{},"oomKills":{},)",
      json_string(container.name), container.is_container, usage.cores_mean, usage.cores_max,
      container.limits.cores, cpu_micros_per_payment(usage.cpu, report), usage.held_bytes_max,
      usage.cache_bytes_max, container.limits.memory_bytes, usage.periods, usage.throttled_periods,
      std::chrono::duration_cast<std::chrono::milliseconds>(usage.throttled).count(), usage.oom_kills);
  text += R"("samples":[)" + joined(container.samples, [](const timed_sample& each) {
            return fmt::format(R"({{"second":{:.3f},"cpuNanos":{},"anonymousBytes":{},"sharedBytes":{},)"
                               R"("kernelBytes":{},"cacheBytes":{},"periods":{},"throttledPeriods":{}}})",
                               each.second, each.sample.cpu.count(), each.sample.anonymous_bytes,
                               each.sample.shared_bytes, each.sample.kernel_bytes, each.sample.cache_bytes,
                               each.sample.periods, each.sample.throttled_periods);
          });
  return text + "]}";
}

std::string seconds_json(const reference_report& report, const reference_config& config) {
  return joined(seconds_of(report.load, config.load.seconds), [](const load_second& each) {
    return fmt::format(
        R"({{"posts":{},"accepted":{},"refused":{},"unanswered":{},"p50Micros":{},"p99Micros":{},)"
        R"("maxMicros":{},"latenessP99Micros":{},"latenessMaxMicros":{}}})",
        each.posts, each.accepted, each.refused, each.unanswered, each.p50, each.p99, each.max, each.late_p99,
        each.late_max);
  });
}

std::string samples_json(const reference_report& report) {
  const std::vector<std::uint64_t> acknowledgements = acknowledgements_of(report.load);
  return joined(report.takings_seen, [&](const takings_sample& each) {
    return fmt::format(
        R"({{"second":{:.3f},"acknowledged":{},"taken":[{}],"fees":[{}]}})", each.second,
        acknowledged_by(acknowledgements, each.second),
        joined(each.takings, [](const told_takings& one) { return std::to_string(one.taken.requests); }),
        joined(each.takings, [](const told_takings& one) { return fmt::format("{:.2f}", one.fees); }));
  });
}

} // namespace

std::string to_json(const reference_report& report, const reference_config& config) {
  const open_loop_result& load = report.load;
  const reference_score& score = report.score;
  std::vector<std::uint32_t> latencies = load.latencies();
  std::string text = fmt::format(
      R"({{"ok":{},"payments":{},"posts":{},"statuses":{{{}}},"replayed":{},"unanswered":{},"p50Micros":{},)"
      R"("p99Micros":{},"latencyMicros":{},"latenessMicros":{},)",
      report.ok(), load.payments.size(), load.posts.size(),
      joined(load.statuses,
             [](const auto& each) { return fmt::format(R"("{}":{})", each.first, each.second); }),
      load.replayed, load.unanswered, percentile(latencies, 0.5), percentile(latencies, 0.99),
      percentiles(latencies), percentiles(load.lateness()));
  fmt::format_to(out(text),
                 R"({},"inconsistencies":{},"stagesEntered":{},"takings":{{{}}},"unsettledAtEnd":{},)",
                 checks_json(report.checks), report.inconsistencies(), report.stages_entered,
                 takings_json(report, config), report.unsettled_at_end);
  fmt::format_to(out(text),
                 R"("taken":{:.2f},"fees":{:.2f},"profit":{:.2f},"penalty":{:.2f},"bonus":{:.2f},)"
                 R"("score":{:.2f},"oracle":{},)",
                 score.taken, score.fees, score.profit, score.penalty, score.bonus, score.total,
                 oracle_json(report, config));
  fmt::format_to(out(text),
                 R"("cpuMicrosPerPayment":{:.2f},"residentBytes":{},"auditFindings":{},"findings":[{}],)",
                 cpu_micros_per_payment(report.cpu_time, report), report.resident_bytes,
                 report.audit.finding_count, joined(report.audit.findings, json_string));
  fmt::format_to(out(text), R"("containers":[{}],"seconds":[{}],"samples":[{}]}})",
                 joined(report.containers, [&](const watched& each) { return container_json(each, report); }),
                 seconds_json(report, config), samples_json(report));
  return text + "\n";
}

} // namespace repasse
