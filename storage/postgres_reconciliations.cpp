// What comparing the books has found, in PostgreSQL: few and small statements, on the connections of changes
// and of reads. All times are the server's.
#include "storage/postgres_ledger.hpp"

#include "storage/postgres_statements.hpp"

#include <algorithm>

namespace repasse {
namespace {

using namespace postgres;

struct whole_number {
  std::int64_t number = 0;
};

constexpr pg_statement<flag(std::int64_t, std::int64_t, std::int64_t)> take_turn_row{"reconciliation_take",
                                                                                     R"(
UPDATE reconciliation_turn
   SET holder = $1, begun_at = clock_timestamp(), is_over = false,
       held_until = clock_timestamp() + $3::bigint * interval '1 ms'
 WHERE held_until < clock_timestamp()
   AND (NOT is_over OR begun_at <= clock_timestamp() - $2::bigint * interval '1 ms')
RETURNING true)"};
constexpr pg_statement<flag(std::int64_t, std::int64_t)> keep_turn_row{"reconciliation_keep", R"(
UPDATE reconciliation_turn SET held_until = clock_timestamp() + $2::bigint * interval '1 ms'
 WHERE holder = $1 AND NOT is_over RETURNING true)"};
constexpr pg_statement<pg_nothing(std::int64_t)> end_turn_row{"reconciliation_end", R"(
UPDATE reconciliation_turn SET held_until = '-infinity', is_over = true WHERE holder = $1)"};

constexpr pg_statement<whole_number(std::int16_t, wall_time, wall_time)> begin_run_row{"reconciliation_begin",
                                                                                       R"(
INSERT INTO reconciliation_runs (processor, window_from, window_to, status) VALUES ($1, $2, $3, 0)
ON CONFLICT (processor, window_from, window_to)
DO UPDATE SET status = 0, started_at = clock_timestamp(), ended_at = NULL, matched = false, error = ''
RETURNING id)"};
constexpr pg_statement<pg_nothing(std::int64_t, std::int16_t, std::int64_t, std::int64_t, std::int64_t,
                                  std::int64_t, bool, std::string_view)>
    end_run_row{"reconciliation_ended", R"(
UPDATE reconciliation_runs
   SET status = $2, our_requests = $3, our_cents = $4, their_requests = $5, their_cents = $6, matched = $7,
       error = $8, ended_at = clock_timestamp()
 WHERE id = $1)"};
constexpr pg_statement<pg_nothing(std::int64_t)> forget_findings{"reconciliation_forget_findings", R"(
DELETE FROM reconciliation_findings
 WHERE coalesce(explained_at, last_seen) < clock_timestamp() - $1::bigint * interval '1 day')"};
/// Those with a finding stay, or nobody would be told of it.
constexpr pg_statement<pg_nothing(std::int64_t)> forget_runs{"reconciliation_forget_runs", R"(
DELETE FROM reconciliation_runs AS r
 WHERE started_at < clock_timestamp() - $1::bigint * interval '1 day'
   AND NOT EXISTS (SELECT FROM reconciliation_findings AS f WHERE f.run = r.id))"};

/// So that what follows sees whether it is being explained, and is seen by who wants to.
constexpr pg_statement<flag(std::int16_t, std::int16_t, std::string_view)> hold_finding{"reconciliation_hold",
                                                                                        R"(
SELECT true FROM reconciliation_findings WHERE processor = $1 AND kind = $2 AND subject = $3 FOR UPDATE)"};
constexpr pg_statement<pg_nothing(std::int16_t, std::int16_t, std::string_view, std::int64_t,
                                  std::optional<payment_id>, wall_time, wall_time, std::int64_t, std::int64_t,
                                  std::int64_t, std::int64_t, std::int16_t, std::string_view)>
    note_finding{"reconciliation_note", R"(
INSERT INTO reconciliation_findings AS f
       (processor, kind, subject, run, correlation_id, window_from, window_to, our_requests, our_cents,
        their_requests, their_cents, state, history)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
       to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z ') || $13
 WHERE NOT EXISTS (
   SELECT FROM reconciliation_findings AS e
    WHERE e.state = 2 AND e.processor = $1 AND e.kind = $2 AND e.correlation_id IS NOT DISTINCT FROM $5
      AND e.window_from = $6 AND e.window_to = $7 AND e.our_requests = $8 AND e.our_cents = $9
      AND e.their_requests = $10 AND e.their_cents = $11)
ON CONFLICT (processor, kind, subject)
DO UPDATE SET window_to = EXCLUDED.window_to, our_requests = EXCLUDED.our_requests, our_cents = EXCLUDED.our_cents,
              their_requests = EXCLUDED.their_requests, their_cents = EXCLUDED.their_cents,
              state = EXCLUDED.state, last_seen = clock_timestamp(),
              history = CASE WHEN f.state = EXCLUDED.state THEN f.history
                             ELSE right(f.history || E'\n' || EXCLUDED.history, 4000) END)"};

struct window_row {
  wall_time from{};
  wall_time to{};
};
constexpr pg_statement<window_row(std::int16_t)> find_unfinished{"reconciliation_unfinished", R"(
SELECT window_from, window_to FROM reconciliation_runs WHERE processor = $1 AND status = 0
 ORDER BY window_from, window_to LIMIT 1)"};
struct until_row {
  std::optional<wall_time> until;
};
constexpr pg_statement<until_row(std::int16_t)> find_until{"reconciliation_until", R"(
SELECT max(window_to) FROM reconciliation_runs WHERE processor = $1 AND status = 1)"};

struct finding_row {
  std::int64_t id = 0;
  std::int64_t run = 0;
  std::int16_t processor = 0;
  std::int16_t kind = 0;
  std::optional<payment_id> payment;
  wall_time from{};
  wall_time to{};
  std::int64_t our_requests = 0;
  std::int64_t our_cents = 0;
  std::int64_t their_requests = 0;
  std::int64_t their_cents = 0;
  std::int16_t state = 0;
  wall_time first_seen{};
  wall_time last_seen{};
  std::optional<wall_time> explained_at;
  std::string history;
};
constexpr pg_statement<finding_row(std::int16_t, std::int64_t)> find_open{"reconciliation_open", R"(
SELECT id, run, processor, kind, correlation_id, window_from, window_to, our_requests, our_cents,
       their_requests, their_cents, state, first_seen, last_seen, explained_at, history
  FROM reconciliation_findings WHERE processor = $1 AND state = 0 ORDER BY last_seen LIMIT $2)"};
constexpr pg_statement<finding_row(std::span<const std::int64_t>, std::int64_t)> find_of_runs{
    "reconciliation_of_runs", R"(
SELECT f.id, f.run, f.processor, f.kind, f.correlation_id, f.window_from, f.window_to, f.our_requests, f.our_cents,
       f.their_requests, f.their_cents, f.state, f.first_seen, f.last_seen, f.explained_at, f.history
  FROM unnest($1::bigint[]) AS w (id),
       LATERAL (SELECT * FROM reconciliation_findings g WHERE g.run = w.id ORDER BY g.first_seen LIMIT $2) AS f)"};

constexpr pg_statement<finding_row(std::int64_t, std::string_view)> explain_row{"reconciliation_explain", R"(
UPDATE reconciliation_findings
   SET state = 2, explained_at = clock_timestamp(), subject = subject || ' ' || id,
       history = right(history || E'\n' ||
                       to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z ') ||
                       'explained, ours ' || our_requests || ' of ' || round(our_cents / 100.0, 2) ||
                       ', theirs ' || their_requests || ' of ' || round(their_cents / 100.0, 2) || ': ' || $2,
                       4000)
 WHERE id = $1 AND state = 0
RETURNING id, run, processor, kind, correlation_id, window_from, window_to, our_requests, our_cents,
          their_requests, their_cents, state, first_seen, last_seen, explained_at, history)"};
constexpr pg_statement<flag(std::int64_t)> know_finding{"reconciliation_know", R"(
SELECT true FROM reconciliation_findings WHERE id = $1)"};

struct open_count {
  std::int16_t kind = 0;
  std::int64_t count = 0;
};
constexpr pg_statement<open_count(std::span<const std::int16_t>)> count_open_rows{"reconciliation_count", R"(
SELECT kind, count(*) FROM reconciliation_findings WHERE state = 0 AND processor = ANY ($1) GROUP BY kind)"};

struct run_row {
  std::int64_t id = 0;
  std::int16_t processor = 0;
  wall_time from{};
  wall_time to{};
  std::int16_t status = 0;
  std::int64_t our_requests = 0;
  std::int64_t our_cents = 0;
  std::int64_t their_requests = 0;
  std::int64_t their_cents = 0;
  bool matched = false;
  wall_time started_at{};
  std::optional<wall_time> ended_at;
  std::string error;
};
constexpr pg_statement<run_row(std::int64_t, std::int64_t)> find_runs{"reconciliation_runs", R"(
SELECT id, processor, window_from, window_to, status, our_requests, our_cents, their_requests, their_cents,
       matched, started_at, ended_at, error
  FROM reconciliation_runs WHERE id < $1 ORDER BY id DESC LIMIT $2)"};

processor_total total_of(std::int64_t requests, std::int64_t cents) {
  return {static_cast<std::uint64_t>(requests), cents};
}

reconciliation_finding finding_of(const finding_row& row, processor_index processor) {
  reconciliation_finding made;
  made.id = row.id;
  made.processor = processor;
  made.kind = static_cast<finding_kind>(row.kind);
  made.payment = row.payment;
  made.window = {row.from, row.to};
  made.ours = total_of(row.our_requests, row.our_cents);
  made.theirs = total_of(row.their_requests, row.their_cents);
  made.state = static_cast<finding_state>(row.state);
  made.first_seen = row.first_seen;
  made.last_seen = row.last_seen;
  made.explained_at = row.explained_at;
  made.history = row.history;
  return made;
}

constexpr std::int64_t turn_millis = std::chrono::milliseconds{turn_limit}.count();

} // namespace

void postgres::add_reconciliation_changes(std::vector<const pg_prototype*>& to) {
  to.insert(to.end(), {&take_turn_row.prototype(), &keep_turn_row.prototype(), &end_turn_row.prototype(),
                       &begin_run_row.prototype(), &end_run_row.prototype(), &forget_findings.prototype(),
                       &forget_runs.prototype(), &hold_finding.prototype(), &note_finding.prototype(),
                       &explain_row.prototype(), &know_finding.prototype()});
}

void postgres::add_reconciliation_reads(std::vector<const pg_prototype*>& to) {
  to.insert(to.end(), {&find_unfinished.prototype(), &find_until.prototype(), &find_open.prototype(),
                       &find_of_runs.prototype(), &count_open_rows.prototype(), &find_runs.prototype()});
}

task<std::optional<bool>> postgres_ledger::take_turn(std::int64_t holder, std::chrono::milliseconds period) {
  pg_transaction work;
  work.add(take_turn_row, holder, static_cast<std::int64_t>(period.count()), turn_millis);
  const pg_verdict verdict = co_await commit_change(work);
  if (verdict != pg_verdict::done) co_return std::nullopt;
  co_return work.count(0, take_turn_row) > 0;
}

task<bool> postgres_ledger::keep_turn(std::int64_t holder) {
  pg_transaction work;
  work.add(keep_turn_row, holder, turn_millis);
  const pg_verdict verdict = co_await commit_change(work);
  co_return verdict == pg_verdict::done&& work.count(0, keep_turn_row) > 0;
}

task<bool> postgres_ledger::end_turn(std::int64_t holder) {
  pg_transaction work;
  work.add(end_turn_row, holder);
  const pg_verdict verdict = co_await commit_change(work);
  co_return verdict == pg_verdict::done;
}

task<std::optional<std::int64_t>> postgres_ledger::begin_run(processor_index processor, time_window window) {
  const bool known = co_await learn_processors();
  if (!known) co_return std::nullopt;
  pg_transaction work;
  work.add(begin_run_row, number_of(processor), window.from, window.to);
  const pg_verdict verdict = co_await commit_change(work);
  if (verdict != pg_verdict::done) co_return std::nullopt;
  co_return work.row(0, begin_run_row, 0).number;
}

task<bool> postgres_ledger::end_run(reconciliation_run run) {
  constexpr auto days = static_cast<std::int64_t>(reconciliations_kept.count());
  pg_transaction work;
  work.add(end_run_row, run.id, static_cast<std::int16_t>(run.status),
           static_cast<std::int64_t>(run.ours.requests), run.ours.amount_cents,
           static_cast<std::int64_t>(run.theirs.requests), run.theirs.amount_cents, run.matched,
           std::string_view{run.error});
  work.add(forget_findings, days);
  work.add(forget_runs, days);
  const pg_verdict verdict = co_await commit_change(work);
  co_return verdict == pg_verdict::done;
}

task<bool> postgres_ledger::keep_finding(std::int64_t run, reconciliation_finding finding) {
  const bool known = co_await learn_processors();
  if (!known) co_return false;
  const std::string subject = finding.subject();
  const std::string line = std::string{to_string(finding.state)} + ": " + finding.history;
  const std::int16_t processor = number_of(finding.processor);
  const auto kind = static_cast<std::int16_t>(finding.kind);
  pg_transaction work;
  work.add(hold_finding, processor, kind, std::string_view{subject});
  work.add(note_finding, processor, kind, std::string_view{subject}, run, finding.payment,
           finding.window.from, finding.window.to, static_cast<std::int64_t>(finding.ours.requests),
           finding.ours.amount_cents, static_cast<std::int64_t>(finding.theirs.requests),
           finding.theirs.amount_cents, static_cast<std::int16_t>(finding.state), std::string_view{line});
  const pg_verdict verdict = co_await commit_change(work);
  co_return verdict == pg_verdict::done;
}

task<explanation> postgres_ledger::explain(std::int64_t finding, std::string reason) {
  const bool known = co_await learn_processors();
  if (!known) co_return explanation{explanation::verdict::unavailable};
  pg_transaction work;
  work.add(explain_row, finding, std::string_view{reason});
  work.add(know_finding, finding);
  const pg_verdict verdict = co_await commit_change(work);
  if (verdict != pg_verdict::done) co_return explanation{explanation::verdict::unavailable};
  if (work.count(0, explain_row) == 0)
    co_return explanation{work.count(1, know_finding) > 0 ? explanation::verdict::not_open
                                                          : explanation::verdict::no_such_finding};
  const finding_row row = work.row(0, explain_row, 0);
  co_return explanation{explanation::verdict::done, finding_of(row, index_of(row.processor))};
}

task<std::optional<std::optional<time_window>>> postgres_ledger::unfinished(processor_index processor) {
  const bool known = co_await learn_processors();
  if (!known) co_return std::nullopt;
  pg_transaction work;
  work.add(find_unfinished, number_of(processor));
  const pg_verdict verdict = co_await commit_read(work);
  if (verdict != pg_verdict::done) co_return std::nullopt;
  std::optional<time_window> found;
  if (work.count(0, find_unfinished) > 0) {
    const window_row row = work.row(0, find_unfinished, 0);
    found = time_window{row.from, row.to};
  }
  co_return std::optional(found);
}

task<std::optional<std::optional<wall_time>>> postgres_ledger::reconciled_until(processor_index processor) {
  const bool known = co_await learn_processors();
  if (!known) co_return std::nullopt;
  pg_transaction work;
  work.add(find_until, number_of(processor));
  const pg_verdict verdict = co_await commit_read(work);
  if (verdict != pg_verdict::done) co_return std::nullopt;
  co_return std::optional(work.row(0, find_until, 0).until);
}

task<std::optional<std::vector<reconciliation_finding>>> postgres_ledger::open_of(processor_index processor,
                                                                                  std::size_t limit) {
  const bool known = co_await learn_processors();
  if (!known) co_return std::nullopt;
  pg_transaction work;
  work.add(find_open, number_of(processor), static_cast<std::int64_t>(limit));
  const pg_verdict verdict = co_await commit_read(work);
  if (verdict != pg_verdict::done) co_return std::nullopt;
  std::vector<reconciliation_finding> found;
  for (std::size_t i = 0; i < work.count(0, find_open); ++i)
    found.push_back(finding_of(work.row(0, find_open, i), processor));
  co_return found;
}

task<std::optional<open_findings>> postgres_ledger::count_open() {
  const bool known = co_await learn_processors();
  if (!known) co_return std::nullopt;
  pg_transaction work;
  work.add(count_open_rows, std::span<const std::int16_t>{numbers_});
  const pg_verdict verdict = co_await commit_read(work);
  if (verdict != pg_verdict::done) co_return std::nullopt;
  open_findings counted{};
  for (std::size_t i = 0; i < work.count(0, count_open_rows); ++i) {
    const open_count row = work.row(0, count_open_rows, i);
    counted[static_cast<std::size_t>(row.kind)] = static_cast<std::uint64_t>(row.count);
  }
  co_return counted;
}

task<std::optional<std::vector<reconciliation_run>>> postgres_ledger::read_runs(std::int64_t before,
                                                                                std::size_t limit) {
  const bool known = co_await learn_processors();
  if (!known) co_return std::nullopt;
  pg_transaction work;
  work.add(find_runs, before, static_cast<std::int64_t>(limit));
  pg_verdict verdict = co_await commit_read(work);
  if (verdict != pg_verdict::done) co_return std::nullopt;
  std::vector<reconciliation_run> read;
  std::vector<std::int64_t> ids;
  for (std::size_t i = 0; i < work.count(0, find_runs); ++i) {
    const run_row row = work.row(0, find_runs, i);
    reconciliation_run& run = read.emplace_back();
    run.id = row.id;
    run.processor = index_of(row.processor);
    run.window = {row.from, row.to};
    run.status = static_cast<run_status>(row.status);
    run.ours = total_of(row.our_requests, row.our_cents);
    run.theirs = total_of(row.their_requests, row.their_cents);
    run.matched = row.matched;
    run.started_at = row.started_at;
    run.ended_at = row.ended_at;
    run.error = row.error;
    ids.push_back(row.id);
  }
  work.clear();
  work.add(find_of_runs, std::span<const std::int64_t>{ids}, static_cast<std::int64_t>(findings_a_run_max));
  verdict = co_await commit_read(work);
  if (verdict != pg_verdict::done) co_return std::nullopt;
  for (std::size_t i = 0; i < work.count(0, find_of_runs); ++i) {
    const finding_row row = work.row(0, find_of_runs, i);
    const auto run = std::ranges::find(read, row.run, &reconciliation_run::id);
    run->findings.push_back(finding_of(row, index_of(row.processor)));
  }
  co_return read;
}

} // namespace repasse
