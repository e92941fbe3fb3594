// What the eldest does for all with the PostgreSQL ledger: makes the audit trail's partitions ahead, and
// folds what was settled into the totals. A delta is folded once every transaction that began before its own
// is over: then none of its like can appear any more, so one number says which deltas are in the totals.
// Nothing is ever updated but that one row.
#include "storage/postgres_ledger.hpp"

#include "storage/postgres_statements.hpp"

namespace repasse {
namespace {

using namespace postgres;

constexpr std::chrono::nanoseconds fold_period = 500ms;
/// Between two steps, for the beats on the same connection.
constexpr std::chrono::nanoseconds fold_breath = 20ms;
constexpr std::chrono::nanoseconds partition_period = 1h;

constexpr pg_statement<numbered()> make_audit_partitions{"make_audit_partitions",
                                                         "SELECT make_audit_partitions()"};

constexpr pg_statement<flag()> anything_to_fold{"anything_to_fold", R"(
SELECT EXISTS (SELECT FROM deltas WHERE transaction >= (SELECT transaction FROM folded)))"};

constexpr pg_statement<flag()> lock_folds{"lock_folds", "SELECT one FROM folded FOR UPDATE"};

// Bounds of an index are subqueries, never joins: a plan made on empty tables would otherwise read all that
// lies before them.

/// Seconds of minutes, hours and days that are complete already are added to those too. At most some 2,000
/// deltas, or all of one transaction: what gathered behind a long one elsewhere is folded in steps.
struct fold_step {
  bool is_cut = false;
  std::int64_t transaction = 0;
  std::vector<std::int64_t> seconds; ///< that it has added to
};
constexpr pg_statement<fold_step()> fold_deltas{"fold", R"(
WITH f AS MATERIALIZED (SELECT transaction, minutes, hours, days FROM folded),
horizon AS MATERIALIZED (
  SELECT LEAST(over, next_left) AS transaction, COALESCE(next_left < over, false) AS is_cut
    FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS over,
                 (SELECT transaction FROM deltas
                   WHERE transaction >= (SELECT transaction FROM deltas WHERE transaction >= (SELECT transaction FROM f)
                                          ORDER BY transaction OFFSET 2000 LIMIT 1)
                     AND transaction > (SELECT transaction FROM f)
                   ORDER BY transaction LIMIT 1) AS next_left) AS x),
fresh AS (
  DELETE FROM deltas d
   WHERE d.transaction >= (SELECT transaction FROM f) AND d.transaction < (SELECT transaction FROM horizon)
  RETURNING d.second, d.processor, d.requests, d.amount_cents, d.millis, d.cents),
seconds AS MATERIALIZED (
  SELECT second, processor, sum(requests)::bigint AS requests, sum(amount_cents)::bigint AS amount_cents
    FROM fresh GROUP BY second, processor),
edges AS (
  INSERT INTO milliseconds (second, processor, millis, requests, cents)
  SELECT second, processor, array_agg(milli), array_agg(requests), array_agg(cents)
    FROM (SELECT n.second, n.processor, u.milli, count(*) AS requests, sum(u.cents)::bigint AS cents
            FROM fresh n, LATERAL unnest(n.millis, n.cents) AS u (milli, cents)
           GROUP BY n.second, n.processor, u.milli) AS x
   GROUP BY second, processor),
sums AS (
  INSERT INTO totals (level, begins, processor, requests, amount_cents)
  SELECT 0, second, processor, requests, amount_cents FROM seconds
  UNION ALL
  SELECT 1, second - (second % 60 + 60) % 60, processor, requests, amount_cents
    FROM seconds, f WHERE second < f.minutes
  UNION ALL
  SELECT 2, second - (second % 3600 + 3600) % 3600, processor, requests, amount_cents
    FROM seconds, f WHERE second < f.hours
  UNION ALL
  SELECT 3, second - (second % 86400 + 86400) % 86400, processor, requests, amount_cents
    FROM seconds, f WHERE second < f.days)
UPDATE folded SET transaction = horizon.transaction FROM horizon
RETURNING horizon.is_cut, horizon.transaction::text::bigint, ARRAY(SELECT DISTINCT second FROM seconds))"};

constexpr pg_statement<pg_nothing()> complete_minutes{"complete_minutes", R"(
WITH f AS MATERIALIZED (SELECT minutes AS done FROM folded),
n AS MATERIALIZED (SELECT s - s % 60 AS upto FROM (SELECT extract(epoch FROM clock_timestamp())::bigint - 5 AS s) AS x),
sums AS (
  INSERT INTO totals (level, begins, processor, requests, amount_cents)
  SELECT 1, t.begins - (t.begins % 60 + 60) % 60 AS span, t.processor, sum(t.requests), sum(t.amount_cents)
    FROM totals t WHERE t.level = 0 AND t.begins >= (SELECT done FROM f) AND t.begins < (SELECT upto FROM n)
   GROUP BY span, t.processor)
UPDATE folded SET minutes = n.upto FROM n WHERE minutes < n.upto)"};

constexpr pg_statement<pg_nothing()> complete_hours{"complete_hours", R"(
WITH f AS MATERIALIZED (SELECT hours AS done, minutes - (minutes % 3600 + 3600) % 3600 AS upto FROM folded),
sums AS (
  INSERT INTO totals (level, begins, processor, requests, amount_cents)
  SELECT 2, t.begins - (t.begins % 3600 + 3600) % 3600 AS span, t.processor, sum(t.requests), sum(t.amount_cents)
    FROM totals t WHERE t.level = 1 AND t.begins >= (SELECT done FROM f) AND t.begins < (SELECT upto FROM f)
   GROUP BY span, t.processor)
UPDATE folded SET hours = f.upto FROM f WHERE hours < f.upto)"};

constexpr pg_statement<pg_nothing()> complete_days{"complete_days", R"(
WITH f AS MATERIALIZED (SELECT days AS done, hours - (hours % 86400 + 86400) % 86400 AS upto FROM folded),
sums AS (
  INSERT INTO totals (level, begins, processor, requests, amount_cents)
  SELECT 3, t.begins - (t.begins % 86400 + 86400) % 86400 AS span, t.processor, sum(t.requests), sum(t.amount_cents)
    FROM totals t WHERE t.level = 2 AND t.begins >= (SELECT done FROM f) AND t.begins < (SELECT upto FROM f)
   GROUP BY span, t.processor)
UPDATE folded SET days = f.upto FROM f WHERE days < f.upto)"};

} // namespace

void postgres::add_fold_statements(std::vector<const pg_prototype*>& to) {
  to.insert(to.end(), {&make_audit_partitions.prototype(), &anything_to_fold.prototype(),
                       &lock_folds.prototype(), &fold_deltas.prototype(), &complete_minutes.prototype(),
                       &complete_hours.prototype(), &complete_days.prototype()});
}

task<> postgres_ledger::fold_while_eldest() {
  while (!stopped_) {
    co_await stopping_.wait_for(more_to_fold_ ? fold_breath : fold_period);
    more_to_fold_ = false;
    if (stopped_ || clock_.now() >= eldest_until_) continue;
    static_cast<void>(co_await fold());
    if (clock_.now() >= partitions_due_) co_await make_partitions();
  }
}

/// Months ahead, so one that fails is no matter.
task<> postgres_ledger::make_partitions() {
  partitions_due_ = clock_.now() + partition_period;
  pg_transaction work;
  work.add(make_audit_partitions);
  static_cast<void>(co_await commit_change(work));
}

task<ledger_status> postgres_ledger::fold() {
  pg_transaction work;
  work.add(anything_to_fold);
  pg_verdict verdict = co_await commit_change(work);
  if (verdict != pg_verdict::done) co_return postgres::status_of(verdict);
  if (!work.row(0, anything_to_fold, 0).is_set) co_return ledger_status::done;
  work.clear();
  work.add(lock_folds);
  work.add(fold_deltas);
  work.add(complete_minutes);
  work.add(complete_hours);
  work.add(complete_days);
  verdict = co_await commit_change(work);
  if (verdict == pg_verdict::done) {
    const fold_step done = work.row(1, fold_deltas, 0);
    more_to_fold_ = done.is_cut;
    has_folded(done.transaction, done.seconds);
  }
  co_return postgres::status_of(verdict);
}

} // namespace repasse
