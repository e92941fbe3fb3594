#include "server/metrics.hpp"

#include "server/process_figures.hpp"
#include "server/reactor.hpp"

#include <optional>

namespace repasse {

metrics_source::metrics_source(const config& how, std::vector<last_report> reports)
    : settings(how), by_reactor(std::move(reports)) {
  for (const last_report& one : by_reactor) {
    if (!one.said) continue;
    counted.push_back(one.said.get());
    if (!one.is_late) present.push_back(one.said.get());
  }
}

task<http_response> metrics_page::answer() {
  using taken_time = std::optional<std::chrono::nanoseconds>;
  auto look = [](reactor& one) -> task<taken_time> {
    const std::int64_t begun = thread_cpu_nanos();
    one.keep_report();
    co_return std::chrono::nanoseconds{thread_cpu_nanos() - begun};
  };
  const steady_time due = clock_.now() + reactors::gather_limit;
  const std::vector<taken_time> looks = co_await all_.gather<taken_time>(clock_, due, look);
  const std::int64_t begun = thread_cpu_nanos();
  const auto kept = all_.last_reports();
  std::chrono::nanoseconds took{0};
  std::vector<last_report> reports;
  for (std::size_t i = 0; i < looks.size(); ++i) {
    took += looks[i].value_or(std::chrono::nanoseconds{0});
    reports.push_back({.said = kept[i], .is_late = !looks[i]});
  }
  metrics_source from(settings_, std::move(reports));
  from.now = clock_.now();
  from.wall = clock_.wall();
  from.connections = all_.connections().open.load(std::memory_order_relaxed);
  from.viewers = all_.connections().viewers.load(std::memory_order_relaxed);
  from.is_draining = all_.is_draining();
  http_response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = metrics_text(from);
  took += std::chrono::nanoseconds{thread_cpu_nanos() - begun};
  scrapes_.observe(took);
  co_return response;
}

std::string metrics_text(const metrics_source& from) {
  metric_set made;
  add_payment_metrics(made, from);
  add_processor_metrics(made, from);
  add_store_metrics(made, from);
  add_process_metrics(made, from);
  return made.text();
}

} // namespace repasse
