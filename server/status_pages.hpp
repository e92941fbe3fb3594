// What the process shows of itself, gathered from its reactors: /processors and /readyz.
#pragma once

#include "server/config.hpp"
#include "server/http_response.hpp"
#include "server/reactor.hpp"

#include <span>
#include <string>

namespace repasse {

/// `{"processors":[{"name","fee","breaker","health":{…}|null,"inFlight","expectedMillis","latency":{…}}]}`
[[nodiscard]] std::string processors_json(const config& settings, std::span<const reactor_report> reports);

/// One line per dependency, and per reactor that is away; 503 while there is one, or while no payment can be
/// accepted durably.
[[nodiscard]] http_response readiness_page(const config& settings, std::span<const reactor_report> reports,
                                           bool draining, steady_time now);

} // namespace repasse
