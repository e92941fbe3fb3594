// Two instances on one PostgreSQL, killed, stopped and ended under load, and PostgreSQL under them: whatever
// dies, nothing acknowledged is lost, nothing is charged twice, and the books are equal to the cent and the
// millisecond. A kill comes only while sends and commits are under way.
#define BOOST_TEST_MODULE postgres_kill
#include "test/end_to_end/loaded_house.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using std::this_thread::sleep_for;

constexpr auto takeover_max = 3 * 7s;
constexpr auto ready_max = 20s; // promised nowhere
constexpr auto drain_max = 12s; // SHUTDOWN_TIMEOUT and a little

bool logged(const house& all, std::size_t instance, std::string_view text) {
  return all.server(instance).log().find(text) != std::string::npos;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(postgres_kill, loaded_house)

BOOST_AUTO_TEST_CASE(the_payments_of_a_killed_instance_are_taken_over) {
  const killed gone = kill(0);
  BOOST_TEST(all.left_by(gone.process) > 0U);
  const auto begun = all.takeover_after(gone.process, gone.at, takeover_max);
  BOOST_REQUIRE(begun.has_value());
  BOOST_TEST_MESSAGE("takeover begins " << begun->count() << " ms after the kill");
  BOOST_TEST(comes([&] { return all.left_by(gone.process) == 0U; }, takeover_max));
  all.start(0);
  BOOST_TEST(all.becomes_ready(0, ready_max));
  agree(1);
}

BOOST_AUTO_TEST_CASE(instances_are_killed_again_and_again) {
  for (const std::size_t which : {1U, 0U, 1U, 0U, 0U}) {
    kill(which);
    all.start(which);
  }
  until_busy();
  all.end(0, SIGKILL);
  all.end(1, SIGKILL);
  all.start(0);
  all.start(1);
  agree();
}

BOOST_AUTO_TEST_CASE(a_stopped_instance_that_wakes_finds_its_payments_taken_over) {
  until_busy();
  const pid_t process = all.server(0).id();
  all.server(0).signal(SIGSTOP);
  const auto stopped = std::chrono::steady_clock::now();
  BOOST_TEST(all.takeover_after(process, stopped, takeover_max).has_value());
  std::this_thread::sleep_until(stopped + 8s);
  all.server(0).signal(SIGCONT);
  BOOST_TEST(comes([&] { return logged(all, 0, "was ended by another"); }));
  BOOST_TEST(all.becomes_ready(0, ready_max));
  until_busy();
  agree();
}

BOOST_AUTO_TEST_CASE(one_of_two_ends_and_the_other_goes_on_with_its_payments) {
  for (std::size_t p = 0; p < 2; ++p)
    all.make(p, mood::failing);
  const auto waiting = [&] { return all.left_by(all.server(0).id()) > 100U; };
  BOOST_REQUIRE(comes(waiting, 10s));
  const std::size_t refused = load().refused(0);
  const pid_t process = all.server(0).id();
  all.server(0).signal(SIGTERM);
  sleep_for(1500ms); // they wait, and belong to the other already
  for (std::size_t p = 0; p < 2; ++p)
    all.make(p, mood::well);
  BOOST_TEST(comes([&] { return all.ended(0).has_value(); }, drain_max));
  BOOST_TEST(load().refused(0) == refused);
  BOOST_TEST(comes([&] { return all.left_by(process) == 0U && all.released() == 0U; }));
  BOOST_TEST(all.log().find("payments unsettled") == std::string::npos);
  BOOST_TEST(all.log().find("is not in the books") == std::string::npos);
  agree(1);
}

BOOST_AUTO_TEST_CASE(the_postmaster_is_killed) {
  for (int i = 0; i < 4; ++i) {
    until_busy();
    all.database.kill();
    if (i % 2 == 0) sleep_for(300ms);
    all.database.start();
  }
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(all.becomes_ready(i, ready_max));
  agree();
}

BOOST_AUTO_TEST_CASE(postgres_is_restarted_at_once_and_its_backends_are_killed) {
  const std::string ours = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'repasse %' ";
  for (const char* role : {"append", "change", "read"}) {
    until_busy();
    all.database.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'repasse " +
        std::string(role) + "%'");
    until_busy();
    postgres_server::signal(
        std::stoi(all.database.sql(ours + "AND application_name LIKE '%" + role + "%' LIMIT 1")), SIGKILL);
    until_busy();
    all.database.restart(postgres_server::stopping::immediate);
  }
  agree(1);
}

BOOST_AUTO_TEST_CASE(everything_is_killed_at_once_while_processors_slow_fail_and_drop) {
  const std::pair<mood, mood> moods[] = {
      {mood::slow, mood::dropping}, {mood::dropping, mood::failing}, {mood::slow_and_failing, mood::slow}};
  for (const auto& [first, second] : moods) {
    all.make(0, first);
    all.make(1, second);
    sleep_for(700ms);
    until_busy();
    all.database.signal(SIGKILL);
    all.end(0, SIGKILL);
    all.end(1, SIGKILL);
    all.database.kill();
    all.make(0, mood::well);
    all.database.start();
    all.start(0);
    all.start(1);
    BOOST_TEST(all.becomes_ready(0, ready_max));
    BOOST_TEST(all.becomes_ready(1, ready_max));
    all.make(1, mood::well);
  }
  agree();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
