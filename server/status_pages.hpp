// What the process shows of itself, gathered from its reactors: /processors and /readyz.
#pragma once

#include "server/config.hpp"
#include "server/http_response.hpp"
#include "server/reactor.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace repasse {

/// One processor as all reactors together see it: the breaker that weighs most, the newest health, the sums.
void add_seen(reactor_report::seen_processor& merged, const reactor_report::seen_processor& one);
[[nodiscard]] reactor_report::seen_processor merge_processor(std::span<const reactor_report> reports,
                                                             std::size_t index);

/// What is not up before what is, then what has trouble; of equals the first, whose reactor knows most. The
/// clock is the one that is furthest off.
[[nodiscard]] ledger_health worst_books(std::span<const reactor_report> reports);

/// Of the reactor that is worst off; null without Redis.
[[nodiscard]] const reactor_report::seen_redis* worst_redis(std::span<const reactor_report> reports);

/// What all reactors together wait for PostgreSQL with.
struct merged_intake {
  const reactor_report::seen_intake* worst = nullptr; ///< a closed one, if there is one; null: there is none
  std::size_t remembered = 0;
};
[[nodiscard]] merged_intake merge_intake(std::span<const reactor_report> reports);

/// `{"processors":[{"name","fee","breaker","health":{…}|null,"inFlight","expectedMillis","latency":{…}}]}`
[[nodiscard]] std::string processors_json(const config& settings, std::span<const reactor_report> reports);

/// The session cache of the whole process, and what Redis holds, which all processes share; null while it
/// does not answer.
[[nodiscard]] std::string cache_json(const config& settings, std::span<const reactor_report> reports,
                                     const std::optional<cached_ledger::content>& content, steady_time now);

/// One line per dependency, and per reactor that is away; 503 while there is one, or while no payment can be
/// accepted durably.
[[nodiscard]] http_response readiness_page(const config& settings, std::span<const reactor_report> reports,
                                           bool draining, steady_time now);

} // namespace repasse
