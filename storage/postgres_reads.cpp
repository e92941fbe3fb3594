// Reads of the PostgreSQL ledger: one payment, pages by keyset, summaries, the audit trail.
#include "storage/postgres_ledger.hpp"

#include "storage/postgres_statements.hpp"

#include <algorithm>

namespace repasse {
namespace {

using namespace postgres;

// Since when and why a payment is in doubt the first such entry of its audit trail says; a purge leaves older
// ones behind.

struct payment_row_read {
  payment_id id{};
  std::int64_t amount_cents = 0;
  std::int16_t status = 0;
  std::optional<std::int16_t> processor;
  wall_time accepted_at{};
  std::optional<wall_time> requested_at;
  std::optional<wall_time> processed_at;
  std::int16_t attempts = 0;
  std::int32_t owner = 0;
  std::optional<std::int64_t> doubt_millis;
  std::optional<std::string> doubt_reason;
};
constexpr pg_statement<payment_row_read(payment_id)> find_payment{"find", R"(
SELECT p.correlation_id, p.amount_cents, p.status, p.processor, p.accepted_at, p.requested_at, p.processed_at, p.attempts,
       p.owner, d.millis, d.reason
  FROM payments p
  LEFT JOIN LATERAL (
    SELECT (extract(epoch FROM clock_timestamp() - a.at) * 1000)::bigint AS millis, split_part(a.detail, ' sends, ', 2) AS reason
      FROM audit a
     WHERE p.status = 2 AND a.correlation_id = p.correlation_id AND a.event = 'in doubt'
       AND NOT EXISTS (SELECT FROM audit g WHERE g.correlation_id IS NULL AND g.at > a.at)
     ORDER BY a.at LIMIT 1) AS d ON true
 WHERE p.correlation_id = $1)"};

/// A window of the rows before ($1, $2) and not before $3, newest first: $6 are looked at, $7 of those that
/// pass the filters ($4 status, $5 processor, -1 for any) are given.
struct page_row {
  std::int64_t looked_at = 0;
  std::optional<wall_time> end_at;
  std::optional<payment_id> end_id;
  std::optional<payment_id> id;
  std::optional<std::int64_t> amount_cents;
  std::optional<std::int16_t> status;
  std::optional<std::int16_t> processor;
  std::optional<wall_time> accepted_at;
  std::optional<wall_time> requested_at;
  std::optional<wall_time> processed_at;
  std::optional<std::int16_t> attempts;
  std::optional<std::int64_t> doubt_millis;
  std::optional<std::string> doubt_reason;
};
constexpr pg_statement<page_row(wall_time, payment_id, wall_time, std::int16_t, std::int16_t, std::int64_t,
                                std::int64_t)>
    page_window{"page", R"(
WITH looked_at AS MATERIALIZED (
  SELECT correlation_id, amount_cents, status, processor, accepted_at, requested_at, processed_at, attempts
    FROM payments WHERE (accepted_at, correlation_id) < ($1, $2) AND accepted_at >= $3
   ORDER BY accepted_at DESC, correlation_id DESC LIMIT $6),
wanted AS (
  SELECT * FROM looked_at WHERE ($4::smallint < 0 OR status = $4::smallint) AND ($5::smallint < 0 OR processor = $5::smallint)
   ORDER BY accepted_at DESC, correlation_id DESC LIMIT $7),
last_looked_at AS (
  SELECT accepted_at, correlation_id FROM looked_at ORDER BY accepted_at, correlation_id LIMIT 1)
SELECT (SELECT count(*) FROM looked_at), k.accepted_at, k.correlation_id,
       w.correlation_id, w.amount_cents, w.status, w.processor, w.accepted_at, w.requested_at, w.processed_at,
       w.attempts, d.millis, d.reason
  FROM (SELECT) AS one LEFT JOIN last_looked_at k ON true LEFT JOIN wanted w ON true
  LEFT JOIN LATERAL (
    SELECT (extract(epoch FROM clock_timestamp() - a.at) * 1000)::bigint AS millis, split_part(a.detail, ' sends, ', 2) AS reason
      FROM audit a
     WHERE w.status = 2 AND a.correlation_id = w.correlation_id AND a.event = 'in doubt'
       AND NOT EXISTS (SELECT FROM audit g WHERE g.correlation_id IS NULL AND g.at > a.at)
     ORDER BY a.at LIMIT 1) AS d ON true
 ORDER BY w.accepted_at DESC, w.correlation_id DESC)"};

/// The sum of what was requested from $1 to $2 (milliseconds since 1970): the whole seconds from $3 to before
/// $4 by the coarsest totals that are complete, the seconds $5 and $6 at the edges by milliseconds, and what
/// is not folded yet; all in one snapshot. Its tables stand in the order in which a purge locks them.
struct processor_sum {
  std::int16_t processor = 0;
  std::int64_t requests = 0;
  std::int64_t amount_cents = 0;
};
constexpr pg_statement<processor_sum(std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                                     std::int64_t)>
    sum_window{"summary", R"(
WITH f AS MATERIALIZED (SELECT transaction, minutes, hours, days FROM folded),
m AS MATERIALIZED (
  SELECT CASE WHEN a < b THEN a ELSE $4::bigint END AS lo, CASE WHEN a < b THEN b ELSE $4::bigint END AS hi
    FROM f, LATERAL (SELECT ($3::bigint + 59) - (($3::bigint + 59) % 60 + 60) % 60 AS a,
                            LEAST($4::bigint - ($4::bigint % 60 + 60) % 60, f.minutes) AS b) AS x),
h AS MATERIALIZED (
  SELECT CASE WHEN a < b THEN a ELSE m.hi END AS lo, CASE WHEN a < b THEN b ELSE m.hi END AS hi
    FROM f, m, LATERAL (SELECT (m.lo + 3599) - ((m.lo + 3599) % 3600 + 3600) % 3600 AS a,
                               LEAST(m.hi - (m.hi % 3600 + 3600) % 3600, f.hours) AS b) AS x),
d AS MATERIALIZED (
  SELECT CASE WHEN a < b THEN a ELSE h.hi END AS lo, CASE WHEN a < b THEN b ELSE h.hi END AS hi
    FROM f, h, LATERAL (SELECT (h.lo + 86399) - ((h.lo + 86399) % 86400 + 86400) % 86400 AS a,
                               LEAST(h.hi - (h.hi % 86400 + 86400) % 86400, f.days) AS b) AS x),
spans AS MATERIALIZED (
  SELECT s.level, s.lo, s.hi
    FROM m, h, d, LATERAL (VALUES (0::smallint, $3::bigint, m.lo), (0::smallint, m.hi, $4::bigint), (1::smallint, m.lo, h.lo),
                                  (1::smallint, h.hi, m.hi), (2::smallint, h.lo, d.lo), (2::smallint, d.hi, h.hi),
                                  (3::smallint, d.lo, d.hi)) AS s (level, lo, hi)
   WHERE s.lo < s.hi)
SELECT processor, sum(requests)::bigint, sum(amount_cents)::bigint
  FROM (SELECT n.processor, n.requests, n.amount_cents
          FROM deltas n
         WHERE n.transaction >= (SELECT transaction FROM f) AND n.second >= $3::bigint AND n.second < $4::bigint
        UNION ALL
        SELECT n.processor, 1, u.cents
          FROM deltas n, LATERAL unnest(n.millis, n.cents) AS u (milli, cents)
         WHERE n.transaction >= (SELECT transaction FROM f)
           AND n.second IN ($5::bigint, $6::bigint) AND n.second * 1000 + u.milli BETWEEN $1::bigint AND $2::bigint
        UNION ALL
        SELECT e.processor, u.requests, u.cents
          FROM milliseconds e, LATERAL unnest(e.millis, e.requests, e.cents) AS u (milli, requests, cents)
         WHERE e.second IN ($5::bigint, $6::bigint) AND e.second * 1000 + u.milli BETWEEN $1::bigint AND $2::bigint
        UNION ALL
        SELECT t.processor, t.requests, t.amount_cents
          FROM spans s, LATERAL (SELECT processor, requests, amount_cents FROM totals
                                  WHERE level = s.level AND begins >= s.lo AND begins < s.hi OFFSET 0) AS t) AS parts
 GROUP BY processor)"};

struct audit_row {
  wall_time at{};
  std::int32_t epoch = 0;
  std::string event;
  std::string detail;
};
constexpr pg_statement<audit_row(payment_id)> read_audit{"audit", R"(
SELECT at, epoch, event, detail FROM audit WHERE correlation_id = $1 ORDER BY at LIMIT 1000)"};

/// The books are as old as their schema, to the microsecond. The first statement waits for a purge under way,
/// and the snapshot of the second is taken after that.
constexpr pg_statement<numbered()> wait_for_purge{"wait_for_purge", "SELECT 0 FROM payments LIMIT 0"};
struct edition_row {
  std::int64_t books = 0;
  std::int32_t purged = 0;
};
constexpr pg_statement<edition_row()> read_edition{"edition", R"(
SELECT (extract(epoch FROM opened_at) * 1000000)::bigint,
       (SELECT COALESCE(max(epoch), 0)
          FROM (SELECT epoch FROM audit WHERE correlation_id IS NULL ORDER BY at DESC LIMIT 100) AS purges)
  FROM epochs WHERE epoch = 0)"};

/// A standby is no further behind than the newest beat that it knows of, and by a second more at the next
/// look: 5 s together.
constexpr pg_statement<flag()> is_fresh{"is_fresh", R"(
SELECT EXISTS (SELECT FROM epochs WHERE NOT marked AND last_beat > clock_timestamp() - interval '4 s'))"};

/// Rows of one statement that filters, and of one page in all.
constexpr std::int64_t window_rows = 4096;
constexpr std::int64_t page_rows = 50 * window_rows;
/// Between two looks at how far the replica is behind.
constexpr std::chrono::nanoseconds replica_look = 1s;

/// The time of years that anyone may ask for, far within a bigint of microseconds.
constexpr std::int64_t millis_min = -100'000'000'000'000;
constexpr std::int64_t millis_max = 300'000'000'000'000;
/// No second is this one.
constexpr std::int64_t no_second = INT64_MIN;

template <typename Row>
std::optional<payment_doubt> doubt_of(const Row& row) {
  if (!row.doubt_millis) return std::nullopt;
  return payment_doubt{std::chrono::milliseconds{std::max<std::int64_t>(0, *row.doubt_millis)},
                       row.doubt_reason.value_or("")};
}

std::int64_t floor_second(std::int64_t millis) { return (millis >= 0 ? millis : millis - 999) / 1000; }

} // namespace

std::vector<const pg_prototype*> postgres::statements_of_reads() {
  std::vector<const pg_prototype*> all{&find_payment.prototype(), &page_window.prototype(),
                                       &sum_window.prototype(),   &read_audit.prototype(),
                                       &is_fresh.prototype(),     &wait_for_purge.prototype(),
                                       &read_edition.prototype()};
  add_copy_statements(all);
  add_word_reads(all);
  add_reconciliation_reads(all);
  return all;
}

task<std::optional<std::optional<payment_record>>> postgres_ledger::find(payment_id id) {
  const bool known = co_await learn_processors();
  if (!known) co_return std::nullopt;
  pg_transaction work;
  work.add(find_payment, id);
  const pg_verdict verdict = co_await commit_read(work);
  if (verdict != pg_verdict::done) co_return std::nullopt;
  std::optional<payment_record> found;
  if (work.count(0, find_payment) > 0) {
    const payment_row_read row = work.row(0, find_payment, 0);
    found = payment_record{.id = row.id,
                           .amount_cents = row.amount_cents,
                           .status = postgres::status_of(row.status),
                           .processor = index_of(row.processor),
                           .accepted_at = row.accepted_at,
                           .requested_at = row.requested_at,
                           .processed_at = row.processed_at,
                           .attempts = static_cast<std::uint16_t>(row.attempts),
                           .owner = static_cast<epoch_id>(row.owner),
                           .doubt = doubt_of(row)};
  }
  co_return std::optional(found);
}

task<std::optional<page>> postgres_ledger::read_page(page_query query) {
  const bool known = co_await learn_processors();
  if (!known) co_return std::nullopt;
  if (replica_) {
    const bool fresh = co_await is_replica_fresh();
    if (fresh) {
      auto read = co_await read_windows(query, *replica_);
      if (read) co_return read;
    }
  }
  co_return co_await read_windows(query, reads_);
}

task<bool> postgres_ledger::is_replica_fresh() {
  if (clock_.now() < replica_fresh_until_) co_return true;
  pg_transaction work;
  work.add(is_fresh);
  const steady_time asked = clock_.now();
  const pg_verdict verdict =
      co_await replica_->commit(work, asked + config_.read_limit, pg_connection::late::abandon);
  if (verdict != pg_verdict::done || !work.row(0, is_fresh, 0).is_set) co_return false;
  replica_fresh_until_ = asked + replica_look;
  co_return true;
}

task<std::optional<page>> postgres_ledger::read_windows(page_query query, pg_connection& from) {
  const bool filters = query.status || query.processor;
  const std::int16_t status = query.status ? postgres::number_of(*query.status) : std::int16_t{-1};
  const std::int16_t processor = query.processor ? number_of(*query.processor) : std::int16_t{-1};
  page_cursor at{.accepted_at = query.accepted.to, .id = {}};
  if (at.accepted_at < wall_time::max()) at.accepted_at += std::chrono::milliseconds{1};
  if (query.after && (query.after->accepted_at < at.accepted_at)) at = *query.after;
  const steady_time due = clock_.now() + config_.read_limit;
  page read;
  for (std::int64_t looked_at = 0;;) {
    const auto missing = static_cast<std::int64_t>(query.limit + 1 - read.payments.size());
    const std::int64_t look = filters ? window_rows : missing;
    pg_transaction work;
    work.add(page_window, at.accepted_at, at.id, query.accepted.from, status, processor, look, missing);
    const pg_verdict verdict = co_await from.commit(work, due, pg_connection::late::abandon);
    if (verdict != pg_verdict::done) co_return std::nullopt;
    for (std::size_t i = 0; i < work.count(0, page_window); ++i) {
      const page_row row = work.row(0, page_window, i);
      if (!row.id) continue;
      read.payments.push_back({.id = *row.id,
                               .amount_cents = *row.amount_cents,
                               .status = postgres::status_of(*row.status),
                               .processor = index_of(row.processor),
                               .accepted_at = *row.accepted_at,
                               .requested_at = row.requested_at,
                               .processed_at = row.processed_at,
                               .attempts = static_cast<std::uint16_t>(*row.attempts),
                               .doubt = doubt_of(row)});
    }
    if (read.payments.size() > query.limit) {
      read.payments.pop_back();
      read.next = {read.payments.back().accepted_at, read.payments.back().id};
      co_return read;
    }
    const page_row told = work.row(0, page_window, 0);
    if (told.looked_at < look) co_return read;
    at = {*told.end_at, *told.end_id};
    looked_at += told.looked_at;
    if (looked_at < page_rows && clock_.now() < due) continue;
    read.next = at;
    co_return read;
  }
}

task<std::optional<summary>> postgres_ledger::summarize(time_window window) {
  const bool known = co_await learn_processors();
  if (!known) co_return std::nullopt;
  const std::int64_t from =
      std::clamp<std::int64_t>(window.from.time_since_epoch().count(), millis_min, millis_max);
  const std::int64_t to =
      std::clamp<std::int64_t>(window.to.time_since_epoch().count(), millis_min, millis_max);
  summary sums{};
  if (from > to) co_return sums;
  const std::int64_t first = floor_second(from);
  const std::int64_t last = floor_second(to);
  const std::int64_t lo = first * 1000 == from ? first : first + 1;
  const std::int64_t hi = std::max(lo, last * 1000 + 999 == to ? last + 1 : last);
  const std::int64_t left = first < lo ? first : no_second;
  const std::int64_t right = last >= hi && last != left ? last : no_second;
  pg_transaction work;
  work.add(sum_window, from, to, lo, hi, left, right);
  const pg_verdict verdict = co_await commit_read(work);
  if (verdict != pg_verdict::done) co_return std::nullopt;
  for (std::size_t i = 0; i < work.count(0, sum_window); ++i) {
    const processor_sum row = work.row(0, sum_window, i);
    const processor_index index = index_of(row.processor);
    if (index == no_processor) continue;
    sums[index] = {static_cast<std::uint64_t>(row.requests), row.amount_cents};
  }
  co_return sums;
}

task<std::optional<books_edition>> postgres_ledger::edition() {
  pg_transaction work;
  work.add(wait_for_purge);
  work.add(read_edition);
  const pg_verdict verdict = co_await commit_read(work);
  if (verdict != pg_verdict::done || work.count(1, read_edition) == 0) co_return std::nullopt;
  const edition_row row = work.row(1, read_edition, 0);
  co_return books_edition{static_cast<std::uint64_t>(row.books), static_cast<epoch_id>(row.purged)};
}

task<std::optional<std::vector<audit_entry>>> postgres_ledger::audit(payment_id id) {
  pg_transaction work;
  work.add(read_audit, id);
  const pg_verdict verdict = co_await commit_read(work);
  if (verdict != pg_verdict::done) co_return std::nullopt;
  std::vector<audit_entry> entries;
  for (std::size_t i = 0; i < work.count(0, read_audit); ++i) {
    audit_row row = work.row(0, read_audit, i);
    entries.push_back({.at = row.at,
                       .by = static_cast<epoch_id>(row.epoch),
                       .what = std::move(row.event),
                       .detail = std::move(row.detail)});
  }
  co_return entries;
}

} // namespace repasse
