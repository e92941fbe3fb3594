// What ends while something is under way: callers, transactions, connections, whole reactors; and scripts,
// which wait until nothing is.
#include "test/integration/cutting_proxy.hpp"
#include "test/integration/pg_fixture.hpp"

#include <memory>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using state = pg_connection::state;

task<> commit_own(pg_connection& link, steady_time due, std::int64_t id) {
  pg_transaction work;
  work.add(doze, 50);
  work.add(insert_note, id, "of one who vanished");
  const pg_verdict verdict = co_await link.commit(work, due);
  BOOST_ERROR("resumed with " << static_cast<int>(verdict));
}

task<> commit_and_note(pg_connection& link, pg_transaction& work, steady_time due, pg_verdict& verdict,
                       bool& ended) {
  verdict = co_await link.commit(work, due);
  ended = true;
}

task<> run_script(pg_connection& link, steady_time due) {
  const auto result = co_await link.script("SELECT pg_sleep(0.05)", due);
  BOOST_ERROR("resumed with " << result.error);
}

BOOST_AUTO_TEST_SUITE(pg_end_test)

BOOST_AUTO_TEST_CASE(a_reactor_may_end_with_anything_under_way) {
  for (const bool is_connected : {true, false}) {
    loop here;
    task_group tasks(here.time);
    auto link = std::make_unique<pg_connection>(here.time, config_of(shared_server().url()));
    tasks.spawn(link->run());
    if (is_connected) here.until([&] { return link->now_in() == state::connected; });
    const steady_time due = here.time.now() + 5s;
    for (std::int64_t id = 400'000; id < 400'005; ++id)
      tasks.spawn(commit_own(*link, due, id));
    tasks.spawn(run_script(*link, due));
    here.turn();
    here.time.abandon(); // as reactor::wind_up
    here.turn();
    here.time.abandon();
    here.turn();
  }
}

BOOST_AUTO_TEST_CASE(a_context_may_be_destroyed_with_anything_under_way) {
  std::unique_ptr<pg_connection> link;
  loop here;
  link = std::make_unique<pg_connection>(here.time, config_of(shared_server().url()));
  here.start(link->run());
  here.until([&] { return link->now_in() == state::connected; });
  here.start(commit_own(*link, here.time.now() + 5s, 400'010));
  here.turn();
  here.time.abandon();
  link.reset();
}

BOOST_AUTO_TEST_CASE(callers_that_vanish_take_nothing_with_them) {
  loop here;
  pg_connection link(here.time, config_of(shared_server().url()));
  here.start(link.run());
  here.until([&] { return link.now_in() == state::connected; });
  for (std::int64_t id = 400'020; id < 400'023; ++id)
    here.start(commit_own(link, here.time.now() + 5s, id));
  here.turn();
  here.time.abandon(); // of all coroutines, run() is taken up again
  here.start(link.run());
  pg_transaction work;
  work.add(count_notes);
  BOOST_TEST((here.await(link.commit(work, here.time.now() + 5s)) == pg_verdict::done));
  BOOST_TEST(link.figures().reconnects == 0U);
  BOOST_TEST(shared_server().sql("SELECT count(*) FROM notes WHERE id BETWEEN 400020 AND 400022") == "3");
}

BOOST_AUTO_TEST_CASE(a_transaction_may_be_destroyed_before_its_reply) {
  loop here;
  kept_connection books(here, config_of(shared_server().url()));
  books.until_connected();
  auto work = std::make_unique<pg_transaction>();
  work->add(doze, 50);
  work->add(insert_note, 400'030, "alone");
  const auto running = here.start(books.link.commit(*work, here.time.now() + 5s));
  here.turn();
  work.reset();
  BOOST_TEST((here.await(running) == pg_verdict::done));
  BOOST_TEST(books.has_note(400'030));
}

BOOST_AUTO_TEST_CASE(stop_tells_everyone_what_is_known) {
  loop here;
  pg_connection::config how = config_of(shared_server().url());
  task_group tasks(here.time);
  pg_connection link(here.time, how);
  tasks.spawn(link.run());
  here.until([&] { return link.now_in() == state::connected; });
  pg_transaction sent;
  sent.add(doze, 50);
  const auto first = here.start(link.commit(sent, here.time.now() + 5s));
  here.turn();
  link.stop();
  BOOST_TEST((here.await(first) == pg_verdict::in_doubt));
  BOOST_TEST((here.await(link.commit(sent, here.time.now() + 5s)) == pg_verdict::unavailable));
  here.until([&] { return tasks.running() == 0; });
  BOOST_TEST((link.now_in() == state::stopped));

  pg_connection unreached(here.time, how);
  const auto waiting = here.start(unreached.commit(sent, here.time.now() + 5s));
  here.turn();
  BOOST_TEST(unreached.figures().waiting == 1U);
  unreached.stop();
  BOOST_TEST((here.await(waiting) == pg_verdict::unavailable));
  BOOST_TEST(unreached.figures().waiting == 0U);
}

BOOST_AUTO_TEST_CASE(a_connection_may_be_destroyed_at_any_moment) {
  for (int turns = 0; turns < 60; ++turns) {
    loop here;
    auto link = std::make_unique<pg_connection>(here.time, config_of(shared_server().url()));
    here.start(link->run());
    pg_transaction work;
    work.add(insert_note, 410'000 + turns, "brief");
    pg_verdict verdict = pg_verdict::refused;
    bool has_ended = false;
    here.start(commit_and_note(*link, work, here.time.now() + 5s, verdict, has_ended));
    here.turn();
    for (int i = 0; i < turns && !has_ended; ++i)
      here.context.run_one_for(5ms);
    link.reset();
    here.until([&] { return has_ended; });
    BOOST_TEST((verdict != pg_verdict::refused));
    const bool is_there = shared_server().sql("SELECT count(*) FROM notes WHERE id = " +
                                              std::to_string(410'000 + turns)) == "1";
    if (verdict == pg_verdict::done) BOOST_TEST(is_there);
    if (verdict == pg_verdict::unavailable) BOOST_TEST(!is_there);
    if (verdict == pg_verdict::done) break;
  }
}

BOOST_AUTO_TEST_CASE(a_script_runs_alone_and_brings_its_last_rows) {
  loop here;
  kept_connection books(here, config_of(shared_server().url()));
  const std::int64_t process = books.number(backend);
  pg_transaction before;
  before.add(doze, 30);
  const steady_time due = here.time.now() + 5s;
  const auto first = here.start(books.link.commit(before, due));
  const auto script = here.start(books.link.script(
      "CREATE TEMP TABLE scripted (a int, b text); INSERT INTO scripted VALUES (1, 'x'), (2, NULL);"
      " SELECT a, b FROM scripted ORDER BY a",
      due));
  pg_transaction after;
  after.add(backend);
  const auto last = here.start(books.link.commit(after, due));
  BOOST_TEST((here.await(last) == pg_verdict::done));
  BOOST_TEST(first.has_ended());
  BOOST_TEST(script.has_ended());
  BOOST_TEST(after.row(0, backend, 0).count == process);
  const pg_connection::script_result result = here.await(script);
  BOOST_TEST((result.verdict == pg_verdict::done));
  BOOST_TEST(result.error == "");
  BOOST_REQUIRE(result.rows.size() == 2U);
  BOOST_TEST(result.rows[0][1] == "x");
  BOOST_TEST(result.rows[1][0] == "2");
  BOOST_TEST(result.rows[1][1] == "");
}

BOOST_AUTO_TEST_CASE(a_script_that_fails_is_undone_and_told) {
  loop here;
  kept_connection books(here, config_of(shared_server().url()));
  const auto result = here.await(books.link.script(
      "INSERT INTO notes VALUES (420000, 'undone'); SELECT 1 / 0; SELECT 2", here.time.now() + 5s));
  BOOST_TEST((result.verdict == pg_verdict::refused));
  BOOST_TEST(result.error == "division by zero (SQLSTATE 22012)");
  BOOST_TEST(!books.has_note(420'000));
  const auto copy = here.await(books.link.script("COPY notes TO STDOUT", here.time.now() + 5s));
  BOOST_TEST((copy.verdict == pg_verdict::in_doubt)); // not for scripts; the connection is lost with it
  BOOST_TEST(books.number(backend) > 0);
}

BOOST_AUTO_TEST_CASE(a_script_ends_by_its_time) {
  loop here;
  heard_log log;
  kept_connection books(here, config_of(shared_server().url()));
  const std::int64_t process = books.number(backend);
  const auto slow = here.await(books.link.script("SELECT pg_sleep(2)", here.time.now() + 30ms));
  BOOST_TEST((slow.verdict == pg_verdict::in_doubt));
  BOOST_TEST(books.number(backend) != process);
}

BOOST_AUTO_TEST_CASE(a_script_does_not_wait_for_a_server_that_is_away) {
  loop here;
  heard_log log;
  pg_connection::config patient = config_of("postgresql://127.0.0.1:1/nowhere");
  patient.patience = 20s;
  kept_connection nowhere(here, patient);
  for (int i = 0; i < 2; ++i) { // before that is known, and after
    const steady_time asked = here.time.now();
    const auto never_run = here.await(nowhere.link.script("SELECT 1", here.time.now() + 30s));
    BOOST_TEST((here.time.now() - asked < 10s));
    BOOST_TEST((never_run.verdict == pg_verdict::unavailable));
    BOOST_TEST(never_run.error.find("refused") != std::string::npos, never_run.error);
  }
  cutting_proxy proxy(here.time, shared_server().port());
  proxy.fall_silent();
  pg_connection::config how = config_of(shared_server().url(proxy.port()));
  how.patience = 100ms;
  kept_connection silent(here, how);
  const steady_time asked = here.time.now();
  const auto unheard = here.await(silent.link.script("SELECT 1", here.time.now() + 10s));
  BOOST_TEST((here.time.now() - asked < 5s));
  BOOST_TEST((unheard.verdict == pg_verdict::unavailable));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
