// GET /metrics: what all reactors have counted and measured, gathered from their reports. doc/metrics.md is
// the list; its parts are written by
//   metrics_payments.cpp    posts, settles, latencies, the ledger's calls
//   metrics_processors.cpp  sends, breakers, connections to processors
//   metrics_stores.cpp      PostgreSQL, epochs, Redis, cache, intake
//   metrics_process.cpp     HTTP, reactors, log, process
#pragma once

#include "server/config.hpp"
#include "server/http_response.hpp"
#include "server/metric_set.hpp"
#include "server/reactors.hpp"
#include "storage/clock.hpp"
#include "storage/histogram.hpp"

#include <memory>
#include <string>
#include <vector>

namespace repasse {

struct reactor_report;

/// One per reactor, built by its endpoints.
class metrics_page {
public:
  metrics_page(clock& time, const config& settings, reactors& all)
      : clock_(time), settings_(settings), all_(all) {}

  task<http_response> answer();
  /// CPU time of those answered here, of all reactors together.
  [[nodiscard]] const duration_histogram& scrapes() const { return scrapes_; }

private:
  clock& clock_;
  const config& settings_;
  reactors& all_;
  duration_histogram scrapes_;
};

/// What a reactor has said last.
struct last_report {
  std::shared_ptr<const reactor_report> said{}; ///< null: nothing yet
  bool is_late = false;                         ///< it has not answered this scrape: an earlier one
};

/// What a scrape is made of. Counters never go down, whoever is late: what a reactor has counted by its last
/// report stays counted. What it holds now nobody knows.
struct metrics_source {
  metrics_source(const config& how, std::vector<last_report> reports);

  const config& settings;
  std::vector<last_report> by_reactor;
  std::vector<const reactor_report*> counted; ///< for counters: of all that have ever answered
  std::vector<const reactor_report*> present; ///< for gauges: of those that have answered this scrape
  steady_time now{};
  wall_time wall{};
  std::size_t connections = 0; ///< open, of HTTP
  std::size_t viewers = 0;     ///< of them, those that hear the events
  bool is_draining = false;
};

[[nodiscard]] std::string metrics_text(const metrics_source& from);

void add_payment_metrics(metric_set& to, const metrics_source& from);
void add_processor_metrics(metric_set& to, const metrics_source& from);
void add_store_metrics(metric_set& to, const metrics_source& from);
void add_process_metrics(metric_set& to, const metrics_source& from);

/// `part(report)` of each added up.
template <typename Part>
auto sum_of(const std::vector<const reactor_report*>& reports, Part part) {
  decltype(part(*reports.front())) sum{};
  for (const reactor_report* one : reports) {
    if constexpr (requires { sum.add(part(*one)); })
      sum.add(part(*one));
    else
      sum += part(*one);
  }
  return sum;
}

} // namespace repasse
