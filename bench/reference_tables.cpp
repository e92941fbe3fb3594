// The tables of the reference load's page.
#include "bench/reference_page.hpp"
#include "bench/svg_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace repasse {
namespace {

using out = std::back_insert_iterator<std::string>;

/// Beyond, a page of a bad run would be of no use.
constexpr std::size_t checks_shown_max = 50;

std::string number(std::uint64_t value) { return readable(static_cast<double>(value)); }
std::string megabytes(std::uint64_t bytes) { return readable(static_cast<double>(bytes) / 1e6); }

/// With two decimals, and thousands apart.
std::string money(double value) {
  const double cents = std::round(value * 100);
  const double whole = std::trunc(cents / 100);
  const int rest = static_cast<int>(std::abs(cents - whole * 100));
  return (cents < 0 && whole == 0 ? "−" : "") + readable(whole) + fmt::format(".{:02}", rest);
}

std::string row(std::string_view name, std::initializer_list<std::string> cells, std::string_view kind = "") {
  std::string text = fmt::format("<tr class=\"{}\"><th scope=\"row\">{}</th>", kind, name);
  for (const std::string& each : cells)
    text += "<td>" + each + "</td>";
  return text + "</tr>\n";
}

std::string score_html(const reference_report& report) {
  const reference_score& score = report.score;
  std::vector<std::uint32_t> latencies = report.load.latencies();
  const double p99 = percentile(latencies, 0.99) / 1000.0;
  std::string text =
      "<div><div class=\"table\"><table><thead><tr><th>Score</th><th></th></tr></thead><tbody>\n";
  text += row("Taken by the processors", {money(score.taken)});
  text += row("Fees", {"− " + money(score.fees)});
  text += row("Profit", {money(score.profit)}, "sum");
  text += row("Penalty, 35 % of it for any difference in a scored check", {"− " + money(score.penalty)});
  text +=
      row(fmt::format("Bonus, 2 % × (11 − {:.2f}) ms of p99 = {:.2f} %", p99, 2 * std::max(0.0, 11 - p99)),
          {"+ " + money(score.bonus)});
  text += row(score.disqualified ? "Score: none, more payments were charged than posted" : "Score",
              {money(score.total)}, "sum");
  return text + "</tbody></table></div></div>\n";
}

std::string oracle_table(const reference_report& report, const reference_config& config) {
  const oracle_result& oracle = report.oracle;
  std::string text = "<div class=\"table\"><table><thead><tr><th>Oracle</th><th>payments</th><th>amount</th>"
                     "<th>less fee</th><th>ours took</th></tr></thead><tbody>\n";
  for (std::size_t i = 0; i < oracle.paid.size(); ++i) {
    const double amount = units(oracle.paid[i].amount_cents);
    text += row(html_escaped(config.audit.processors[i].name) + ", " + readable(config.fees[i] * 100) + " %",
                {number(oracle.paid[i].payments), money(amount), money(amount * (1 - config.fees[i])),
                 number(report.takings[i].taken.requests)});
  }
  text +=
      row("unpaid", {number(oracle.unpaid.payments), money(units(oracle.unpaid.amount_cents)), money(0), ""});
  text += row("Profit", {"", "", money(oracle.profit_cents / 100), money(report.score.profit)}, "sum");
  text +=
      row("Ours of the oracle’s", {"", "", "", fmt::format("{:.2f} %", 100 * oracle_ratio(report))}, "sum");
  return text + "</tbody></table></div>\n";
}

} // namespace

std::string arithmetic_html(const reference_report& report, const reference_config& config) {
  std::string text = "<h2>The arithmetic</h2>\n<div class=\"pair\">\n" + score_html(report) + "<div>" +
                     oracle_table(report, config) + "</div></div>\n";
  fmt::format_to(out(text),
                 "<p class=\"note\" style=\"margin-top:14px\">The oracle is the most that an intermediary "
                 "which knows the stages can "
                 "earn over the same payments, from the moments they were posted, while it keeps the same "
                 "promises. A processor "
                 "can be sent to at a moment if it is not failing then, nor when its delay is over, by "
                 "{:.2f} s, when what was "
                 "taken was counted; it is fast if its delay is at most {} s.</p>\n"
                 "<ol class=\"rules note\"><li>A payment goes to the cheapest processor that is fast at some "
                 "moment of the {} s "
                 "after its post, at the first such moment.</li><li>If none is: to the first that can be "
                 "sent to, fast or not; the "
                 "fast before the slow, then the cheaper.</li><li>If none at all can be sent to when those "
                 "{} s are over, it may "
                 "wait for the first that can be afterwards, and does if that is cheaper.</li><li>A payment "
                 "that no processor can "
                 "take is unpaid. Profit is the sum over what is paid of amount × (1 − fee).</li></ol>\n",
                 std::max(report.ended, config.load.seconds), readable(config.settle_within.count()),
                 readable(config.patience.count()), readable(config.patience.count()));
  return text;
}

std::string containers_html(const reference_report& report) {
  if (report.containers.empty()) return "";
  std::string text = "<h2>Containers and processes</h2>\n<div class=\"table\"><table><thead><tr><th>name</th>"
                     "<th>cores, mean</th><th>most</th><th>limit</th><th>CPU per payment</th>"
                     "<th>memory, most</th><th>of its limit</th><th>file cache</th><th>periods throttled</th>"
                     "<th>OOM kills</th></tr></thead><tbody>\n";
  for (const watched& each : report.containers) {
    const container_usage usage = usage_over(each.samples);
    const double limit = static_cast<double>(each.limits.memory_bytes);
    const bool of_container = each.is_container;
    text += row(html_escaped(each.name),
                {fmt::format("{:.3f}", usage.cores_mean), fmt::format("{:.3f}", usage.cores_max),
                 each.limits.cores > 0 ? readable(each.limits.cores) : "–",
                 fmt::format("{:.1f} µs", cpu_micros_per_payment(usage.cpu, report)),
                 megabytes(usage.held_bytes_max) + " MB",
                 limit > 0 ? fmt::format("{:.1f} % of {:.0f} MB",
                                         100 * static_cast<double>(usage.held_bytes_max) / limit, limit / 1e6)
                           : "–",
                 of_container ? megabytes(usage.cache_bytes_max) + " MB" : "–",
                 of_container
                     ? fmt::format("{:.2f} % of {}", 100 * usage.throttled_share(), number(usage.periods))
                     : "–",
                 of_container ? number(usage.oom_kills) : "–"});
  }
  return text +
         "</tbody></table></div>\n<p class=\"note\" style=\"margin-top:8px\">Memory is what cannot be given "
         "back: "
         "anonymous, shared and the kernel’s own. A name without a limit is a process, seen by its resident "
         "memory.</p>\n";
}

std::string checks_html(const reference_report& report, const reference_config& config) {
  const check_counts counts = count_checks(report.checks);
  std::string text = "<h2>Checks that differed</h2>\n";
  fmt::format_to(
      out(text),
      "<p class=\"note\">{} checks were made, {} of them scored. {} differed: {} are explained by a call "
      "that "
      "was just being answered, as both sides told the same of the same window within {} s; {} are "
      "not.</p>\n",
      number(counts.made), number(counts.scored), number(counts.differed), number(counts.explained),
      readable(static_cast<double>(config.checks.explain_within.count()) / 1000), number(counts.unexplained));
  if (counts.differed == 0) return text;
  text += "<div class=\"table\"><table><thead><tr><th>at</th><th>payments apart</th><th>amount "
          "apart</th><th>ours</th>"
          "<th>theirs</th><th>calls failed</th><th>scored</th><th "
          "class=\"words\">explanation</th></tr></thead><tbody>\n";
  std::size_t shown = 0;
  for (const summary_check& each : report.checks) {
    if (each.is_consistent() || ++shown > checks_shown_max) continue;
    std::string ours;
    std::string theirs;
    for (std::size_t i = 0; i < each.ours.size(); ++i) {
      fmt::format_to(out(ours), "{}{}", i == 0 ? "" : " / ", number(each.ours[i].requests));
      fmt::format_to(out(theirs), "{}{}", i == 0 ? "" : " / ", number(each.theirs[i].requests));
    }
    text += row(fmt::format("{:.2f} s", each.second),
                {number(each.requests_apart()), money(units(each.cents_apart())), ours, theirs,
                 number(each.calls_failed), each.scored ? "yes" : "no"});
    text.resize(text.size() - std::string_view("</tr>\n").size());
    if (each.explained_after)
      fmt::format_to(out(text), "<td class=\"words\">alike {} ms later</td></tr>\n",
                     each.explained_after->count());
    else
      text += "<td class=\"words bad\">none</td></tr>\n";
  }
  text += "</tbody></table></div>\n";
  if (shown > checks_shown_max)
    fmt::format_to(out(text), "<p class=\"note\">and {} more</p>\n", shown - checks_shown_max);
  return text;
}

std::string audit_html(const audit_report& audit) {
  std::string text =
      "<h2>The strict audit</h2>\n<p class=\"note\">After the load each payment is looked up on both sides, "
      "and random windows are compared to the millisecond.</p>\n<div class=\"table\"><table><thead><tr>"
      "<th>posted</th><th>acknowledged</th><th>processed</th><th>rejected</th><th>unknown to repasse</th>"
      "<th>windows compared</th><th>settled after</th><th>findings</th></tr></thead><tbody>\n";
  text += row(number(audit.posted),
              {number(audit.acknowledged), number(audit.processed), number(audit.rejected),
               number(audit.unknown_to_repasse), number(audit.windows),
               readable(static_cast<double>(audit.waited.count())) + " ms", number(audit.finding_count)});
  text += "</tbody></table></div>\n";
  if (audit.ok()) return text;
  text += "<ul class=\"rules\">";
  for (const std::string& each : audit.findings)
    text += "<li>" + html_escaped(each) + "</li>";
  return text + "</ul>\n";
}

} // namespace repasse
