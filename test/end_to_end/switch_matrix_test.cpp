// The switch between PostgreSQL and Redis, over and back: who may take in, who imports, and what two who know
// different things of one payment do to it.
#define BOOST_TEST_MODULE switch_matrix
#include "test/end_to_end/matrix_house.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <set>
#include <sstream>
#include <thread>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using std::this_thread::sleep_for;

/// So that each instance looks at Redis' settings again.
void reconnect(const house& all) {
  for (const auto& one : all.to_redis)
    one->reset();
}

} // namespace

BOOST_AUTO_TEST_SUITE(switch_matrix)

BOOST_AUTO_TEST_CASE(an_instance_that_is_killed_leaves_its_payments_to_the_other) {
  matrix_house under_load;
  house& all = under_load.all;
  under_load.until_busy();
  all.database.kill();
  under_load.until_taken_in(200);
  // What it has taken out of the stream, and not imported: as if it had died at that.
  std::istringstream consumers(all.redis->cli({"XINFO", "CONSUMERS", "repasse:intake", "repasse"}));
  const std::string process = ':' + std::to_string(all.server(0).id()) + ":0:";
  std::size_t taken_out = 0;
  for (std::string line; std::getline(consumers, line);)
    if (line.find(process) != std::string::npos) {
      taken_out = 100;
      all.redis->cli(
          {"XREADGROUP", "GROUP", "repasse", line, "COUNT", "100", "STREAMS", "repasse:intake", ">"});
    }
  BOOST_TEST(taken_out > 0U);
  all.end(0, SIGKILL);
  sleep_for(500ms);
  all.database.start();
  under_load.agree(1);
}

BOOST_AUTO_TEST_CASE(both_are_killed_while_the_intake_is_full_and_start_without_postgres) {
  matrix_house under_load;
  house& all = under_load.all;
  under_load.until_busy();
  all.database.kill();
  under_load.until_taken_in(200);
  for (std::size_t i = 0; i < 2; ++i)
    all.end(i, SIGKILL);
  for (std::size_t i = 0; i < 2; ++i)
    all.start(i);
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(all.becomes_ready(i, matrix_house::ready_max));
  BOOST_TEST(under_load.post(0, 10).status == 202U);
  BOOST_TEST(under_load.post(1, 11).status == 202U);
  under_load.also_posted(matrix_house::entry(10));
  under_load.also_posted(matrix_house::entry(11));
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(all.server(i).log().find("begins") == std::string::npos, "no epoch without PostgreSQL");
  all.database.start();
  under_load.agree(1);
}

BOOST_AUTO_TEST_CASE(a_redis_that_is_set_up_badly_takes_nothing_in_and_what_it_holds_is_imported) {
  matrix_house under_load;
  under_load.also_posted(matrix_house::entry(20, false));
  house& all = under_load.all;
  under_load.until_busy();
  all.database.kill();
  under_load.until_taken_in(200);
  const std::pair<std::string, std::string> settings[] = {
      {"appendfsync", "everysec"}, {"appendfsync", "always"}, {"maxmemory-policy", "allkeys-lru"}};
  for (const auto& [name, value] : settings) {
    all.redis->cli({"CONFIG", "SET", name, value});
    reconnect(all);
    if (value == "always") continue;
    for (std::size_t i = 0; i < 2; ++i) {
      const auto says_why = [&, named = name] {
        const std::string text = under_load.readiness(i);
        return text.starts_with("503") && text.find("intake: closed, Redis") != std::string::npos &&
               text.find(named) != std::string::npos;
      };
      BOOST_TEST(comes(says_why, 3s), under_load.readiness(i));
      requests::detail_of(under_load.post(i, 20).reply, 503);
    }
  }
  all.end(0, SIGKILL); // nobody remembers what it took in
  all.end(1, SIGKILL);
  all.start(1);
  all.database.start();
  BOOST_TEST(all.intake_empties(15s));
  BOOST_TEST(under_load.readiness(1).find("intake: closed") != std::string::npos);
  all.redis->cli({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
  under_load.agree(1);
}

BOOST_AUTO_TEST_CASE(an_intake_that_holds_as_many_as_are_allowed_is_closed_until_they_are_imported) {
  house& all = matrix_house::whole();
  for (std::size_t i = 0; i < 2; ++i) {
    all.end(i, SIGTERM);
    all.start(i, {{"MAX_BACKLOG", "300"}});
  }
  {
    matrix_house under_load;
    under_load.until_busy();
    all.database.kill();
    for (std::size_t i = 0; i < 2; ++i) {
      const auto says_why = [&] {
        const std::string text = under_load.readiness(i);
        return text.starts_with("503") && text.find("intake: closed, as many payments wait") != text.npos;
      };
      BOOST_TEST(comes(says_why, 5s), under_load.readiness(i));
    }
    BOOST_TEST(all.in_intake() == 300U);
    all.database.start();
    BOOST_TEST(under_load.intake_opens(10s));
    under_load.agree();
  }
  for (std::size_t i = 0; i < 2; ++i)
    all.end(i, SIGTERM); // the next case has usual ones
}

BOOST_AUTO_TEST_CASE(what_waits_for_a_postgres_that_refuses_costs_nothing_meanwhile) {
  house& all = matrix_house::whole();
  all.database.stop(postgres_server::stopping::immediate); // while nothing is under way, and so in doubt
  sleep_for(500ms);
  for (std::size_t n = 40; n < 60; ++n) {
    http_caller caller("127.0.0.1", all.ports[1]);
    BOOST_TEST(caller.call("POST", "/payments", requests::payment_body(n)).status == 202U);
  }
  const auto before = all.server(1).cpu_time();
  sleep_for(1s);
  const auto used = all.server(1).cpu_time() - before;
  BOOST_TEST(used < 200ms, used / 1ms << " ms of a second");
  all.database.start();
  matrix_house under_load;
  for (std::size_t n = 40; n < 60; ++n)
    under_load.also_posted(matrix_house::entry(n));
  under_load.agree();
}

BOOST_AUTO_TEST_CASE(a_conflict_that_only_postgres_knows_of_is_audited_and_what_it_had_first_stands) {
  matrix_house under_load;
  house& all = under_load.all;
  BOOST_TEST(under_load.post(0, 30).status == 202U);
  under_load.also_posted(matrix_house::entry(30));
  under_load.until_busy();
  const std::string cached = "repasse:payment:correlation:" + requests::id_of(30); // else Redis knows it too
  BOOST_TEST(comes([&] { return all.redis->cli({"UNLINK", cached}) == "1"; }, 5s));
  all.database.kill();
  under_load.until_taken_in(50);
  BOOST_TEST(under_load.post(1, 30, "20.10").status == 202U);
  BOOST_TEST(under_load.post(0, 30, "20.20").status == 409U); // Redis knows
  all.database.start();
  BOOST_TEST(all.intake_empties(15s));
  BOOST_TEST(all.database.sql("SELECT count(*) FROM audit WHERE event = 'conflict' AND correlation_id = '" +
                              requests::id_of(30) + "' AND detail LIKE '%20.10%'") != "0");
  BOOST_TEST(all.log().find("payment " + requests::id_of(30) + " was taken in with another amount") !=
             std::string::npos);
  BOOST_TEST(all.server(0).caller().call("GET", "/payments/" + requests::id_of(30)).body.find("19.90") !=
             std::string::npos);
  under_load.agree();
}

BOOST_AUTO_TEST_CASE(one_payment_posted_to_both_at_the_switch_is_one) {
  matrix_house under_load;
  house& all = under_load.all;
  constexpr std::size_t first = 1000;
  constexpr std::size_t count = 300;
  std::vector<std::jthread> clients;
  for (std::size_t i = 0; i < 2; ++i)
    clients.emplace_back([&, i] {
      for (std::size_t n = first; n < first + count; ++n)
        while (under_load.post(i, n).status != 202U)
          sleep_for(10ms);
    });
  for (std::size_t n = first; n < first + count; ++n)
    under_load.also_posted(matrix_house::entry(n));
  sleep_for(100ms);
  for (int i = 0; i < 3; ++i) {
    all.database.kill();
    sleep_for(300ms);
    all.database.start();
    sleep_for(100ms);
  }
  clients.clear();
  under_load.agree();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
