#include "server/reactor.hpp"

#include "server/status_pages.hpp"

#include <boost/asio/ip/host_name.hpp>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <random>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// How long `/readyz` says 503 before connections are refused, so that a load balancer sees it.
constexpr std::chrono::nanoseconds notice_max = 1s;
/// How long answers may take to reach their clients once all is done.
constexpr std::chrono::nanoseconds farewell = 500ms;
/// For the connections to the database to say goodbye, so that the server does not log lost ones.
constexpr std::chrono::nanoseconds goodbye = 10ms;
/// One slow append does not make a ledger that is reached one that is away.
constexpr std::chrono::nanoseconds slow_append_max = 500ms;
/// A server that does not answer by then is tried anew, perhaps at another of its hosts.
constexpr std::chrono::nanoseconds connect_limit_max = 1s;

std::size_t share(std::size_t of_process, std::size_t reactors) {
  return std::max<std::size_t>(1, of_process / reactors);
}

std::vector<std::unique_ptr<processor>>
make_processors(clock& time, poller& sockets, const config& settings, std::uint32_t number,
                const std::function<void(processor_index, bool)>& changed) {
  std::vector<std::unique_ptr<processor>> made;
  for (const processor_settings& one : settings.processors) {
    processor::config how = processor_config(one);
    how.in_flight_max = share(settings.processor_max_in_flight, settings.reactors);
    how.settle_within = settings.settle_within;
    how.jitter_seed = number + 1;
    how.changed = [changed, index = static_cast<processor_index>(made.size())](bool closed) {
      changed(index, closed);
    };
    made.push_back(std::make_unique<processor>(time, sockets, how));
  }
  return made;
}

payment_flow::config flow_config(const config& settings, std::uint32_t number) {
  payment_flow::config how;
  how.how = {settings.policy, settings.settle_within, settings.cheapest_patience};
  how.jitter_seed = number + 1;
  how.backlog_max = share(settings.max_backlog, settings.reactors);
  how.hands_over = settings.use_database_storage;
  how.asks_first = settings.ask_first;
  std::random_device drawn;
  how.trace_seed = std::uint64_t{drawn()} << 32 | drawn();
  how.is_told_of_cache = settings.use_redis_session_cache && !settings.redis_url.empty();
  how.slow_after = settings.slow_request();
  return how;
}

/// `host:pid`, for whoever looks at the database's own lists.
std::string instance_name() { return asio::ip::host_name() + ":" + std::to_string(::getpid()); }

std::unique_ptr<migrator> make_migrator(clock& time, const config& settings, schema_state& schema,
                                        std::uint32_t number) {
  if (!settings.use_database_storage || number != 0) return nullptr;
  return std::make_unique<migrator>(time, settings, schema);
}

std::unique_ptr<postgres_ledger> make_database(clock& time, const config& settings,
                                               const schema_state& schema, std::uint32_t number) {
  if (!settings.use_database_storage) return nullptr;
  postgres_ledger::config how;
  how.url = settings.database_url;
  how.processors = settings.processor_names();
  how.connect_limit = std::min<std::chrono::nanoseconds>(settings.database_conn_timeout, connect_limit_max);
  how.lifetime = settings.database_conn_lifetime;
  how.slow = settings.slow_query;
  how.instance = instance_name();
  how.number = number;
  how.replica_url = settings.database_replica_url;
  return std::make_unique<postgres_ledger>(time, how, schema);
}

/// `use` tells one connection of a reactor from another.
redis_connection::config redis_config(const config& settings, std::string_view use, std::uint32_t number) {
  redis_connection::config how;
  how.where = {settings.redis_url, settings.redis_password, settings.redis_db};
  how.name = "repasse-" + std::to_string(number) + "-" + std::string{use};
  how.connect_limit = std::min<std::chrono::nanoseconds>(settings.redis_conn_timeout, connect_limit_max);
  how.jitter_seed = number + 1;
  return how;
}

std::unique_ptr<redis_connection> make_redis(clock& time, const config& settings, std::uint32_t number) {
  if (settings.redis_url.empty()) return nullptr;
  return std::make_unique<redis_connection>(time, redis_config(settings, "commands", number));
}

std::unique_ptr<intake> make_intake(clock& time, redis_connection* redis, const redis_names& names,
                                    const config& settings, std::uint32_t number) {
  if (!settings.use_database_storage || redis == nullptr) return nullptr;
  intake::config how;
  how.payments_max = settings.max_backlog;
  how.remembered_max = share(settings.max_backlog, settings.reactors);
  // In containers several instances may have the same host and process.
  how.consumer = instance_name() + ':' + std::to_string(number) + ':' +
                 std::to_string(time.wall().time_since_epoch().count());
  return std::make_unique<intake>(time, *redis, names, std::move(how));
}

std::unique_ptr<cached_ledger> make_cache(clock& time, ledger& below, redis_connection* redis,
                                          const redis_names& names, const config& settings,
                                          decltype(cached_ledger::config::written) written) {
  if (!settings.use_redis_session_cache || redis == nullptr) return nullptr;
  cached_ledger::config how;
  how.written = std::move(written);
  how.processors = settings.processor_names();
  how.ttl = settings.cache_ttl;
  return std::make_unique<cached_ledger>(time, below, *redis, names, how);
}

std::unique_ptr<totals_copy> make_copy(clock& time, postgres_ledger* books, cached_ledger* cache,
                                       redis_connection* redis, const redis_names& names,
                                       const config& settings) {
  if (books == nullptr || cache == nullptr) return nullptr;
  totals_copy::config how;
  how.processors = settings.processor_names();
  how.seed = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  return std::make_unique<totals_copy>(time, *books, *cache, *redis, names, how);
}

ledger& uppermost(cached_ledger* cache, postgres_ledger* database, memory_ledger& memory) {
  if (cache != nullptr) return *cache;
  if (database != nullptr) return *database;
  return memory;
}

} // namespace

reactor::reactor(const config& settings, shared_storage& storage, reactors& all, std::uint32_t number)
    : settings_(settings),
      number_(number),
      all_(all),
      context_(1),
      clock_(context_),
      poller_(context_),
      migrator_(make_migrator(clock_, settings, storage.schema, number)),
      database_(make_database(clock_, settings, storage.schema, number)),
      names_(settings.redis_prefix),
      redis_(make_redis(clock_, settings, number)),
      cache_(make_cache(clock_, uppermost(nullptr, database_.get(), storage.memory), redis_.get(), names_,
                        settings,
                        [this](const payment_id& id, std::chrono::nanoseconds took, bool stored) {
                          flow_.cache_written(id, took, stored);
                        })),
      copy_(make_copy(clock_, database_.get(), cache_.get(), redis_.get(), names_, settings)),
      intake_(make_intake(clock_, redis_.get(), names_, settings, number)),
      watcher_(make_watcher(settings, number)),
      ledger_(uppermost(cache_.get(), database_.get(), storage.memory)),
      processors_(
          make_processors(clock_, poller_, settings, number,
                          [this](processor_index index, bool closed) { tell_change(index, closed); })),
      flow_(clock_, ledger_, intake_.get(), processors_, flow_config(settings, number)),
      importer_(intake_ ? std::make_unique<importer>(clock_, *intake_, flow_) : nullptr),
      ownership_(clock_, ledger_, flow_, processors_),
      prober_(clock_, {.processors = processors_.size()}, probe_calls()),
      reconciler_(
          clock_, ledger_, database_ ? static_cast<reconciliations&>(*database_) : storage.compared,
          processors_, [this](const settle_item& item) { flow_.bring(item); }, reconciler_config()),
      feed_(clock_, ledger_, {redis_.get(), copy_.get()}, names_, settings, all, instance_name()),
      overseer_(clock_, ledger_, processors_, flow_),
      endpoints_(clock_, ledger_, {cache_.get(), copy_.get(), intake_.get()}, overseer_, reconciler_,
                 settings, all, feed_),
      listener_(clock_, poller_, flow_,
                [this](endpoint_request request) { return endpoints_.answer(std::move(request)); },
                all.connections(), {.connections_max = settings.max_connections}),
      lag_(clock_),
      tasks_(clock_),
      ending_(clock_) {}

reactor::~reactor() = default;

void reactor::wind_up() {
  poller_.close();
  for (int i = 0; i < 2; ++i) { // what was ready runs once more, and waits again
    clock_.abandon();
    context_.restart();
    context_.poll();
  }
}

void reactor::run() {
  if (migrator_) migrator_->start();
  if (database_) database_->start();
  if (redis_) tasks_.spawn(redis_->run());
  if (cache_) cache_->start();
  if (copy_) copy_->start();
  if (intake_) intake_->start();
  if (watcher_) watcher_->start();
  flow_.start();
  if (importer_) importer_->start();
  ownership_.start();
  prober_.start();
  reconciler_.start([this] { return ownership_.is_eldest(); });
  listener_.start();
  lag_.start();
  if (number_ == 0) feed_.start();
  context_.run();
}

void reactor::shut_down(steady_time due) {
  asio::post(context_, [this, due] { tasks_.spawn(drain(due)); });
}

task<> reactor::drain(steady_time due) {
  listener_.retire();
  if (watcher_) watcher_->show_now();
  prober_.stop();
  event pause(clock_);
  co_await pause.wait_for(std::min(notice_max, (due - clock_.now()) / 10));
  listener_.stop();
  if (importer_) importer_->stop();
  const bool settled = co_await flow_.drain(due);
  const steady_time gone = std::min(due, clock_.now() + farewell);
  while (listener_.connections() > 0 && clock_.now() < gone)
    co_await pause.wait_for(10ms);
  ending_.spawn(ownership_.end()); // a database that is away may not hold up the end
  const bool ended = co_await ending_.join_until(due);
  if (!ended)
    spdlog::warn("the end of epoch {} is not in the books: its payments are taken over later", flow_.epoch());
  if (!settled) spdlog::warn("stops with {} payments unsettled", flow_.held());
  all_.one_drained();
  while (!all_.all_drained() && clock_.now() < due)
    co_await pause.wait_for(10ms);
  if (copy_) copy_->stop();
  if (cache_) cache_->stop();
  if (migrator_) migrator_->stop();
  if (database_) database_->stop();
  if (intake_) intake_->stop();
  if (watcher_) watcher_->stop();
  if (redis_) redis_->stop();
  if (database_) co_await pause.wait_for(goodbye);
  context_.stop();
}

prober::calls reactor::probe_calls() {
  prober::calls calls;
  calls.ask = [this](processor_index index, steady_time due) { return processors_[index]->ask_health(due); };
  calls.allowed = [this] { return ownership_.is_eldest(); };
  calls.heard = [this](processor_index index, health_report report) {
    report.from = flow_.epoch();
    ownership_.learned(index, report);
    if (watcher_) watcher_->tell_probe(index, report);
    for (const auto& one : all_)
      asio::post(one->get_executor(), [&to = *one, index, report] { to.heard(index, report); });
  };
  calls.last_heard = [this](processor_index index) {
    const std::optional<health_report>& health = processors_[index]->health();
    return health ? health->heard : steady_time{};
  };
  return calls;
}

std::unique_ptr<watcher> reactor::make_watcher(const config& settings, std::uint32_t number) {
  if (!settings.use_redis_health_monitoring) return nullptr;
  watcher::config how;
  how.processors = settings.processor_names();
  how.link = redis_config(settings, "health", number);
  watcher::calls calls;
  calls.heard = [this](processor_index index, const health_report& report) { heard(index, report); };
  calls.show = [this](std::string& json) { return show(json); };
  return std::make_unique<watcher>(clock_, *redis_, names_, std::move(how), std::move(calls));
}

void reactor::heard(processor_index index, const health_report& report) {
  processors_[index]->heard(report);
  flow_.look_again();
}

/// How slow the processor is others hear from itself: a breaker's change says no more of it than it has said
/// last.
void reactor::tell_change(processor_index index, bool closed) {
  if (!watcher_) return;
  health_report report;
  if (const auto& health = processors_[index]->health()) report.min_response_time = health->min_response_time;
  report.failing = !closed;
  report.heard_wall = clock_.wall();
  watcher_->tell_change(index, report);
}

reconciler::config reactor::reconciler_config() const {
  reconciler::config how;
  how.every = settings_.reconcile_every;
  how.holder = reconciler::draw_holder();
  return how;
}

void reactor::tell_viewers(const std::shared_ptr<const event_feed::snapshot>& made) {
  feed_.remember(*made);
  if (!made->event.empty()) listener_.tell_viewers({made, &made->event});
}

epoch_id reactor::show(std::string& json) const {
  const epoch_id epoch = flow_.epoch();
  if (epoch == 0) return epoch;
  instance_view view =
      view_of(report(), instance_name(), number_, clock_.now(), clock_.wall(), all_.is_draining());
  if (number_ == 0) view.changes = changes_after(0, instance_view::changes_max);
  json = instance_json(settings_, view);
  return epoch;
}

reactor_report reactor::report() const {
  reactor_report made;
  const steady_time now = clock_.now();
  made.started = started_wall_;
  for (const auto& one : processors_) {
    reactor_report::seen_processor& seen = made.processors.emplace_back();
    seen.circuit = one->circuit().now_in();
    seen.is_on_trial = one->circuit().is_on_trial();
    seen.since = std::max(started_, one->circuit().since());
    seen.in_flight = one->in_flight();
    seen.expected = one->expected().value();
    seen.oldest_open = one->view(now).oldest_open;
    seen.latencies = one->latencies();
    seen.health = one->health();
    seen.tls_trouble = one->tls_trouble();
  }
  std::optional<bool> hears;
  if (watcher_) hears = watcher_->hears();
  if (redis_)
    made.redis = reactor_report::seen_redis{.is_up = redis_->now_in() == redis_connection::state::connected,
                                            .since = std::max(started_, redis_->since()),
                                            .latency = redis_->last_latency(),
                                            .trouble = redis_->trouble(),
                                            .hears = hears};
  if (intake_)
    made.taking_in = reactor_report::seen_intake{intake_->is_open(), intake_->trouble(), intake_->figures()};
  if (cache_) made.cache = cache_->figures();
  if (copy_) made.copy = copy_->figures();
  made.books = ledger_.health();
  if (migrator_ && !migrator_->reason().empty()) made.books.trouble = migrator_->reason();
  made.flow = flow_.counters();
  made.held = flow_.held();
  made.waiting = flow_.waiting();
  made.epoch = flow_.epoch();
  made.has_epoch = flow_.epoch() != 0;
  made.can_accept = flow_.can_accept(made.books.is_up);
  made.since = std::max(started_, flow_.can_accept_since());
  const std::optional<steady_time> takes_nothing_since = flow_.takes_nothing_since();
  const bool takes_nothing = takes_nothing_since && now - *takes_nothing_since > slow_append_max;
  if (database_ && made.books.is_up && takes_nothing) { // though it is reached
    made.books.is_up = false;
    made.books.since = *takes_nothing_since;
    if (made.books.trouble.empty()) made.books.trouble = "takes no payments";
  }
  made.figures = figures(now);
  return made;
}

reactor_figures reactor::figures(steady_time now) const {
  reactor_figures made;
  made.flow = flow_.figures();
  made.in_doubt = flow_.in_doubt();
  made.oldest_waiting = flow_.oldest_waiting();
  made.oldest_in_doubt = flow_.oldest_in_doubt();
  made.declared = flow_.declared();
  made.oldest_declared = flow_.oldest_declared();
  for (const auto& one : processors_) {
    reactor_figures::of_processor& seen = made.processors.emplace_back();
    for (std::size_t i = 0; i < seen.seen.size(); ++i)
      seen.seen[i] = one->seen(static_cast<evidence>(i));
    seen.charges = one->charges();
    seen.connections = one->connections();
    seen.opened = one->circuit().opened();
    seen.closed = one->circuit().closed();
  }
  made.epochs = ownership_.counted();
  made.is_eldest = ownership_.is_eldest();
  if (flow_.epoch() != 0) made.beat_age = now - flow_.last_beat();
  if (database_) made.database = database_->figures_by_use();
  if (database_) made.strangers = database_->strangers();
  if (redis_) made.redis = redis_->figures();
  if (watcher_) made.heard = watcher_->counted();
  if (cache_) made.cached = cache_->last_content();
  if (importer_) made.imports = importer_->figures();
  made.http = listener_.figures();
  made.lag = lag_.late();
  made.scrapes = endpoints_.scrapes();
  made.compared = reconciler_.figures();
  return made;
}

void reactor::keep_report() const {
  all_.keep_report(number_, std::make_shared<const reactor_report>(report()));
}

void reactors::add(std::unique_ptr<reactor> one) {
  all_.push_back(std::move(one));
  reports_.emplace_back();
}

std::vector<std::shared_ptr<const reactor_report>> reactors::last_reports() const {
  const std::lock_guard held(reports_mutex_);
  return reports_;
}

void reactors::keep_report(std::size_t number, std::shared_ptr<const reactor_report> made) {
  const std::lock_guard held(reports_mutex_);
  reports_[number].swap(made); // the former one is destroyed behind the lock
}

void reactors::clear() {
  for (const auto& one : all_)
    one->wind_up();
  all_.clear();
}

executor detail::executor_of(reactor& one) { return one.get_executor(); }

} // namespace repasse
