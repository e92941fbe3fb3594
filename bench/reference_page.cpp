#include "bench/reference_page.hpp"

#include "bench/page_style.hpp"
#include "bench/reference_charts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace repasse {
namespace {

using out = std::back_insert_iterator<std::string>;

std::string millis_of(std::uint32_t micros) { return readable(micros / 1000.0) + " ms"; }

std::string headline(const reference_report& report) {
  const check_counts counts = count_checks(report.checks);
  if (!report.stages_entered) return "A processor did not accept a stage";
  if (!report.audit.ok())
    return fmt::format("The strict audit found {} errors",
                       readable(static_cast<double>(report.audit.finding_count)));
  if (counts.unexplained > 0)
    return fmt::format("{} differences of the summaries are unexplained", counts.unexplained);
  if (counts.scored_differed > 0) return "The books are right, and a check saw them differ";
  return fmt::format("Every payment accounted for, {:.1f} % of the possible profit",
                     100 * oracle_ratio(report));
}

std::string lead(const reference_report& report, const reference_config& config) {
  std::string fees;
  for (std::size_t i = 0; i < config.fees.size(); ++i)
    fmt::format_to(out(fees), "{}{} {} %", i == 0 ? "" : ", ", html_escaped(config.audit.processors[i].name),
                   readable(config.fees[i] * 100));
  return fmt::format(
      "<p class=\"soft\">{} clients{}, each posting one payment a second, for {} s; {} stage{} of {} s. "
      "Fees: {}. Checks every {} s of the window that began {} s and ended {} s before. Of {} posts, "
      "{} repeated a payment.</p>\n",
      readable(static_cast<double>(config.load.connections)),
      config.load.ramps ? " at the end of a ramp" : "", readable(config.load.seconds), config.stages.size(),
      config.stages.size() == 1 ? "" : "s",
      readable(config.load.seconds / static_cast<double>(config.stages.size())), fees,
      readable(static_cast<double>(config.checks.every.count()) / 1000),
      readable(static_cast<double>(config.checks.begins.count()) / 1000),
      readable(static_cast<double>(config.checks.ends.count()) / 1000),
      readable(static_cast<double>(report.load.posts.size())),
      readable(static_cast<double>(report.load.repeated)));
}

void add_tile(std::string& to, std::string_view kind, const std::string& value, const std::string& words) {
  fmt::format_to(out(to), "<div class=\"tile {}\"><b>{}</b><span>{}</span></div>\n", kind, value, words);
}

std::string tiles(const reference_report& report) {
  const check_counts counts = count_checks(report.checks);
  std::vector<std::uint32_t> latencies = report.load.latencies();
  std::vector<std::uint32_t> lateness = report.load.lateness();
  constexpr std::uint32_t late_micros = 1000;
  const std::uint32_t late_p99 = percentile(lateness, 0.99);
  const auto good_if = [](bool good) { return good ? "good" : "bad"; };
  const auto accepted = std::ranges::count_if(report.load.payments, &open_loop_payment::acknowledged);
  std::string text = "<section class=\"tiles\" aria-label=\"Key figures\">\n";
  add_tile(text, "", readable(report.score.total), "score, after penalty and bonus");
  add_tile(text, good_if(oracle_ratio(report) >= 0.98), fmt::format("{:.2f} %", 100 * oracle_ratio(report)),
           "of the oracle’s profit");
  add_tile(text, "", millis_of(percentile(latencies, 0.99)),
           fmt::format("latency p99; p50 {}, maximum {}", millis_of(percentile(latencies, 0.5)),
                       millis_of(percentile(latencies, 1))));
  add_tile(text, late_p99 > late_micros ? "warn" : "", millis_of(late_p99),
           fmt::format("generator’s own delay, p99; maximum {}", millis_of(percentile(lateness, 1))));
  add_tile(text, good_if(counts.unexplained + counts.scored_differed == 0),
           fmt::format("{} of {}", readable(static_cast<double>(counts.differed)),
                       readable(static_cast<double>(counts.made))),
           fmt::format("checks differed: {} explained, {} not", counts.explained, counts.unexplained));
  add_tile(text, good_if(report.audit.ok()), readable(static_cast<double>(report.audit.finding_count)),
           "findings of the strict audit");
  add_tile(text, "", readable(static_cast<double>(report.unsettled_at_end)),
           "not settled when the load ended");
  add_tile(text, accepted == std::ssize(report.load.payments) ? "" : "bad",
           readable(static_cast<double>(accepted)),
           fmt::format("payments acknowledged, of {}",
                       readable(static_cast<double>(report.load.payments.size()))));
  return text + "</section>\n";
}

std::string legend(const chart& drawn) {
  std::string text = "<ul class=\"legend\">";
  for (std::size_t i = 0; i < drawn.series.size(); ++i)
    fmt::format_to(out(text), "<li><i class=\"c{}\"></i>{}</li>", i % chart_colours,
                   html_escaped(drawn.series[i].name));
  return text + "</ul>";
}

std::string charts(const reference_report& report, const reference_config& config) {
  const std::vector<chart_band> bands = stage_bands(config);
  std::string text =
      "<h2>Over time</h2>\n<p class=\"note key\">Behind each chart stand the stages, as delays of "
      "default/fallback in "
      "milliseconds, <b>!</b> where one fails:<i class=\"g0\"></i>none fails<i class=\"g1\"></i>one fails"
      "<i class=\"g2\"></i>both fail</p>\n<section class=\"charts\">\n";
  for (const chart& each : charts_of(report, config))
    fmt::format_to(out(text),
                   "<figure class=\"card\" "
                   "style=\"margin:0\"><header><h3>{}</h3><small>{}{}</small>{}</header>\n{}</figure>\n",
                   html_escaped(each.title), html_escaped(each.unit), each.logarithmic ? ", logarithmic" : "",
                   legend(each), to_svg(each, bands, config.load.seconds));
  return text + "</section>\n";
}

} // namespace

std::string to_html(const reference_report& report, const reference_config& config) {
  const std::string title = headline(report);
  const std::string when =
      to_string(std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()));
  std::string page =
      fmt::format("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>repasse: "
                  "reference load</title>\n"
                  "<style>{}</style>\n</head>\n<body>\n<main>\n<header>\n<p class=\"eyebrow\">repasse · "
                  "reference load · {} UTC</p>\n"
                  "<h1>{}</h1>\n<span class=\"verdict {}\">{}</span>\n",
                  page_style, when.substr(0, 10) + " " + when.substr(11, 5), html_escaped(title),
                  report.ok() ? "good" : "bad", report.ok() ? "✓ passed" : "✗ not passed");
  page += lead(report, config) + "</header>\n" + tiles(report) + charts(report, config);
  page += containers_html(report) + checks_html(report, config) + audit_html(report.audit);
  page += arithmetic_html(report, config);
  return page + "</main>\n</body>\n</html>\n";
}

} // namespace repasse
