#include "test/integration/ledger_server.hpp"

#include "storage/migrations.hpp"

namespace repasse {
namespace {

void migrate(const std::string& url) {
  loop reactor;
  pg_connection::config how;
  how.url = url;
  how.application_name = "repasse test";
  pg_connection connection(reactor.time, how);
  reactor.start(connection.run());
  migrations steps(connection);
  const migration_report report = reactor.await(steps.up(reactor.time.now() + std::chrono::seconds{10}));
  BOOST_REQUIRE_MESSAGE(report.verdict == schema_verdict::right, report.reason);
  connection.stop();
  reactor.turn();
}

} // namespace

postgres_server& ledger_server_running() {
  static postgres_server server;
  static const bool migrated = (migrate(server.url()), true);
  static_cast<void>(migrated);
  return server;
}

postgres_server& ledger_server() {
  postgres_server& server = ledger_server_running();
  if (!server.is_running()) server.start();
  server.sql(
      "TRUNCATE payments, deltas, totals, milliseconds, reconciliation_runs, reconciliation_findings, audit;"
      "UPDATE processors SET failing = NULL, min_response_millis = NULL, probed_at = NULL, probed_by = NULL;"
      "UPDATE epochs SET marked = true, swept = true, open_from = '{}', open_until = '{}'");
  return server;
}

test_ledger::test_ledger(loop& of, const std::string& url, std::uint32_t number,
                         std::vector<std::string> processors)
    : loop_(of) {
  schema_.found_right(1);
  postgres_ledger::config how;
  how.url = url;
  how.processors = std::move(processors);
  how.instance = "test";
  how.number = number;
  for (std::chrono::nanoseconds* const limit :
       {&how.append_limit, &how.beat_limit, &how.read_limit, &how.take_limit})
    *limit *= 6; // the machine may be busy
  ledger_ = std::make_unique<postgres_ledger>(loop_.time, how, schema_);
  ledger_->start();
}

test_ledger::~test_ledger() {
  ledger_->stop();
  loop_.until([this] { return ledger_->has_stopped(); });
}

void test_ledger::until_up() {
  loop_.until([this] { return ledger_->health().is_up; });
}

postgres_fixture::postgres_fixture(const std::string& url) : ledger_(loop_, url) { ledger_.until_up(); }

void postgres_fixture::advance(std::chrono::milliseconds time) {
  const std::string span = "interval '" + std::to_string(time.count()) + " ms'";
  ledger_server_running().sql("UPDATE epochs SET last_beat = last_beat - " + span +
                              ", steady_since = steady_since - " + span + "; UPDATE audit SET at = at - " +
                              span);
}

} // namespace repasse
