#include "storage/planted_sql.hpp"

#include "storage/check.hpp"
#include "storage/planted.hpp"

#include <string_view>

namespace repasse {
namespace {

/// What an error makes of a statement.
struct edit {
  planted error;
  std::string_view statement;
  std::string_view from;
  std::string_view to;
};

constexpr edit edits[] = {
    {planted::amend_without_version, "amend", " AND p.version = w.version", ""},
    {planted::settle_without_returning, "settle", "FROM done GROUP BY 1, 2",
     "FROM (SELECT w.place, w.processor, p.amount_cents"
     " FROM unnest($1::uuid[], $5::smallint[]) WITH ORDINALITY AS w (id, processor, place)"
     " JOIN payments p ON p.correlation_id = w.id) AS asked GROUP BY 1, 2"},
    {planted::append_past_mark, "append", "epoch = $1 AND NOT marked", "epoch = $1"},
    {planted::no_mark, "mark_silent", "SET marked = true", "SET marked = false"},
    {planted::no_mark, "list_marked", "WHERE marked",
     "WHERE (marked OR last_beat <= clock_timestamp() - interval '5 s')"},
    {planted::no_fence, "list_marked", "COALESCE(fence <= pg_snapshot_xmin(pg_current_snapshot()), false)",
     "true"},
    {planted::early_fence, "end_epoch", "SET marked = true",
     "SET marked = true, fence = pg_current_xact_id()"},
    {planted::early_fence, "mark_silent", "SET marked = true",
     "SET marked = true, fence = pg_current_xact_id()"},
    {planted::late_number, "begin_write", "pg_current_xact_id()", "now()"},
};

} // namespace

std::string sql_of(const pg_prototype& statement) {
  std::string text = statement.sql;
  for (const edit& one : edits) {
    if (!is_planted(one.error) || one.statement != statement.name) continue;
    const std::size_t at = text.find(one.from);
    REPASSE_CHECK(at != std::string::npos);
    text.replace(at, one.from.size(), one.to);
  }
  return text;
}

} // namespace repasse
