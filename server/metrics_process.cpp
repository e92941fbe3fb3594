#include "server/build_info.hpp"
#include "server/log.hpp"
#include "server/metrics.hpp"
#include "server/process_figures.hpp"
#include "server/reactor.hpp"

namespace repasse {
namespace {

/// To some milliseconds, which nobody needs better.
const double start_time_seconds =
    std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();

/// Pairs that never came are left out, but for those that rules ask for.
bool is_shown(endpoint_kind kind, int status, std::uint64_t answers) {
  return answers > 0 ||
         (kind == endpoint_kind::post_payment && (status == 202 || status == 409 || status == 503));
}

void add_http(metric_set& to, const metrics_source& from) {
  const http_figures sum = sum_of(from.counted, [](const reactor_report& one) { return one.figures.http; });
  to.counter("repasse_http_requests_total", "Answers to clients, by kind of path and status.");
  for (std::size_t k = 0; k < static_cast<std::size_t>(endpoint_kind::count); ++k)
    for (std::size_t i = 0; i < http_figures::statuses.size(); ++i) {
      const auto kind = static_cast<endpoint_kind>(k);
      const int status = http_figures::statuses[i];
      const std::uint64_t answers = sum.answers(kind, i);
      if (!is_shown(kind, status, answers)) continue;
      const std::string code = status == 0 ? "other" : std::to_string(status);
      to.value(answers, {{"endpoint", to_string(kind)}, {"code", code}});
    }
  to.gauge("repasse_http_connections", "Connections of clients that are open.",
           std::uint64_t{from.connections});
  to.gauge("repasse_http_connections_max", "Connections of clients at most.",
           static_cast<std::uint64_t>(from.settings.max_connections));
  to.gauge("repasse_http_viewers", "Connections that hear the dashboard's events.",
           std::uint64_t{from.viewers});
  to.counter("repasse_http_connections_refused_total", "Connections turned away, too many being open.",
             sum.turned_away);
}

void add_reactors(metric_set& to, const metrics_source& from) {
  to.gauge("repasse_reactor_up",
           "0: it did not answer this scrape, whose counters have what it had counted before.");
  for (std::size_t i = 0; i < from.by_reactor.size(); ++i)
    to.value(std::uint64_t{from.by_reactor[i].is_late ? 0U : 1U}, {{"reactor", std::to_string(i)}});
  to.histograms("repasse_reactor_lag_seconds", "How late a timer of 100 ms came.");
  to.value(sum_of(from.counted, [](const reactor_report& one) { return one.figures.lag; }));
  to.histograms("repasse_scrape_duration_seconds", "CPU time of earlier scrapes, of all reactors.");
  to.value(sum_of(from.counted, [](const reactor_report& one) { return one.figures.scrapes; }));
  to.gauge("repasse_draining", "1 after SIGTERM.", std::uint64_t{from.is_draining ? 1U : 0U});
}

void add_log(metric_set& to) {
  constexpr std::pair<std::string_view, spdlog::level::level_enum> levels[] = {
      {"debug", spdlog::level::debug},
      {"info", spdlog::level::info},
      {"warning", spdlog::level::warn},
      {"error", spdlog::level::err},
      {"critical", spdlog::level::critical}};
  const log_figures lines = log_counts();
  to.counter("repasse_log_lines_total", "Lines written to the log.");
  for (const auto& [name, level] : levels)
    to.value(lines.written[static_cast<std::size_t>(level)], {{"level", name}});
  to.counter("repasse_log_lines_dropped_total",
             "Lines beyond the bounds of the log, or not taken by its reader.");
  for (const auto& [name, level] : levels)
    to.value(lines.dropped[static_cast<std::size_t>(level)], {{"level", name}});
}

void add_process(metric_set& to) {
  to.gauge("repasse_build_info", "1; its labels tell what is running.");
  to.value(std::uint64_t{1}, {{"version", build_version}, {"revision", build_revision}});
  const process_figures process = read_process_figures();
  to.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
             process.cpu_seconds);
  to.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", process.resident_bytes);
  if (process.open_fds)
    to.gauge("process_open_fds", "Number of open file descriptors.", std::uint64_t{*process.open_fds});
  to.gauge("process_max_fds", "Maximum number of open file descriptors.", process.max_fds);
  to.gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
           start_time_seconds);
}

} // namespace

void add_process_metrics(metric_set& to, const metrics_source& from) {
  add_http(to, from);
  add_reactors(to, from);
  add_log(to);
  add_process(to);
}

} // namespace repasse
