// Takeover in the PostgreSQL ledger: of marked epochs' rows, of what is released, and the look at own rows.
// A takeover looks at rows by their age, in windows: no index tells who owns a row or whether it is settled,
// since settling would then no longer be a HOT update. Each beat tells in which spans of time the unsettled
// rows of its epoch were accepted, so that a look visits those alone. Beats are numbered and takeovers name
// the last one, so that a statement that waited somewhere while its caller had given it up changes nothing
// when it wakes.
#include "storage/postgres_ledger.hpp"

#include "storage/postgres_statements.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace repasse {
namespace {

using namespace postgres;

/// Rows that one statement looks at: some milliseconds.
constexpr std::int32_t window_rows = 4096;
/// Between two looks who has died, while a sweep is under way.
constexpr std::chrono::nanoseconds sweep_look = 1s;
/// Windows of one look for own rows.
constexpr int look_windows = 8;

/// The fence is this transaction's own number, which it gets after the snapshot that shows the mark: who does
/// not see the mark has a lower one, so once all lower ones are over nobody can bring a row any more.
constexpr pg_statement<pg_nothing()> fence_marked{"fence_marked", R"(
UPDATE epochs SET fence = pg_current_xact_id() WHERE marked AND NOT swept AND fence IS NULL)"};

constexpr pg_statement<numbered(std::int32_t)> mark_silent{"mark_silent", R"(
UPDATE epochs SET marked = true
 WHERE NOT marked AND last_beat <= clock_timestamp() - interval '5 s'
   AND EXISTS (SELECT FROM epochs m
                WHERE m.epoch = $1 AND NOT m.marked AND m.last_beat > clock_timestamp() - interval '2 s'
                  AND m.steady_since <= clock_timestamp() - interval '5 s')
RETURNING epoch)"};

/// One span of one epoch; those of one epoch follow each other.
struct marked_epoch {
  std::int32_t epoch = 0;
  wall_time begin{};
  wall_time end{};
  std::int64_t changes = 0;
  bool is_closed = false; ///< no transaction is under way that may not know of the mark
};
constexpr pg_statement<marked_epoch(std::int32_t)> list_marked{"list_marked", R"(
SELECT epoch, s.begins, s.ends, changes,
       epoch = 0 OR COALESCE(fence <= pg_snapshot_xmin(pg_current_snapshot()), false)
  FROM epochs, unnest(open_from, open_until) AS s (begins, ends)
 WHERE marked AND NOT swept
   AND EXISTS (SELECT FROM epochs m
                WHERE m.epoch = $1 AND NOT m.marked AND m.last_beat > clock_timestamp() - interval '2 s'
                  AND m.steady_since <= clock_timestamp() - interval '5 s')
 ORDER BY epoch)"};

/// One window: who looks ($1), for whom ($2: itself, or 0 to release), whose rows ($3), after where ($4, $5),
/// those that name a processor or those that do not ($6), how many ($7), which processors are known ($8), the
/// earliest age of what it may take ($9), and the number of the looker's last beat ($10).
struct taken_row {
  std::int64_t looked_at = 0;
  std::int64_t wanted = 0;
  std::int64_t strangers = 0; ///< that name a processor not configured here: they stay
  std::optional<wall_time> strangers_from;
  std::optional<wall_time> strangers_to;
  std::optional<wall_time> end_at;
  std::optional<payment_id> end_id;
  std::optional<payment_id> id;
  std::optional<std::int64_t> amount_cents;
  std::optional<wall_time> accepted_at;
  std::optional<std::int32_t> version;
  std::optional<std::int16_t> attempts;
  std::optional<std::int16_t> status;
  std::optional<std::int16_t> processor;
  std::optional<std::int32_t> former; ///< owner
};
constexpr pg_statement<taken_row(std::int32_t, std::int32_t, std::span<const std::int32_t>, wall_time,
                                 payment_id, bool, std::int64_t, std::span<const std::int16_t>, wall_time,
                                 std::int64_t)>
    take_rows{"take_over", R"(
WITH looked_at AS MATERIALIZED (
  SELECT correlation_id, accepted_at, owner, status, processor FROM payments
   WHERE (accepted_at, correlation_id) > ($4, $5) ORDER BY accepted_at, correlation_id LIMIT 4096),
wanted AS MATERIALIZED (
  SELECT correlation_id, accepted_at FROM looked_at
   WHERE owner = ANY ($3::integer[]) AND status < 3 AND (status > 0) = $6
     AND (status = 0 OR processor = ANY ($8::smallint[]))
   ORDER BY accepted_at, correlation_id LIMIT $7),
lowered AS (
  UPDATE epochs o
     SET open_from = ARRAY[LEAST(open_from[1], $9)], open_until = '{infinity}', changes = changes + 1, swept = false
   WHERE o.epoch = $2 AND (o.epoch = 0 OR (NOT o.marked AND o.beat = $10))
     AND EXISTS (SELECT FROM epochs m WHERE m.epoch = $1 AND NOT m.marked AND m.beat = $10)
     AND EXISTS (SELECT FROM wanted)
  RETURNING o.epoch),
locked AS MATERIALIZED (
  SELECT p.correlation_id, p.owner, p.status FROM lowered, wanted w JOIN payments p ON p.correlation_id = w.correlation_id
   WHERE p.owner = ANY ($3::integer[]) AND p.status < 3
     FOR UPDATE OF p SKIP LOCKED),
taken AS (
  UPDATE payments p
     SET owner = $2, version = p.version + 1, status = CASE WHEN p.status = 0 THEN 0 ELSE 2 END
    FROM locked l
   WHERE p.correlation_id = l.correlation_id AND p.owner = ANY ($3::integer[]) AND p.status < 3
  RETURNING p.correlation_id, p.amount_cents, p.accepted_at, p.version, p.attempts, p.status, p.processor,
            l.owner AS former, l.status AS was),
audited AS (
  INSERT INTO audit (correlation_id, epoch, event, detail)
  SELECT correlation_id, $1, w.event,
         concat_ws(', ', (SELECT name FROM processors WHERE id = t.processor), attempts || ' sends', w.reason)
    FROM taken t, LATERAL (VALUES (CASE WHEN $2 = 0 THEN 'released' ELSE 'taken over' END, 'from epoch ' || former),
                                  (CASE WHEN was = 1 THEN 'in doubt' END, 'taken over from epoch ' || former))
                          AS w (event, reason)
   WHERE w.event IS NOT NULL),
last_wanted AS (
  SELECT accepted_at, correlation_id FROM wanted ORDER BY accepted_at DESC, correlation_id DESC LIMIT 1),
last_looked_at AS (
  SELECT accepted_at, correlation_id FROM looked_at ORDER BY accepted_at DESC, correlation_id DESC LIMIT 1),
counted AS (
  SELECT (SELECT count(*) FROM looked_at) AS looked_at, (SELECT count(*) FROM wanted) AS wanted,
         count(*) AS strangers, min(accepted_at) AS strangers_from, max(accepted_at) AS strangers_to
    FROM looked_at
   WHERE owner = ANY ($3::integer[]) AND status BETWEEN 1 AND 2 AND NOT processor = ANY ($8::smallint[]))
SELECT c.looked_at, c.wanted, c.strangers, c.strangers_from, c.strangers_to,
       CASE WHEN c.wanted = $7 THEN w.accepted_at ELSE k.accepted_at END,
       CASE WHEN c.wanted = $7 THEN w.correlation_id ELSE k.correlation_id END,
       t.correlation_id, t.amount_cents, t.accepted_at, t.version, t.attempts, t.status, t.processor, t.former
  FROM counted c LEFT JOIN last_wanted w ON true LEFT JOIN last_looked_at k ON true LEFT JOIN taken t ON true
 ORDER BY t.accepted_at, t.correlation_id)"};

/// Nothing is left but what lies in these spans; without spans it is over.
constexpr pg_statement<pg_nothing(std::span<const std::int32_t>, std::span<const std::int64_t>,
                                  std::span<const wall_time>, std::span<const wall_time>)>
    mark_swept{"mark_swept", R"(
UPDATE epochs e SET swept = cardinality($3::timestamptz[]) = 0, open_from = $3, open_until = $4
  FROM unnest($1::integer[], $2::bigint[]) AS w (epoch, changes)
 WHERE e.epoch = w.epoch AND e.changes = w.changes AND e.marked)"};

struct own_row {
  std::int64_t looked_at = 0;
  std::int64_t wanted = 0;
  std::optional<wall_time> end_at;
  std::optional<payment_id> end_id;
  std::optional<payment_id> id;
  std::optional<std::int64_t> amount_cents;
  std::optional<wall_time> accepted_at;
  std::optional<std::int32_t> version;
  std::optional<std::int16_t> attempts;
  std::optional<std::int16_t> status;
  std::optional<std::int16_t> processor;
};
constexpr pg_statement<own_row(std::int32_t, wall_time, payment_id, std::int64_t)> look_at_own{"look_at_own",
                                                                                               R"(
WITH looked_at AS MATERIALIZED (
  SELECT correlation_id, amount_cents, accepted_at, owner, version, attempts, status, processor FROM payments
   WHERE (accepted_at, correlation_id) > ($2, $3) ORDER BY accepted_at, correlation_id LIMIT 4096),
wanted AS MATERIALIZED (
  SELECT * FROM looked_at WHERE owner = $1 AND status < 3 ORDER BY accepted_at, correlation_id LIMIT $4),
last_wanted AS (
  SELECT accepted_at, correlation_id FROM wanted ORDER BY accepted_at DESC, correlation_id DESC LIMIT 1),
last_looked_at AS (
  SELECT accepted_at, correlation_id FROM looked_at ORDER BY accepted_at DESC, correlation_id DESC LIMIT 1),
counted AS (
  SELECT (SELECT count(*) FROM looked_at) AS looked_at, (SELECT count(*) FROM wanted) AS wanted)
SELECT c.looked_at, c.wanted,
       CASE WHEN c.wanted = $4 THEN w.accepted_at ELSE k.accepted_at END,
       CASE WHEN c.wanted = $4 THEN w.correlation_id ELSE k.correlation_id END,
       t.correlation_id, t.amount_cents, t.accepted_at, t.version, t.attempts, t.status, t.processor
  FROM counted c LEFT JOIN last_wanted w ON true LEFT JOIN last_looked_at k ON true LEFT JOIN wanted t ON true
 ORDER BY t.accepted_at, t.correlation_id)"};

/// Moves on behind the window that `told` ends; `is_whole` if all that was wanted of it came.
template <typename Row>
void pass(span_walk& walk, const Row& told, bool is_whole) {
  if (told.end_at) walk.pass({*told.end_at, *told.end_id});
  if (is_whole && told.looked_at < window_rows) walk.end();
}

template <typename Row>
owned_row owned_row_of(const Row& row, processor_index processor) {
  return {.id = *row.id,
          .amount_cents = *row.amount_cents,
          .accepted_at = *row.accepted_at,
          .version = static_cast<std::uint32_t>(*row.version),
          .attempts = static_cast<std::uint16_t>(*row.attempts),
          .status = postgres::status_of(*row.status),
          .processor = processor};
}

} // namespace

void postgres::add_takeover_statements(std::vector<const pg_prototype*>& to) {
  to.insert(to.end(), {&fence_marked.prototype(), &mark_silent.prototype(), &list_marked.prototype(),
                       &take_rows.prototype(), &mark_swept.prototype(), &look_at_own.prototype()});
}

task<ledger_status> postgres_ledger::adopt(epoch_id epoch, std::span<owned_row> rows, std::size_t& taken) {
  taken = 0;
  if (sweep_ && sweep_->taker != epoch) sweep_.reset();
  if (!sweep_ || clock_.now() >= sweep_->next_look) {
    const ledger_status begun = co_await begin_sweep(epoch);
    if (begun != ledger_status::done) co_return begun;
  }
  const steady_time until = clock_.now() + config_.take_limit;
  while (sweep_ && taken < rows.size() && clock_.now() < until) {
    const ledger_status status = co_await take_window(epoch, rows, taken);
    if (status == ledger_status::in_doubt) co_return status; // unsettled() finds them all
    if (status != ledger_status::done && taken == 0) co_return status;
    if (status != ledger_status::done) break;
  }
  co_return ledger_status::done;
}

/// While a sweep is under way it gives way to one of those who have died since.
task<ledger_status> postgres_ledger::begin_sweep(epoch_id epoch) {
  const auto taker = static_cast<std::int32_t>(epoch);
  pg_transaction work;
  work.add(is_marked, taker);
  work.add(fence_marked);
  work.add(mark_silent, taker);
  work.add(list_marked, taker);
  const pg_verdict verdict = co_await commit_change(work);
  if (verdict != pg_verdict::done) co_return ledger_status::unavailable; // a mark in doubt is a mark
  if (work.row(0, is_marked, 0).is_set) {
    own_.erase(epoch);
    co_return ledger_status::epoch_ended;
  }
  for (std::size_t i = 0; i < work.count(2, mark_silent); ++i)
    spdlog::warn("epoch {} has been silent for 5 s: it is over", work.row(2, mark_silent, i).number);
  sweep begun{.taker = epoch, .next_look = clock_.now() + sweep_look};
  const auto is_swept_already = [&](std::int32_t owner) {
    return sweep_ && std::find(sweep_->owners.begin(), sweep_->owners.end(), owner) != sweep_->owners.end();
  };
  for (std::size_t i = 0; i < work.count(3, list_marked); ++i) {
    const marked_epoch one = work.row(3, list_marked, i);
    if (is_swept_already(one.epoch)) continue;
    begun.spans.push_back({one.begin, one.end});
    if (!begun.owners.empty() && begun.owners.back() == one.epoch) continue;
    begun.owners.push_back(one.epoch);
    if (!one.is_closed) continue;
    begun.closed.push_back(one.epoch);
    begun.closed_changes.push_back(one.changes);
  }
  if (begun.owners.empty()) {
    if (sweep_) sweep_->next_look = begun.next_look;
    co_return ledger_status::done;
  }
  begun.spans = joined(std::move(begun.spans));
  begun.walk = span_walk(begun.spans);
  sweep_ = std::move(begun);
  co_return ledger_status::done;
}

task<ledger_status> postgres_ledger::take_window(epoch_id epoch, std::span<owned_row> rows,
                                                 std::size_t& taken) {
  const std::size_t limit = rows.size() - taken;
  const auto taker = static_cast<std::int32_t>(epoch);
  own_epoch* mine = own(epoch);
  if (mine == nullptr) co_return ledger_status::epoch_ended;
  // A beat that is not confirmed may still come, with spans that know nothing of what is taken now.
  if (mine->beat_number > mine->confirmed_beat) co_return ledger_status::unavailable;
  const page_cursor at = sweep_->walk.at();
  mine->taking = at.accepted_at; // for the beats until it is back
  pg_transaction work;
  work.add(take_rows, taker, taker, sweep_->owners, at.accepted_at, at.id, sweep_->named,
           static_cast<std::int64_t>(limit), numbers_, at.accepted_at, mine->confirmed_beat);
  const pg_verdict verdict = co_await commit_change(work);
  mine = own(epoch);
  if (mine != nullptr) mine->taking = wall_time::max();
  if (verdict != pg_verdict::done) {
    if (mine != nullptr && verdict == pg_verdict::in_doubt) {
      mine->doubt_about(at.accepted_at);
      look_order_ = 0; // it may have passed by those rows
    }
    sweep_.reset();
    co_return postgres::status_of(verdict);
  }
  std::size_t came = 0;
  for (std::size_t i = 0; i < work.count(0, take_rows); ++i) {
    const taken_row row = work.row(0, take_rows, i);
    if (!row.id) continue;
    rows[taken] = owned_row_of(row, index_of(row.processor));
    rows[taken++].former = static_cast<epoch_id>(*row.former);
    if (mine != nullptr) mine->open.add(*row.accepted_at);
    ++came;
  }
  const taken_row told = work.row(0, take_rows, 0);
  if (static_cast<std::int64_t>(came) < told.wanted) sweep_->is_whole = false;
  const bool is_whole = told.wanted < static_cast<std::int64_t>(limit);
  if (is_whole && sweep_->named) sweep_->strangers += told.strangers;
  if (told.strangers > 0) { // also of a window that was cut: the walk may go on behind them
    sweep_->left.push_back({*told.strangers_from, *told.strangers_to + 1ms});
    sweep_->left = joined(std::move(sweep_->left));
    if (sweep_->left.size() > open_rows::spans_max) join_closest(sweep_->left);
  }
  pass(sweep_->walk, told, is_whole);
  if (!sweep_->walk.has_ended()) co_return ledger_status::done;
  const std::int64_t strangers = sweep_->strangers;
  if (sweep_->named && std::exchange(strangers_told_, strangers) != strangers && strangers > 0)
    spdlog::error("{} payments name processors that are not configured: they stay", strangers);
  if (!sweep_->named) co_return co_await end_sweep();
  sweep_->named = false;
  sweep_->walk = span_walk(sweep_->spans);
  co_return ledger_status::done;
}

task<ledger_status> postgres_ledger::end_sweep() {
  const sweep ended = std::move(*sweep_);
  sweep_.reset();
  if (!ended.is_whole || ended.closed.empty() || ended.left == ended.spans) co_return ledger_status::done;
  std::vector<wall_time> begins;
  std::vector<wall_time> ends;
  for (const time_span& one : ended.left) {
    begins.push_back(one.begin);
    ends.push_back(one.end);
  }
  pg_transaction work;
  work.add(mark_swept, ended.closed, ended.closed_changes, begins, ends);
  static_cast<void>(co_await commit_change(work)); // else it is swept again
  co_return ledger_status::done;
}

task<ledger_status> postgres_ledger::release(epoch_id epoch, std::size_t rows_max, std::size_t& released) {
  released = 0;
  const auto owner = static_cast<std::int32_t>(epoch);
  const own_epoch* const mine = own(epoch);
  if (mine == nullptr) co_return ledger_status::epoch_ended;
  const std::int64_t beat = mine->confirmed_beat;
  const std::vector<std::int32_t> owners{owner};
  span_walk walk(mine->spans(clock_.wall()));
  while (released < rows_max && !walk.has_ended()) {
    const page_cursor at = walk.at();
    const auto limit = static_cast<std::int64_t>(rows_max - released);
    pg_transaction work;
    work.add(is_marked, owner);
    work.add(take_rows, owner, 0, owners, at.accepted_at, at.id, false, limit, numbers_, at.accepted_at,
             beat);
    const pg_verdict verdict = co_await commit_change(work);
    if (verdict != pg_verdict::done) co_return postgres::status_of(verdict);
    if (work.row(0, is_marked, 0).is_set) {
      own_.erase(epoch);
      co_return ledger_status::epoch_ended;
    }
    for (std::size_t i = 0; i < work.count(1, take_rows); ++i) {
      const taken_row row = work.row(1, take_rows, i);
      if (!row.id) continue;
      ++released;
      remove_open(epoch, *row.accepted_at);
    }
    const taken_row told = work.row(1, take_rows, 0);
    pass(walk, told, told.wanted < limit);
  }
  co_return ledger_status::done;
}

task<ledger_status> postgres_ledger::unsettled(epoch_id epoch, std::uint64_t& position,
                                               std::span<owned_row> rows, std::size_t& found) {
  found = 0;
  if (position == 0 ? !begin_look(epoch) : look_order_ == 0) {
    position = 0;
    co_return ledger_status::unavailable;
  }
  for (int window = 0; window < look_windows && found == 0 && !look_.has_ended(); ++window) {
    const page_cursor at = look_.at();
    const auto limit = static_cast<std::int64_t>(rows.size());
    pg_transaction work;
    work.add(look_at_own, static_cast<std::int32_t>(epoch), at.accepted_at, at.id, limit);
    const pg_verdict verdict = co_await commit_change(work);
    if (verdict != pg_verdict::done || look_order_ == 0 || look_order_ != changes_.order()) {
      position = 0;
      co_return ledger_status::unavailable;
    }
    own_epoch* const mine = own(epoch);
    for (std::size_t i = 0; i < work.count(0, look_at_own); ++i) {
      const own_row row = work.row(0, look_at_own, i);
      if (!row.id) continue;
      if (mine != nullptr) mine->open.see(*row.accepted_at);
      const processor_index processor = index_of(row.processor);
      const bool is_stranger = row.processor && processor == no_processor;
      if (!is_stranger) rows[found++] = owned_row_of(row, processor);
    }
    const own_row told = work.row(0, look_at_own, 0);
    pass(look_, told, told.wanted < limit);
    if (mine != nullptr) mine->open.pass(look_.at().accepted_at);
    ++position;
  }
  if (look_.has_ended()) {
    position = 0;
    look_order_ = 0;
    if (own_epoch* const mine = own(epoch)) mine->end_look(look_end_, look_.at().accepted_at);
  }
  co_return ledger_status::done;
}

/// False if it cannot begin now. It visits what is open by our own account; what is accepted from now on it
/// may find, but does not wait for, since at a high rate it would never end.
bool postgres_ledger::begin_look(epoch_id epoch) {
  look_order_ = changes_.order();
  if (look_order_ == 0) return false;
  own_epoch* const mine = own(epoch);
  if (mine == nullptr) {
    look_ = span_walk({time_span{}});
    return true;
  }
  // A takeover in doubt can no longer be done once a beat that was sent after it is confirmed.
  if (mine->is_in_doubt() && mine->confirmed_beat <= mine->doubt_beat) return false;
  const wall_time now = clock_.wall();
  std::vector<time_span> spans = mine->spans(now);
  look_end_ = std::chrono::floor<std::chrono::seconds>(std::min(now, mine->appending));
  if (!mine->is_in_doubt() || mine->doubt_until != wall_time::max()) spans.back().end = look_end_;
  look_ = span_walk(std::move(spans));
  mine->open.begin_look(look_end_);
  return true;
}

/// All rows before `end` are counted now; the last that was seen was accepted at `newest`. Rows taken over in
/// doubt are not counted if they were accepted at `end` or later, by a clock that is ahead of ours. The first
/// look behind the doubt goes to the very last row, and so tells when that time will be over.
void postgres_ledger::own_epoch::end_look(wall_time end, wall_time newest) {
  open.end_look();
  if (!is_in_doubt()) return;
  if (doubt_until == wall_time::max()) doubt_until = newest;
  taken_in_doubt = doubt_until < end ? wall_time::max() : std::max(taken_in_doubt, end);
}

} // namespace repasse
