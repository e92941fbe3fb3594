// PostgreSQL goes away and comes back under two instances: what clients are told meanwhile and how soon, and
// that calls under way keep their outcomes. Times are asserted at three times what is promised, and of many
// most: any process may stand still for a while.
#define BOOST_TEST_MODULE postgres_away
#include "test/end_to_end/loaded_house.hpp"
#include "test/end_to_end/requests.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using std::this_thread::sleep_for;
using steady = std::chrono::steady_clock;

constexpr auto ready_max = 10s; // soon; no time is promised
constexpr auto refusal_max = 3 * 50ms;
constexpr auto silence_max = 500ms;
constexpr auto standstill_max = 2s; // of a process on a busy machine
constexpr auto silent_refusal_max = 3 * silence_max + standstill_max;

struct timed_answer {
  unsigned status = 0;
  std::chrono::milliseconds took{0};
  http_reply reply;
};

timed_answer post(house& all, std::size_t instance, std::size_t number) {
  http_caller caller("127.0.0.1", all.ports[instance]);
  const auto begun = steady::now();
  timed_answer made;
  made.reply = caller.call("POST", "/payments", requests::payment_body(number));
  made.took = std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - begun);
  made.status = made.reply.status;
  return made;
}

std::chrono::milliseconds median(std::vector<std::chrono::milliseconds> of) {
  BOOST_REQUIRE(!of.empty());
  std::ranges::sort(of);
  return of[of.size() / 2];
}

unsigned readiness(const house& all, std::size_t instance) {
  return all.server(instance).caller().call("GET", "/readyz").status;
}

} // namespace

BOOST_AUTO_TEST_SUITE(postgres_away)

BOOST_AUTO_TEST_CASE(a_start_without_postgres_stays_up_and_works_once_it_comes) {
  house all;
  all.database.stop();
  for (std::size_t i = 0; i < 2; ++i)
    all.start(i);
  for (std::size_t i = 0; i < 2; ++i) {
    http_reply ready;
    const auto is_refused = [&] {
      ready = all.server(i).caller().call("GET", "/readyz");
      return ready.body.find("refused") != std::string::npos;
    };
    BOOST_TEST(comes(is_refused), ready.body);
    BOOST_TEST(ready.status == 503U);
    BOOST_TEST_MESSAGE(ready.body);
    BOOST_TEST(all.server(i).caller().call("GET", "/healthz").status == 200U);
    std::vector<std::chrono::milliseconds> took;
    for (int attempt = 0; attempt < 5; ++attempt) {
      const timed_answer refusal = post(all, i, 1);
      requests::detail_of(refusal.reply, 503);
      BOOST_TEST(!refusal.reply.header("Retry-After").empty());
      took.push_back(refusal.took);
    }
    BOOST_TEST(median(took) < refusal_max, median(took).count() << " ms");
  }
  all.database.start();
  for (std::size_t i = 0; i < 2; ++i) {
    BOOST_TEST(all.becomes_ready(i, ready_max));
    // Each reactor begins an epoch of its own.
    BOOST_TEST(comes([&] { return post(all, i, 1).status == 202U; }, ready_max));
  }
  // Nobody posts, so nobody but the beats can notice.
  all.database.stop(postgres_server::stopping::immediate);
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(comes([&] { return readiness(all, i) == 503U; }, ready_max));
  all.database.start();
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(all.becomes_ready(i, ready_max));
  BOOST_TEST(all.end(0, SIGTERM) == 0);
  all.database.stop();
  BOOST_TEST(all.end(1, SIGTERM) == 0); // without it, too
}

BOOST_AUTO_TEST_CASE(one_that_has_refused_is_ready_again_though_nobody_posts) {
  house all;
  all.start(1);
  BOOST_REQUIRE(all.becomes_ready(1, 10s));
  all.database.stop(postgres_server::stopping::immediate);
  BOOST_TEST(comes([&] { return readiness(all, 1) == 503U; }, ready_max));
  BOOST_TEST(post(all, 1, 1).status == 503U);
  all.database.start();
  BOOST_TEST(all.becomes_ready(1, ready_max));
}

BOOST_AUTO_TEST_CASE(refuses_at_once_while_it_is_away_and_is_ready_soon_after) {
  loaded_house under_load;
  under_load.also_posted({*parse_payment_id(requests::id_of(1)), 1990, false});
  house& all = under_load.all;
  for (int round = 0; round < 2; ++round) {
    under_load.until_busy();
    if (round == 0)
      all.database.stop(postgres_server::stopping::immediate);
    else
      all.database.kill();
    // From the first moment on: the server refuses, so nobody waits to see whether it comes back.
    const auto until = steady::now() + 3s;
    std::vector<std::chrono::milliseconds> took;
    while (steady::now() < until)
      for (std::size_t i = 0; i < 2; ++i) {
        const timed_answer refusal = post(all, i, 1);
        if (refusal.status == 202U && steady::now() < until - 1s) continue; // a session outlived its server
        took.push_back(refusal.took);
        BOOST_TEST(refusal.status == 503U);
        BOOST_TEST(!refusal.reply.header("Retry-After").empty());
        sleep_for(5ms);
      }
    const std::chrono::milliseconds usual = median(took);
    const std::chrono::milliseconds slowest = std::ranges::max(took);
    BOOST_TEST_MESSAGE("refusals took " << usual.count() << " ms, the slowest " << slowest.count());
    BOOST_TEST(usual < refusal_max, usual.count() << " ms");
    BOOST_TEST(slowest < refusal_max + standstill_max, slowest.count() << " ms");
    for (std::size_t i = 0; i < 2; ++i)
      BOOST_TEST(readiness(all, i) == 503U);
    all.database.start();
    const auto back = steady::now();
    for (std::size_t i = 0; i < 2; ++i) {
      BOOST_TEST(all.becomes_ready(i, ready_max));
      BOOST_TEST_MESSAGE("ready after " << (steady::now() - back) / 1ms << " ms");
    }
  }
  under_load.agree();
}

BOOST_AUTO_TEST_CASE(calls_under_way_end_meanwhile_and_are_settled_on_its_return) {
  loaded_house under_load;
  house& all = under_load.all;
  for (std::size_t p = 0; p < 2; ++p)
    all.make(p, mood::slow);
  sleep_for(700ms);
  under_load.until_busy();
  all.database.kill();
  const std::string killed =
      to_string(std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()));
  sleep_for(2s); // every call has ended
  for (std::size_t p = 0; p < 2; ++p)
    all.make(p, mood::failing); // what is settled now was taken before
  all.database.start();
  const auto open = [&] {
    return all.database.sql("SELECT count(*) FROM payments WHERE status IN (1, 2) AND accepted_at < '" +
                            killed + "'");
  };
  BOOST_TEST(comes([&] { return open() == "0"; }, 2 * ready_max), open());
  for (std::size_t p = 0; p < 2; ++p)
    all.make(p, mood::well);
  under_load.agree(1);
}

BOOST_AUTO_TEST_CASE(one_that_is_silent_is_known_to_be_away_in_time) {
  loaded_house under_load;
  under_load.also_posted({*parse_payment_id(requests::id_of(2)), 1990, false});
  house& all = under_load.all;
  under_load.until_busy();
  std::chrono::milliseconds slowest{0};
  std::optional<silent_postgres> silence(all.database);
  for (std::size_t i = 0; i < 2; ++i) {
    const timed_answer refusal = post(all, i, 2);
    BOOST_TEST(refusal.status == 503U);
    slowest = std::max(slowest, refusal.took);
  }
  silence.reset();
  BOOST_TEST_MESSAGE("the slowest refusal took " << slowest.count() << " ms");
  BOOST_TEST(slowest < silent_refusal_max, slowest.count() << " ms");
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(all.becomes_ready(i, ready_max));
  under_load.agree();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
