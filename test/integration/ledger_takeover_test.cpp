// Takeover at scale and at its edges: the rate, rows that slip by a mark, processors that are not configured,
// and owners that come back late.
#include "test/integration/ledger_bench.hpp"
#include "test/integration/ledger_statements.hpp"
#include "test/integration/sql_session.hpp"

namespace repasse {
namespace {

/// `count` payments of `owner`, as its appends would have written them; every tenth names no processor.
void fill(sql_session& by, epoch_id owner, int count, const std::string& accepted_at) {
  by.run("INSERT INTO payments (correlation_id, amount_cents, accepted_at, token, owner, version, attempts, "
         "status,"
         " processor) SELECT gen_random_uuid(), 100 + i, " +
         accepted_at + ", i, " + std::to_string(owner) +
         ", 1, 0, CASE WHEN i % 10 = 0 THEN 0 ELSE 1 END, CASE WHEN i % 10 = 0 THEN NULL ELSE 1 END"
         " FROM generate_series(1, " +
         std::to_string(count) + ") AS i");
}

BOOST_AUTO_TEST_SUITE(ledger_takeover)

BOOST_AUTO_TEST_CASE(fifty_thousand_rows_are_taken_over_in_steps_doubtful_ones_first) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench books(reactor, server.url());
  sql_session session(reactor, server.url());
  const epoch_id dead = books.open();
  fill(session, dead, 50'000, "clock_timestamp() - interval '1 h' + i * interval '10 ms'");
  session.run("UPDATE epochs SET open_from = ARRAY[clock_timestamp() - interval '2 h'] WHERE epoch = " +
              std::to_string(dead) + "; ANALYZE payments");
  books.end(dead);
  const epoch_id epoch = books.open();
  books.make_steady(epoch);

  std::vector<owned_row> rows(256);
  std::size_t sum = 0;
  bool is_named = true;
  std::chrono::nanoseconds longest{0};
  const steady_time begun = reactor.time.now();
  for (;;) {
    std::size_t taken = 0;
    const steady_time before = reactor.time.now();
    BOOST_REQUIRE((books.run(books.get().adopt(epoch, rows, taken)) == ledger_status::done));
    longest = std::max(longest, reactor.time.now() - before);
    for (std::size_t i = 0; i < taken; ++i) {
      if (rows[i].processor == no_processor) is_named = false;
      BOOST_REQUIRE_EQUAL(is_named, rows[i].status == payment_status::unknown);
    }
    sum += taken;
    books.beat(epoch);
    if (taken < rows.size()) break;
  }
  const double seconds = std::chrono::duration<double>(reactor.time.now() - begun).count();
  BOOST_TEST(sum == 50'000U);
  BOOST_TEST_MESSAGE("taken over: " << static_cast<int>(static_cast<double>(sum) / seconds)
                                    << " rows/s, longest step " << longest / 1us << " us");
  BOOST_TEST(rows_out_of_bounds() == "0");
  books.adopt_all(epoch);
  BOOST_TEST(session.value("SELECT count(*) FROM epochs WHERE marked AND NOT swept") == "0");
}

BOOST_AUTO_TEST_CASE(rows_stuck_long_ago_do_not_make_a_takeover_look_at_all_since) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench owner(reactor, server.url());
  ledger_bench taker(reactor, server.url(), 1);
  sql_session session(reactor, server.url());
  const epoch_id dead = owner.open();
  const wall_time now = reactor.time.wall();
  owner.append(dead, {posted(1, 0, now - 1h), posted(2, 0, now - 30min), posted(3, no_processor, now - 10s)});
  session.run(
      "INSERT INTO payments (correlation_id, amount_cents, accepted_at, requested_at, processed_at, token,"
      " owner, version, attempts, status, processor) SELECT gen_random_uuid(), 100, at, at, at, 1, " +
      std::to_string(dead) +
      ", 1, 1, 3, 1 FROM (SELECT clock_timestamp() - i * interval '50 ms' AS at"
      " FROM generate_series(1, 60000) AS i) AS x");
  const auto transactions = [](ledger_bench& of) { return of.get().figures().transactions; };
  std::uint64_t before = transactions(owner);
  BOOST_TEST(owner.unsettled(dead).size() == 3U);
  BOOST_TEST(transactions(owner) - before <= 5U);
  owner.beat(dead);
  owner.end(dead);
  const epoch_id epoch = taker.open();
  taker.make_steady(epoch);
  before = transactions(taker);
  BOOST_TEST(taker.adopt_all(epoch).size() == 3U);
  BOOST_TEST(transactions(taker) - before <= 12U);
  taker.beat(epoch);
  BOOST_TEST(rows_out_of_bounds() == "0");
  before = transactions(taker);
  std::size_t released = 0;
  BOOST_TEST((taker.run(taker.get().release(epoch, 10, released)) == ledger_status::done));
  BOOST_TEST(released == 1U);
  BOOST_TEST(transactions(taker) - before <= 5U);
  before = transactions(taker);
  BOOST_TEST(taker.adopt_all(epoch).size() == 1U);
  BOOST_TEST(transactions(taker) - before <= 8U);
  taker.beat(epoch);
  BOOST_TEST(rows_out_of_bounds() == "0");
}

BOOST_AUTO_TEST_CASE(a_row_that_slips_by_the_mark_is_adopted) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench owner(reactor, server.url());
  ledger_bench taker(reactor, server.url(), 1);
  sql_session late(reactor, server.url());
  const epoch_id dead = owner.open();
  const epoch_id epoch = taker.open();
  taker.make_steady(epoch);
  owner.append(dead, {posted(1)});
  const std::string is_swept = "SELECT swept FROM epochs WHERE epoch = " + std::to_string(dead);
  late.run("BEGIN; SELECT pg_current_xact_id();"
           "INSERT INTO payments (correlation_id, amount_cents, accepted_at, token, owner, version, "
           "attempts, status)"
           " SELECT gen_random_uuid(), 1, '2026-01-01', 1, epoch, 1, 0, 0 FROM epochs WHERE NOT marked AND "
           "epoch = " +
           std::to_string(dead));
  owner.end(dead);
  for (int i = 0; i < 5; ++i) {
    BOOST_TEST(taker.adopt_all(epoch).size() == (i == 0 ? 1U : 0U));
    BOOST_TEST(server.sql(is_swept) == "f");
    taker.beat(epoch);
  }
  late.run("COMMIT");
  BOOST_TEST(taker.adopt_all(epoch).size() == 1U);
  for (int i = 0; i < 3; ++i)
    taker.adopt_all(epoch);
  BOOST_TEST(server.sql(is_swept) == "t");
  BOOST_TEST(rows_out_of_bounds() == "0");
}

BOOST_AUTO_TEST_CASE(rows_that_name_a_processor_not_configured_stay_until_it_is) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench rich(reactor, server.url());
  ledger_bench poor(reactor, server.url(), 1, {"default"});
  const epoch_id dead = rich.open();
  rich.append(dead, {posted(1, 0), posted(2, 1), posted(3)});
  rich.end(dead);
  const epoch_id epoch = poor.open();
  poor.make_steady(epoch);
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(poor.adopt_all(epoch).size() == (i == 0 ? 2U : 0U));
    poor.beat(epoch);
  }
  BOOST_TEST(poor.get().strangers() == 1U);
  // Later looks visit the row that is left, and nothing that was accepted since.
  const std::string is_narrow = "SELECT NOT swept AND open_from = ARRAY[accepted_at] AND open_until = "
                                "ARRAY[accepted_at + interval '1 ms'] FROM epochs, payments WHERE epoch = " +
                                std::to_string(dead) + " AND owner = epoch";
  BOOST_TEST(server.sql(is_narrow) == "t");
  const std::string row_of_epoch = "SELECT ctid FROM epochs WHERE epoch = " + std::to_string(dead);
  const std::string before = server.sql(row_of_epoch);
  poor.adopt_all(epoch);
  BOOST_TEST(server.sql(row_of_epoch) == before);
  BOOST_TEST(poor.settle(witness(2, 0)) == settled::mismatch);
  const epoch_id next = rich.open();
  rich.make_steady(next);
  const std::vector<owned_row> taken = rich.adopt_all(next);
  BOOST_REQUIRE_EQUAL(taken.size(), 1U);
  BOOST_TEST(taken[0].id == id_of(2));
  BOOST_TEST(taken[0].processor == 1);
  for (int i = 0; i < 3; ++i)
    rich.adopt_all(next);
  BOOST_TEST(rich.get().strangers() == 0U);
  BOOST_TEST(server.sql("SELECT swept FROM epochs WHERE epoch = " + std::to_string(dead)) == "t");
}

BOOST_AUTO_TEST_CASE(a_row_that_stays_before_more_than_a_step_takes_is_not_forgotten) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench rich(reactor, server.url());
  ledger_bench poor(reactor, server.url(), 1, {"default"});
  const epoch_id dead = rich.open();
  rich.append(dead, {posted(1, 1)});
  for (std::uint64_t number = 2; number <= 9; ++number)
    rich.append(dead, {posted(number, number % 2 == 0 ? processor_index{0} : no_processor)});
  rich.end(dead);
  const epoch_id epoch = poor.open();
  poor.make_steady(epoch);
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(poor.adopt_all(epoch, 2).size() == (i == 0 ? 8U : 0U));
    poor.beat(epoch);
  }
  BOOST_TEST(server.sql("SELECT swept FROM epochs WHERE epoch = " + std::to_string(dead)) == "f");
  const epoch_id next = rich.open();
  rich.make_steady(next);
  BOOST_TEST(rich.adopt_all(next).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_takeover_that_comes_late_changes_nothing) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench books(reactor, server.url());
  sql_session ghost(reactor, server.url());
  const epoch_id dead = books.open();
  books.append(dead, {posted(1, 0), posted(2)});
  books.end(dead);
  const epoch_id epoch = books.open();
  books.beat(epoch);
  const std::string e = std::to_string(epoch);
  const std::string before = ghost.value("SELECT beat FROM epochs WHERE epoch = " + e);
  books.beat(epoch);
  ghost.run(prepare_of("take_over"));
  for (const std::string& whom : {e, std::string{"0"}})
    for (const char* const is_named : {"true", "false"})
      ghost.run("EXECUTE take_over(" + e + ", " + whom + ", ARRAY[" + std::to_string(dead) +
                "], '-infinity', '00000000-0000-0000-0000-000000000000', " + is_named +
                ", 100, ARRAY[1, 2, 3]::smallint[], '2020-01-01', " + before + ")");
  BOOST_TEST(ghost.value("SELECT count(*) FROM payments WHERE version = 1 AND owner = " +
                         std::to_string(dead)) == "2");
  BOOST_TEST(ghost.value("SELECT count(*) FROM epochs WHERE open_from[1] < '2021-01-01'") == "0");
  // The same in time does.
  const std::string now = ghost.value("SELECT beat FROM epochs WHERE epoch = " + e);
  ghost.run("EXECUTE take_over(" + e + ", " + e + ", ARRAY[" + std::to_string(dead) +
            "], '-infinity', '00000000-0000-0000-0000-000000000000', true, 100, ARRAY[1, 2, 3]::smallint[],"
            " '2020-01-01', " +
            now + ")");
  BOOST_TEST(ghost.value("SELECT count(*) FROM payments WHERE version = 2 AND owner = " + e) == "1");
  ghost.run("DEALLOCATE ALL");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
