// pg_connection and what may be lost: bytes, servers, connections, callers. Its verdicts must never lie.
#include "test/integration/cutting_proxy.hpp"
#include "test/integration/pg_fixture.hpp"

#include <array>
#include <map>
#include <memory>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using state = pg_connection::state;
using way = cutting_proxy::way;

constexpr pg_statement<counted(std::int64_t)> lives{
    "lives", "SELECT count(*) FROM pg_stat_activity WHERE pid = $1::bigint"};
constexpr pg_statement<pg_nothing(std::int64_t)> doze_and_insert{
    "doze_and_insert", "INSERT INTO notes (id) SELECT $1 FROM pg_sleep(0.2)"};

/// Straight to the server, for looking at what is there.
pg_connection::config observer() {
  pg_connection::config how = config_of(shared_server().url());
  how.statements.push_back(&lives.prototype());
  return how;
}

pg_connection::config through(const cutting_proxy& proxy) {
  pg_connection::config how = config_of(shared_server().url(proxy.port()));
  how.attempt_period = 5ms;
  how.statements.push_back(&doze_and_insert.prototype());
  return how;
}

/// Two rows, so that half of it could be seen.
void add_two(pg_transaction& work, std::int64_t id) {
  work.add(insert_note, id, "first");
  work.add(insert_note, id + 1, "second");
}

/// One after another, each ended before the next; counts the verdicts.
struct steady_load {
  task<> run(pg_connection& link, clock& time, std::int64_t first_id) {
    std::int64_t id = first_id;
    pg_transaction work;
    while (!is_over) {
      work.clear();
      work.add(insert_note, id++, "load");
      const pg_verdict verdict = co_await link.commit(work, time.now() + 5s);
      ++verdicts[verdict];
    }
    has_ended = true;
  }
  std::map<pg_verdict, std::size_t> verdicts;
  bool is_over = false;
  bool has_ended = false;
};

BOOST_AUTO_TEST_SUITE(pg_loss_test)

BOOST_AUTO_TEST_CASE(a_cut_after_any_byte_of_a_commit_makes_no_verdict_lie) {
  loop here;
  heard_log quiet;
  cutting_proxy proxy(here.time, shared_server().port());
  kept_connection books(here, through(proxy));
  kept_connection truth(here, observer());
  std::int64_t id = 100'000;
  const auto commit_two = [&] {
    pg_transaction work;
    add_two(work, id += 2);
    return books.commit(work);
  };
  books.number(backend);
  const std::array<std::size_t, 2> before{proxy.passed(way::to_server), proxy.passed(way::to_client)};
  BOOST_REQUIRE((commit_two() == pg_verdict::done));
  const std::array<std::size_t, 2> size{proxy.passed(way::to_server) - before[0],
                                        proxy.passed(way::to_client) - before[1]};
  BOOST_TEST(size[0] > 100U);
  BOOST_TEST(size[1] > 20U);

  std::map<pg_verdict, std::size_t> seen;
  for (const way where : {way::to_server, way::to_client}) {
    for (std::size_t bytes = 0; bytes < size[static_cast<std::size_t>(where)]; ++bytes) {
      const std::int64_t process = books.number(backend);
      proxy.cut_after(where, bytes);
      const pg_verdict verdict = commit_two();
      ++seen[verdict];
      here.until([&] { return truth.number(lives, process) == 0; });
      const bool is_there = truth.has_note(id);
      BOOST_TEST(is_there == truth.has_note(id + 1));
      if (verdict == pg_verdict::done) BOOST_TEST(is_there);
      if (verdict == pg_verdict::unavailable || verdict == pg_verdict::refused) BOOST_TEST(!is_there);
    }
  }
  BOOST_TEST(seen[pg_verdict::in_doubt] > size[0]);
  BOOST_TEST(seen[pg_verdict::refused] == 0U);
}

BOOST_AUTO_TEST_CASE(an_error_is_known_though_the_connection_is_lost_behind_it) {
  loop here;
  heard_log quiet;
  cutting_proxy proxy(here.time, shared_server().port());
  kept_connection books(here, through(proxy));
  const auto fail = [&] {
    pg_transaction work;
    work.add(fail_with, "40001");
    return books.commit(work);
  };
  books.number(backend);
  const std::size_t before = proxy.passed(way::to_client);
  BOOST_REQUIRE((fail() == pg_verdict::unavailable));
  const std::size_t ready_for_query = 6;
  const std::size_t answer = proxy.passed(way::to_client) - before - ready_for_query;
  books.number(backend);
  proxy.cut_after(way::to_client, answer);
  BOOST_TEST((fail() == pg_verdict::unavailable));
  books.number(backend);
  proxy.cut_after(way::to_client, answer - 1);
  BOOST_TEST((fail() == pg_verdict::in_doubt));
}

BOOST_AUTO_TEST_CASE(a_connection_cut_while_it_is_opened_is_opened_again) {
  loop here;
  heard_log quiet;
  cutting_proxy proxy(here.time, shared_server().port());
  std::array<std::size_t, 2> size{};
  {
    kept_connection books(here, through(proxy));
    books.until_connected();
    size = {proxy.passed(way::to_server), proxy.passed(way::to_client)}; // without its farewell
  }
  for (const way where : {way::to_server, way::to_client}) {
    for (std::size_t bytes = 0; bytes < size[static_cast<std::size_t>(where)]; bytes += 97) {
      proxy.cut_after(where, bytes);
      kept_connection books(here, through(proxy));
      // A slow attempt may have been overtaken by the next, and the cut then comes later.
      pg_transaction work;
      pg_verdict verdict = pg_verdict::unavailable;
      for (int tries = 0; tries < 5 && verdict != pg_verdict::done; ++tries) {
        books.until_connected();
        work.clear();
        work.add(backend);
        verdict = books.commit(work);
      }
      BOOST_TEST((verdict == pg_verdict::done));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_killed_server_leaves_doubt_and_is_found_when_it_returns) {
  postgres_server& server = shared_server();
  loop here;
  heard_log log;
  pg_connection::config patient = config_of(server.url());
  patient.patience = 20s;
  kept_connection books(here, patient);
  books.until_connected();
  for (const char* how : {"kill", "immediate", "fast"}) {
    std::array<pg_transaction, 3> work;
    std::vector<loop::started<pg_verdict>> running;
    for (pg_transaction& each : work) {
      each.add(doze, 1000);
      running.push_back(here.start(books.link.commit(each, here.time.now() + 5s)));
    }
    here.turn();
    const std::string_view named = how;
    if (named == "kill")
      server.kill();
    else
      server.stop(named == "fast" ? postgres_server::stopping::fast : postgres_server::stopping::immediate);
    for (const auto& one : running)
      BOOST_TEST((here.await(one) == pg_verdict::in_doubt), how);
    books.until(state::away);
    BOOST_TEST(!books.link.trouble().empty());
    pg_transaction later;
    later.add(backend);
    const steady_time before = here.time.now();
    BOOST_TEST((books.commit(later, 30s) == pg_verdict::unavailable)); // at once
    BOOST_TEST((here.time.now() - before < 10s));
    server.start();
    const steady_time started = here.time.now();
    books.until_connected();
    BOOST_TEST((here.time.now() - started < 10s));
    BOOST_TEST(books.link.trouble().empty());
    BOOST_TEST(books.number(backend) > 0);
  }
  BOOST_TEST(books.link.figures().reconnects == 3U);
}

BOOST_AUTO_TEST_CASE(all_who_wait_know_at_once_that_the_server_refuses) {
  postgres_server& server = shared_server();
  loop here;
  heard_log log;
  pg_connection::config how = config_of(server.url());
  how.patience = 10s;
  for (const char* before : {"connected", "refused, then connected", "nothing"}) {
    const std::string_view was = before;
    if (was.starts_with("refused")) {
      server.start();
      server.sql("ALTER ROLE repasse CONNECTION LIMIT 0");
    }
    kept_connection books(here, how);
    if (was.starts_with("refused")) {
      here.holds_within(900ms, [] { return false; }); // it is asked less and less often
      server.sql("ALTER ROLE repasse CONNECTION LIMIT -1");
    }
    if (was != "nothing") {
      books.until_connected();
      here.holds_within(300ms, [] { return false; }); // longer than between two attempts
      server.stop(postgres_server::stopping::immediate);
    }
    books.until(state::connecting);
    const steady_time lost = here.time.now();
    std::array<pg_transaction, 3> work;
    std::vector<loop::started<pg_verdict>> waiting;
    for (pg_transaction& each : work) {
      each.add(backend);
      waiting.push_back(here.start(books.link.commit(each, here.time.now() + 20s)));
    }
    for (const auto& one : waiting)
      BOOST_TEST((here.await(one) == pg_verdict::unavailable));
    BOOST_TEST((here.time.now() - lost < 5s), was);
    BOOST_TEST((books.link.now_in() == state::away));
  }
  server.start();
}

BOOST_AUTO_TEST_CASE(all_who_wait_know_when_a_silent_server_is_taken_to_be_away) {
  loop here;
  heard_log log;
  cutting_proxy proxy(here.time, shared_server().port());
  pg_connection::config how = through(proxy);
  how.patience = 200ms;
  kept_connection books(here, how);
  books.until_connected();
  proxy.fall_silent();
  proxy.cut();
  books.until(state::connecting);
  const steady_time lost = here.time.now();
  std::array<pg_transaction, 3> work;
  std::vector<loop::started<pg_verdict>> waiting;
  for (pg_transaction& each : work) {
    each.add(backend);
    waiting.push_back(here.start(books.link.commit(each, here.time.now() + 20s)));
    const steady_time next = here.time.now() + 60ms;
    here.until([&] { return here.time.now() >= next; });
  }
  BOOST_TEST((here.await(waiting.front()) == pg_verdict::unavailable));
  books.until(state::away);
  here.turn();
  for (const auto& one : waiting) { // not each after a patience of its own
    BOOST_TEST(one.has_ended());
    BOOST_TEST((here.await(one) == pg_verdict::unavailable));
  }
  BOOST_TEST((here.time.now() - lost < 10s));
}

BOOST_AUTO_TEST_CASE(a_connection_that_ends_while_idle_fails_no_transaction) {
  loop here;
  heard_log log;
  kept_connection books(here, config_of(shared_server().url()));
  for (int i = 0; i < 3; ++i) {
    const std::int64_t process = books.number(backend);
    shared_server().sql("SELECT pg_terminate_backend(" + std::to_string(process) + ", 5000)");
    here.turn();
    BOOST_TEST(books.number(backend) != process);
  }
  BOOST_TEST(log.count("terminating connection due to administrator command (SQLSTATE 57P01)") == 3U);
  BOOST_TEST(books.link.figures().waited.count() > 0);
}

BOOST_AUTO_TEST_CASE(a_silent_server_costs_a_transaction_no_more_than_its_time) {
  loop here;
  cutting_proxy proxy(here.time, shared_server().port());
  pg_connection::config how = through(proxy);
  how.patience = 500ms;
  kept_connection books(here, how);
  const std::int64_t process = books.number(backend);
  proxy.fall_silent();
  pg_transaction work;
  add_two(work, 50);
  const steady_time before = here.time.now();
  BOOST_TEST((books.commit(work, 100ms) == pg_verdict::in_doubt));
  BOOST_TEST((here.time.now() - before >= 100ms));
  BOOST_TEST((here.time.now() - before < 4s)); // and not the 5 s after which it is taken for lost
  pg_transaction next;
  next.add(backend);
  BOOST_TEST((books.commit(next, 100ms) == pg_verdict::unavailable)); // never sent
  books.until(state::away);
  const steady_time silent = here.time.now();
  BOOST_TEST((books.commit(next, 30s) == pg_verdict::unavailable)); // at once
  BOOST_TEST((here.time.now() - silent < 10s));
  proxy.go_on();
  books.until_connected();
  BOOST_TEST(books.number(backend) != process);
}

BOOST_AUTO_TEST_CASE(a_stopped_backend_costs_a_transaction_no_more_than_its_time) {
  loop here;
  kept_connection books(here, config_of(shared_server().url()));
  const auto process = static_cast<pid_t>(books.number(backend));
  postgres_server::signal(process, SIGSTOP);
  pg_transaction work;
  work.add(insert_note, 60, "stopped");
  const steady_time before = here.time.now();
  BOOST_TEST((books.commit(work, 100ms) == pg_verdict::in_doubt));
  BOOST_TEST((here.time.now() - before < 4s));
  BOOST_TEST(books.number(backend) != process);
  postgres_server::signal(process, SIGCONT); // it may yet write the row: that is the doubt
}

BOOST_AUTO_TEST_CASE(reads_given_up_to_a_silent_server_do_not_keep_it_alive) {
  loop here;
  cutting_proxy proxy(here.time, shared_server().port());
  pg_connection::config how = through(proxy);
  how.silence = 200ms;
  kept_connection books(here, how);
  const std::int64_t process = books.number(backend);
  proxy.fall_silent();
  pg_transaction read;
  read.add(count_notes);
  BOOST_TEST((books.commit(read, 20ms, pg_connection::late::abandon) == pg_verdict::in_doubt));
  BOOST_TEST((books.link.now_in() == state::connected));
  here.until([&] { return books.link.now_in() != state::connected; });
  proxy.go_on();
  BOOST_TEST(books.number(backend) != process);
}

BOOST_AUTO_TEST_CASE(a_commit_that_no_standby_has_is_in_doubt) {
  postgres_server& server = shared_server();
  loop here;
  kept_connection books(here, config_of(server.url()));
  const std::string process = std::to_string(books.number(backend));
  server.configure("synchronous_standby_names = 'nobody'\n");
  server.reload();
  pg_transaction work;
  work.add(insert_note, 90, "here only");
  const auto running = here.start(books.link.commit(work, here.time.now() + 10s));
  const std::string waits =
      "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND pid = " + process;
  here.until([&] { return server.sql(waits) == "1"; });
  server.sql("SELECT pg_cancel_backend(" + process + ")");
  BOOST_TEST((here.await(running) == pg_verdict::in_doubt));
  server.configure("synchronous_standby_names = ''\n");
  server.reload();
  BOOST_TEST(books.has_note(90));
}

BOOST_AUTO_TEST_CASE(a_connection_is_replaced_in_its_time_and_no_transaction_notices) {
  loop here;
  pg_connection::config how = config_of(shared_server().url());
  how.lifetime = 60ms;
  how.attempt_period = 10ms;
  kept_connection books(here, how);
  books.until_connected();
  steady_load load;
  here.start(load.run(books.link, here.time, 200'000));
  here.until([&] { return books.link.figures().reconnects >= 10 && load.verdicts[pg_verdict::done] > 100; });
  load.is_over = true;
  here.until([&] { return load.has_ended; });
  BOOST_TEST(load.verdicts.size() == 1U);
  here.until([&] { return books.link.now_in() == state::connected; });
  here.until([] { // those replaced have ended
    return shared_server().sql("SELECT count(*) < 4 FROM pg_stat_activity"
                               " WHERE application_name = 'repasse test'") == "t";
  });
}

BOOST_AUTO_TEST_CASE(a_replaced_connection_still_brings_its_last_reply) {
  loop here;
  pg_connection::config how = config_of(shared_server().url());
  how.lifetime = 50ms;
  kept_connection books(here, how);
  books.until_connected();
  pg_transaction slow;
  slow.add(doze, 3000);
  const auto running = here.start(books.link.commit(slow, here.time.now() + 30s));
  here.until([&] { return books.link.figures().reconnects >= 1; });
  BOOST_TEST(!running.has_ended());
  BOOST_TEST((here.await(running) == pg_verdict::done));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
