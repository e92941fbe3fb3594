// What an epoch owns and has not settled lies within the spans that its beats carry: else whoever takes the
// epoch over would not find that row.
#include "test/integration/cutting_proxy.hpp"
#include "test/integration/ledger_bench.hpp"
#include "test/integration/sql_session.hpp"

#include <random>

namespace repasse {
namespace {

BOOST_AUTO_TEST_SUITE(ledger_bound)

BOOST_AUTO_TEST_CASE(rows_taken_over_in_doubt_stay_within_the_bound) {
  const postgres_server& server = ledger_server();
  loop reactor;
  std::unique_ptr<ledger_bench> taker;
  ledger_bench other(reactor, server.url(), 1);
  cutting_proxy proxy(reactor.time, server.port());
  taker = std::make_unique<ledger_bench>(reactor, server.url(proxy.port()));
  const epoch_id dead = other.open();
  const wall_time future = reactor.time.wall() + 1h; // by a clock that is ahead
  other.append(dead, {posted(1, 0), posted(2), posted(3, 1)});
  other.append(dead, {posted(4, 0, future)});
  other.end(dead);
  const epoch_id epoch = taker->open();
  taker->make_steady(epoch);

  std::vector<owned_row> rows(100);
  std::size_t taken = 0;
  ledger_status status = ledger_status::done;
  for (std::size_t bytes = 0; status != ledger_status::in_doubt;
       bytes += 50) { // until it is cut in its reply
    proxy.cut_after(cutting_proxy::way::to_client, 200 + bytes);
    status = taker->run(taker->get().adopt(epoch, rows, taken));
    BOOST_REQUIRE_LT(bytes, 5'000U);
    taker->until_up();
    if (status != ledger_status::in_doubt) taker->beat(epoch);
  }
  taker->beat(epoch);
  BOOST_TEST(rows_out_of_bounds() == "0");
  taker->beat(epoch);
  const std::size_t found = taker->unsettled(epoch).size();
  taker->beat(epoch);
  BOOST_TEST(rows_out_of_bounds() == "0");
  BOOST_TEST(found + taker->adopt_all(epoch).size() + taken == 4U);
  for (int i = 0; i < 3; ++i) {
    taker->unsettled(epoch);
    taker->beat(epoch);
    BOOST_TEST(rows_out_of_bounds() == "0");
  }
  for (const std::uint64_t number : {1, 4})
    BOOST_TEST(taker->settle(witness(number, 0)) == settled::settled);
  taker->beat(epoch);
  BOOST_TEST(rows_out_of_bounds() == "0");
}

BOOST_AUTO_TEST_CASE(while_a_takeover_is_in_doubt_no_look_begins) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench taker(reactor, server.url());
  sql_session session(reactor, server.url());
  const epoch_id dead = taker.open();
  taker.append(dead, {posted(1, 0)});
  taker.end(dead);
  const epoch_id epoch = taker.open();
  taker.make_steady(epoch);
  std::vector<owned_row> rows(10);
  std::size_t count = 0;
  std::uint64_t position = 0;
  {
    standstill stop(session, "BEFORE UPDATE", "repasse change 0");
    const auto taking = reactor.start(taker.get().adopt(epoch, rows, count));
    stop.until_reached(reactor);
    session.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'repasse "
                "change 0'");
    BOOST_TEST((reactor.await(taking) == ledger_status::in_doubt));
    taker.until_up();
    BOOST_TEST(
        (taker.run(taker.get().unsettled(epoch, position, rows, count)) == ledger_status::unavailable));
    stop.let_go();
  }
  taker.beat(epoch);
  BOOST_TEST((taker.run(taker.get().unsettled(epoch, position, rows, count)) == ledger_status::done));
}

BOOST_AUTO_TEST_CASE(a_look_whose_connection_was_lost_begins_again) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench owner(reactor, server.url());
  const epoch_id epoch = owner.open();
  for (std::uint64_t i = 0; i < 30; ++i)
    owner.append(epoch, {posted(i, 0, start + std::chrono::seconds{i})});
  std::vector<owned_row> rows(10);
  std::uint64_t position = 0;
  std::size_t found = 0;
  const auto look = [&] { return owner.run(owner.get().unsettled(epoch, position, rows, found)); };
  BOOST_REQUIRE((look() == ledger_status::done));
  BOOST_REQUIRE_NE(position, 0U);
  server.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'repasse "
             "change 0'");
  reactor.turn();
  BOOST_TEST((look() == ledger_status::unavailable));
  BOOST_TEST(found == 0U);
  BOOST_REQUIRE_EQUAL(position, 0U);
  for (std::size_t sum = 0; sum < 30; sum += found) {
    BOOST_REQUIRE((look() == ledger_status::done));
    BOOST_REQUIRE_EQUAL(found, 10U);
    BOOST_TEST((rows[0].accepted_at == start + std::chrono::seconds{sum}));
  }
}

BOOST_AUTO_TEST_CASE(an_append_by_a_clock_set_back_into_a_gap_is_told_of_before) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench owner(reactor, server.url());
  const epoch_id epoch = owner.open();
  const wall_time now = reactor.time.wall();
  owner.append(epoch, {posted(1, 0, now - 2h), posted(2, 0, now - 1h)});
  owner.beat(epoch);
  BOOST_TEST(server.sql("SELECT cardinality(open_from) FROM epochs WHERE epoch = " + std::to_string(epoch)) ==
             "3");
  for (const std::chrono::minutes ago : {180min, 90min, 120min, 30min}) {
    owner.append(epoch, {posted(static_cast<std::uint64_t>(ago.count()), 0, now - ago)});
    BOOST_TEST(rows_out_of_bounds() == "0");
    owner.beat(epoch);
    BOOST_TEST(rows_out_of_bounds() == "0");
  }
}

BOOST_AUTO_TEST_CASE(an_epoch_known_to_be_over_is_not_asked_for_again) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench books(reactor, server.url());
  std::vector<owned_row> rows(1);
  std::size_t count = 0;
  for (int way = 0; way < 4; ++way) {
    const epoch_id epoch = books.open();
    server.sql("UPDATE epochs SET marked = true");
    std::vector<append_item> added{posted(1)};
    std::vector<amend_item> changed{{.id = id_of(1), .version = 1}};
    const ledger_status told = way == 0   ? books.run(books.get().append(epoch, added))
                               : way == 1 ? books.run(books.get().amend(epoch, changed))
                               : way == 2 ? books.run(books.get().adopt(epoch, rows, count))
                                          : books.run(books.get().release(epoch, 1, count));
    BOOST_TEST((told == ledger_status::epoch_ended), way);
    const std::uint64_t before = books.get().figures().transactions;
    BOOST_TEST(books.run(books.get().beat(epoch, {}))->ended);
    BOOST_TEST(books.get().figures().transactions == before);
  }
}

BOOST_AUTO_TEST_CASE(rows_taken_over_while_own_rows_are_looked_for_stay_within_the_bound) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench taker(reactor, server.url());
  const epoch_id dead = taker.open();
  taker.append(dead, {posted(1, 0, start), posted(2, 0, start + 1s)});
  const epoch_id epoch = taker.open();
  taker.make_steady(epoch);
  for (std::uint64_t i = 10; i < 40; ++i)
    taker.append(epoch, {posted(i, 0, start + std::chrono::seconds{i})});
  std::vector<owned_row> rows(10);
  std::uint64_t position = 0;
  std::size_t found = 0;
  BOOST_REQUIRE(taker.run(taker.get().unsettled(epoch, position, rows, found)) == ledger_status::done);
  BOOST_REQUIRE_EQUAL(found, 10U);
  taker.end(dead);
  BOOST_REQUIRE_EQUAL(taker.adopt_all(epoch).size(), 2U);
  while (position != 0)
    BOOST_REQUIRE(taker.run(taker.get().unsettled(epoch, position, rows, found)) == ledger_status::done);
  taker.beat(epoch);
  BOOST_TEST(rows_out_of_bounds() == "0");
}

BOOST_AUTO_TEST_CASE(rows_taken_over_while_a_beat_is_under_way_stay_within_the_bound) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench taker(reactor, server.url());
  const epoch_id dead = taker.open();
  taker.append(dead, {posted(1, 0), posted(2)});
  taker.end(dead);
  const epoch_id epoch = taker.open();
  taker.make_steady(epoch);
  std::vector<owned_row> rows(1);
  std::size_t taken = 0;
  BOOST_REQUIRE(taker.run(taker.get().adopt(epoch, rows, taken)) ==
                ledger_status::done); // the sweep has begun
  BOOST_REQUIRE_EQUAL(taken, 1U);
  BOOST_TEST(taker.settle(witness(1, 0)) == settled::settled);
  const auto taking = reactor.start(taker.get().adopt(epoch, rows, taken));
  const auto beating = reactor.start(taker.get().beat(epoch, {}));
  BOOST_REQUIRE(reactor.await(beating).has_value());
  BOOST_TEST(rows_out_of_bounds() == "0");
  const ledger_status status = reactor.await(taking); // a beat that is not confirmed stops it
  BOOST_REQUIRE((status == ledger_status::done || status == ledger_status::unavailable));
  BOOST_TEST(rows_out_of_bounds() == "0");
}

BOOST_AUTO_TEST_CASE(an_append_that_stands_still_while_a_look_ends_stays_within_the_bound) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench owner(reactor, server.url());
  sql_session session(reactor, server.url());
  const epoch_id epoch = owner.open();
  const std::vector<append_item> items{posted(1, 0, reactor.time.wall() - 3s),
                                       posted(2, 0, reactor.time.wall() - 2s)};
  for (const bool is_given_up : {false, true}) {
    standstill stop(session, "BEFORE INSERT", "repasse append 0");
    std::vector<append_item> item{items[is_given_up ? 1 : 0]};
    const auto appending = reactor.start(owner.get().append(epoch, item));
    stop.until_reached(reactor);
    if (is_given_up) BOOST_TEST((reactor.await(appending) == ledger_status::in_doubt));
    for (int i = 0; i < 2; ++i) {
      owner.unsettled(epoch);
      owner.beat(epoch);
    }
    stop.let_go();
    reactor.until(
        [&] { return session.value("SELECT count(*) FROM payments") == (is_given_up ? "2" : "1"); });
    if (!is_given_up) BOOST_TEST((reactor.await(appending) == ledger_status::done));
    BOOST_TEST(rows_out_of_bounds() == "0");
    owner.until_up();
  }
  owner.append(epoch, {items[1]}); // the same again
  for (int i = 0; i < 3; ++i) {
    owner.unsettled(epoch);
    owner.beat(epoch);
    BOOST_TEST(rows_out_of_bounds() == "0");
  }
}

BOOST_AUTO_TEST_CASE(a_choice_that_stands_still_while_its_owner_is_swept_is_adopted_all_the_same) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench owner(reactor, server.url());
  ledger_bench taker(reactor, server.url(), 1);
  sql_session session(reactor, server.url());
  const epoch_id dead = owner.open();
  owner.append(dead, {posted(1), posted(2, 1)});
  const epoch_id epoch = taker.open();
  taker.make_steady(epoch);
  std::vector<amend_item> items{
      {.id = id_of(1), .version = 1, .status = payment_status::sending, .processor = 0}};
  {
    standstill stop(session, "BEFORE UPDATE", "repasse change 0");
    const auto choosing = reactor.start(owner.get().amend(dead, items));
    stop.until_reached(reactor);
    taker.end(dead);
    const std::vector<owned_row> named = taker.adopt(epoch, 1);
    BOOST_REQUIRE_EQUAL(named.size(), 1U);
    BOOST_TEST(named[0].processor == 1);
    stop.let_go();
    static_cast<void>(reactor.await(choosing));
  }
  for (int i = 0; i < 5; ++i)
    taker.adopt_all(epoch);
  BOOST_TEST(session.value("SELECT owner FROM payments WHERE correlation_id = '" + to_string(id_of(1)) +
                           "'") == std::to_string(epoch));
}

/// Everything that moves rows from owner to owner, at random, from two ledgers, while clocks jump.
BOOST_AUTO_TEST_CASE(the_bound_holds_whatever_happens) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench a(reactor, server.url());
  ledger_bench b(reactor, server.url(), 1);
  sql_session session(reactor, server.url());
  std::array<ledger_bench*, 2> all{&a, &b};
  std::array<epoch_id, 2> epochs{};
  std::minstd_rand random(7);
  std::uint64_t number = 0;
  std::vector<owned_row> rows(20);
  std::array<std::uint64_t, 2> positions{};
  const auto one_of = [&](std::uint64_t limit) {
    return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random);
  };
  for (int step = 0; step < 800; ++step) {
    const std::size_t who = one_of(2);
    ledger_bench& one = *all[who];
    epoch_id& epoch = epochs[who];
    if (epoch == 0) {
      epoch = one.open();
      positions[who] = 0;
      session.run("UPDATE epochs SET steady_since = steady_since - interval '6 s' WHERE epoch = " +
                  std::to_string(epoch));
    }
    std::size_t count = 0;
    switch (one_of(8)) {
    case 0:
    case 1: { // accepted up to a minute ago, or by a clock that is ahead
      const wall_time at = reactor.time.wall() + std::chrono::milliseconds{one_of(70'000)} - 60s;
      std::vector<append_item> items;
      for (std::size_t i = 0; i <= one_of(5); ++i)
        items.push_back(posted(++number, one_of(2) == 0 ? no_processor : processor_index{0}, at));
      one.append(epoch, items);
      break;
    }
    case 2:
      for (int i = 0; i < 5; ++i)
        static_cast<void>(one.settle(witness(1 + one_of(number + 1), 0)));
      break;
    case 3:
      BOOST_REQUIRE(one.run(one.get().unsettled(epoch, positions[who], rows, count)) == ledger_status::done);
      break;
    case 4: { // with a beat under way
      const auto taking = reactor.start(one.get().adopt(epoch, rows, count));
      const auto beating = reactor.start(one.get().beat(epoch, {}));
      BOOST_REQUIRE(reactor.await(beating).has_value());
      BOOST_REQUIRE(session.value(count_out_of_bounds) == "0");
      const ledger_status status = reactor.await(taking);
      BOOST_REQUIRE((status == ledger_status::done || status == ledger_status::unavailable));
      break;
    }
    case 5:
      BOOST_REQUIRE(one.run(one.get().release(epoch, 3, count)) == ledger_status::done);
      break;
    case 6:
      if (one_of(5) != 0) break;
      one.end(std::exchange(epoch, 0));
      continue;
    default:
      break;
    }
    one.beat(epoch);
    BOOST_REQUIRE_EQUAL(session.value(count_out_of_bounds), "0");
  }
  // Nothing is lost: one of them takes over all that is left.
  const std::string left = session.value("SELECT count(*) FROM payments WHERE status < 3");
  if (epochs[1] != 0) b.end(epochs[1]);
  if (epochs[0] == 0) epochs[0] = a.open();
  a.make_steady(epochs[0]);
  for (int i = 0; i < 3; ++i)
    a.adopt_all(epochs[0]);
  BOOST_TEST(session.value("SELECT count(*) FROM payments WHERE status < 3 AND owner = " +
                           std::to_string(epochs[0])) == left);
  BOOST_TEST(session.value("SELECT count(*) FROM epochs WHERE marked AND NOT swept") == "0");
  BOOST_TEST_MESSAGE(number << " payments, " << left << " left at the end");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
