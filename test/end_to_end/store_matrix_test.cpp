// The other cells of the failure matrix: PostgreSQL goes while Redis is there, both go, networks are cut.
// Full lengths, 8 and 30 s, are those of `./dev chaos`.
#define BOOST_TEST_MODULE store_matrix
#include "test/end_to_end/matrix_house.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <optional>
#include <thread>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using std::this_thread::sleep_for;
using steady = std::chrono::steady_clock;

void become_ready(const house& all) {
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(all.becomes_ready(i, matrix_house::ready_max));
}

/// PostgreSQL is killed, and comes back after that time.
void kill_postgres(std::chrono::milliseconds away, double rate) {
  matrix_house under_load(rate);
  house& all = under_load.all;
  under_load.until_busy();
  all.database.kill();
  const auto refusals = under_load.refusals_last(away);
  BOOST_TEST_MESSAGE("refusals for " << refusals.count() << " ms");
  BOOST_TEST(refusals < 3 * 1s, refusals.count() << " ms");
  become_ready(all);
  const std::size_t taken = all.in_intake();
  BOOST_TEST_MESSAGE(taken << " in the intake");
  BOOST_TEST(taken > 0U);
  all.database.start();
  const auto back = steady::now();
  BOOST_TEST(comes([&] { return all.in_intake() < taken; }, 3 * 1s));
  BOOST_TEST_MESSAGE("import begins after " << (steady::now() - back) / 1ms << " ms");
  under_load.agree();
}

/// Posts at both for that long; those after the first `silent_refusal_max` are refused soon.
void expect_refusals(matrix_house& under_load, std::size_t number, std::chrono::milliseconds lasts) {
  under_load.also_posted(matrix_house::entry(number, false));
  const auto begun = steady::now();
  std::chrono::milliseconds slowest{0};
  std::chrono::milliseconds slowest_later{0};
  while (steady::now() - begun < lasts)
    for (std::size_t i = 0; i < 2; ++i) {
      const bool is_late = steady::now() - begun > matrix_house::silent_refusal_max;
      const timed_answer refusal = under_load.post(i, number);
      BOOST_TEST((refusal.status == 503U || !is_late), refusal.status);
      (is_late ? slowest_later : slowest) = std::max(is_late ? slowest_later : slowest, refusal.took);
      sleep_for(10ms);
    }
  BOOST_TEST_MESSAGE("the slowest refusal took " << slowest.count() << " ms, later "
                                                 << slowest_later.count());
  BOOST_TEST(slowest < matrix_house::silent_refusal_max, slowest.count() << " ms");
  BOOST_TEST(slowest_later < matrix_house::refusal_max, slowest_later.count() << " ms");
}

} // namespace

BOOST_AUTO_TEST_SUITE(store_matrix)

BOOST_AUTO_TEST_CASE(postgres_killed_for_a_second_at_a_thousand_requests_a_second) {
  kill_postgres(1s, 1000);
}
BOOST_AUTO_TEST_CASE(postgres_killed_for_four_seconds) { kill_postgres(4s, 300); }

BOOST_AUTO_TEST_CASE(postgres_stopped) {
  matrix_house under_load;
  under_load.until_busy();
  std::optional<silent_postgres> silence(under_load.all.database);
  const auto refusals = under_load.refusals_last(4s);
  BOOST_TEST(refusals < 3 * 1s, refusals.count() << " ms");
  become_ready(under_load.all);
  BOOST_TEST(under_load.all.in_intake() > 0U);
  silence.reset();
  under_load.agree();
}

BOOST_AUTO_TEST_CASE(postgres_flapping) {
  matrix_house under_load;
  under_load.until_busy();
  for (int i = 0; i < 4; ++i) {
    if (i % 2 == 0)
      under_load.all.database.kill();
    else
      under_load.all.database.stop(postgres_server::stopping::immediate);
    sleep_for(500ms);
    under_load.all.database.start();
    sleep_for(500ms);
  }
  under_load.agree();
}

BOOST_AUTO_TEST_CASE(both_killed) {
  matrix_house under_load;
  house& all = under_load.all;
  under_load.until_busy();
  all.database.kill();
  sleep_for(500ms);
  all.redis->kill();
  expect_refusals(under_load, 1, 2500ms);
  BOOST_TEST(!under_load.is_ready(0));
  all.redis->start();
  become_ready(all); // by Redis
  all.database.start();
  under_load.agree(1);
}

BOOST_AUTO_TEST_CASE(both_killed_at_once_and_postgres_is_back_first) {
  matrix_house under_load;
  house& all = under_load.all;
  under_load.until_busy();
  all.redis->kill();
  all.database.kill();
  sleep_for(1s);
  all.database.start();
  become_ready(all);
  all.redis->start();
  under_load.agree(1);
}

BOOST_AUTO_TEST_CASE(both_stopped) {
  matrix_house under_load;
  house& all = under_load.all;
  under_load.until_busy();
  std::optional<silent_postgres> silence(all.database);
  all.redis->signal(SIGSTOP);
  expect_refusals(under_load, 2, 5s);
  BOOST_TEST(!under_load.is_ready(0));
  all.redis->signal(SIGCONT);
  silence.reset();
  become_ready(all);
  under_load.agree(1);
}

BOOST_AUTO_TEST_CASE(the_network_between_one_instance_and_postgres_is_cut) {
  for (const network::cut where : {network::cut::there, network::cut::back, network::cut::both}) {
    matrix_house under_load;
    under_load.until_busy();
    const std::size_t refused = under_load.load().refused(1);
    under_load.all.to_database[0]->fall_silent(where);
    const auto refusals = under_load.refusals_last(3s);
    BOOST_TEST(refusals < 3 * 1s, refusals.count() << " ms");
    BOOST_TEST(under_load.all.becomes_ready(0, matrix_house::ready_max)); // by Redis
    BOOST_TEST(under_load.load().refused(1) == refused);
    under_load.all.to_database[0]->mend();
    become_ready(under_load.all);
    under_load.agree(1);
  }
}

BOOST_AUTO_TEST_CASE(the_network_between_one_instance_and_redis_is_cut) {
  for (const network::cut where : {network::cut::there, network::cut::back, network::cut::both}) {
    matrix_house under_load;
    under_load.until_busy();
    const matrix_house::failed failed(under_load);
    under_load.all.to_redis[0]->fall_silent(where);
    sleep_for(2500ms);
    BOOST_TEST(under_load.is_ready(0));
    BOOST_TEST(failed.posts() == 0U);
    under_load.all.database.kill(); // the other takes in
    sleep_for(1500ms);
    BOOST_TEST(under_load.is_ready(1));
    under_load.all.to_redis[0]->mend();
    BOOST_TEST(under_load.all.becomes_ready(0, matrix_house::ready_max));
    under_load.all.database.start();
    under_load.agree(1);
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
