#include "server/reconciliation_json.hpp"

#include "server/payment_json.hpp"

#include <fmt/format.h>

namespace repasse {
namespace {

void write_total(std::string& to, std::string_view name, const processor_total& total) {
  char amount[24];
  to.append(fmt::format(R"(,"{}":{{"totalRequests":{},"totalAmount":{}}})", name, total.requests,
                        std::string_view{amount, write_amount(amount, total.amount_cents)}));
}

void write_words(std::string& to, std::string_view name, std::string_view text) {
  to.append(",\"").append(name).append("\":");
  if (text.empty())
    to.append("null");
  else
    write_json_string(to, text);
}

void write_window(std::string& to, const time_window& window) {
  to.append(fmt::format(R"(,"from":"{}","to":"{}")", to_string(window.from), to_string(window.to)));
}

} // namespace

void write_finding(std::string& to, const reconciliation_finding& finding) {
  to.append(fmt::format(R"({{"id":{},"kind":"{}","state":"{}")", finding.id, to_string(finding.kind),
                        to_string(finding.state)));
  write_words(to, "correlationId", finding.payment ? to_string(*finding.payment) : std::string{});
  write_window(to, finding.window);
  write_total(to, "ours", finding.ours);
  write_total(to, "theirs", finding.theirs);
  to.append(fmt::format(R"(,"firstSeen":"{}","lastSeen":"{}","history":[)", to_string(finding.first_seen),
                        to_string(finding.last_seen)));
  std::string_view left = finding.history;
  for (bool is_first = true; !left.empty(); is_first = false) {
    const std::string_view line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(line.size() + 1, left.size()));
    if (!is_first) to.push_back(',');
    write_json_string(to, line);
  }
  to.append("]}");
}

void write_runs(std::string& to, std::span<const reconciliation_run> runs,
                std::span<const std::string> processors, std::optional<std::int64_t> next) {
  to.append(R"({"reconciliations":[)");
  for (const reconciliation_run& run : runs) {
    if (&run != &runs.front()) to.push_back(',');
    to.append(fmt::format(R"({{"id":{})", run.id));
    write_words(to, "processor",
                run.processor < processors.size() ? std::string_view{processors[run.processor]} : "");
    write_window(to, run.window);
    write_words(to, "status", to_string(run.status));
    to.append(R"(,"matched":)").append(run.matched ? "true" : "false");
    write_total(to, "ours", run.ours);
    write_total(to, "theirs", run.theirs);
    write_words(to, "startedAt", to_string(run.started_at));
    write_words(to, "endedAt", run.ended_at ? to_string(*run.ended_at) : std::string{});
    write_words(to, "error", run.error);
    to.append(R"(,"findings":[)");
    for (const reconciliation_finding& finding : run.findings) {
      if (&finding != &run.findings.front()) to.push_back(',');
      write_finding(to, finding);
    }
    to.append("]}");
  }
  to.append(R"(],"next":)").append(next ? "\"" + std::to_string(*next) + "\"" : "null").append("}");
}

} // namespace repasse
