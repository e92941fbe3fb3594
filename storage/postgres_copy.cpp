// What a copy of the totals asks the PostgreSQL ledger: sums of spans, and the seconds that changed. A second
// changes by deltas, which are few until they are folded, and folding tells which seconds it has added to; it
// is the eldest's as the copy is. Should another have folded all the same, `folded` shows it, and the copy
// begins again.
#include "storage/postgres_ledger.hpp"

#include "storage/postgres_statements.hpp"

#include <algorithm>

namespace repasse {
namespace {

using namespace postgres;

/// Seconds that are noted while nobody asks; beyond, the copy begins again.
constexpr std::size_t noted_max = 20'000;
/// A fold whose reply is on its way looks like another's.
constexpr int tries_max = 5;
constexpr std::chrono::nanoseconds try_pause = 20ms;

struct horizon {
  std::int64_t transaction = 0;
};
constexpr pg_statement<horizon()> read_horizon{"begin_copy", "SELECT transaction::text::bigint FROM folded"};

// The tables stand in the order in which a purge locks them.

/// What begins from $3 to before $4, by spans of level $1 and $2 seconds: from totals of that level where it
/// is complete, else from finer ones, and from what is not folded yet.
struct span_sum {
  std::int64_t begins = 0;
  std::int16_t processor = 0;
  std::int64_t requests = 0;
  std::int64_t amount_cents = 0;
};
constexpr pg_statement<span_sum(std::int16_t, std::int64_t, std::int64_t, std::int64_t)> read_spans{
    "copy_spans", R"(
WITH f AS MATERIALIZED (SELECT transaction, minutes, hours, days FROM folded),
pieces AS MATERIALIZED (
  SELECT s.level, s.lo, s.hi
    FROM f, LATERAL (VALUES
           (0::smallint, CASE WHEN $1::smallint = 0 THEN $3::bigint ELSE GREATEST($3::bigint, f.minutes) END, $4::bigint),
           (1::smallint, CASE WHEN $1::smallint = 1 THEN $3::bigint ELSE GREATEST($3::bigint, f.hours) END, LEAST($4::bigint, f.minutes)),
           (2::smallint, CASE WHEN $1::smallint = 2 THEN $3::bigint ELSE GREATEST($3::bigint, f.days) END, LEAST($4::bigint, f.hours)),
           (3::smallint, $3::bigint, LEAST($4::bigint, f.days))) AS s (level, lo, hi)
   WHERE s.level <= $1::smallint AND s.lo < s.hi)
SELECT second - (second % $2::bigint + $2::bigint) % $2::bigint AS span, processor, sum(requests)::bigint, sum(amount_cents)::bigint
  FROM (SELECT n.second, n.processor, n.requests, n.amount_cents
          FROM deltas n
         WHERE n.transaction >= (SELECT transaction FROM f) AND n.second >= $3::bigint AND n.second < $4::bigint
        UNION ALL
        SELECT t.begins, t.processor, t.requests, t.amount_cents
          FROM pieces s, LATERAL (SELECT begins, processor, requests, amount_cents FROM totals
                                   WHERE level = s.level AND begins >= s.lo AND begins < s.hi OFFSET 0) AS t) AS parts
 GROUP BY span, processor)"};

/// The seconds $1 and those of deltas, whole. The snapshot is younger than now(), when the statement arrived.
struct changed_second {
  std::int64_t folded_to = 0;
  wall_time as_of{};
  std::optional<std::int64_t> second;
  std::optional<std::int16_t> processor;
  std::optional<std::int64_t> requests;
  std::optional<std::int64_t> amount_cents;
};
constexpr pg_statement<changed_second(std::span<const std::int64_t>)> read_changed{"copy_changes", R"(
WITH f AS MATERIALIZED (SELECT transaction FROM folded),
fresh AS MATERIALIZED (
  SELECT n.second, n.processor, n.requests, n.amount_cents
    FROM deltas n WHERE n.transaction >= (SELECT transaction FROM f)),
wanted AS MATERIALIZED (SELECT unnest($1::bigint[]) AS second UNION SELECT second FROM fresh),
sums AS (
  SELECT second, processor, sum(requests)::bigint AS requests, sum(amount_cents)::bigint AS amount_cents
    FROM (SELECT second, processor, requests, amount_cents FROM fresh
          UNION ALL
          SELECT w.second, t.processor, t.requests, t.amount_cents
            FROM wanted w, LATERAL (SELECT processor, requests, amount_cents FROM totals
                                     WHERE level = 0 AND begins = w.second OFFSET 0) AS t) AS parts
   GROUP BY second, processor)
SELECT h.transaction, h.as_of, s.second, s.processor, s.requests, s.amount_cents
  FROM (SELECT transaction::text::bigint AS transaction, now() AS as_of FROM f) AS h LEFT JOIN sums s ON true
 ORDER BY s.second)"};

} // namespace

void postgres::add_copy_statements(std::vector<const pg_prototype*>& to) {
  to.insert(to.end(), {&read_horizon.prototype(), &read_spans.prototype(), &read_changed.prototype()});
}

void postgres_ledger::has_folded(std::int64_t transaction, std::span<const std::int64_t> seconds) {
  if (folded_to_ < 0) return;
  folded_to_ = transaction;
  folded_seconds_.insert(folded_seconds_.end(), seconds.begin(), seconds.end());
  std::sort(folded_seconds_.begin(), folded_seconds_.end());
  folded_seconds_.erase(std::unique(folded_seconds_.begin(), folded_seconds_.end()), folded_seconds_.end());
  if (folded_seconds_.size() <= noted_max) return;
  folded_to_ = -1;
  folded_seconds_.clear();
}

task<bool> postgres_ledger::begin_copy() {
  const bool known = co_await learn_processors();
  if (!known) co_return false;
  pg_transaction work;
  work.add(read_horizon);
  const pg_verdict verdict = co_await commit_read(work);
  if (verdict != pg_verdict::done) co_return false;
  folded_seconds_.clear();
  folded_to_ = work.row(0, read_horizon, 0).transaction;
  co_return true;
}

task<std::optional<std::vector<postgres_ledger::copied_total>>>
postgres_ledger::read_totals(std::size_t level, std::int64_t from, std::int64_t to) {
  static constexpr std::array<std::int64_t, 4> widths{1, 60, 3600, 86400};
  pg_transaction work;
  work.add(read_spans, static_cast<std::int16_t>(level), widths[level], from, to);
  const pg_verdict verdict = co_await commit_read(work);
  if (verdict != pg_verdict::done) co_return std::nullopt;
  std::vector<copied_total> made;
  for (std::size_t i = 0; i < work.count(0, read_spans); ++i) {
    const span_sum row = work.row(0, read_spans, i);
    const processor_index index = index_of(row.processor);
    if (index == no_processor) continue;
    made.push_back({row.begins, index, {static_cast<std::uint64_t>(row.requests), row.amount_cents}});
  }
  co_return made;
}

task<std::optional<postgres_ledger::totals_changes>> postgres_ledger::read_changes() {
  event pause(clock_);
  for (int i = 0; i < tries_max && folded_to_ >= 0; ++i) {
    const std::int64_t folded_to = folded_to_;
    const std::vector<std::int64_t> asked = folded_seconds_;
    pg_transaction work;
    work.add(read_changed, asked);
    const pg_verdict verdict = co_await commit_read(work);
    if (verdict != pg_verdict::done) co_return std::nullopt;
    if (work.row(0, read_changed, 0).folded_to != folded_to) {
      co_await pause.wait_for(try_pause);
      continue;
    }
    totals_changes made{.is_whole = true, .as_of = work.row(0, read_changed, 0).as_of, .seconds = {}};
    for (std::size_t k = 0; k < work.count(0, read_changed); ++k) {
      const changed_second row = work.row(0, read_changed, k);
      const processor_index index = index_of(row.processor);
      if (!row.second || index == no_processor) continue;
      made.seconds.push_back(
          {*row.second, index, {static_cast<std::uint64_t>(*row.requests), *row.amount_cents}});
    }
    std::vector<std::int64_t> left; // noted meanwhile, by a fold that this snapshot has not seen
    if (folded_to_ != folded_to) left = folded_seconds_;
    folded_seconds_ = std::move(left);
    co_return made;
  }
  folded_to_ = -1;
  co_return totals_changes{};
}

} // namespace repasse
