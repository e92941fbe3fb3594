#include "bench/reference_charts.hpp"

#include "bench/load_seconds.hpp"

#include <algorithm>

namespace repasse {
namespace {

constexpr double micros_per_milli = 1000;
constexpr double bytes_per_megabyte = 1e6;
/// Seconds between two samples: the last one, when the load has ended, may follow another at once.
constexpr double too_short = 0.5;

/// `value(second)` for each second, drawn in its middle.
template <typename Value>
chart_series per_second(std::string name, const std::vector<load_second>& seconds, Value value) {
  chart_series made{std::move(name), {}};
  for (std::size_t i = 0; i < seconds.size(); ++i)
    made.points.push_back({static_cast<double>(i) + 0.5, static_cast<double>(value(seconds[i]))});
  return made;
}

chart_series millis_per_second(std::string name, const std::vector<load_second>& seconds,
                               std::uint32_t load_second::*member) {
  return per_second(std::move(name), seconds,
                    [=](const load_second& each) { return each.*member / micros_per_milli; });
}

chart rate_chart(const std::vector<load_second>& seconds) {
  chart made{.title = "Rate",
             .unit = "per second",
             .series = {per_second("posted", seconds, [](const load_second& each) { return each.posts; }),
                        per_second("answered with 202", seconds,
                                   [](const load_second& each) { return each.accepted; }),
                        per_second("refused or unanswered", seconds,
                                   [](const load_second& each) { return each.refused + each.unanswered; })},
             .highest_at_least = 10};
  made.series.front().filled = true; // most of it lies under the second
  return made;
}

chart latency_chart(const std::vector<load_second>& seconds) {
  return {.title = "Latency from the intended moment",
          .unit = "ms",
          .series = {millis_per_second("p50", seconds, &load_second::p50),
                     millis_per_second("p99", seconds, &load_second::p99),
                     millis_per_second("maximum", seconds, &load_second::max)},
          .logarithmic = true,
          .lowest = 0.01,
          .highest_at_least = 100,
          .lines = {{11, "11 ms: bonus below"}}};
}

chart lateness_chart(const std::vector<load_second>& seconds) {
  return {.title = "The generator's own delay",
          .unit = "ms",
          .series = {millis_per_second("p99", seconds, &load_second::late_p99),
                     millis_per_second("maximum", seconds, &load_second::late_max)},
          .logarithmic = true,
          .lowest = 0.01,
          .highest_at_least = 10};
}

/// What a processor took from one sample to the next.
std::vector<chart_point> settled_per_second(const reference_report& report, std::size_t processor,
                                            double seconds) {
  std::vector<chart_point> points;
  for (std::size_t i = 1; i < report.takings_seen.size(); ++i) {
    const takings_sample& before = report.takings_seen[i - 1];
    const takings_sample& now = report.takings_seen[i];
    const double step = now.second - before.second;
    if (step < too_short || now.second > seconds + too_short) continue;
    const double grew = static_cast<double>(now.takings[processor].taken.requests) -
                        static_cast<double>(before.takings[processor].taken.requests);
    points.push_back({(before.second + now.second) / 2, std::max(grew, 0.0) / step});
  }
  return points;
}

chart settled_chart(const reference_report& report, const reference_config& config) {
  chart made{.title = "Settled, by processor", .unit = "per second", .series = {}, .highest_at_least = 10};
  for (std::size_t p = 0; p < config.audit.processors.size(); ++p)
    made.series.push_back(
        {config.audit.processors[p].name, settled_per_second(report, p, config.load.seconds)});
  return made;
}

chart fees_chart(const reference_report& report, const reference_config& config) {
  chart made{
      .title = "Fees so far, by processor", .unit = "currency units", .series = {}, .highest_at_least = 10};
  for (std::size_t p = 0; p < config.audit.processors.size(); ++p) {
    chart_series& fees = made.series.emplace_back(chart_series{config.audit.processors[p].name, {}});
    for (const takings_sample& each : report.takings_seen)
      fees.points.push_back({each.second, each.takings[p].fees});
  }
  return made;
}

chart backlog_chart(const reference_report& report) {
  const std::vector<std::uint64_t> acknowledgements = acknowledgements_of(report.load);
  chart_series backlog{.name = "acknowledged, not taken", .points = {}, .filled = true};
  for (const takings_sample& each : report.takings_seen) {
    double open = static_cast<double>(acknowledged_by(acknowledgements, each.second));
    for (const told_takings& one : each.takings)
      open -= static_cast<double>(one.taken.requests);
    backlog.points.push_back({each.second, std::max(open, 0.0)});
  }
  return {.title = "Backlog", .unit = "payments", .series = {backlog}, .highest_at_least = 10};
}

/// `value(before, now, seconds between)` of each that is looked at, or only of containers.
template <typename Value>
std::vector<chart_series> of_watched(const reference_report& report, bool only_containers, Value value) {
  std::vector<chart_series> all;
  for (const watched& each : report.containers) {
    if (only_containers && !each.is_container) continue;
    chart_series& made = all.emplace_back(chart_series{each.name, {}});
    for (std::size_t i = 1; i < each.samples.size(); ++i) {
      const timed_sample& before = each.samples[i - 1];
      const timed_sample& now = each.samples[i];
      const double step = now.second - before.second;
      if (step >= too_short)
        made.points.push_back({(before.second + now.second) / 2, value(before.sample, now.sample, step)});
    }
  }
  return all;
}

chart cpu_chart(const reference_report& report) {
  return {.title = "CPU",
          .unit = "cores",
          .series = of_watched(report, false,
                               [](const container_sample& before, const container_sample& now, double step) {
                                 return std::chrono::duration<double>(growth(before, now).cpu).count() / step;
                               }),
          .highest_at_least = 0.1};
}

chart memory_chart(const reference_report& report) {
  return {.title = "Memory that cannot be given back",
          .unit = "MB",
          .series = of_watched(report, false,
                               [](const container_sample&, const container_sample& now, double) {
                                 return static_cast<double>(now.held_bytes()) / bytes_per_megabyte;
                               }),
          .highest_at_least = 10};
}

chart throttled_chart(const reference_report& report) {
  return {.title = "Throttled periods",
          .unit = "%",
          .series = of_watched(report, true,
                               [](const container_sample& before, const container_sample& now, double) {
                                 const container_sample grew = growth(before, now);
                                 const double periods =
                                     static_cast<double>(std::max<std::uint64_t>(grew.periods, 1));
                                 return 100 * static_cast<double>(grew.throttled_periods) / periods;
                               }),
          .highest_at_least = 10};
}

/// Of those with a limit.
chart memory_share_chart(const reference_report& report) {
  chart made{.title = "Memory, of its limit", .unit = "%", .series = {}, .highest_at_least = 100};
  for (const watched& each : report.containers) {
    if (each.limits.memory_bytes == 0) continue;
    chart_series& share = made.series.emplace_back(chart_series{each.name, {}});
    for (const timed_sample& one : each.samples)
      share.points.push_back({one.second, 100 * static_cast<double>(one.sample.held_bytes()) /
                                              static_cast<double>(each.limits.memory_bytes)});
  }
  return made;
}

} // namespace

std::vector<chart> charts_of(const reference_report& report, const reference_config& config) {
  const std::vector<load_second> seconds = seconds_of(report.load, config.load.seconds);
  std::vector<chart> all{rate_chart(seconds),   latency_chart(seconds),     settled_chart(report, config),
                         backlog_chart(report), fees_chart(report, config), lateness_chart(seconds),
                         cpu_chart(report),     memory_chart(report)};
  const bool any_container = std::ranges::any_of(report.containers, &watched::is_container);
  if (any_container) all.push_back(memory_share_chart(report));
  if (any_container) all.push_back(throttled_chart(report));
  return all;
}

std::vector<chart_band> stage_bands(const reference_config& config) {
  std::vector<chart_band> bands;
  const double each = config.load.seconds / static_cast<double>(config.stages.size());
  for (std::size_t i = 0; i < config.stages.size(); ++i) {
    const auto failing = std::ranges::count_if(config.stages[i], &processor_condition::failing);
    bands.push_back({each * static_cast<double>(i), each * static_cast<double>(i + 1),
                     to_string(config.stages[i]),
                     std::min<std::size_t>(static_cast<std::size_t>(failing), 2)});
  }
  return bands;
}

} // namespace repasse
