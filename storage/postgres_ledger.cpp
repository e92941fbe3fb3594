#include "storage/postgres_ledger.hpp"

#include "storage/planted.hpp"
#include "storage/postgres_statements.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace repasse {
namespace {

using namespace postgres;

/// Its transaction gets its number before the snapshot of the statement behind it is taken: an append or a
/// choice that does not see its epoch's mark is then older than the mark, and a sweep that waits for older
/// transactions finds its rows.
constexpr pg_statement<flag()> begin_write{"begin_write", "SELECT pg_current_xact_id() IS NOT NULL"};

// Arrays are unnested in a list of results: several after FROM are first written to a store, row by row. What
// is known is left out by a look rather than by ON CONFLICT, which also writes each row twice, first as a
// mere attempt; another who brings the same id meanwhile makes it fail, and it is sent again.
// A condition that is always true, BETWEEN, has the planner expect one id rather than ten: with ten it
// prefers to read all payments and to look for each in the array, if a table of a hundred rows was analyzed,
// and keeps to that for as long as nobody analyzes it again.

constexpr pg_statement<pg_nothing(std::int32_t, std::span<const payment_id>, std::span<const std::int64_t>,
                                  std::span<const wall_time>, std::span<const std::int64_t>,
                                  std::span<const std::int16_t>)>
    append_payments{"append", R"(
INSERT INTO payments (correlation_id, amount_cents, accepted_at, token, owner, version, attempts, status, processor)
SELECT w.id, w.amount, w.accepted_at, w.token, $1, 1, 0, CASE WHEN w.processor > 0 THEN 1 ELSE 0 END,
       NULLIF(w.processor, 0::smallint)
  FROM (SELECT unnest($2::uuid[]), unnest($3::bigint[]), unnest($4::timestamptz[]), unnest($5::bigint[]),
               unnest($6::smallint[])) AS w (id, amount, accepted_at, token, processor)
 WHERE EXISTS (SELECT FROM epochs WHERE epoch = $1 AND NOT marked)
   AND NOT EXISTS (SELECT FROM payments p WHERE p.correlation_id = w.id))"};

/// A trace's id travels as a UUID of zeros where there is none, and is shown as its header has it.
#define REPASSE_TRACE_TEXT(id)                                                                               \
  "'trace ' || replace(NULLIF(" id ", '00000000-0000-0000-0000-000000000000')::text, '-', '')"

/// Of payments that were posted again with another amount.
constexpr pg_statement<pg_nothing(std::int32_t, std::span<const payment_id>, std::span<const std::int64_t>,
                                  std::span<const payment_id>)>
    audit_conflicts{"audit_conflicts", R"(
INSERT INTO audit (correlation_id, epoch, event, detail)
SELECT w.id, $1, 'conflict', concat_ws(', ', 'posted again with ' || (w.amount / 100.0)::decimal(12, 2), )" //
                    REPASSE_TRACE_TEXT("w.trace") R"()
  FROM unnest($2::uuid[], $3::bigint[], $4::uuid[]) AS w (id, amount, trace))"};

struct amended_payment {
  payment_id id{};
  wall_time accepted_at{};
  std::int16_t status = 0;
};
/// What is not a first choice of processor is audited: doubt, another choice after a send, rejection.
constexpr pg_statement<amended_payment(std::int32_t, std::span<const payment_id>,
                                       std::span<const std::int32_t>, std::span<const std::int16_t>,
                                       std::span<const std::int16_t>, std::span<const std::int16_t>,
                                       std::span<const std::string_view>, std::span<const payment_id>)>
    amend_payments{"amend", R"(
WITH changed AS (
  UPDATE payments p
     SET version = p.version + 1, attempts = w.attempts, status = w.status, processor = NULLIF(w.processor, 0::smallint)
    FROM unnest($2::uuid[], $3::integer[], $4::smallint[], $5::smallint[], $6::smallint[], $7::text[], $8::uuid[])
         AS w (id, version, attempts, status, processor, reason, trace)
   WHERE p.correlation_id = w.id AND p.owner = $1 AND p.version = w.version AND p.status < 3
     AND EXISTS (SELECT FROM epochs WHERE epoch = $1 AND NOT marked)
     AND w.status BETWEEN 0 AND 4
  RETURNING p.correlation_id, p.accepted_at, p.status, p.attempts, p.processor, w.reason, w.trace),
audited AS (
  INSERT INTO audit (correlation_id, epoch, event, detail)
  SELECT c.correlation_id, $1,
         (ARRAY['not taken', 'sent elsewhere', 'in doubt', 'processed', 'rejected'])[c.status + 1],
         concat_ws(', ', (SELECT name FROM processors WHERE id = c.processor), )" REPASSE_TRACE_TEXT(
                                "c.trace") R"(,
                   c.attempts || ' sends', NULLIF(c.reason, ''))
    FROM changed c WHERE c.status IN (2, 4) OR c.attempts > 0)
SELECT correlation_id, accepted_at, status FROM changed)"};

/// Those of one owner that were accepted at one time, by their places in the batch, from 1.
struct settled_payments {
  std::int32_t owner = 0;
  wall_time accepted_at{};
  std::vector<std::int64_t> places;
};
/// Never fenced, once, and only a row that names that processor. The books grow by what was changed, so a
/// repeated settle adds nothing.
constexpr pg_statement<settled_payments(std::span<const payment_id>, std::span<const wall_time>,
                                        std::span<const wall_time>, std::span<const std::int16_t>,
                                        std::span<const std::int16_t>, std::span<const std::int64_t>,
                                        std::span<const std::int16_t>)>
    settle_payments{"settle", R"(
WITH done AS (
  UPDATE payments p
     SET status = 3, requested_at = ($2::timestamptz[])[w.place], processed_at = ($3::timestamptz[])[w.place],
         attempts = ($4::smallint[])[w.place]
    FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, place)
   WHERE p.correlation_id = w.id AND p.processor = ($5::smallint[])[w.place] AND p.status IN (1, 2)
     AND w.place BETWEEN 1 AND 1000000
  RETURNING w.place, p.accepted_at, p.owner, p.processor, p.amount_cents),
booked AS (
  INSERT INTO deltas (second, processor, requests, amount_cents, millis, cents)
  SELECT ($6::bigint[])[place] AS second, processor, count(*), sum(amount_cents), array_agg(($7::smallint[])[place]),
         array_agg(amount_cents)
    FROM done GROUP BY 1, 2)
SELECT owner, accepted_at, array_agg(place) FROM done GROUP BY owner, accepted_at)"};

/// Of those that took more than one send, what this transaction has settled.
constexpr pg_statement<pg_nothing(std::span<const payment_id>, std::span<const payment_id>)> audit_settled{
    "audit_settled", R"(
INSERT INTO audit (correlation_id, epoch, event, detail)
SELECT p.correlation_id, p.owner, 'settled', concat_ws(', ', p.attempts || ' sends', )" //
    REPASSE_TRACE_TEXT("($2::uuid[])[w.place]") R"()
  FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, place) JOIN payments p ON p.correlation_id = w.id
 WHERE p.xmin = pg_current_xact_id()::xid AND w.place BETWEEN 1 AND 1000000)"};

/// Between two looks whether the schema is there.
constexpr std::chrono::nanoseconds schema_look = 10ms;

pg_connection::config connection_config(const postgres_ledger::config& settings, const std::string& url,
                                        const char* role, std::vector<const pg_prototype*> statements,
                                        std::chrono::nanoseconds statement_limit, bool may_write) {
  pg_connection::config made;
  made.url = url;
  made.application_name = std::string{"repasse "} + role + ' ' + std::to_string(settings.number);
  made.statements = std::move(statements);
  made.settings = session_settings(std::chrono::ceil<std::chrono::milliseconds>(statement_limit), may_write);
  made.connect_limit = std::min<std::chrono::nanoseconds>(settings.connect_limit, 1s);
  made.lifetime = settings.lifetime;
  made.slow = settings.slow;
  made.may_write = may_write;
  made.jitter_seed = settings.number + 1;
  return made;
}

} // namespace

/// Plans are made on empty tables and kept: those that scan or hash would lock in another order, and be slow
/// as the tables grow.
std::vector<std::string> postgres::session_settings(std::chrono::milliseconds statement_limit,
                                                    bool may_write) {
  std::vector<std::string> made = {"SET enable_seqscan = off", "SET enable_hashjoin = off",
                                   "SET enable_mergejoin = off", "SET plan_cache_mode = force_generic_plan",
                                   "SET jit = off", "SET timezone = 'UTC'",
                                   // A host that is gone must not hold a transaction open for hours.
                                   "SET tcp_keepalives_idle = 5", "SET tcp_keepalives_interval = 2",
                                   "SET tcp_keepalives_count = 3", "SET tcp_user_timeout = 10000",
                                   // A statement that waits for a lock and was given up by us is over; else
                                   // they pile up while commits hang.
                                   "SET client_connection_check_interval = 250",
                                   "SET statement_timeout = " + std::to_string(statement_limit.count())};
  if (may_write) made.emplace_back("SET synchronous_commit = on");
  return made;
}

std::vector<const pg_prototype*> postgres::statements_of_appends() {
  return {&begin_write.prototype(), &append_payments.prototype(), &audit_conflicts.prototype(),
          &read_back.prototype(), &is_marked.prototype()};
}

std::vector<const pg_prototype*> postgres::statements_of_changes() {
  std::vector<const pg_prototype*> all;
  add_write_statements(all);
  add_epoch_statements(all);
  add_takeover_statements(all);
  add_fold_statements(all);
  add_word_statements(all);
  add_reconciliation_changes(all);
  return all;
}

void postgres::add_write_statements(std::vector<const pg_prototype*>& to) {
  to.insert(to.end(), {&begin_write.prototype(), &amend_payments.prototype(), &settle_payments.prototype(),
                       &audit_settled.prototype(), &read_back.prototype(), &is_marked.prototype()});
}

postgres_ledger::postgres_ledger(clock& time, const config& settings, const schema_state& schema)
    : clock_(time),
      config_(settings),
      schema_(schema),
      appends_(time, connection_config(settings, settings.url, "append", statements_of_appends(), 10s, true)),
      changes_(time, connection_config(settings, settings.url, "change", statements_of_changes(), 10s, true)),
      reads_(time, connection_config(settings, settings.url, "read", statements_of_reads(),
                                     settings.read_limit, true)),
      stopping_(time),
      tasks_(time) {
  if (!settings.replica_url.empty())
    replica_ = std::make_unique<pg_connection>(time, connection_config(settings, settings.replica_url,
                                                                       "replica", statements_of_reads(),
                                                                       settings.read_limit, false));
}

void postgres_ledger::start() {
  tasks_.spawn(connect(appends_));
  tasks_.spawn(connect(changes_));
  tasks_.spawn(connect(reads_));
  if (replica_) tasks_.spawn(connect(*replica_));
  tasks_.spawn(fold_while_eldest());
}

/// Statements can be prepared once the schema is there.
task<> postgres_ledger::connect(pg_connection& one) {
  event pause(clock_);
  while (!schema_.is_right() && !stopped_)
    co_await pause.wait_for(schema_look);
  if (!stopped_) co_await one.run();
}

void postgres_ledger::stop() {
  stopped_ = true;
  stopping_.notify();
  appends_.stop();
  changes_.stop();
  reads_.stop();
  if (replica_) replica_->stop();
}

task<pg_verdict> postgres_ledger::commit_read(pg_transaction& work) {
  return reads_.commit(work, clock_.now() + config_.read_limit, pg_connection::late::abandon);
}

task<pg_verdict> postgres_ledger::commit_change(pg_transaction& work) {
  return changes_.commit(work, clock_.now() + change_limit);
}

std::int16_t postgres_ledger::number_of(processor_index index) const {
  return index < numbers_.size() ? numbers_[index] : std::int16_t{0};
}

processor_index postgres_ledger::index_of(std::optional<std::int16_t> number) const {
  if (!number) return no_processor;
  const auto found = std::find(numbers_.begin(), numbers_.end(), *number);
  return found == numbers_.end() ? no_processor : static_cast<processor_index>(found - numbers_.begin());
}

template <typename Item>
static void order_by_id(std::vector<std::uint32_t>& order, std::span<const Item> items) {
  order.resize(items.size());
  std::iota(order.begin(), order.end(), 0U);
  if (is_planted(planted::unsorted_batch)) return;
  std::sort(order.begin(), order.end(), [items](std::uint32_t a, std::uint32_t b) {
    return items[a].id != items[b].id ? items[a].id < items[b].id : a < b;
  });
}

/// The same id twice: one statement changes a row once, so such a batch goes one by one. It is rare.
template <typename Item>
static bool has_twins(const std::vector<std::uint32_t>& order, std::span<const Item> items) {
  const auto same = [items](std::uint32_t a, std::uint32_t b) { return items[a].id == items[b].id; };
  return std::adjacent_find(order.begin(), order.end(), same) != order.end();
}

/// Calls `apply(item, row)` for each item that `is_open(item)` asks about, if its row was there: statement
/// `number` of `work` is read_back, asked in the order of ids.
template <typename Item, typename IsOpen, typename Apply>
static void match_rows(const pg_transaction& work, std::size_t number,
                       const std::vector<std::uint32_t>& order, std::span<Item> items, IsOpen is_open,
                       Apply apply) {
  std::size_t next = 0;
  const std::size_t there = work.count(number, read_back);
  for (const std::uint32_t i : order) {
    Item& item = items[i];
    if (!is_open(item)) continue;
    if (next == there) return;
    const open_payment row = work.row(number, read_back, next);
    if (row.id != item.id) continue; // gone since: a purge came in between
    apply(item, row);
    ++next;
  }
}

postgres_ledger::own_epoch* postgres_ledger::own(epoch_id epoch) {
  const auto found = own_.find(epoch);
  return found == own_.end() ? nullptr : &found->second;
}

void postgres_ledger::count_appended(epoch_id epoch, std::span<const append_item> items) {
  own_epoch* const mine = own(epoch);
  if (mine == nullptr) return;
  for (const append_item& item : items)
    if (item.answer == append_item::verdict::fresh) mine->open.add(item.accepted_at);
}

void postgres_ledger::remove_open(epoch_id epoch, wall_time accepted_at) {
  if (own_epoch* const mine = own(epoch)) mine->open.remove(accepted_at);
}

// Appends.

task<ledger_status> postgres_ledger::append(epoch_id epoch, std::span<append_item> items) {
  const wall_time earliest = std::min_element(items.begin(), items.end(), [](const auto& a, const auto& b) {
                               return a.accepted_at < b.accepted_at;
                             })->accepted_at;
  if (own_epoch* const mine = own(epoch)) {
    mine->appending = std::min(mine->appending, earliest);
    if (earliest < mine->sent_bound) { // the clock has been set back
      const ledger_status lowered = co_await lower_bound_to(epoch, earliest);
      if (lowered != ledger_status::done) co_return end_append(epoch, lowered);
    }
  }
  buffers& to = append_;
  order_by_id<append_item>(to.order, items);
  to.ids.clear();
  to.amounts.clear();
  to.times.clear();
  to.tokens.clear();
  to.processors.clear();
  for (const std::uint32_t i : to.order) {
    const append_item& item = items[i];
    if (!to.ids.empty() && to.ids.back() == item.id) continue; // the first of an id brings its row
    to.ids.push_back(item.id);
    to.amounts.push_back(item.amount_cents);
    to.times.push_back(item.accepted_at);
    to.tokens.push_back(static_cast<std::int64_t>(item.token));
    to.processors.push_back(number_of(item.processor));
  }
  const steady_time due = clock_.now() + config_.append_limit;
  pg_verdict verdict = pg_verdict::overtaken;
  while (verdict == pg_verdict::overtaken && clock_.now() < due) {
    to.work.clear();
    to.work.add(begin_write);
    to.work.add(append_payments, static_cast<std::int32_t>(epoch), to.ids, to.amounts, to.times, to.tokens,
                to.processors);
    verdict = co_await appends_.commit(to.work, due);
  }
  if (verdict != pg_verdict::done) co_return end_append(epoch, status_of(verdict));
  const std::size_t written = to.work.written(1, append_payments);
  const auto verdict_of_all =
      written == items.size() ? append_item::verdict::fresh : append_item::verdict::known;
  for (append_item& item : items)
    item.answer = verdict_of_all;
  ledger_status status = ledger_status::done;
  if (written < items.size()) status = co_await read_back_appends(epoch, items, written > 0);
  if (status == ledger_status::done) count_appended(epoch, items);
  co_return end_append(epoch, status);
}

/// What is in doubt may still be written until the same items are repeated and done.
ledger_status postgres_ledger::end_append(epoch_id epoch, ledger_status status) {
  own_epoch* const mine = own(epoch);
  if (mine == nullptr) return status;
  if (status == ledger_status::in_doubt) mine->append_in_doubt = true;
  if (status == ledger_status::done) mine->append_in_doubt = false;
  if (!mine->append_in_doubt) mine->appending = wall_time::max();
  return status;
}

/// If some were there already: which rows are the caller's own, of this try or of one before.
task<ledger_status> postgres_ledger::read_back_appends(epoch_id epoch, std::span<append_item> items,
                                                       bool some_written) {
  using enum append_item::verdict;
  buffers& to = append_;
  to.ids.clear();
  for (const std::uint32_t i : to.order)
    to.ids.push_back(items[i].id);
  const ledger_status status = co_await ask_rows(epoch, to, appends_, config_.append_limit, some_written);
  if (status != ledger_status::done) co_return status;
  const auto all = [](const append_item&) { return true; };
  match_rows(to.work, 1, to.order, items, all, [&](append_item& item, const open_payment& row) {
    const bool untouched = row.owner == static_cast<std::int32_t>(epoch) && row.version == 1 &&
                           index_of(row.processor) == item.processor &&
                           !is_final(postgres::status_of(row.status));
    if (row.amount_cents != item.amount_cents)
      item.answer = conflict;
    else if (untouched &&
             (row.token == static_cast<std::int64_t>(item.token) || is_planted(planted::ignore_token)))
      item.answer = fresh;
  });
  to.ids.clear();
  to.amounts.clear();
  to.traces.clear();
  for (const append_item& item : items) {
    if (item.answer != conflict) continue;
    to.ids.push_back(item.id);
    to.amounts.push_back(item.amount_cents);
    to.traces.push_back({item.trace.bytes});
  }
  if (to.ids.empty()) co_return ledger_status::done;
  to.work.clear();
  to.work.add(audit_conflicts, static_cast<std::int32_t>(epoch), to.ids, to.amounts, to.traces);
  const pg_verdict verdict = co_await appends_.commit(to.work, clock_.now() + config_.append_limit);
  if (verdict != pg_verdict::done) // the payments beside them shall not wait for it
    for (append_item& item : items)
      if (item.answer == conflict) item.answer = unaudited;
  co_return ledger_status::done;
}

/// Reads the rows of `to.ids`, behind whether the epoch is over, for those that a write left as they were.
task<ledger_status> postgres_ledger::ask_rows(epoch_id epoch, buffers& to, pg_connection& from,
                                              std::chrono::nanoseconds limit, bool some_written) {
  to.work.clear();
  to.work.add(is_marked, static_cast<std::int32_t>(epoch));
  to.work.add(read_back, to.ids);
  const pg_verdict verdict = co_await from.commit(to.work, clock_.now() + limit);
  if (verdict != pg_verdict::done) // what was written is, and the same items will be recognised
    co_return some_written || verdict == pg_verdict::in_doubt ? ledger_status::in_doubt : status_of(verdict);
  if (some_written || !to.work.row(0, is_marked, 0).is_set) co_return ledger_status::done;
  own_.erase(epoch);
  co_return ledger_status::epoch_ended;
}

// Amends.

task<ledger_status> postgres_ledger::amend(epoch_id epoch, std::span<amend_item> items) {
  buffers& to = amend_;
  order_by_id<amend_item>(to.order, items);
  if (has_twins<amend_item>(to.order, items)) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      const ledger_status one = co_await amend(epoch, items.subspan(i, 1));
      if (one != ledger_status::done) co_return i == 0 ? one : ledger_status::in_doubt;
    }
    co_return ledger_status::done;
  }
  to.ids.clear();
  to.versions.clear();
  to.attempts.clear();
  to.states.clear();
  to.processors.clear();
  to.reasons.clear();
  to.traces.clear();
  for (const std::uint32_t i : to.order) {
    const amend_item& item = items[i];
    to.ids.push_back(item.id);
    to.versions.push_back(static_cast<std::int32_t>(item.version));
    to.attempts.push_back(static_cast<std::int16_t>(std::min<std::uint16_t>(item.attempts, INT16_MAX)));
    to.states.push_back(postgres::number_of(item.status));
    to.processors.push_back(number_of(item.processor));
    to.reasons.push_back(item.reason);
    to.traces.push_back({item.trace.bytes});
  }
  to.work.clear();
  to.work.add(begin_write);
  to.work.add(amend_payments, static_cast<std::int32_t>(epoch), to.ids, to.versions, to.attempts, to.states,
              to.processors, to.reasons, to.traces);
  const pg_verdict verdict = co_await commit_change(to.work);
  if (verdict != pg_verdict::done) co_return status_of(verdict);
  const std::size_t changed = to.work.count(1, amend_payments);
  std::size_t next = 0;
  for (const std::uint32_t i : to.order) {
    items[i].applied = next < changed && to.work.row(1, amend_payments, next).id == items[i].id;
    if (!items[i].applied) continue;
    const amended_payment row = to.work.row(1, amend_payments, next++);
    items[i].accepted_at = row.accepted_at;
    if (is_final(postgres::status_of(row.status))) remove_open(epoch, row.accepted_at);
  }
  REPASSE_CHECK(next == changed);
  if (changed == items.size()) co_return ledger_status::done;
  co_return co_await read_back_amends(epoch, items, changed > 0);
}

/// For those that did not apply: whether they have been applied by a try before this one.
task<ledger_status> postgres_ledger::read_back_amends(epoch_id epoch, std::span<amend_item> items,
                                                      bool some_written) {
  buffers& to = amend_;
  const auto is_open = [](const amend_item& item) { return !item.applied; };
  to.ids.clear();
  for (const std::uint32_t i : to.order)
    if (is_open(items[i])) to.ids.push_back(items[i].id);
  const ledger_status status = co_await ask_rows(epoch, to, changes_, change_limit, some_written);
  if (status != ledger_status::done) co_return status;
  match_rows(to.work, 1, to.order, items, is_open, [&](amend_item& item, const open_payment& row) {
    item.applied = row.owner == static_cast<std::int32_t>(epoch) &&
                   row.version == static_cast<std::int32_t>(item.version) + 1 &&
                   row.status == postgres::number_of(item.status) && row.attempts == item.attempts &&
                   index_of(row.processor) == item.processor;
    item.accepted_at = row.accepted_at;
  });
  co_return ledger_status::done;
}

// Settles.

task<ledger_status> postgres_ledger::settle(std::span<settle_item> items) {
  buffers& to = settle_;
  order_by_id<settle_item>(to.order, items);
  if (has_twins<settle_item>(to.order, items)) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      const ledger_status one = co_await settle(items.subspan(i, 1));
      if (one != ledger_status::done) co_return i == 0 ? one : ledger_status::in_doubt;
    }
    co_return ledger_status::done;
  }
  to.ids.clear();
  to.resent.clear();
  to.traces.clear();
  to.times.clear();
  to.more_times.clear();
  to.seconds.clear();
  to.millis.clear();
  to.attempts.clear();
  to.processors.clear();
  for (const std::uint32_t i : to.order) {
    const settle_item& item = items[i];
    to.ids.push_back(item.id);
    const auto second = std::chrono::floor<std::chrono::seconds>(item.requested_at);
    to.seconds.push_back(second.time_since_epoch().count());
    to.millis.push_back(static_cast<std::int16_t>((item.requested_at - second).count()));
    to.times.push_back(item.requested_at);
    to.more_times.push_back(item.processed_at);
    to.attempts.push_back(static_cast<std::int16_t>(std::min<std::uint16_t>(item.attempts, INT16_MAX)));
    to.processors.push_back(number_of(item.processor));
    if (item.attempts <= 1) continue;
    to.resent.push_back(item.id);
    to.traces.push_back({item.trace.bytes});
  }
  to.work.clear();
  to.work.add(settle_payments, to.ids, to.times, to.more_times, to.attempts, to.processors, to.seconds,
              to.millis);
  if (!to.resent.empty()) to.work.add(audit_settled, to.resent, to.traces);
  const pg_verdict verdict = co_await commit_change(to.work);
  if (verdict != pg_verdict::done) co_return status_of(verdict);
  for (settle_item& item : items)
    item.answer = settle_item::verdict::missing;
  std::size_t settled = 0;
  for (std::size_t i = 0; i < to.work.count(0, settle_payments); ++i) {
    const settled_payments some = to.work.row(0, settle_payments, i);
    for (const std::int64_t place : some.places) {
      settle_item& item = items[to.order[static_cast<std::size_t>(place) - 1]];
      item.answer = settle_item::verdict::settled;
      item.attempts = std::min<std::uint16_t>(item.attempts, INT16_MAX);
      item.accepted_at = some.accepted_at;
      item.owner = static_cast<epoch_id>(some.owner);
      remove_open(static_cast<epoch_id>(some.owner), some.accepted_at);
    }
    settled += some.places.size();
  }
  if (settled == items.size()) co_return ledger_status::done;
  co_return co_await read_back_settles(items);
}

task<ledger_status> postgres_ledger::read_back_settles(std::span<settle_item> items) {
  using enum settle_item::verdict;
  buffers& to = settle_;
  to.ids.clear();
  for (const std::uint32_t i : to.order)
    if (items[i].answer != settled) to.ids.push_back(items[i].id);
  to.work.clear();
  to.work.add(read_back, to.ids);
  const pg_verdict verdict = co_await commit_change(to.work);
  if (verdict != pg_verdict::done) co_return ledger_status::in_doubt; // the same items will be known
  const auto is_open = [](const settle_item& item) { return item.answer != settled; };
  match_rows(to.work, 0, to.order, items, is_open, [&](settle_item& item, const open_payment& row) {
    const bool same = postgres::status_of(row.status) == payment_status::processed &&
                      index_of(row.processor) == item.processor;
    item.answer = same ? known : mismatch;
  });
  co_return ledger_status::done;
}

ledger_health postgres_ledger::health() const {
  ledger_health made;
  made.kind = "postgresql";
  const pg_connection* const all[] = {&appends_, &changes_, &reads_};
  for (const pg_connection* one : all) {
    made.since = std::max(made.since, one->since());
    made.latency = std::max(made.latency, one->last_latency());
    if (one->now_in() == pg_connection::state::connected) continue;
    made.is_up = false;
    if (made.trouble.empty()) made.trouble = one->trouble();
  }
  made.ahead = ahead_;
  return made;
}

postgres_ledger::pools postgres_ledger::figures_by_use() const {
  pools made{appends_.figures(), changes_.figures(), reads_.figures(), std::nullopt};
  if (replica_) made.replica = replica_->figures();
  return made;
}

pg_figures postgres_ledger::figures() const {
  const pools by_use = figures_by_use();
  pg_figures sum = by_use.appends;
  sum.add(by_use.changes);
  sum.add(by_use.reads);
  if (by_use.replica) sum.add(*by_use.replica);
  return sum;
}

} // namespace repasse
