// Two writers meet, or a write and the end of its epoch, in the order that does most harm: the order is
// forced by a session of the test's own, which holds the lock or the transaction that decides it. The errors
// planted in the PostgreSQL ledger are found here.
#include "test/integration/ledger_bench.hpp"
#include "test/integration/ledger_statements.hpp"
#include "test/integration/sql_session.hpp"

#include <algorithm>

namespace repasse {
namespace {

std::string quoted(const payment_id& id) { return "'" + to_string(id) + "'"; }

/// Until so many statements wait for a lock.
void until_waiting(loop& of, sql_session& by, int count) {
  of.until(
      [&] { return by.value("SELECT count(*) FROM pg_locks WHERE NOT granted") == std::to_string(count); });
}

std::string swept(sql_session& by, epoch_id epoch) {
  return by.value("SELECT swept FROM epochs WHERE epoch = " + std::to_string(epoch));
}

/// Numbers of three payments in the order of their ids.
std::array<std::uint64_t, 3> three_in_order() {
  std::array<std::uint64_t, 3> numbers{1, 2, 3};
  std::sort(numbers.begin(), numbers.end(), [](auto a, auto b) { return id_of(a) < id_of(b); });
  return numbers;
}

BOOST_AUTO_TEST_SUITE(ledger_races)

BOOST_AUTO_TEST_CASE(appends_of_the_same_payments_wait_in_line_and_not_in_a_circle) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench a(reactor, server.url());
  ledger_bench b(reactor, server.url(), 1);
  sql_session session(reactor, server.url());
  const epoch_id epoch_a = a.open();
  const epoch_id epoch_b = b.open();
  const auto [low, middle, high] = three_in_order();
  session.run("BEGIN; INSERT INTO payments (correlation_id, amount_cents, accepted_at, token, owner, "
              "version, attempts,"
              " status) VALUES (" +
              quoted(id_of(middle)) + ", 1, '2026-01-01', 1, 0, 1, 0, 0)");
  std::vector<append_item> falling{posted(high), posted(middle), posted(low)};
  std::vector<append_item> rising{posted(low), posted(middle), posted(high)};
  const auto first = reactor.start(a.get().append(epoch_a, falling));
  until_waiting(reactor, session, 1);
  const auto second = reactor.start(b.get().append(epoch_b, rising));
  until_waiting(reactor, session, 2);
  session.run("ROLLBACK");
  BOOST_TEST((reactor.await(first) == ledger_status::done));
  BOOST_TEST((reactor.await(second) == ledger_status::done));
  for (std::size_t i = 0; i < 3; ++i) {
    BOOST_TEST(falling[i].answer == appended::fresh);
    BOOST_TEST(rising[i].answer == appended::known);
  }
}

BOOST_AUTO_TEST_CASE(settles_of_the_same_payments_wait_in_line_and_not_in_a_circle) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench a(reactor, server.url());
  ledger_bench b(reactor, server.url(), 1);
  sql_session session(reactor, server.url());
  const auto [low, middle, high] = three_in_order();
  a.append(a.open(), {posted(low, 0), posted(middle, 0), posted(high, 0)});
  b.open(); // only now it knows the processors
  session.run("BEGIN; SELECT 1 FROM payments WHERE correlation_id = " + quoted(id_of(middle)) +
              " FOR UPDATE");
  std::vector<settle_item> falling{witness(high, 0), witness(middle, 0), witness(low, 0)};
  std::vector<settle_item> rising{witness(low, 0), witness(middle, 0), witness(high, 0)};
  const auto first = reactor.start(a.get().settle(falling));
  until_waiting(reactor, session, 1);
  const auto second = reactor.start(b.get().settle(rising));
  until_waiting(reactor, session, 2);
  session.run("ROLLBACK");
  BOOST_TEST((reactor.await(first) == ledger_status::done));
  BOOST_TEST((reactor.await(second) == ledger_status::done));
  for (std::size_t i = 0; i < 3; ++i) {
    BOOST_TEST(falling[i].answer == settled::settled);
    BOOST_TEST(rising[i].answer == settled::known);
  }
}

BOOST_AUTO_TEST_CASE(a_payment_settled_by_two_at_once_is_booked_once) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench a(reactor, server.url());
  ledger_bench b(reactor, server.url(), 1);
  sql_session session(reactor, server.url());
  a.append(a.open(), {posted(1, 0)});
  b.open(); // only now it knows the processors
  session.run("BEGIN; SELECT 1 FROM payments FOR UPDATE");
  std::vector<settle_item> one{witness(1, 0)};
  std::vector<settle_item> other{witness(1, 0, start + 2s)};
  const auto first = reactor.start(a.get().settle(one));
  until_waiting(reactor, session, 1);
  const auto second = reactor.start(b.get().settle(other));
  until_waiting(reactor, session, 2);
  session.run("ROLLBACK");
  BOOST_TEST((reactor.await(first) == ledger_status::done));
  BOOST_TEST((reactor.await(second) == ledger_status::done));
  BOOST_TEST(one[0].answer == settled::settled);
  BOOST_TEST(other[0].answer == settled::known);
  for (int i = 0; i < 2; ++i) {
    BOOST_TEST(b.summarize()[0] == (processor_total{1, 1990}));
    BOOST_TEST(b.summarize({.to = start + 1s})[0] == (processor_total{1, 1990}));
    b.fold();
  }
}

BOOST_AUTO_TEST_CASE(a_choice_that_waited_while_its_row_changed_is_refused) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench owner(reactor, server.url());
  sql_session session(reactor, server.url());
  const epoch_id epoch = owner.open();
  owner.append(epoch, {posted(1)});
  session.run("BEGIN; UPDATE payments SET version = 2, status = 1,"
              " processor = (SELECT id FROM processors WHERE name = 'fallback')");
  std::vector<amend_item> items{
      {.id = id_of(1), .version = 1, .status = payment_status::sending, .processor = 0}};
  const auto choosing = reactor.start(owner.get().amend(epoch, items));
  until_waiting(reactor, session, 1);
  session.run("COMMIT");
  BOOST_TEST((reactor.await(choosing) == ledger_status::done));
  BOOST_TEST(!items[0].applied);
  const std::vector<owned_row> rows = owner.unsettled(epoch);
  BOOST_REQUIRE_EQUAL(rows.size(), 1U);
  BOOST_TEST(rows[0].version == 2U);
  BOOST_TEST(rows[0].processor == 1);
}

BOOST_AUTO_TEST_CASE(an_id_that_another_request_of_the_epoch_brought_is_known) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench owner(reactor, server.url());
  const epoch_id epoch = owner.open();
  owner.append(epoch, {posted(1, 0)});
  std::vector<append_item> again{posted(1, 0), posted(2, 0), posted(2, 0)};
  for (std::size_t i = 0; i < again.size(); ++i)
    again[i].token = 100 + i;
  BOOST_TEST((owner.run(owner.get().append(epoch, again)) == ledger_status::done));
  BOOST_TEST(again[0].answer == appended::known);
  BOOST_TEST(again[1].answer == appended::fresh);
  BOOST_TEST(again[2].answer == appended::known);
}

BOOST_AUTO_TEST_CASE(a_conflict_is_kept_in_the_audit_trail) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench owner(reactor, server.url());
  const epoch_id epoch = owner.open();
  owner.append(epoch, {posted(1, 0)});
  std::vector<append_item> again{posted(1, 0, start, 123'456), posted(2, 0)};
  BOOST_TEST((owner.run(owner.get().append(epoch, again)) == ledger_status::done));
  BOOST_TEST(again[0].answer == appended::conflict);
  BOOST_TEST(again[1].answer == appended::fresh);
  const auto told = owner.run(owner.get().audit(id_of(1)));
  BOOST_REQUIRE(told.has_value());
  BOOST_REQUIRE_EQUAL(told->size(), 1U);
  BOOST_TEST(told->front().what == "conflict");
  BOOST_TEST(told->front().detail == "posted again with 1234.56");
}

BOOST_AUTO_TEST_CASE(a_conflict_that_cannot_be_audited_is_none_and_holds_up_nobody) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench owner(reactor, server.url());
  const epoch_id epoch = owner.open();
  owner.append(epoch, {posted(1, 0)});
  std::vector<append_item> again{posted(1, 0, start, 123'456), posted(2, 0)};
  sql_session session(reactor, server.url());
  session.run("BEGIN; LOCK TABLE audit");
  BOOST_TEST((owner.run(owner.get().append(epoch, again)) == ledger_status::done));
  BOOST_TEST(again[0].answer == appended::unaudited);
  BOOST_TEST(again[1].answer == appended::fresh);
  session.run("ROLLBACK");
  again = {posted(1, 0, start, 123'456)};
  BOOST_TEST((owner.run(owner.get().append(epoch, again)) == ledger_status::done));
  BOOST_TEST(again[0].answer == appended::conflict);
  BOOST_TEST(!owner.run(owner.get().audit(id_of(1)))->empty());
}

BOOST_AUTO_TEST_CASE(an_owner_that_was_silent_is_over_once_its_rows_are_taken) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench owner(reactor, server.url());
  ledger_bench taker(reactor, server.url(), 1);
  const epoch_id silent = owner.open();
  owner.append(silent, {posted(1), posted(2, 0)});
  const epoch_id epoch = taker.open();
  taker.make_steady(epoch);
  server.sql("UPDATE epochs SET last_beat = last_beat - interval '6 s' WHERE epoch = " +
             std::to_string(silent));
  BOOST_TEST(taker.adopt_all(epoch).size() == 2U);
  const auto late = owner.run(owner.get().beat(silent, {}));
  BOOST_REQUIRE(late.has_value());
  BOOST_TEST(late->ended);
}

BOOST_AUTO_TEST_CASE(an_append_after_the_sweep_is_refused) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench owner(reactor, server.url());
  ledger_bench taker(reactor, server.url(), 1);
  sql_session session(reactor, server.url());
  const epoch_id dead = owner.open();
  owner.append(dead, {posted(1)});
  const epoch_id epoch = taker.open();
  taker.make_steady(epoch);
  taker.end(dead);
  for (int i = 0; i < 3; ++i)
    taker.adopt_all(epoch);
  BOOST_REQUIRE_EQUAL(swept(session, dead), "t");
  std::vector<append_item> late{posted(2)};
  BOOST_TEST((owner.run(owner.get().append(dead, late)) == ledger_status::epoch_ended));
  BOOST_TEST(session.value("SELECT count(*) FROM payments WHERE owner = " + std::to_string(dead)) == "0");
}

/// Its number is higher than that of the transaction that sets the mark, which it does not see.
BOOST_AUTO_TEST_CASE(an_append_begun_while_the_mark_was_written_is_adopted) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench owner(reactor, server.url());
  ledger_bench taker(reactor, server.url(), 1);
  sql_session session(reactor, server.url());
  sql_session marker(reactor, server.url());
  const epoch_id dead = owner.open();
  const epoch_id epoch = taker.open();
  taker.make_steady(epoch);
  marker.run(prepare_of("end_epoch"));
  std::vector<append_item> items{posted(1, no_processor, reactor.time.wall())}; // no beat goes before it
  {
    standstill stop(session, "BEFORE INSERT", "repasse append 0");
    marker.run("BEGIN; EXECUTE end_epoch(" + std::to_string(dead) + ")");
    const auto appending = reactor.start(owner.get().append(dead, items));
    stop.until_reached(reactor);
    marker.run("COMMIT");
    for (int i = 0; i < 3; ++i) {
      BOOST_TEST(taker.adopt_all(epoch).empty());
      BOOST_TEST(swept(session, dead) == "f");
    }
    stop.let_go();
    static_cast<void>(reactor.await(appending));
    reactor.until([&] { return session.value("SELECT count(*) FROM payments") == "1"; });
  }
  BOOST_TEST(taker.adopt_all(epoch).size() == 1U);
  for (int i = 0; i < 3; ++i)
    taker.adopt_all(epoch);
  BOOST_TEST(swept(session, dead) == "t");
  BOOST_TEST(rows_out_of_bounds() == "0");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
