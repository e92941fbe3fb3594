// How PostgreSQL runs each statement of the ledger over a million payments: with plans made while the tables
// were empty, as a connection that lived on keeps them, and with those made after an ANALYZE. No table is
// scanned, nothing is sorted on disk, and what is touched is bounded. REPASSE_OLDER_MILLIONS=9 in the
// environment puts nine million older payments before them.
#include "test/integration/ledger_statements.hpp"
#include "test/integration/sql_session.hpp"

#include <cstdlib>
#include <map>

namespace repasse {
namespace {

using namespace std::chrono_literals;

struct execution {
  std::string name;
  std::string arguments;
  std::uint64_t buffers_max;
};

/// The rows that statements work on: number i is `md5(i)`, accepted 10 ms after its forerunner.
constexpr const char* fill = R"(
SET synchronous_commit = off;
INSERT INTO processors (name) VALUES ('default'), ('fallback'), ('third');
INSERT INTO epochs (epoch, instance, open_from, open_until, marked, swept)
  SELECT i, 'test', ARRAY['2026-01-01'::timestamptz + interval '9000 s'], '{infinity}', i < 2000, i < 2000 FROM generate_series(1, 2001) AS i;
SELECT setval(pg_get_serial_sequence('epochs', 'epoch'), 5000);
UPDATE epochs SET beat = 1, steady_since = clock_timestamp() - interval '1 h' WHERE epoch >= 2000;
UPDATE epochs SET marked = true WHERE epoch = 2001;)";

/// Of the payments from $1 to $2.
constexpr const char* fill_payments = R"(
PREPARE fill_payments (integer, integer) AS
INSERT INTO payments (correlation_id, amount_cents, accepted_at, requested_at, processed_at, token, owner, version,
                      attempts, status, processor)
  SELECT md5(i::text)::uuid, 100 + abs(i), at, CASE WHEN done THEN at END, CASE WHEN done THEN at END, i,
         2000 + abs(i) % 2, 1, 1, CASE WHEN done THEN 3 ELSE 1 + abs(i) % 2 END, 1 + abs(i) % 3
    FROM (SELECT i, '2026-01-01'::timestamptz + i * interval '10 ms' AS at, i < 990000 OR i % 3 = 0 AS done
            FROM generate_series($1, $2) AS i) AS x)";

constexpr const char* fill_sums = R"(
INSERT INTO totals (level, begins, processor, requests, amount_cents)
  SELECT level, floor(1767225600 / span) * span + s * span, p, 1, 100
    FROM (VALUES (0, 1, 10000), (1, 60, 1500), (2, 3600, 700), (3, 86400, 30)) AS l (level, span, n),
         LATERAL generate_series(0, n) AS s, generate_series(1, 3) AS p;
INSERT INTO milliseconds (second, processor, millis, requests, cents)
  SELECT 1767225600 + s, p, '{1,2,3,500}', '{1,1,1,1}', '{1,2,3,4}'
    FROM generate_series(0, 10000) AS s, generate_series(1, 3) AS p;
UPDATE folded SET transaction = pg_current_xact_id(), minutes = 1767235560, hours = 1767232800, days = 1767225600;
INSERT INTO deltas (transaction, second, processor, requests, amount_cents, millis, cents)
  SELECT '0', i, 1, 1, 1, '{1}', '{1}' FROM generate_series(1, 20000) AS i;
INSERT INTO deltas (second, processor, requests, amount_cents, millis, cents)
  SELECT 1767235600 + i, 1, 1, 1, '{1}', '{1}' FROM generate_series(1, 100) AS i;
INSERT INTO audit (correlation_id, epoch, event, detail)
  SELECT md5(i::text)::uuid, 1, 'taken over', '' FROM generate_series(1, 50000) AS i;
INSERT INTO audit (correlation_id, epoch, event, detail)
  SELECT md5(i::text)::uuid, 1, 'in doubt', 'default, 1 sends, timed out' FROM generate_series(980001, 1000000) AS i;
INSERT INTO reconciliation_runs (processor, window_from, window_to, status)
  SELECT 1 + i % 3, '2026-01-01'::timestamptz + i * interval '1 h', '2026-01-01'::timestamptz + i * interval '1 h', 1
    FROM generate_series(1, 6000) AS i;
INSERT INTO reconciliation_findings (processor, kind, subject, run, window_from, window_to, our_requests, our_cents,
                                     their_requests, their_cents, state, history)
  SELECT 1, 1, i::text, i, '2026-01-01', '2026-01-02', 1, 1, 0, 0, 1, '' FROM generate_series(1, 5000) AS i;
INSERT INTO reconciliation_findings (processor, kind, subject, run, window_from, window_to, our_requests, our_cents,
                                     their_requests, their_cents, state, explained_at, history)
  SELECT 1, 1, i || ' x', i, '2025-01-01'::timestamptz + i * interval '1 h', '2026-01-02', 1, 1, 0, 0, 2, now(), ''
    FROM generate_series(1, 2000) AS i;
INSERT INTO reconciliation_findings (id, processor, kind, subject, run, window_from, window_to, our_requests, our_cents,
                                     their_requests, their_cents, state, history)
  OVERRIDING SYSTEM VALUE VALUES (-77, 1, 1, 'open', 1, '2026-01-01', '2026-01-02', 1, 1, 0, 0, 0, '');
RESET synchronous_commit)";

class plans {
public:
  plans() {
    for (const std::string& each : postgres::session_settings(60s, true))
      session.run(each);
    for (const pg_prototype* const one : all_statements())
      if (std::string_view{one->name} != "purge" && !prepared_[one->name]++) session.run(prepare_of(*one));
  }

  void check(const execution& what) {
    session.run("BEGIN");
    const auto lines = session.rows("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) EXECUTE " + what.name +
                                    what.arguments);
    session.run("ROLLBACK");
    std::string plan;
    for (const auto& line : lines)
      plan += line[0] + '\n';
    for (const char* const table :
         {"payments", "deltas", "totals", "milliseconds", "audit", "audit_rest", "epochs", "processors"})
      BOOST_TEST(plan.find(std::string{"Seq Scan on "} + table) == std::string::npos, what.name << '\n'
                                                                                                << plan);
    BOOST_TEST(plan.find("Disk:") == std::string::npos, what.name << '\n' << plan);
    plan.resize(std::min(plan.size(), plan.find("Planning:")));
    const std::uint64_t touched = buffers(plan);
    BOOST_TEST(touched <= what.buffers_max, what.name << what.arguments.substr(0, 100) << " touches "
                                                      << touched << '\n'
                                                      << plan);
    ++checked_[what.name];
    highest_[what.name] = std::max(highest_[what.name], touched);
  }
  /// So that its plan is made now.
  void execute(const execution& what) {
    session.run("BEGIN; EXECUTE " + what.name + what.arguments + "; ROLLBACK");
  }

  void report() {
    for (const auto& [name, times] : prepared_)
      BOOST_TEST(checked_[name] > 0, name);
    for (const auto& [name, touched] : highest_)
      BOOST_TEST_MESSAGE(name << " touches " << touched << " pages");
  }

  postgres_server& server = ledger_server();
  loop reactor;
  sql_session session{reactor, server.url()};

private:
  /// Of the part of the statement that touches most: what it changes is not counted by its head.
  static std::uint64_t buffers(const std::string& plan) {
    std::uint64_t most = 0;
    for (std::size_t line = 0; (line = plan.find("Buffers: shared", line)) != std::string::npos; ++line) {
      const std::string text = plan.substr(line, plan.find('\n', line) - line);
      std::uint64_t sum = 0;
      for (const std::string kind : {" hit=", " read="})
        if (const std::size_t at = text.find(kind); at != std::string::npos)
          sum += std::stoull(text.substr(at + kind.size()));
      most = std::max(most, sum);
    }
    return most;
  }

  std::map<std::string, int> prepared_;
  std::map<std::string, int> checked_;
  std::map<std::string, std::uint64_t> highest_;
};

std::string repeated(const std::string& value, int times, const std::string& type) {
  return "array_fill(" + value + "::" + type + ", ARRAY[" + std::to_string(times) + "])";
}

/// Of a hundred rows each.
std::vector<execution> executions(sql_session& by) {
  const auto array = [&](const std::string& of, int from) {
    const std::string text =
        by.value("SELECT array_agg(" + of + " ORDER BY md5(i::text)::uuid) FROM generate_series(" +
                 std::to_string(from) + ", " + std::to_string(from + 99) + ") AS i");
    return "'" + text + "'";
  };
  const std::string fresh = array("md5(i::text)::uuid", 2'000'000);
  const std::string open = array("md5((990001 + 3 * (i / 2) * 2)::text)::uuid", 0);
  const std::string ids = array("md5((990001 + 6 * i)::text)::uuid", 0);
  const std::string tokens = array("i", 2'000'000);
  const std::string time = repeated("'2026-01-01 02:45:30'", 100, "timestamptz");
  const std::string none = repeated("0", 100, "smallint");
  const std::string ones = repeated("1", 100, "smallint");
  const std::string zero = "'00000000-0000-0000-0000-000000000000'";
  const std::string traces = repeated(zero, 100, "uuid");
  const std::string owners = "ARRAY[2001]";
  std::vector<execution> all{
      {"begin_write", "", 5},
      {"append",
       "(2000, " + fresh + ", " + repeated("5", 100, "bigint") + ", " + time + ", " + tokens + ", " + none +
           ")",
       2'500},
      {"audit_conflicts", "(2000, " + ids + ", " + repeated("5", 100, "bigint") + ", " + traces + ")", 5'000},
      {"read_back", "(" + ids + ")", 700},
      {"is_marked", "(2000)", 10},
      {"amend",
       "(2000, " + ids + ", " + repeated("1", 100, "integer") + ", " + ones + ", " +
           repeated("2", 100, "smallint") + ", " + ones + ", " + repeated("'timed out'", 100, "text") + ", " +
           traces + ")",
       2'500},
      {"settle",
       "(" + ids + ", " + time + ", " + time + ", " + ones + ", '" +
           by.value("SELECT array_agg(1 + (990001 + 6 * i) % 3 ORDER BY md5((990001 + "
                    "6 * i)::text)::uuid) FROM generate_series(0, 99) AS i") +
           "', " + repeated("1767235530", 100, "bigint") + ", " + none + ")",
       3'000},
      {"audit_settled", "(" + ids + ", " + traces + ")", 700},
      {"name_processors", "(ARRAY['default', 'new one'])", 30},
      {"find_processors", "(ARRAY['default', 'third'])", 30},
      {"open_epoch", "('test', '2026-01-01')", 60},
      {"beat", "(2000, 5, '{2026-01-01, 2026-01-02}', '{2026-01-01 01:00, infinity}')", 60},
      {"note_probes", "(2000, 1, '{1, 3}', '{0, 1}', '{10, 2000}', '{0, 1500}')", 60},
      {"read_probes", "('{1, 2, 3}')", 20},
      {"end_epoch", "(2000)", 60},
      {"fence_marked", "", 60},
      {"mark_silent", "(2000)", 60},
      {"list_marked", "(2000)", 60},
      {"mark_swept", "(" + owners + ", '{0}', '{}', '{}')", 60},
      {"purge_patience", "", 5},
      {"purge_epochs", "", 200},
      {"wait_for_purge", "", 5},
      {"edition", "", 60},
      {"make_audit_partitions", "", 10},
      {"anything_to_fold", "", 10},
      {"lock_folds", "", 20},
      {"fold", "", 1'500},
      {"complete_minutes", "", 300},
      {"complete_hours", "", 100},
      {"complete_days", "", 100},
      {"find", "('" + by.value("SELECT md5('77')::uuid") + "')", 10},
      {"find", "('" + by.value("SELECT md5('999997')::uuid") + "')", 40},
      {"audit", "('" + by.value("SELECT md5('77')::uuid") + "')", 20},
      {"is_fresh", "", 20},
      {"note", "('" + by.value("SELECT md5('77')::uuid") + "', 0, 'asked again by hand', '')", 20},
      {"declare", "('" + by.value("SELECT md5('999997')::uuid") + "', 'declared rejected', 'x', '{1, 2, 3}')",
       20},
      {"declare_abandoned",
       "('" + by.value("SELECT md5('999997')::uuid") +
           "', 3, '2026-01-01', '2026-01-01', '{1}', 1767225600, 0, 'declared processed', 'x')",
       40},
      {"declarations", "(" + ids + ")", 3'000},
      {"begin_copy", "", 5},
      {"copy_changes",
       "('" + by.value("SELECT array_agg(1767225600 + i) FROM generate_series(1, 100) AS i") + "')", 1'200},
      {"copy_spans", "(0, 1, 1767229000, 1767229600)", 2'500},
      {"copy_spans", "(1, 60, 1767225600, 1767235600)", 800},
      {"copy_spans", "(2, 3600, 1767225600, 1767235600)", 600},
      {"copy_spans", "(3, 86400, -100000000000, 300000000000)", 1'200}};
  const std::vector<execution> comparing{
      {"reconciliation_take", "(1, 1, 15000)", 20},
      {"reconciliation_keep", "(1, 15000)", 20},
      {"reconciliation_end", "(1)", 20},
      {"reconciliation_begin", "(1::smallint, '2026-01-01', '2026-01-02')", 60},
      {"reconciliation_ended", "(1, 1::smallint, 1, 1, 1, 1, true, '')", 60},
      {"reconciliation_forget_findings", "(90)", 400},
      {"reconciliation_forget_runs", "(90)", 400},
      {"reconciliation_hold", "(1::smallint, 1::smallint, '77')", 20},
      {"reconciliation_note",
       "(1::smallint, 1::smallint, 'new', 1, NULL, '2026-01-01', '2026-01-02', 1, 1, 1, 1, 0::smallint, '')",
       60},
      {"reconciliation_unfinished", "(1::smallint)", 200},
      {"reconciliation_until", "(1::smallint)", 200},
      {"reconciliation_open", "(1::smallint, 200)", 400},
      {"reconciliation_of_runs", "('{1,2,3}', 1000)", 200},
      {"reconciliation_explain", "(-77, 'it was refunded')", 60},
      {"reconciliation_know", "(-77)", 20},
      {"reconciliation_count", "('{1,2}')", 400},
      {"reconciliation_runs", "(9223372036854775807, 101)", 60}};
  all.insert(all.end(), comparing.begin(), comparing.end());
  for (const std::string named : {"true", "false"})
    all.push_back({"take_over",
                   "(2000, 2000, " + owners + ", '2026-01-01 02:45:00', " + zero + ", " + named +
                       ", 256, ARRAY[1, 2, 3]::smallint[], '2026-01-01', 1)",
                   8'000});
  all.push_back({"look_at_own", "(2000, '2026-01-01 02:45:00', " + zero + ", 256)", 5'000});
  for (const std::string status : {"-1", "0", "1", "2", "3"})
    for (const std::string processor : {"-1", "1"})
      for (const std::string from : {"'-infinity'", "'2026-01-01 01:00'"})
        for (const std::string before : {"'infinity'", "'2026-01-01 02:00'"}) {
          const bool filters = status != "-1" || processor != "-1";
          all.push_back({"page",
                         "(" + before + ", " + zero + ", " + from + ", " + status + ", " + processor + ", " +
                             (filters ? "4096" : "101") + ", 101)",
                         filters ? 5'500U : 800U});
        }
  for (const std::string window :
       {"(-100000000000000, 300000000000000, -100000000000, 300000000000, -9223372036854775808, "
        "-9223372036854775808)",
        "(1767225600500, 1767235599500, 1767225601, 1767235599, 1767225600, 1767235599)",
        "(1767229000001, 1767229000900, 1767229001, 1767229001, 1767229000, -9223372036854775808)"})
    all.push_back({"summary", window, 1'200});
  return all;
}

BOOST_AUTO_TEST_SUITE(ledger_plans)

BOOST_AUTO_TEST_CASE(no_statement_scans_a_table_and_all_touch_little) {
  plans of;
  const std::vector<execution> all = executions(of.session);
  for (const execution& one : all)
    of.execute(one);
  of.session.run("SET statement_timeout = '60s'");
  const steady_time begun = of.reactor.time.now();
  of.session.run(fill);
  of.session.run(fill_payments);
  const char* const older = std::getenv("REPASSE_OLDER_MILLIONS");
  for (long million = older == nullptr ? 0 : -std::strtol(older, nullptr, 10); million <= 0; ++million)
    of.session.run("EXECUTE fill_payments (" + std::to_string(million * 1'000'000 + 1) + ", " +
                   std::to_string((million + 1) * 1'000'000) + ")");
  of.session.run(fill_sums);
  BOOST_TEST_MESSAGE("filled in " << (of.reactor.time.now() - begun) / 1ms << " ms");
  for (const bool is_analyzed : {false, true}) {
    if (is_analyzed) of.server.sql("ANALYZE");
    of.session.run("UPDATE epochs SET last_beat = clock_timestamp() WHERE epoch = 2000");
    for (const execution& one : all)
      of.check(one);
  }
  of.report();
}

BOOST_AUTO_TEST_CASE(plans_made_when_few_payments_were_analyzed_serve_many) {
  plans of;
  of.session.run(
      "TRUNCATE payments, deltas, totals, milliseconds, audit, epochs, processors RESTART IDENTITY");
  of.session.run(fill);
  of.session.run(fill_payments);
  of.session.run("EXECUTE fill_payments (1, 20)");
  of.server.sql("ANALYZE");
  const std::vector<execution> all = executions(of.session);
  for (const execution& one : all)
    of.execute(one);
  of.session.run("EXECUTE fill_payments (21, 50000)");
  of.session.run("UPDATE epochs SET last_beat = clock_timestamp() WHERE epoch = 2000");
  for (const execution& one : all)
    of.check(one);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
