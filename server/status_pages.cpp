#include "server/status_pages.hpp"

#include "server/payment_json.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace repasse {
namespace {

using seen_processor = reactor_report::seen_processor;

/// One processor as all reactors together see it: the least closed breaker, the newest health, the sums.
seen_processor merge(std::span<const reactor_report> reports, std::size_t index) {
  seen_processor merged;
  for (const reactor_report& report : reports) {
    if (index >= report.processors.size()) continue; // a reactor that did not answer
    const seen_processor& one = report.processors[index];
    const bool worse = one.circuit == breaker::state::open || merged.circuit == breaker::state::closed;
    if (worse) merged.circuit = one.circuit;
    if (worse || one.circuit == merged.circuit) merged.since = std::max(merged.since, one.since);
    merged.in_flight += one.in_flight;
    merged.oldest_open = std::max(merged.oldest_open, one.oldest_open);
    merged.expected = std::max(merged.expected, one.expected);
    merged.latencies.add(one.latencies);
    if (one.health && (!merged.health || merged.health->heard < one.health->heard))
      merged.health = one.health;
  }
  return merged;
}

double millis(std::chrono::nanoseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

std::string health_json(const std::optional<health_report>& health) {
  if (!health) return "null";
  return fmt::format(R"({{"failing":{},"minResponseTime":{},"when":"{}","from":"epoch {}"}})",
                     health->failing, health->min_response_time.count(), to_string(health->heard_wall),
                     health->from);
}

} // namespace

std::string processors_json(const config& settings, std::span<const reactor_report> reports) {
  std::string json = R"({"processors":[)";
  for (std::size_t i = 0; i < settings.processors.size(); ++i) {
    const processor_settings& configured = settings.processors[i];
    const seen_processor seen = merge(reports, i);
    json += fmt::format(
        R"({}{{"name":"{}","fee":{},"breaker":"{}","health":{},"inFlight":{},"expectedMillis":{:.3f},)"
        R"("oldestUnansweredMillis":{:.3f},"latency":{{"calls":{},"p50Millis":{:.3f},"p90Millis":{:.3f},"p99Millis":{:.3f}}}}})",
        i == 0 ? "" : ",", configured.name, static_cast<double>(configured.fee_ppm) / 1e6,
        to_string(seen.circuit), health_json(seen.health), seen.in_flight, millis(seen.expected),
        millis(seen.oldest_open), seen.latencies.count(), millis(seen.latencies.percentile(0.5)),
        millis(seen.latencies.percentile(0.9)), millis(seen.latencies.percentile(0.99)));
  }
  return json + "]}";
}

http_response readiness_page(const config& settings, std::span<const reactor_report> reports, bool draining,
                             steady_time now) {
  const auto seconds_ago = [now](steady_time then) { return millis(now - then) / 1000; };
  bool accepting = false;
  steady_time since = now;
  for (const reactor_report& report : reports) {
    accepting = accepting || report.can_accept;
    if (report.since != steady_time{}) since = std::min(since, report.since);
  }
  http_response response;
  response.status = accepting && !draining ? 200 : 503;
  response.content_type = "text/plain; charset=utf-8";
  if (draining) response.body += "repasse: stopping\n";
  response.body += fmt::format("database: {}, payments live in memory, latency 0.0 ms, since {:.1f} s\n",
                               accepting ? "up" : "takes no more payments", seconds_ago(since));
  response.body += "redis: not configured\n";
  for (std::size_t i = 0; i < settings.processors.size(); ++i) {
    const seen_processor seen = merge(reports, i);
    response.body +=
        fmt::format("processor {}: {}, latency {:.1f} ms, since {:.1f} s", settings.processors[i].name,
                    to_string(seen.circuit), millis(seen.latencies.percentile(0.5)), seconds_ago(seen.since));
    if (seen.health) {
      response.body += fmt::format(", said {} {:.1f} s ago", seen.health->failing ? "failing" : "well",
                                   seconds_ago(seen.health->heard));
    }
    response.body += '\n';
  }
  return response;
}

} // namespace repasse
