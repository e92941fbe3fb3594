// One core's worth of repasse: an io_context of its own with everything that runs in it, so that nothing is
// shared and nothing is locked. Another thread may only call the functions that say so.
// The order of the members is the order of dependency, and, backwards, of destruction.
#pragma once

#include "health/prober.hpp"
#include "health/watcher.hpp"
#include "server/config.hpp"
#include "server/endpoints.hpp"
#include "server/event_feed.hpp"
#include "server/importer.hpp"
#include "server/listener.hpp"
#include "server/loop_lag.hpp"
#include "server/migrator.hpp"
#include "server/ownership.hpp"
#include "server/payment_flow.hpp"
#include "server/poller.hpp"
#include "server/processor.hpp"
#include "server/reactor_figures.hpp"
#include "server/reconciler.hpp"
#include "storage/cached_ledger.hpp"
#include "storage/intake.hpp"
#include "storage/memory_ledger.hpp"
#include "storage/memory_reconciliations.hpp"
#include "storage/postgres_ledger.hpp"
#include "storage/redis_connection.hpp"
#include "storage/redis_names.hpp"
#include "storage/schema_state.hpp"
#include "storage/totals_copy.hpp"

#include <memory>
#include <vector>

namespace repasse {

/// What one reactor shows of itself to the endpoints of another.
struct reactor_report {
  struct seen_processor {
    breaker::state circuit = breaker::state::closed;
    bool is_on_trial = false;
    steady_time since{}; ///< when the breaker last opened or closed
    std::size_t in_flight = 0;
    std::chrono::nanoseconds expected{0};
    std::chrono::nanoseconds oldest_open{0}; ///< age of the oldest call without an answer
    latency_histogram latencies;
    std::optional<health_report> health;
    std::string tls_trouble; ///< empty: none
  };
  std::vector<seen_processor> processors;
  wall_time started{};
  epoch_id epoch = 0;
  /// Empty without Redis.
  struct seen_redis {
    bool is_up = false;
    steady_time since{};
    std::chrono::nanoseconds latency{0};
    std::string trouble;
    std::optional<bool> hears; ///< of health; empty if that is switched off
  };
  std::optional<seen_redis> redis;
  /// Empty where payments cannot be taken in by Redis at all.
  struct seen_intake {
    bool is_open = false;
    std::string trouble;
    intake_figures figures;
  };
  std::optional<seen_intake> taking_in;
  cache_figures cache;
  copy_figures copy;
  ledger_health books; ///< `kind` is empty in the report of a reactor that did not answer
  flow_counters flow;
  std::size_t held = 0;
  std::size_t waiting = 0;
  bool has_epoch = false;
  bool can_accept = false;
  steady_time since{}; ///< when that last changed
  reactor_figures figures;
};

/// What the reactors of a process share of their storage: built by main before them, destroyed after them.
struct shared_storage {
  memory_ledger memory;              ///< where payments live without a database
  memory_reconciliations compared{}; ///< likewise
  schema_state schema;
};

/// Built by main, which runs each in a thread of its own.
class reactor {
public:
  reactor(const config& settings, shared_storage& storage, reactors& all, std::uint32_t number);
  ~reactor();
  reactor(const reactor&) = delete;
  reactor& operator=(const reactor&) = delete;

  /// From any thread, before run().
  void listen(int socket) { listener_.listen(socket); }
  /// Until the end of shut_down().
  void run();
  /// From any thread: `/readyz` says so first, then no more connections, then every send comes to its
  /// outcome; run() returns at `due` at the latest.
  void shut_down(steady_time due);

  /// After run(), by the thread that destroys it, while all other reactors are still there: ends every
  /// coroutine.
  void wind_up();

  /// From any thread.
  [[nodiscard]] executor get_executor() { return context_.get_executor(); }

  // In the reactor's own thread.
  [[nodiscard]] reactor_report report() const;
  /// For the scrape that asks, and for those that it will not answer.
  void keep_report() const;
  [[nodiscard]] payment_flow& flow() { return flow_; }
  void heard(processor_index index, const health_report& report);
  /// Another second of the dashboard.
  void tell_viewers(const std::shared_ptr<const event_feed::snapshot>& made);
  /// All epochs were ended by a purge, but for those begun since: ours may be one of either.
  void purged() {
    ownership_.look();
    if (intake_) intake_->forget_remembered();
  }

private:
  task<> drain(steady_time due);
  [[nodiscard]] prober::calls probe_calls();
  [[nodiscard]] reactor_figures figures(steady_time now) const;
  [[nodiscard]] reconciler::config reconciler_config() const;
  [[nodiscard]] std::unique_ptr<watcher> make_watcher(const config& settings, std::uint32_t number);
  void tell_change(processor_index index, bool closed);
  epoch_id show(std::string& json) const;

  const config& settings_;
  std::uint32_t number_;
  reactors& all_;
  asio::io_context context_;
  clock clock_;
  steady_time started_ = clock_.now();
  wall_time started_wall_ = clock_.wall();
  poller poller_;
  std::unique_ptr<migrator> migrator_;        ///< of the first reactor, with a database
  std::unique_ptr<postgres_ledger> database_; ///< null: payments live in memory
  redis_names names_;
  std::unique_ptr<redis_connection> redis_; ///< null: there is none
  std::unique_ptr<cached_ledger> cache_;    ///< null: no session cache
  std::unique_ptr<totals_copy> copy_;       ///< null: no session cache, or no database
  std::unique_ptr<intake> intake_;          ///< with a database and Redis
  std::unique_ptr<watcher> watcher_;        ///< null: health is not shared by Redis
  ledger& ledger_;
  std::vector<std::unique_ptr<processor>> processors_;
  payment_flow flow_;
  std::unique_ptr<importer> importer_; ///< with an intake
  ownership ownership_;
  prober prober_;
  reconciler reconciler_;
  event_feed feed_;
  overseer overseer_;
  endpoints endpoints_;
  listener listener_;
  loop_lag lag_;
  task_group tasks_;
  task_group ending_;
};

} // namespace repasse
