// The schema's steps in a real database: several instances at once, a step that fails, one that does not
// end, an older program beside a newer one. What is said is unit/migrations_test's.
#include "storage/migrations.hpp"
#include "test/integration/pg_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <memory>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr migration first{1, "create_a", "-- works with: 1\nCREATE TABLE a (b integer); -- no end",
                          "DROP TABLE a;"};
constexpr migration second{
    2, "index_a", "-- works with: 1\n-- without a transaction\nCREATE INDEX CONCURRENTLY a_b ON a (b);",
    "DROP INDEX IF EXISTS a_b;"};
constexpr migration third{3, "narrow_a", "-- works with: 3\nALTER TABLE a ALTER b TYPE smallint;",
                          "ALTER TABLE a ALTER b TYPE integer;"};
constexpr std::array all{first, second, third};
constexpr std::array without_third{first, second};

/// The server with an empty schema, and any number of programs that migrate there.
struct empty_schema {
  empty_schema() { server.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION repasse"); }

  struct program {
    program(loop& of, const std::string& url, std::span<const migration> known)
        : connection(of, {.url = url,
                          .application_name = "test",
                          .statements = {},
                          .settings = {migrations::connection_setting}}),
          steps(connection.link, known) {
      connection.until_connected();
    }
    kept_connection connection;
    migrations steps;
  };
  std::unique_ptr<program> start(std::span<const migration> known = all) {
    return std::make_unique<program>(reactor, server.url(), known);
  }

  migration_report up(program& one) { return reactor.await(one.steps.up(due())); }
  migration_report down(program& one) { return reactor.await(one.steps.down(due())); }
  migration_report status(program& one) { return reactor.await(one.steps.status(due())); }
  steady_time due() const { return reactor.time.now() + 10s; }
  std::string sql(const std::string& text) {
    return server.sql("SET client_min_messages = error; SET ROLE repasse; " + text);
  }

  postgres_server& server = shared_server();
  loop reactor;
};

std::string said(const migration_report& report) { return report.reason; }

} // namespace

BOOST_FIXTURE_TEST_SUITE(migrations_test, empty_schema)

BOOST_AUTO_TEST_CASE(looking_writes_nothing) {
  const auto one = start();
  BOOST_TEST((status(*one).verdict == schema_verdict::behind));
  BOOST_TEST(sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").find('0') !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(up_applies_all_in_order_and_down_undoes_the_last) {
  const auto one = start();
  const auto report = up(*one);
  BOOST_TEST((report.verdict == schema_verdict::right), said(report));
  BOOST_TEST(report.version == 3);
  const std::vector<std::string> done{"applied 000001_create_a", "applied 000002_index_a",
                                      "applied 000003_narrow_a"};
  BOOST_TEST(report.done == done, boost::test_tools::per_element());
  BOOST_TEST(up(*one).done.empty());
  for (int version = 3; version > 0; --version) {
    const auto undone = down(*one);
    BOOST_TEST(undone.done.size() == 1);
    BOOST_TEST(undone.version == version - 1);
  }
  BOOST_TEST(down(*one).done.empty());
  BOOST_TEST((up(*one).verdict == schema_verdict::right));
}

BOOST_AUTO_TEST_CASE(instances_that_come_at_once_apply_each_step_once) {
  std::vector<std::unique_ptr<program>> programs;
  std::vector<loop::started<migration_report>> reports;
  for (int i = 0; i < 4; ++i)
    programs.push_back(start());
  for (const auto& one : programs)
    reports.push_back(reactor.start(one->steps.up(due())));
  std::size_t done = 0;
  for (const auto& one : reports) {
    const migration_report report = reactor.await(one);
    // One that met the second step under way sees it as not ended, and looks again later.
    const bool fine =
        report.verdict == schema_verdict::right || said(report).find("has not ended") != std::string::npos;
    BOOST_TEST(fine, said(report));
    done += report.done.size();
  }
  BOOST_TEST(done == 3);
  for (const auto& one : programs)
    BOOST_TEST((up(*one).verdict == schema_verdict::right));
}

BOOST_AUTO_TEST_CASE(a_step_that_fails_leaves_nothing_and_says_why) {
  const auto one = start(without_third);
  BOOST_TEST((up(*one).verdict == schema_verdict::right));
  sql("INSERT INTO a VALUES (100000)");
  const auto newer = start();
  const auto report = up(*newer);
  BOOST_TEST((report.verdict == schema_verdict::unusable));
  BOOST_TEST(report.version == 2, said(report));
  BOOST_TEST(said(report).find("migration 000003_narrow_a was not applied: ") != std::string::npos,
             said(report));
  BOOST_TEST(said(report).find("out of range") != std::string::npos, said(report));
  BOOST_TEST((status(*one).verdict == schema_verdict::right));
  sql("DELETE FROM a");
  BOOST_TEST((up(*newer).verdict == schema_verdict::right));
}

BOOST_AUTO_TEST_CASE(a_step_outside_a_transaction_that_fails_is_undone_and_tried_again) {
  sql("CREATE TABLE a (b text)");
  const migration adopted{1, "adopt_a", "-- works with: 1\nSELECT 1", "SELECT 1"};
  const migration unique{
      2, "index_a",
      "-- works with: 1\n-- without a transaction\nCREATE UNIQUE INDEX CONCURRENTLY a_b ON a (b);",
      "DROP INDEX IF EXISTS a_b;"};
  const std::array known{adopted, unique};
  sql("INSERT INTO a VALUES ('x'), ('x')");
  const auto one = start(known);
  const auto failed = up(*one);
  BOOST_TEST((failed.verdict == schema_verdict::unusable));
  BOOST_TEST(said(failed).find("has not ended") != std::string::npos, said(failed));
  BOOST_TEST(said(failed).find("could not create unique index") != std::string::npos, said(failed));
  BOOST_TEST(up(*one).done.empty());
  BOOST_TEST((down(*one).verdict == schema_verdict::behind));
  sql("DELETE FROM a");
  BOOST_TEST((up(*one).verdict == schema_verdict::right));
}

BOOST_AUTO_TEST_CASE(an_older_program_goes_on_where_the_newer_schema_lets_it) {
  const auto newest = start();
  const auto old = start(std::span{all}.first(1));
  const auto middle = start(without_third);
  BOOST_TEST((up(*middle).verdict == schema_verdict::right));
  BOOST_TEST((up(*old).verdict == schema_verdict::right));
  BOOST_TEST(up(*old).version == 2);
  BOOST_TEST((up(*newest).verdict == schema_verdict::right));
  for (const auto* one : {&old, &middle}) {
    BOOST_TEST(said(up(**one)).find("run a newer repasse") != std::string::npos);
    BOOST_TEST(said(down(**one)).find("version 3 is not known") != std::string::npos);
  }
  BOOST_TEST(status(*newest).version == 3);
}

BOOST_AUTO_TEST_CASE(a_lock_held_by_another_is_not_waited_for_for_long) {
  const auto one = start();
  const auto other = start();
  const std::string holding = "SELECT pg_advisory_xact_lock(7265706173736501); SELECT pg_sleep(6)";
  const auto held = reactor.start(other->connection.link.script(holding, due()));
  reactor.until([&] {
    return sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").find('1') != std::string::npos;
  });
  const auto report = up(*one);
  BOOST_TEST((report.verdict == schema_verdict::unavailable), said(report));
  BOOST_TEST(said(report).find("was not applied") != std::string::npos, said(report));
  reactor.await(held);
  BOOST_TEST((up(*one).verdict == schema_verdict::right));
}

BOOST_AUTO_TEST_CASE(what_is_embedded_comes_and_goes_and_the_payments_are_estimated) {
  const auto one = start(embedded_migrations());
  const auto report = up(*one);
  BOOST_TEST((report.verdict == schema_verdict::right), said(report));
  sql("ANALYZE payments");
  BOOST_TEST(reactor.await(one->steps.payments_held(due())).value_or(-1) == 0);
  for (int version = report.version; version > 0; --version)
    BOOST_TEST(down(*one).version == version - 1);
  BOOST_TEST(!reactor.await(one->steps.payments_held(due())));
  BOOST_TEST((up(*one).verdict == schema_verdict::right));
}

BOOST_AUTO_TEST_CASE(months_of_the_audit_trail_are_made_ahead_and_come_back_into_the_rest) {
  const auto one = start(embedded_migrations());
  BOOST_TEST((up(*one).verdict == schema_verdict::right));
  const auto parts = [&] {
    return sql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit'::regclass");
  };
  const char* const make = "SELECT make_audit_partitions()";
  BOOST_TEST(parts() == "4");
  BOOST_TEST(sql(make) == "0");
  const auto write = [&](int months) {
    sql("INSERT INTO audit (at, epoch, event, detail) VALUES (now() + interval '" + std::to_string(months) +
        " months', 1, 'test', '')");
  };
  for (int months = -1; months <= 3; ++months)
    write(months);
  BOOST_TEST(sql("SELECT count(*) FROM audit_rest") == "2");
  while (down(*one).version > 1) {
  }
  BOOST_TEST(sql("SELECT count(*) FROM audit_rest") == "5");
  BOOST_TEST((up(*one).verdict == schema_verdict::right)); // what has begun in the rest stays there
  BOOST_TEST(parts() == "1");
  sql("DELETE FROM audit");
  BOOST_TEST(sql(make) == "3");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
