// What administrators note in the audit trail of the PostgreSQL ledger, and what they declare of payments in
// doubt. A declaration is an entry of the trail; the newest of a payment stands, unless it is that the
// payment is processed and an entry sets that aside: that it is rejected may have been declared just before
// such an entry.
#include "storage/postgres_ledger.hpp"

#include "storage/postgres_statements.hpp"

#include <algorithm>

namespace repasse {
namespace {

using namespace postgres;

constexpr pg_statement<pg_nothing(payment_id, std::int32_t, std::string_view, std::string_view)> add_note{
    "note", "INSERT INTO audit (correlation_id, epoch, event, detail) VALUES ($1, $2, $3, $4)"};

/// For the owner, who knows the processor; those known here are $4.
constexpr pg_statement<numbered(payment_id, std::string_view, std::string_view,
                                std::span<const std::int16_t>)>
    note_declaration{"declare", R"(
INSERT INTO audit (correlation_id, epoch, event, detail)
SELECT correlation_id, 0, $2, $3 FROM payments
 WHERE correlation_id = $1 AND status = 2 AND processor = ANY ($4::smallint[])
RETURNING epoch)"};

/// Nobody who lives may know the processor: those known here are $5. An owner that is over has sent nothing
/// later than 3 s after its last beat. Whoever takes the row over meanwhile is first, or finds it final.
constexpr pg_statement<numbered(payment_id, std::int16_t, std::optional<wall_time>, std::optional<wall_time>,
                                std::span<const std::int16_t>, std::int64_t, std::int16_t, std::string_view,
                                std::string_view)>
    end_abandoned{"declare_abandoned", R"(
WITH done AS (
  UPDATE payments p
     SET status = $2::smallint, version = p.version + 1, requested_at = $3, processed_at = $4
   WHERE p.correlation_id = $1 AND p.status IN (1, 2) AND NOT p.processor = ANY ($5::smallint[])
     AND EXISTS (SELECT FROM epochs e
                  WHERE e.epoch = p.owner AND e.marked AND e.last_beat <= clock_timestamp() - interval '63 s')
  RETURNING p.correlation_id, p.processor, p.amount_cents),
booked AS (
  INSERT INTO deltas (second, processor, requests, amount_cents, millis, cents)
  SELECT $6, processor, 1, amount_cents, ARRAY[$7::smallint], ARRAY[amount_cents::bigint] FROM done WHERE $2::smallint = 3),
audited AS (
  INSERT INTO audit (correlation_id, epoch, event, detail) SELECT correlation_id, 0, $8, $9 FROM done)
SELECT 0 FROM done)"};

struct declared_row {
  payment_id id{};
  std::string event;
  std::string detail;
  std::int64_t age_millis = 0;
};
constexpr pg_statement<declared_row(std::span<const payment_id>)> read_declarations{"declarations", R"(
SELECT w.id, a.event, a.detail, (extract(epoch FROM clock_timestamp() - a.at) * 1000)::bigint
  FROM unnest($1::uuid[]) AS w (id),
       LATERAL (SELECT event, detail, at FROM audit s
                 WHERE s.correlation_id = w.id AND s.event IN ('declared processed', 'declared rejected')
                   AND NOT EXISTS (SELECT FROM audit g WHERE g.correlation_id IS NULL AND g.at > s.at)
                 ORDER BY s.at DESC LIMIT 1) AS a
 WHERE a.event = 'declared rejected'
    OR NOT EXISTS (SELECT FROM audit s
                    WHERE s.correlation_id = w.id AND s.event = 'declaration set aside' AND s.at > a.at))"};

} // namespace

void postgres::add_word_statements(std::vector<const pg_prototype*>& to) {
  to.insert(to.end(), {&add_note.prototype(), &note_declaration.prototype(), &end_abandoned.prototype()});
}

void postgres::add_word_reads(std::vector<const pg_prototype*>& to) {
  to.push_back(&read_declarations.prototype());
}

task<ledger_status> postgres_ledger::note(payment_id id, audit_entry entry) {
  pg_transaction work;
  work.add(add_note, id, static_cast<std::int32_t>(entry.by), entry.what, entry.detail);
  const pg_verdict verdict = co_await commit_change(work);
  co_return postgres::status_of(verdict);
}

task<ledger_status> postgres_ledger::declare(declaration& what) {
  const bool known = co_await learn_processors();
  if (!known) co_return ledger_status::unavailable;
  const bool is_processed = what.outcome == payment_status::processed;
  std::optional<wall_time> requested_at;
  std::optional<wall_time> processed_at;
  if (is_processed) {
    requested_at = what.requested_at;
    processed_at = clock_.wall();
  }
  const auto second = std::chrono::floor<std::chrono::seconds>(what.requested_at);
  const std::string event = event_of(what);
  const std::string detail = detail_of(what);
  pg_transaction work;
  work.add(note_declaration, what.id, event, detail, numbers_);
  work.add(end_abandoned, what.id, postgres::number_of(what.outcome), requested_at, processed_at, numbers_,
           static_cast<std::int64_t>(second.time_since_epoch().count()),
           static_cast<std::int16_t>((what.requested_at - second).count()), event, detail);
  const pg_verdict verdict = co_await commit_change(work);
  if (verdict != pg_verdict::done) co_return postgres::status_of(verdict);
  what.answer = work.count(0, note_declaration) > 0 ? declaration::verdict::noted
                : work.count(1, end_abandoned) > 0  ? declaration::verdict::done
                                                    : declaration::verdict::refused;
  co_return ledger_status::done;
}

task<std::optional<std::vector<declaration>>> postgres_ledger::declarations(std::span<const payment_id> ids) {
  pg_transaction work;
  work.add(read_declarations, ids);
  const pg_verdict verdict = co_await commit_read(work);
  if (verdict != pg_verdict::done) co_return std::nullopt;
  std::vector<declaration> found;
  for (std::size_t i = 0; i < work.count(0, read_declarations); ++i) {
    const declared_row row = work.row(0, read_declarations, i);
    declaration one{.id = row.id};
    if (!read_declaration(row.event, row.detail, one)) continue;
    one.age = std::chrono::milliseconds{std::max<std::int64_t>(0, row.age_millis)};
    found.push_back(std::move(one));
  }
  co_return found;
}

} // namespace repasse
