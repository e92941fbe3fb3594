// A server that is there and does not serve: each call says so within its limit, and works again once the
// trouble is over, without a restart.
#include "test/integration/ledger_bench.hpp"
#include "test/integration/sql_session.hpp"

namespace repasse {
namespace {

/// A payment that can be appended, one that can be amended and one that can be settled.
struct three_payments {
  explicit three_payments(ledger_bench& of) : books(of), epoch(of.open()) {
    books.append(epoch, {posted(2), posted(3, 0)});
  }

  void check(ledger_status expected, bool beats) {
    std::vector<append_item> added{posted(1, 0)};
    std::vector<amend_item> chosen{
        {.id = id_of(2), .version = 1, .status = payment_status::sending, .processor = 1}};
    std::vector<settle_item> taken{witness(3, 0)};
    const steady_time begun = std::chrono::steady_clock::now();
    BOOST_TEST(books.run(books.get().append(epoch, added)) == expected);
    BOOST_TEST(books.run(books.get().amend(epoch, chosen)) == expected);
    BOOST_TEST(books.run(books.get().settle(taken)) == expected);
    BOOST_TEST(books.run(books.get().beat(epoch, {})).has_value() == beats);
    const auto lasted = std::chrono::steady_clock::now() - begun;
    BOOST_TEST((lasted < 3s), "it took " << lasted / 1ms << " ms");
    if (expected != ledger_status::done) return;
    BOOST_TEST(added[0].answer == appended::fresh);
    BOOST_TEST(chosen[0].applied);
    BOOST_TEST(taken[0].answer == settled::settled);
    BOOST_TEST(books.summarize()[0] == (processor_total{1, 1990}));
  }
  /// Reads too.
  void check_dark() {
    check(ledger_status::unavailable, false);
    std::vector<owned_row> rows(10);
    std::size_t count = 0;
    std::uint64_t position = 0;
    BOOST_TEST(!books.run(books.get().find(id_of(2))).has_value());
    BOOST_TEST(!books.run(books.get().summarize({})).has_value());
    BOOST_TEST(!books.run(books.get().read_page({})).has_value());
    BOOST_TEST(!books.run(books.get().audit(id_of(2))).has_value());
    BOOST_TEST(!books.run(books.get().open_epoch()).has_value());
    BOOST_TEST(books.run(books.get().adopt(epoch, rows, count)) == ledger_status::unavailable);
    BOOST_TEST(books.run(books.get().release(epoch, 10, count)) == ledger_status::unavailable);
    BOOST_TEST(books.run(books.get().unsettled(epoch, position, rows, count)) == ledger_status::unavailable);
    BOOST_TEST(books.run(books.get().end_epoch(epoch)) == ledger_status::unavailable);
    BOOST_TEST(books.run(books.get().purge()) == ledger_status::unavailable);
    BOOST_TEST(!books.get().health().trouble.empty());
  }

  ledger_bench& books;
  epoch_id epoch;
};

/// Rows of others are not waited for.
constexpr std::chrono::nanoseconds purge_max = 2500ms;

constexpr const char* end_all =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'repasse'";

BOOST_AUTO_TEST_SUITE(ledger_trouble)

BOOST_AUTO_TEST_CASE(a_full_disk_is_a_refusal_until_there_is_room) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench books(reactor, server.url());
  three_payments three(books);
  server.sql(
      "CREATE FUNCTION be_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
      " RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;"
      "CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION be_full()");
  three.check(ledger_status::unavailable, true);
  three.check(ledger_status::unavailable, true);
  server.sql("DROP TRIGGER full_disk ON payments; DROP FUNCTION be_full");
  books.until_up();
  three.check(ledger_status::done, true);
}

BOOST_AUTO_TEST_CASE(missing_rights_are_a_refusal_until_they_are_granted) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench books(reactor, server.url());
  three_payments three(books);
  server.sql("REVOKE INSERT, UPDATE ON payments FROM repasse");
  three.check(ledger_status::unavailable, true);
  server.sql("GRANT INSERT, UPDATE ON payments TO repasse");
  books.until_up();
  three.check(ledger_status::done, true);
}

BOOST_AUTO_TEST_CASE(a_server_that_becomes_read_only_is_left_until_it_writes_again) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench books(reactor, server.url());
  three_payments three(books);
  server.sql("ALTER SYSTEM SET default_transaction_read_only = on", "postgres");
  server.reload();
  reactor.until([&] { return server.sql("SHOW default_transaction_read_only") == "on"; });
  // Each session hears of it when it hears of it.
  ledger_status status = ledger_status::done;
  for (std::uint64_t i = 100; status == ledger_status::done && i < 1'000; ++i) {
    std::vector<append_item> added{posted(i)};
    status = books.run(books.get().append(three.epoch, added));
  }
  BOOST_TEST(status == ledger_status::unavailable);
  status = ledger_status::done;
  for (int i = 0; status == ledger_status::done && i < 1'000; ++i) {
    std::vector<settle_item> taken{witness(99, 0)};
    status = books.run(books.get().settle(taken));
  }
  BOOST_TEST(status == ledger_status::unavailable);
  server.sql("ALTER SYSTEM RESET default_transaction_read_only", "postgres");
  server.reload();
  reactor.until([&] { return server.sql("SHOW default_transaction_read_only") == "off"; });
  books.until_up();
  three.check(ledger_status::done, true);
}

BOOST_AUTO_TEST_CASE(a_wrong_password_is_darkness_until_it_is_right) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench books(reactor, server.url());
  three_payments three(books);
  server.sql("ALTER ROLE repasse PASSWORD 'another'");
  server.sql(end_all);
  reactor.until([&] { return books.get().figures().connected == 0; });
  three.check_dark();
  server.sql("ALTER ROLE repasse PASSWORD '" + std::string{postgres_server::password} + "'");
  books.until_up();
  three.check(ledger_status::done, true);
}

BOOST_AUTO_TEST_CASE(a_purge_does_not_wait_long_for_a_reader) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench books(reactor, server.url());
  sql_session reader(reactor, server.url());
  three_payments three(books);
  reader.run("BEGIN; SELECT count(*) FROM payments");
  const steady_time begun = reactor.time.now();
  BOOST_TEST((books.run(books.get().purge()) == ledger_status::unavailable));
  const auto lasted = reactor.time.now() - begun;
  BOOST_TEST((lasted < purge_max), "it took " << lasted / 1ms << " ms");
  three.check(ledger_status::done, true); // nothing was purged, and nobody waits behind it
  reader.run("COMMIT");
  BOOST_TEST((books.run(books.get().purge()) == ledger_status::done));
  BOOST_TEST(server.sql("SELECT count(*) FROM payments") == "0");
}

BOOST_AUTO_TEST_CASE(a_server_that_is_away_at_the_start_is_waited_for) {
  postgres_server& server = ledger_server();
  server.stop();
  loop reactor;
  test_ledger late(reactor, server.url());
  const steady_time begun = reactor.time.now();
  BOOST_TEST(!reactor.await(late.get().open_epoch()).has_value());
  BOOST_TEST(!reactor.await(late.get().find(id_of(1))).has_value());
  BOOST_TEST(!reactor.await(late.get().summarize({})).has_value());
  BOOST_TEST((reactor.time.now() - begun < 3s));
  BOOST_TEST(!late.get().health().is_up);
  server.start();
  late.until_up();
  BOOST_TEST(reactor.await(late.get().open_epoch()).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
