// Epochs of the PostgreSQL ledger: processors by number, beats, purge. Beats are numbered, so that one that
// waited somewhere while its caller had given it up changes nothing when it wakes. What the bound that each
// carries is for: postgres_takeover.cpp.
#include "storage/postgres_ledger.hpp"

#include "storage/postgres_statements.hpp"

#include <algorithm>

namespace repasse {
namespace {

using namespace postgres;

constexpr pg_statement<pg_nothing(std::span<const std::string>)> name_processors{"name_processors", R"(
INSERT INTO processors (name)
SELECT w.name FROM unnest($1::text[]) AS w (name)
 WHERE NOT EXISTS (SELECT FROM processors p WHERE p.name = w.name) ON CONFLICT DO NOTHING)"};

struct processor_number {
  std::int16_t id = 0;
};
constexpr pg_statement<processor_number(std::span<const std::string>)> find_processors{"find_processors", R"(
SELECT p.id FROM unnest($1::text[]) WITH ORDINALITY AS w (name, place) JOIN processors p ON p.name = w.name
 ORDER BY w.place)"};

constexpr pg_statement<numbered(std::string_view, wall_time)> open_epoch_row{
    "open_epoch", "INSERT INTO epochs (instance, open_from, open_until) VALUES ($1, ARRAY[$2::timestamptz], "
                  "'{infinity}') RETURNING epoch"};

struct beaten {
  bool is_eldest = false;
  wall_time now{};
};
constexpr pg_statement<beaten(std::int32_t, std::int64_t, std::span<const wall_time>,
                              std::span<const wall_time>)>
    beat_epoch{"beat", R"(
UPDATE epochs
   SET last_beat = clock_timestamp(), beat = $2, open_from = $3, open_until = $4,
       steady_since = CASE WHEN clock_timestamp() - last_beat >= interval '2 s' THEN clock_timestamp()
                           ELSE steady_since END
 WHERE epoch = $1 AND NOT marked AND beat < $2
RETURNING NOT EXISTS (SELECT FROM epochs e WHERE e.epoch < $1 AND NOT e.marked), last_beat)"};

// Health travels with the beats, by the server's clock alone. A beat never waits for a row of `processors`:
// one that somebody holds is left out until the next probe; and one that was given up (its number is not the
// last, or its epoch is over) tells nothing when it wakes.
constexpr pg_statement<pg_nothing(std::int32_t, std::int64_t, std::span<const std::int16_t>,
                                  std::span<const std::int16_t>, std::span<const std::int64_t>,
                                  std::span<const std::int64_t>)>
    note_probes{"note_probes", R"(
WITH free AS MATERIALIZED (
  SELECT p.id FROM unnest($3::smallint[]) AS w (id) JOIN processors p ON p.id = w.id
   WHERE EXISTS (SELECT FROM epochs e WHERE e.epoch = $1 AND e.beat = $2 AND NOT e.marked)
   ORDER BY p.id FOR NO KEY UPDATE OF p SKIP LOCKED)
UPDATE processors p
   SET failing = w.failing <> 0, min_response_millis = w.millis, probed_by = $1,
       probed_at = clock_timestamp() - w.age * interval '1 ms'
  FROM unnest($3::smallint[], $4::smallint[], $5::bigint[], $6::bigint[]) AS w (id, failing, millis, age), free f
 WHERE f.id = w.id AND p.id = w.id
   AND (p.probed_at IS NULL
        OR p.probed_at NOT BETWEEN clock_timestamp() - w.age * interval '1 ms' AND clock_timestamp()))"};

struct probed_row {
  std::int16_t id = 0;
  bool failing = false;
  std::int64_t min_response_millis = 0;
  std::int64_t age_millis = 0;
  std::int32_t from = 0;
};
constexpr pg_statement<probed_row(std::span<const std::int16_t>)> read_probes{"read_probes", R"(
SELECT p.id, p.failing, p.min_response_millis,
       (extract(epoch FROM clock_timestamp() - p.probed_at) * 1000)::bigint, p.probed_by
  FROM unnest($1::smallint[]) AS w (id) JOIN processors p ON p.id = w.id
 WHERE p.probed_at BETWEEN clock_timestamp() - interval '30 s' AND clock_timestamp())"};

constexpr pg_statement<pg_nothing(std::int32_t)> mark_epoch{
    "end_epoch", "UPDATE epochs SET marked = true WHERE epoch = $1 AND NOT marked"};

// Purge: nothing can slip by, since TRUNCATE waits for every append, and those after it see the marks. Every
// statement that uses several of these tables names them in this order, so that none waits for it in a
// circle. Everybody waits behind it while it waits, so it does not wait for a reader that takes long; but
// longer than deadlock_timeout (1 s), after which the server ends a vacuum that stands in the way.
constexpr pg_statement<flag()> limit_purge{"purge_patience",
                                           "SELECT set_config('lock_timeout', '1500', true) IS NOT NULL"};
constexpr pg_statement<pg_nothing()> forget_payments{"purge",
                                                     "TRUNCATE payments, deltas, milliseconds, totals, "
                                                     "reconciliation_runs, reconciliation_findings"};
/// The audit trail names the last epoch that is ended, of the same snapshot: one that is begun meanwhile is
/// not marked, and all its rows come after the purge.
constexpr pg_statement<pg_nothing()> end_all_epochs{"purge_epochs", R"(
WITH ended AS (
  UPDATE epochs SET marked = true, swept = true, open_from = '{}', open_until = '{}' WHERE NOT marked OR (marked AND NOT swept))
INSERT INTO audit (epoch, event, detail) SELECT max(epoch), 'purged', 'all payments' FROM epochs)"};

} // namespace

void postgres::add_epoch_statements(std::vector<const pg_prototype*>& to) {
  to.insert(to.end(), {&name_processors.prototype(), &find_processors.prototype(),
                       &open_epoch_row.prototype(), &beat_epoch.prototype(), &note_probes.prototype(),
                       &read_probes.prototype(), &mark_epoch.prototype(), &limit_purge.prototype(),
                       &forget_payments.prototype(), &end_all_epochs.prototype()});
}

task<bool> postgres_ledger::learn_processors() {
  if (!numbers_.empty()) co_return true;
  const std::span<const std::string> names{config_.processors};
  pg_transaction work;
  work.add(name_processors, names);
  work.add(find_processors, names);
  const pg_verdict verdict = co_await commit_change(work);
  if (verdict != pg_verdict::done || work.count(1, find_processors) != names.size()) co_return false;
  numbers_.clear();
  for (std::size_t i = 0; i < names.size(); ++i)
    numbers_.push_back(work.row(1, find_processors, i).id);
  co_return true;
}

task<std::optional<epoch_id>> postgres_ledger::open_epoch() {
  if (!schema_.is_right()) co_return std::nullopt;
  const bool known = co_await learn_processors();
  if (!known) co_return std::nullopt;
  const wall_time now = clock_.wall();
  pg_transaction work;
  work.add(open_epoch_row, config_.instance, now);
  const pg_verdict verdict = co_await changes_.commit(work, clock_.now() + config_.beat_limit);
  if (verdict != pg_verdict::done) co_return std::nullopt;
  const auto epoch = static_cast<epoch_id>(work.row(0, open_epoch_row, 0).number);
  own_[epoch].sent_bound = now;
  co_return epoch;
}

task<std::optional<beat_answer>> postgres_ledger::beat(epoch_id epoch, std::span<const probe> learned) {
  const own_epoch* const mine = own(epoch);
  if (mine == nullptr) co_return beat_answer{.ended = true};
  const std::optional<beat_answer> answer = co_await send_beat(epoch, mine->spans(clock_.wall()), learned);
  if (answer && answer->eldest) eldest_until_ = clock_.now() + 2s;
  co_return answer;
}

/// The epoch must be an own one.
task<std::optional<beat_answer>> postgres_ledger::send_beat(epoch_id epoch, std::vector<time_span> spans,
                                                            std::span<const probe> learned) {
  own_epoch* mine = own(epoch);
  const std::int64_t number = ++mine->beat_number;
  mine->sent_bound = std::max(mine->sent_bound, spans.back().begin); // an append looks here from now on
  std::vector<wall_time> begins;
  std::vector<wall_time> ends;
  for (const time_span& one : spans) {
    begins.push_back(one.begin);
    ends.push_back(one.end);
  }
  pg_transaction work;
  work.add(beat_epoch, static_cast<std::int32_t>(epoch), number, begins, ends);
  work.add(is_marked, static_cast<std::int32_t>(epoch));
  if (!learned.empty()) note_learned(work, epoch, number, learned);
  const std::size_t reading = learned.empty() ? 2 : 3;
  work.add(read_probes, numbers_);
  const wall_time sent = clock_.wall();
  const pg_verdict verdict = co_await changes_.commit(work, clock_.now() + config_.beat_limit);
  mine = own(epoch);
  if (verdict != pg_verdict::done) co_return std::nullopt;
  const bool ended = work.row(1, is_marked, 0).is_set;
  if (!ended && work.count(0, beat_epoch) == 0) co_return std::nullopt; // a later beat has overtaken it
  if (ended || mine == nullptr) {
    own_.erase(epoch);
    co_return beat_answer{.ended = true};
  }
  mine->confirmed_beat = std::max(mine->confirmed_beat, number);
  const beaten row = work.row(0, beat_epoch, 0);
  const auto took = clock_.wall() - sent;
  if (took >= 0ms && took <= clock_difference_max)
    ahead_ = sent + took / 2 - row.now; // others tell too little
  co_return beat_answer{.eldest = row.is_eldest, .probes = known_probes(work, reading)};
}

void postgres_ledger::note_learned(pg_transaction& work, epoch_id epoch, std::int64_t beat_number,
                                   std::span<const probe> learned) const {
  std::vector<std::int16_t> ids;
  std::vector<std::int16_t> failing;
  std::vector<std::int64_t> millis;
  std::vector<std::int64_t> ages;
  for (const probe& one : learned) {
    ids.push_back(number_of(one.processor));
    failing.push_back(one.failing ? 1 : 0);
    millis.push_back(one.min_response_time.count());
    ages.push_back(one.age.count());
  }
  work.add(note_probes, static_cast<std::int32_t>(epoch), beat_number, ids, failing, millis, ages);
}

std::vector<probe> postgres_ledger::known_probes(const pg_transaction& work, std::size_t reading) const {
  std::vector<probe> known;
  for (std::size_t i = 0; i < work.count(reading, read_probes); ++i) {
    const probed_row row = work.row(reading, read_probes, i);
    known.push_back({.processor = index_of(row.id),
                     .failing = row.failing,
                     .min_response_time = std::chrono::milliseconds{row.min_response_millis},
                     .age = std::chrono::milliseconds{row.age_millis},
                     .from = static_cast<epoch_id>(row.from)});
  }
  return known;
}

/// So that a row accepted before the last span that a beat may have told of is covered all the same.
task<ledger_status> postgres_ledger::lower_bound_to(epoch_id epoch, wall_time accepted_at) {
  std::vector<time_span> spans = own(epoch)->spans(accepted_at);
  const wall_time bound = spans.back().begin;
  const std::int64_t number = own(epoch)->beat_number + 1;
  const std::optional<beat_answer> answer = co_await send_beat(epoch, std::move(spans), {});
  if (!answer) co_return ledger_status::unavailable;
  if (answer->ended) co_return ledger_status::epoch_ended;
  own_epoch* const mine = own(epoch);
  if (mine != nullptr && mine->beat_number == number) mine->sent_bound = bound; // no beat was sent since
  co_return ledger_status::done;
}

task<ledger_status> postgres_ledger::end_epoch(epoch_id epoch) {
  pg_transaction work;
  work.add(mark_epoch, static_cast<std::int32_t>(epoch));
  const pg_verdict verdict = co_await changes_.commit(work, clock_.now() + config_.beat_limit);
  if (verdict == pg_verdict::done) own_.erase(epoch);
  co_return postgres::status_of(verdict);
}

task<ledger_status> postgres_ledger::purge() {
  pg_transaction work;
  work.add(limit_purge);
  work.add(forget_payments);
  work.add(end_all_epochs);
  const pg_verdict verdict = co_await commit_change(work);
  co_return postgres::status_of(verdict);
}

} // namespace repasse
