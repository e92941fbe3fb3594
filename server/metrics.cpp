#include "server/metrics.hpp"

#include "server/process_figures.hpp"
#include "server/reactor.hpp"

namespace repasse {
namespace {

struct timed_report {
  reactor_report report;
  std::chrono::nanoseconds took{0};
};

} // namespace

metrics_source::metrics_source(const config& how, std::span<const reactor_report> reports)
    : settings(how), by_reactor(reports) {
  for (const reactor_report& one : reports)
    if (!one.books.kind.empty()) present.push_back(&one);
}

task<http_response> metrics_page::answer() {
  auto look = [](reactor& one) -> task<timed_report> {
    const std::int64_t begun = thread_cpu_nanos();
    timed_report made;
    made.report = one.report();
    made.took = std::chrono::nanoseconds{thread_cpu_nanos() - begun};
    co_return made;
  };
  const steady_time due = clock_.now() + reactors::gather_limit;
  auto gathered = co_await all_.gather<timed_report>(clock_, due, look);
  const std::int64_t begun = thread_cpu_nanos();
  std::chrono::nanoseconds took{0};
  std::vector<reactor_report> reports;
  for (timed_report& one : gathered) {
    took += one.took;
    reports.push_back(std::move(one.report));
  }
  metrics_source from(settings_, reports);
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
