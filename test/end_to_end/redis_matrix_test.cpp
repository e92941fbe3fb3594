// The row of the failure matrix in which PostgreSQL is up: whatever becomes of Redis, no request fails, and
// the intake is open again once it is well.
#define BOOST_TEST_MODULE redis_matrix
#include "test/end_to_end/matrix_house.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <thread>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using std::this_thread::sleep_for;

/// The end of each case: Redis is well again, and nobody has noticed.
void ends_unnoticed(matrix_house& under_load, const matrix_house::failed& failed) {
  BOOST_TEST(under_load.intake_opens());
  under_load.until_busy();
  BOOST_TEST(failed.posts() == 0U);
  under_load.agree();
}

} // namespace

BOOST_AUTO_TEST_SUITE(redis_matrix)

BOOST_AUTO_TEST_CASE(killed) {
  matrix_house under_load;
  under_load.until_busy();
  const matrix_house::failed failed(under_load);
  under_load.all.redis->kill();
  sleep_for(1500ms);
  for (std::size_t i = 0; i < 2; ++i) {
    BOOST_TEST(under_load.is_ready(i));
    BOOST_TEST(under_load.readiness(i).find("redis: away") != std::string::npos, under_load.readiness(i));
  }
  under_load.all.redis->start();
  ends_unnoticed(under_load, failed);
}

BOOST_AUTO_TEST_CASE(stopped) {
  matrix_house under_load;
  under_load.until_busy();
  const matrix_house::failed failed(under_load);
  under_load.all.redis->signal(SIGSTOP);
  const auto asked = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(under_load.is_ready(i));
  BOOST_TEST((std::chrono::steady_clock::now() - asked < 5s));
  sleep_for(3s);
  under_load.all.redis->signal(SIGCONT);
  ends_unnoticed(under_load, failed);
}

BOOST_AUTO_TEST_CASE(full) {
  matrix_house under_load;
  under_load.until_busy();
  const matrix_house::failed failed(under_load);
  under_load.all.redis->cli({"CONFIG", "SET", "maxmemory", "1"});
  sleep_for(1500ms);
  under_load.all.redis->cli({"CONFIG", "SET", "maxmemory", "0"});
  ends_unnoticed(under_load, failed);
}

BOOST_AUTO_TEST_CASE(slow) {
  matrix_house under_load;
  under_load.until_busy();
  const matrix_house::failed failed(under_load);
  for (int i = 0; i < 5; ++i)
    under_load.all.redis->cli({"DEBUG", "SLEEP", "0.4"});
  ends_unnoticed(under_load, failed);
}

BOOST_AUTO_TEST_CASE(made_a_replica) {
  matrix_house under_load;
  under_load.until_busy();
  const matrix_house::failed failed(under_load);
  under_load.all.redis->cli({"REPLICAOF", "127.0.0.1", "1"});
  sleep_for(1500ms);
  under_load.all.redis->cli({"REPLICAOF", "NO", "ONE"});
  ends_unnoticed(under_load, failed);
}

BOOST_AUTO_TEST_CASE(emptied_restarted_empty_and_restarted_with_its_file_cut) {
  matrix_house under_load;
  const matrix_house::failed failed(under_load);
  under_load.until_busy();
  under_load.all.redis->cli({"FLUSHALL"});
  sleep_for(1s);
  under_load.restart_redis_empty();
  sleep_for(1s);
  under_load.restart_redis_cut(500);
  ends_unnoticed(under_load, failed);
}

BOOST_AUTO_TEST_CASE(restarted_again_and_again) {
  matrix_house under_load(1000);
  const matrix_house::failed failed(under_load);
  for (int i = 0; i < 6; ++i) {
    under_load.until_busy();
    under_load.all.redis->kill();
    under_load.all.redis->start();
  }
  ends_unnoticed(under_load, failed);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
