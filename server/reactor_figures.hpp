// What one reactor has counted and measured, for /metrics: a copy of the plain members of its parts.
#pragma once

#include "health/watcher.hpp"
#include "server/flow_figures.hpp"
#include "server/http_figures.hpp"
#include "server/importer.hpp"
#include "server/ownership.hpp"
#include "server/processor.hpp"
#include "server/reconciler.hpp"
#include "storage/cached_ledger.hpp"
#include "storage/histogram.hpp"
#include "storage/postgres_ledger.hpp"
#include "storage/redis_connection.hpp"

#include <array>
#include <optional>
#include <vector>

namespace repasse {

struct reactor_figures {
  flow_figures flow;
  std::size_t in_doubt = 0;
  std::chrono::nanoseconds oldest_waiting{0};
  std::chrono::nanoseconds oldest_in_doubt{0};
  std::size_t declared = 0; ///< of payments in doubt, and not carried out yet
  std::chrono::nanoseconds oldest_declared{0};

  struct of_processor {
    std::array<std::uint64_t, static_cast<std::size_t>(evidence::count)> seen{};
    duration_histogram charges;
    http_client::connections connections;
    std::uint64_t opened = 0; ///< its breaker
    std::uint64_t closed = 0;
  };
  std::vector<of_processor> processors;

  ownership::figures epochs;
  bool is_eldest = false;
  std::optional<std::chrono::nanoseconds> beat_age; ///< empty without an epoch

  std::optional<postgres_ledger::pools> database; ///< empty where payments live in memory
  std::size_t strangers = 0;                      ///< as postgres_ledger::strangers()
  std::optional<redis_figures> redis;             ///< empty without Redis
  std::optional<watcher::figures> heard;          ///< empty where health is not shared by Redis
  std::optional<cached_ledger::content> cached;   ///< of the eldest
  importer_figures imports;
  reconciliation_figures compared;

  http_figures http;
  duration_histogram lag;
  duration_histogram scrapes; ///< that this reactor has answered
};

} // namespace repasse
