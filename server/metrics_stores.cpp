#include "server/metrics.hpp"
#include "server/reactor.hpp"

#include <algorithm>
#include <numeric>

namespace repasse {
namespace {

std::uint64_t flag(bool is_so) { return is_so ? 1 : 0; }

/// A gauge of whether something is so in every reactor that has answered.
void add_flag(metric_set& to, const metrics_source& from, std::string_view name, std::string_view help,
              auto is_so, metric_set::labels of = {}) {
  to.gauge(name, help);
  if (from.present.empty()) return;
  const bool all = std::ranges::all_of(from.present, [&](const reactor_report* one) { return is_so(*one); });
  to.value(flag(all), of);
}

void add_ledger(metric_set& to, const metrics_source& from) {
  if (from.present.empty()) return;
  add_flag(to, from, "repasse_ledger_up", "1 if the ledger answers every reactor.",
           [](const reactor_report& one) { return one.books.is_up; },
           {{"kind", from.present.front()->books.kind}});
  std::optional<std::chrono::milliseconds> ahead;
  for (const reactor_report* one : from.present)
    if (one->books.ahead && (!ahead || abs(*one->books.ahead) > abs(*ahead))) ahead = one->books.ahead;
  if (!ahead) return;
  to.gauge("repasse_clock_difference_seconds", "This clock less the database's.",
           std::chrono::nanoseconds{*ahead});
}

void add_database(metric_set& to, const metrics_source& from) {
  if (from.counted.empty() || !from.counted.front()->figures.database) return;
  using pools = postgres_ledger::pools;
  struct used {
    std::string_view use;
    pg_figures now;
    pg_figures counted;
  };
  std::vector<used> by_use;
  const auto add_use = [&](std::string_view use, auto part) {
    const auto of = [&](const reactor_report& one) -> pg_figures { return part(*one.figures.database); };
    by_use.push_back({use, sum_of(from.present, of), sum_of(from.counted, of)});
  };
  add_use("append", [](const pools& all) { return all.appends; });
  add_use("change", [](const pools& all) { return all.changes; });
  add_use("read", [](const pools& all) { return all.reads; });
  if (from.counted.front()->figures.database->replica)
    add_use("replica", [](const pools& all) { return all.replica.value_or(pg_figures{}); });
  const auto gauge = [&](std::string_view name, std::string_view help, auto part) {
    to.gauge(name, help);
    for (const used& one : by_use)
      to.value(std::uint64_t{part(one.now)}, {{"use", one.use}});
  };
  const auto values = [&](auto part) {
    for (const used& one : by_use)
      to.value(part(one.counted), {{"use", one.use}});
  };
  gauge("repasse_database_connections", "Connections to PostgreSQL that are up.",
        [](const pg_figures& one) { return one.connected; });
  gauge("repasse_database_connections_busy", "Of those, with a transaction under way.",
        [](const pg_figures& one) { return one.active; });
  to.gauge("repasse_database_connections_max", "Connections to PostgreSQL at most.",
           static_cast<std::uint64_t>(from.settings.database_max_connections));
  gauge("repasse_database_transactions_waiting", "Transactions that wait for a connection.",
        [](const pg_figures& one) { return one.waiting; });
  to.counter("repasse_database_transactions_total", "Transactions that were answered.");
  values([](const pg_figures& one) { return one.transactions; });
  to.counter("repasse_database_transactions_slow_total", "Transactions slower than SLOW_QUERY.");
  values([](const pg_figures& one) { return one.slow; });
  to.counter("repasse_database_reconnects_total", "Connections made anew.");
  values([](const pg_figures& one) { return one.reconnects; });
  to.counter("repasse_database_wait_seconds_total", "Time that transactions have waited for a connection.");
  values([](const pg_figures& one) { return one.waited; });
  to.histograms("repasse_database_transaction_duration_seconds", "Round trip of a transaction.");
  values([](const pg_figures& one) { return one.took; });
}

void add_epochs(metric_set& to, const metrics_source& from) {
  const auto by_reactor = [&](auto part) {
    for (std::size_t i = 0; i < from.by_reactor.size(); ++i)
      if (!from.by_reactor[i].is_late) part(*from.by_reactor[i].said, std::to_string(i));
  };
  to.gauge("repasse_epoch", "The epoch of a reactor; 0 while it has none.");
  by_reactor([&](const reactor_report& one, std::string_view reactor) {
    to.value(static_cast<double>(one.epoch), {{"reactor", reactor}});
  });
  to.gauge("repasse_epoch_is_eldest", "1 if it is the eldest of all instances.");
  by_reactor([&](const reactor_report& one, std::string_view reactor) {
    to.value(flag(one.figures.is_eldest), {{"reactor", reactor}});
  });
  to.gauge("repasse_epoch_beat_age_seconds", "Since the last confirmed beat was sent.");
  by_reactor([&](const reactor_report& one, std::string_view reactor) {
    if (one.figures.beat_age) to.value(*one.figures.beat_age, {{"reactor", reactor}});
  });
  to.counter("repasse_epochs_begun_total", "Epochs begun.",
             sum_of(from.counted, [](const reactor_report& one) { return one.figures.epochs.begun; }));
  to.counter("repasse_epochs_lost_total", "Epochs ended by another, or by a purge.",
             sum_of(from.counted, [](const reactor_report& one) { return one.flow.epochs_lost; }));
  std::size_t strangers = 0; // each reactor has counted the same rows
  for (const reactor_report* one : from.present)
    strangers = std::max(strangers, one->figures.strangers);
  to.gauge("repasse_payments_of_unknown_processors",
           "Unsettled payments that name a processor not configured here: nobody takes them over.",
           std::uint64_t{strangers});
  to.counter("repasse_takeovers_total", "Steps of takeovers that brought payments.",
             sum_of(from.counted, [](const reactor_report& one) { return one.figures.epochs.takeovers; }));
}

void add_redis(metric_set& to, const metrics_source& from) {
  if (from.counted.empty() || !from.counted.front()->redis) return;
  add_flag(to, from, "repasse_redis_up", "1 if every reactor is connected to Redis.",
           [](const reactor_report& one) { return one.redis && one.redis->is_up; });
  const auto figures = [](const reactor_report& one) { return one.figures.redis.value_or(redis_figures{}); };
  const redis_figures now = sum_of(from.present, figures);
  const redis_figures sum = sum_of(from.counted, figures);
  to.gauge("repasse_redis_connections", "Connections to Redis for commands.", std::uint64_t{now.connected});
  to.gauge("repasse_redis_commands_in_flight", "Commands without a reply.", std::uint64_t{now.in_flight});
  to.counter("repasse_redis_commands_total", "Commands sent to Redis.", sum.commands);
  to.counter("repasse_redis_commands_lost_total", "Commands whose reply was lost with the connection.",
             sum.lost);
  to.counter("repasse_redis_commands_dropped_total", "Commands never sent, Redis being away.", sum.dropped);
  to.counter("repasse_redis_reconnects_total", "Connections made anew.", sum.reconnects);
  to.histograms("repasse_redis_call_duration_seconds", "Round trip of what is waited for.");
  to.value(sum.took);
  if (!from.counted.front()->figures.heard) return;
  add_flag(to, from, "repasse_redis_hears", "1 if every reactor hears the others' messages about health.",
           [](const reactor_report& one) { return one.redis && one.redis->hears == true; });
  constexpr std::array<std::string_view, health_news::verdict_count> verdicts = {
      "news", "malformed", "unknown", "stale", "from_future"};
  to.counter("repasse_health_messages_total", "Messages about health that were heard.");
  for (std::size_t i = 0; i < verdicts.size(); ++i)
    to.value(sum_of(from.counted, [i](const reactor_report& one) { return one.figures.heard->messages[i]; }),
             {{"verdict", verdicts[i]}});
}

void add_cache(metric_set& to, const metrics_source& from) {
  if (!from.settings.use_redis_session_cache) return;
  const cache_figures cache = sum_of(from.counted, [](const reactor_report& one) { return one.cache; });
  to.counter("repasse_cache_hits_total", "Reads that the session cache answered.", cache.hits);
  to.counter("repasse_cache_misses_total", "Reads that it could not answer.", cache.misses);
  to.counter("repasse_cache_written_total", "Entries sent to the session cache.", cache.written);
  to.counter("repasse_cache_checked_total", "Entries compared with the ledger.", cache.checked);
  to.counter("repasse_cache_mismatches_total", "Of those, what differed and was mended.", cache.mismatches);
  to.counter("repasse_cache_malformed_total", "Entries that nobody of ours has written.", cache.malformed);
  for (const reactor_report* one : from.present) {
    if (!one->figures.cached) continue;
    to.gauge("repasse_cache_payments", "Payments in the session cache at the last look.",
             one->figures.cached->payments);
    to.gauge("repasse_cache_memory_bytes", "What they take of Redis' memory.",
             one->figures.cached->memory_bytes);
    break; // the eldest looks, and there is one
  }
}

void add_copy(metric_set& to, const metrics_source& from) {
  if (!from.settings.use_redis_session_cache || !from.settings.use_database_storage) return;
  const copy_figures copy = sum_of(from.counted, [](const reactor_report& one) { return one.copy; });
  to.counter("repasse_totals_copies_total", "Copies of the totals written to Redis.", copy.copies);
  to.counter("repasse_totals_checked_total", "Comparisons of the copy with the ledger.", copy.checked);
  to.counter("repasse_totals_mismatches_total", "Of those, what differed and was mended.", copy.mismatches);
  for (const reactor_report* one : from.present) {
    if (!one->figures.is_eldest || one->copy.last_written == steady_time{}) continue;
    to.gauge("repasse_totals_lag_seconds", "Since the eldest has written the last copy.",
             std::chrono::nanoseconds{from.now - one->copy.last_written});
    break;
  }
}

void add_intake(metric_set& to, const metrics_source& from) {
  if (from.counted.empty() || !from.counted.front()->taking_in) return;
  intake_figures now;
  for (const reactor_report* one : from.present) {
    const intake_figures& each = one->taking_in->figures;
    now.remembered += each.remembered;
    now.entries = std::max(now.entries, each.entries);
    if (each.oldest && (!now.oldest || *each.oldest < *now.oldest)) now.oldest = each.oldest;
  }
  const auto lag =
      now.oldest ? std::max(wall_time::duration{0}, from.wall - *now.oldest) : wall_time::duration{0};
  const auto imports = sum_of(from.counted, [](const reactor_report& one) { return one.figures.imports; });
  const auto taken =
      sum_of(from.counted, [](const reactor_report& one) { return one.taking_in->figures.taken; });
  const auto lost =
      sum_of(from.counted, [](const reactor_report& one) { return one.taking_in->figures.lost; });
  if (!from.settings.is_behind_sentinel())
    add_flag(to, from, "repasse_intake_open", "1 if every reactor could take payments in by Redis.",
             [](const reactor_report& one) { return one.taking_in->is_open; });
  to.gauge("repasse_intake_entries", "Payments in the intake, of all instances.", now.entries);
  to.gauge("repasse_intake_lag_seconds", "Age of the oldest of them.", std::chrono::nanoseconds{lag});
  to.gauge("repasse_intake_remembered", "Payments held in memory until they are imported.",
           std::uint64_t{now.remembered});
  to.counter("repasse_intake_taken_total", "Payments taken in, again too.", taken + lost);
  to.counter("repasse_intake_lost_total", "Payments that Redis has lost, taken in again.", lost);
  to.counter("repasse_intake_known_total", "Imports that the ledger had already.", imports.known);
  to.counter("repasse_intake_conflicts_total", "Imports that the ledger had with another amount.",
             imports.conflicts);
  to.counter("repasse_intake_put_back_total", "Imports that the ledger could not write then.",
             imports.put_back);
}

void add_reconciliation(metric_set& to, const metrics_source& from) {
  const auto figures = [](const reactor_report& one) { return one.figures.compared; };
  const reconciliation_figures now = sum_of(from.present, figures);
  const reconciliation_figures compared = sum_of(from.counted, figures);
  to.counter("repasse_reconciliation_runs_total", "Comparisons with a processor, by how they ended.");
  to.value(compared.done, {{"status", "done"}});
  to.value(compared.failed, {{"status", "failed"}});
  to.counter("repasse_reconciliation_mended_total", "Payments that a comparison has settled.",
             compared.mended);
  to.gauge(
      "repasse_reconciliation_findings_open",
      "Findings of configured processors, neither mended nor explained, as the eldest counts; 0 for others.");
  const open_findings open = now.open.value_or(open_findings{});
  to.value(std::accumulate(open.begin(), open.end(), std::uint64_t{0}));
  to.gauge("repasse_reconciliation_until_timestamp_seconds",
           "Up to when all payments are compared, as the eldest has it; 0: not known.");
  to.value(std::chrono::duration<double>(now.until.value_or(wall_time{}).time_since_epoch()).count());
  to.gauge("repasse_reconciliation_period_seconds", "RECONCILE_EVERY; 0: only when told.",
           std::chrono::nanoseconds{from.settings.reconcile_every});
}

} // namespace

void add_store_metrics(metric_set& to, const metrics_source& from) {
  add_ledger(to, from);
  add_database(to, from);
  add_epochs(to, from);
  add_redis(to, from);
  add_cache(to, from);
  add_copy(to, from);
  add_reconciliation(to, from);
  add_intake(to, from);
}

} // namespace repasse
