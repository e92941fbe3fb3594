// The row of the failure matrix in which PostgreSQL is away and Redis takes in, and what becomes of Redis
// then: nothing acknowledged is lost, whatever Redis itself loses.
#define BOOST_TEST_MODULE intake_matrix
#include "test/end_to_end/matrix_house.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <thread>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using std::this_thread::sleep_for;

/// PostgreSQL is killed, and payments are in the intake.
struct taking_in : matrix_house {
  explicit taking_in(double conflicts = 0.01) : matrix_house(300, conflicts) {
    until_busy();
    all.database.kill();
    until_taken_in(200);
  }

  void ends() {
    all.database.start();
    for (std::size_t i = 0; i < 2; ++i)
      BOOST_TEST(all.becomes_ready(i, ready_max));
    agree();
  }
};

/// A conflict finds its payment gone, and may be taken in before that is: then the other amount stands.
constexpr double no_conflicts = 0;

bool notices(const house& all) {
  return comes(
      [&] { return all.log().find("were gone from Redis, and are taken in again") != std::string::npos; },
      5s);
}

} // namespace

BOOST_AUTO_TEST_SUITE(intake_matrix)

BOOST_AUTO_TEST_CASE(emptied) {
  taking_in under_load(no_conflicts);
  under_load.all.redis->cli({"FLUSHALL"});
  BOOST_TEST(notices(under_load.all));
  under_load.until_taken_in(200);
  under_load.ends();
}

BOOST_AUTO_TEST_CASE(emptied_and_its_takers_are_killed_once_they_have_noticed) {
  house& all = matrix_house::whole();
  all.database.stop(postgres_server::stopping::immediate); // with nothing in doubt, so that imports are tried
  sleep_for(500ms);
  std::vector<posted_entry> taken;
  for (std::size_t n = 100; n < 200; ++n) {
    http_caller caller("127.0.0.1", all.ports[n % 2]);
    BOOST_TEST(caller.call("POST", "/payments", requests::payment_body(n)).status == 202U);
    taken.push_back(matrix_house::entry(n));
  }
  all.redis->cli({"FLUSHALL"});
  BOOST_TEST(comes([&] { return all.in_intake() == taken.size(); }, 5s), all.in_intake());
  for (std::size_t i = 0; i < 2; ++i)
    all.end(i, SIGKILL);
  all.database.start();
  matrix_house under_load;
  for (const posted_entry& one : taken)
    under_load.also_posted(one);
  under_load.agree();
}

BOOST_AUTO_TEST_CASE(emptied_just_before_postgres_returns) {
  taking_in under_load(no_conflicts);
  under_load.all.database.start();
  under_load.all.redis->cli({"FLUSHALL"});
  under_load.agree();
}

BOOST_AUTO_TEST_CASE(restarted_empty) {
  taking_in under_load(no_conflicts);
  under_load.restart_redis_empty();
  BOOST_TEST(under_load.intake_opens());
  under_load.until_taken_in(200);
  under_load.ends();
}

BOOST_AUTO_TEST_CASE(restarted_with_its_file_cut) {
  taking_in under_load(no_conflicts);
  under_load.restart_redis_cut(40'000);
  BOOST_TEST(under_load.intake_opens());
  under_load.ends();
}

BOOST_AUTO_TEST_CASE(killed_and_back) {
  taking_in under_load;
  under_load.also_posted(matrix_house::entry(1, false));
  under_load.all.redis->kill();
  sleep_for(500ms);
  for (std::size_t i = 0; i < 2; ++i) {
    const timed_answer refusal = under_load.post(i, 1);
    requests::detail_of(refusal.reply, 503);
    BOOST_TEST(refusal.took < matrix_house::refusal_max, refusal.took.count() << " ms");
    BOOST_TEST(!under_load.is_ready(i));
  }
  under_load.all.redis->start();
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(under_load.all.becomes_ready(i, matrix_house::ready_max));
  under_load.ends();
}

BOOST_AUTO_TEST_CASE(full) {
  taking_in under_load;
  under_load.all.redis->cli({"CONFIG", "SET", "maxmemory", "1"});
  BOOST_TEST(comes([&] { return !under_load.is_ready(0) && !under_load.is_ready(1); }, 3s));
  BOOST_TEST(under_load.readiness(0).find("maxmemory") != std::string::npos, under_load.readiness(0));
  under_load.all.database.start(); // Redis stays full: what it holds comes out all the same
  BOOST_TEST(under_load.all.intake_empties(15s));
  under_load.all.redis->cli({"CONFIG", "SET", "maxmemory", "0"});
  under_load.agree();
}

BOOST_AUTO_TEST_CASE(slow) {
  taking_in under_load;
  for (int i = 0; i < 4; ++i) {
    under_load.all.redis->cli({"DEBUG", "SLEEP", "0.7"});
    sleep_for(100ms);
  }
  under_load.ends();
}

BOOST_AUTO_TEST_CASE(made_a_replica) {
  taking_in under_load;
  under_load.all.redis->cli({"REPLICAOF", "127.0.0.1", "1"});
  BOOST_TEST(comes([&] { return !under_load.is_ready(0) && !under_load.is_ready(1); }, 3s));
  under_load.all.redis->cli({"REPLICAOF", "NO", "ONE"});
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(under_load.all.becomes_ready(i, matrix_house::ready_max));
  under_load.ends();
}

BOOST_AUTO_TEST_CASE(stopped_and_awake_again) {
  taking_in under_load;
  under_load.all.redis->signal(SIGSTOP);
  sleep_for(1500ms);
  under_load.all.redis->signal(SIGCONT);
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(under_load.all.becomes_ready(i, matrix_house::ready_max));
  under_load.ends();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
