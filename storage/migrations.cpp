#include "storage/migrations.hpp"

#include <boost/crc.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <utility>

namespace repasse {
namespace {

constexpr std::string_view works_with_mark = "-- works with: ";
constexpr std::string_view without_transaction_mark = "-- without a transaction";

// One for all instances; any number that nobody else uses.
constexpr const char* take_lock = "SELECT pg_advisory_xact_lock(7265706173736501);\n";

constexpr const char* look = "SELECT to_regclass('schema_migrations') IS NOT NULL";

constexpr const char* create_table = R"(CREATE TABLE IF NOT EXISTS schema_migrations (
  version    integer PRIMARY KEY,
  name       text NOT NULL,
  checksum   text NOT NULL,
  works_with integer NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now(),
  dirty      boolean NOT NULL))";

constexpr const char* read_rows = R"(SELECT version, name, checksum, works_with, dirty,
  to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
FROM schema_migrations ORDER BY version)";

// A table never analyzed has -1. A partitioned one counts its partitions.
constexpr const char* estimate = R"(SELECT CASE WHEN min(reltuples) >= 0 THEN sum(reltuples)::bigint END
FROM pg_class WHERE oid = to_regclass('payments') AND relkind = 'r'
  OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('payments')))";

/// One transaction, as a string of statements is, of one instance at a time.
std::string locked(std::initializer_list<std::string_view> statements) {
  std::string sql = take_lock;
  for (const auto statement : statements)
    sql.append(statement).append("\n;\n"); // one may end with a comment
  return sql;
}

/// Ends the transaction unless the schema is still as it was when this step was chosen.
std::string expect_version(int version) {
  return fmt::format(R"(DO $$BEGIN
  IF (SELECT coalesce(max(version), 0) FROM schema_migrations) <> {} THEN
    RAISE EXCEPTION 'another instance has changed the schema';
  END IF;
END$$)",
                     version);
}

std::string insert_row(const migration& step, bool dirty) {
  return fmt::format("INSERT INTO schema_migrations (version, name, checksum, works_with, dirty) "
                     "VALUES ({}, '{}', '{}', {}, {})",
                     step.version, step.name, step.checksum(), step.works_with(), dirty);
}

std::string_view line_of(std::string_view text, int number) {
  for (; number > 0 && !text.empty(); --number)
    text.remove_prefix(std::min(text.size(), text.find('\n') + 1));
  return text.substr(0, text.find('\n'));
}

int number_in(std::string_view text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string title_of(int version, std::string_view name) { return fmt::format("{:06}_{}", version, name); }

/// nullopt if it is as it should be.
std::optional<std::string> trouble_of(const migration& known, const applied_migration& row) {
  if (row.dirty)
    return fmt::format("migration {} was begun at {} and has not ended: part of it may be there. When no "
                       "instance is at work on it any more, undo it by `repasse migrate down`, then run "
                       "`repasse migrate up`",
                       known.title(), row.at);
  if (row.checksum != known.checksum())
    return fmt::format("migration {} is not the one that was applied at {} (checksum {}, not {}): run the "
                       "version that it was applied by; what is to change belongs in a migration of its own",
                       known.title(), row.at, known.checksum(), row.checksum);
  return std::nullopt;
}

std::optional<std::string> trouble_of_unknown(const applied_migration& row, int own_version) {
  if (row.version <= own_version)
    return fmt::format("migration {}, applied at {}, is not known to this program of schema version {}: "
                       "another program shares the table schema_migrations",
                       title_of(row.version, row.name), row.at, own_version);
  if (row.works_with > own_version)
    return fmt::format("the schema has version {}, which works with programs of schema version {} and later; "
                       "this one is of {}: run a newer repasse, or undo the migration with it "
                       "(`repasse migrate down`)",
                       row.version, row.works_with, own_version);
  return std::nullopt;
}

/// The same step would fail again: a key that is there twice is there twice.
bool is_refused(const pg_connection::script_result& result) {
  return result.verdict == pg_verdict::refused || result.verdict == pg_verdict::overtaken;
}

migration_report failed(schema_verdict verdict, std::string reason) {
  migration_report report;
  report.verdict = verdict;
  report.reason = std::move(reason);
  return report;
}

/// Makes `report` say that `what` happened, and why.
void blame(migration_report& report, const pg_connection::script_result& result, std::string_view what) {
  const bool is_final = is_refused(result);
  report.verdict = is_final ? schema_verdict::unusable : schema_verdict::unavailable;
  report.reason = fmt::format("{}: {}", what, result.error.empty() ? "no answer" : result.error);
}

migration_report failed(const pg_connection::script_result& result, std::string_view what) {
  migration_report report;
  blame(report, result, what);
  return report;
}

bool has_columns(const pg_connection::script_result& result, std::size_t count) {
  return std::ranges::all_of(result.rows, [count](const auto& row) { return row.size() == count; });
}

} // namespace

std::string migration::title() const { return title_of(version, name); }

std::string migration::checksum() const {
  boost::crc_32_type sum;
  sum.process_bytes(up.data(), up.size());
  return fmt::format("{:08x}", sum.checksum());
}

int migration::works_with() const {
  const auto line = line_of(up, 0);
  return line.starts_with(works_with_mark) ? number_in(line.substr(works_with_mark.size())) : 0;
}

bool migration::is_in_transaction() const { return line_of(up, 1) != without_transaction_mark; }

migration_report judge(std::span<const migration> known, std::span<const applied_migration> applied) {
  migration_report report;
  const int own_version = known.empty() ? 0 : known.back().version;
  report.version = applied.empty() ? 0 : applied.back().version;
  bool is_behind = false;
  const auto tell = [&report](std::optional<std::string> trouble) { // the first of all
    if (trouble && report.reason.empty()) report.reason = std::move(*trouble);
    return trouble.has_value();
  };
  for (const migration& step : known) {
    const auto row = std::ranges::find(applied, step.version, &applied_migration::version);
    if (row != applied.end()) {
      const bool bad = tell(trouble_of(step, *row));
      report.steps.push_back(fmt::format("{}  applied {}{}", step.title(), row->at,
                                         !bad         ? ""
                                         : row->dirty ? ", not ended"
                                                      : ", changed since"));
      continue;
    }
    is_behind = true;
    report.steps.push_back(step.title() + "  pending");
    if (step.version < report.version)
      tell(fmt::format("migration {} is missing though {} is applied: somebody changed the table "
                       "schema_migrations; restore its row, or the database",
                       step.title(), report.version));
  }
  for (const applied_migration& row : applied) {
    if (std::ranges::find(known, row.version, &migration::version) != known.end()) continue;
    tell(trouble_of_unknown(row, own_version));
    report.steps.push_back(
        fmt::format("{}  applied {}, not known to this program", title_of(row.version, row.name), row.at));
  }
  report.verdict = !report.reason.empty() ? schema_verdict::unusable
                   : is_behind            ? schema_verdict::behind
                                          : schema_verdict::right;
  if (is_behind && report.reason.empty())
    report.reason = fmt::format("the schema has version {}, this program needs {}: run `repasse migrate up`",
                                report.version, own_version);
  return report;
}

task<migration_report> migrations::status(steady_time due) {
  const std::string looking = look;
  const auto looked = co_await connection_.script(looking, due);
  if (looked.verdict != pg_verdict::done || looked.rows.size() != 1 || !has_columns(looked, 1))
    co_return failed(looked, "the schema cannot be read");
  std::vector<applied_migration> applied;
  if (looked.rows.front().front() == "t") {
    const std::string reading = read_rows;
    const auto table = co_await connection_.script(reading, due);
    if (table.verdict != pg_verdict::done || !has_columns(table, 6))
      co_return failed(table, "the table schema_migrations cannot be read");
    for (const auto& row : table.rows)
      applied.push_back({number_in(row[0]), row[1], row[2], number_in(row[3]), row[4] == "t", row[5]});
  }
  co_return judge(known_, applied);
}

task<migration_report> migrations::up(steady_time due) {
  std::vector<std::string> done;
  migration_report report = co_await status(due);
  while (report.verdict == schema_verdict::behind) {
    const auto next = std::ranges::upper_bound(known_, report.version, {}, &migration::version);
    const migration step = *next;
    const auto result = co_await apply(step, report.version, due);
    // The database alone knows: the answer may have been lost, or another instance may have been first.
    migration_report after = co_await status(due);
    if (after.verdict == schema_verdict::behind && after.version <= report.version)
      blame(after, result, "migration " + step.title() + " was not applied");
    else if (after.verdict == schema_verdict::unusable && is_refused(result))
      after.reason += " (" + result.error + ")";
    if (result.verdict == pg_verdict::done) done.push_back("applied " + step.title());
    report = std::move(after);
  }
  report.done = std::move(done);
  co_return report;
}

task<pg_connection::script_result> migrations::apply(migration step, int from, steady_time due) {
  std::string sql = locked({create_table});
  auto result = co_await connection_.script(sql, due);
  if (result.verdict != pg_verdict::done) co_return result;
  const std::string guard = expect_version(from);
  const std::string row = insert_row(step, !step.is_in_transaction());
  const std::string_view changes = step.is_in_transaction() ? step.up : std::string_view{};
  sql = locked({guard, changes, row});
  result = co_await connection_.script(sql, due);
  if (result.verdict != pg_verdict::done || step.is_in_transaction()) co_return result;
  sql = step.up;
  result = co_await connection_.script(sql, due);
  if (result.verdict != pg_verdict::done) co_return result;
  sql = fmt::format("UPDATE schema_migrations SET dirty = false WHERE version = {}", step.version);
  co_return co_await connection_.script(sql, due);
}

task<migration_report> migrations::down(steady_time due) {
  const migration_report before = co_await status(due);
  if (before.verdict == schema_verdict::unavailable) co_return before;
  const int version = before.version;
  if (version == 0) co_return failed(schema_verdict::unusable, "no migration is applied");
  const auto last = std::ranges::find(known_, version, &migration::version);
  if (last == known_.end())
    co_return failed(
        schema_verdict::unusable,
        fmt::format("version {} is not known to this program: undo it with the one that applied it",
                    version));
  const std::string guard = expect_version(version);
  const std::string remove_row = fmt::format("DELETE FROM schema_migrations WHERE version = {}", version);
  const std::string sql = locked({guard, last->down, remove_row});
  const auto result = co_await connection_.script(sql, due);
  migration_report after = co_await status(due);
  if (after.verdict == schema_verdict::unavailable) co_return after;
  if (after.version >= version) co_return failed(result, "migration " + last->title() + " was not undone");
  after.done.push_back("undid " + last->title());
  co_return after;
}

task<std::optional<std::int64_t>> migrations::payments_held(steady_time due) {
  const std::string sql = estimate;
  const auto result = co_await connection_.script(sql, due);
  std::int64_t count = 0;
  if (result.verdict != pg_verdict::done || result.rows.size() != 1 || !has_columns(result, 1))
    co_return std::nullopt;
  const std::string& text = result.rows.front().front();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size()) co_return std::nullopt;
  co_return count;
}

} // namespace repasse
