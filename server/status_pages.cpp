#include "server/status_pages.hpp"

#include "server/payment_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using seen_processor = reactor_report::seen_processor;

double millis(std::chrono::nanoseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

std::string health_json(const std::optional<health_report>& health) {
  if (!health) return "null";
  const std::string from = health->from == 0 ? "redis" : fmt::format("epoch {}", health->from);
  return fmt::format(R"({{"failing":{},"minResponseTime":{},"when":"{}","from":"{}"}})", health->failing,
                     health->min_response_time.count(), to_string(health->heard_wall), from);
}

/// `, this clock is 312 ms ahead of the database's`; empty while they agree well enough.
std::string clock_text(const ledger_health& books) {
  const auto ahead = books.ahead.value_or(0ms);
  if (abs(ahead) <= clock_difference_max) return {};
  return fmt::format(", this clock is {} ms {} the database's", abs(ahead).count(),
                     ahead > 0ms ? "ahead of" : "behind");
}

/// `accepting` and `since` are those of the reactors, which know more than their ledgers: whether there is
/// room.
std::string database_line(const ledger_health& books, bool in_database, bool accepting,
                          double since_seconds) {
  const auto* const state = !books.is_up ? "away" : accepting ? "up" : "takes no more payments";
  return fmt::format("database: {}, payments live in {}, latency {:.1f} ms, since {:.1f} s{}{}{}\n", state,
                     in_database ? "PostgreSQL" : "memory", millis(books.latency), since_seconds,
                     books.trouble.empty() ? "" : ", ", books.trouble, clock_text(books));
}

/// As the reactor sees it that is worst off. A Redis that is away makes nothing unready.
std::string redis_line(std::span<const reactor_report> reports, steady_time now) {
  const reactor_report::seen_redis* const worst = worst_redis(reports);
  if (worst == nullptr) return "redis: not configured\n";
  const bool is_deaf = std::ranges::any_of(
      reports, [](const reactor_report& one) { return one.redis && one.redis->hears == false; });
  return fmt::format("redis: {}, latency {:.1f} ms, since {:.1f} s{}{}{}\n", worst->is_up ? "up" : "away",
                     millis(worst->latency), millis(now - worst->since) / 1000,
                     is_deaf && worst->is_up ? ", no messages about health are heard" : "",
                     worst->trouble.empty() ? "" : ", ", worst->trouble);
}

/// Of the reactor whose intake is closed, if there is one.
std::string intake_line(std::span<const reactor_report> reports) {
  const auto [worst, remembered] = merge_intake(reports);
  if (worst == nullptr) return {};
  return fmt::format("intake: {}{}{}, {} payments wait for PostgreSQL\n", worst->is_open ? "open" : "closed",
                     worst->is_open ? "" : ", ", worst->is_open ? "" : worst->trouble, remembered);
}

/// A line for each reactor that is away though others may serve: what reaches it is refused. The database's
/// line tells of those that only lack their connections.
std::string absence_lines(std::span<const reactor_report> reports) {
  std::string lines;
  for (std::size_t i = 0; i < reports.size(); ++i)
    if (const reactor_report& one = reports[i]; one.books.kind.empty())
      lines += fmt::format("reactor {}: does not answer\n", i);
    else if (!one.can_accept && !one.has_epoch)
      lines += fmt::format("reactor {}: has no epoch\n", i);
  return lines;
}

} // namespace

ledger_health worst_books(std::span<const reactor_report> reports) {
  const auto badness = [](const ledger_health& one) { return std::pair(!one.is_up, !one.trouble.empty()); };
  ledger_health worst;
  for (const reactor_report& report : reports) {
    const ledger_health& one = report.books;
    if (one.kind.empty()) continue; // a reactor that did not answer
    const auto ahead =
        abs(one.ahead.value_or(0ms)) > abs(worst.ahead.value_or(0ms)) ? one.ahead : worst.ahead;
    const auto latency = std::max(one.latency, worst.latency);
    if (worst.kind.empty() || badness(one) > badness(worst)) worst = one;
    worst.ahead = ahead;
    worst.latency = latency;
  }
  return worst;
}

const reactor_report::seen_redis* worst_redis(std::span<const reactor_report> reports) {
  const reactor_report::seen_redis* worst = nullptr;
  for (const reactor_report& report : reports)
    if (report.redis && (worst == nullptr || (worst->is_up && !report.redis->is_up))) worst = &*report.redis;
  return worst;
}

merged_intake merge_intake(std::span<const reactor_report> reports) {
  merged_intake merged;
  for (const reactor_report& report : reports) {
    if (!report.taking_in) continue;
    merged.remembered += report.taking_in->figures.remembered;
    if (merged.worst == nullptr || !report.taking_in->is_open) merged.worst = &*report.taking_in;
  }
  return merged;
}

void add_seen(seen_processor& merged, const seen_processor& one) {
  const int heavier = weight(one.circuit, one.is_on_trial) - weight(merged.circuit, merged.is_on_trial);
  if (heavier > 0) {
    merged.circuit = one.circuit;
    merged.is_on_trial = one.is_on_trial;
    merged.since = one.since;
  } else if (heavier == 0) {
    merged.since = std::max(merged.since, one.since);
  }
  merged.in_flight += one.in_flight;
  merged.oldest_open = std::max(merged.oldest_open, one.oldest_open);
  merged.expected = std::max(merged.expected, one.expected);
  merged.latencies.add(one.latencies);
  if (one.health && (!merged.health || merged.health->heard < one.health->heard)) merged.health = one.health;
  if (!one.tls_trouble.empty()) merged.tls_trouble = one.tls_trouble;
}

reactor_report::seen_processor merge_processor(std::span<const reactor_report> reports, std::size_t index) {
  std::optional<seen_processor> merged;
  for (const reactor_report& report : reports) {
    if (index >= report.processors.size()) continue; // it has not answered
    if (merged)
      add_seen(*merged, report.processors[index]);
    else
      merged = report.processors[index];
  }
  return merged.value_or(seen_processor{});
}

std::string processors_json(const config& settings, std::span<const reactor_report> reports) {
  std::string json = R"({"processors":[)";
  for (std::size_t i = 0; i < settings.processors.size(); ++i) {
    const processor_settings& configured = settings.processors[i];
    const seen_processor seen = merge_processor(reports, i);
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

std::string cache_json(const config& settings, std::span<const reactor_report> reports,
                       const std::optional<cached_ledger::content>& content, steady_time now) {
  cache_figures cache;
  copy_figures copy;
  for (const reactor_report& report : reports) {
    cache.add(report.cache);
    copy.add(report.copy);
  }
  const std::uint64_t reads = cache.hits + cache.misses;
  const std::string ratio =
      reads == 0 ? "null"
                 : fmt::format("{:.4f}", static_cast<double>(cache.hits) / static_cast<double>(reads));
  std::string json = fmt::format(
      R"({{"enabled":true,"available":{},"ttlSeconds":{:.3f},"hits":{},"misses":{},"hitRatio":{},"written":{},)",
      content.has_value(), millis(settings.cache_ttl) / 1000, cache.hits, cache.misses, ratio, cache.written);
  if (content)
    json += fmt::format(
        R"("cachedPayments":{},"cachedPaymentsCounted":{},"memoryBytes":{},"redisMemoryBytes":{},)",
        content->payments, content->is_counted, content->memory_bytes, content->redis_memory_bytes);
  else
    json +=
        R"("cachedPayments":null,"cachedPaymentsCounted":null,"memoryBytes":null,"redisMemoryBytes":null,)";
  const bool has_copied = copy.last_written != steady_time{};
  return json +
         fmt::format(
             R"("check":{{"checked":{},"mismatches":{},"malformed":{}}},)"
             R"("totals":{{"copies":{},"wholeCopies":{},"checked":{},"mismatches":{},"lagMillis":{}}}}})",
             cache.checked, cache.mismatches, cache.malformed, copy.copies, copy.whole, copy.checked,
             copy.mismatches, has_copied ? fmt::format("{:.0f}", millis(now - copy.last_written)) : "null");
}

http_response readiness_page(const config& settings, std::span<const reactor_report> reports, bool draining,
                             steady_time now) {
  const auto seconds_ago = [now](steady_time then) { return millis(now - then) / 1000; };
  bool accepting = false;
  bool stranded = false; // a reactor whose ledger is away, and that has no intake
  steady_time since = now;
  for (const reactor_report& report : reports) {
    accepting = accepting || report.can_accept;
    stranded = stranded || (!report.books.is_up && !report.can_accept);
    if (report.since != steady_time{}) since = std::min(since, report.since);
  }
  const ledger_health books = worst_books(reports);
  const std::string absent = absence_lines(reports);
  if (!books.is_up && books.since != steady_time{}) since = books.since;
  http_response response;
  response.status = accepting && !stranded && absent.empty() && !draining ? 200 : 503;
  response.content_type = "text/plain; charset=utf-8";
  if (draining) response.body += "repasse: stopping\n";
  response.body += database_line(books, settings.use_database_storage, accepting, seconds_ago(since));
  response.body += absent;
  response.body += redis_line(reports, now);
  response.body += intake_line(reports);
  for (std::size_t i = 0; i < settings.processors.size(); ++i) {
    const seen_processor seen = merge_processor(reports, i);
    response.body +=
        fmt::format("processor {}: {}, latency {:.1f} ms, since {:.1f} s", settings.processors[i].name,
                    to_string(seen.circuit), millis(seen.latencies.percentile(0.5)), seconds_ago(seen.since));
    if (seen.health) {
      response.body += fmt::format(", said {} {:.1f} s ago", seen.health->failing ? "failing" : "well",
                                   seconds_ago(seen.health->heard));
    }
    if (!seen.tls_trouble.empty()) response.body += ", TLS handshake failed: " + seen.tls_trouble;
    response.body += '\n';
  }
  return response;
}

} // namespace repasse
