// What a processor makes of what others say of it, and what of its breaker it passes on. Nobody listens at
// its port.
#include "server/poller.hpp"
#include "server/processor.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/test/unit_test.hpp>

#include <exception>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;

class lonely_processor {
public:
  ~lonely_processor() {
    sockets_.close();
    clock_.abandon();
    context_.restart();
    context_.poll();
  }

  /// A send that is refused at once.
  void fail() {
    bool ended = false;
    asio::co_spawn(context_.get_executor(), charge(ended), [](const std::exception_ptr& thrown) {
      if (thrown) std::terminate();
    });
    context_.restart();
    while (!ended)
      context_.run_one_for(1s);
  }
  void hear(bool failing, std::chrono::nanoseconds ago = 0ns, epoch_id from = 0) {
    health_report said;
    said.failing = failing;
    said.heard = clock_.now() - ago;
    said.from = from;
    one.heard(said);
  }
  [[nodiscard]] bool is_closed() const { return one.circuit().is_closed(); }

private:
  task<> charge(bool& ended) {
    const payment_id id{};
    const bool has_turn = one.take_turn(id);
    BOOST_TEST(has_turn);
    one.reserve(id);
    const outcome seen = co_await one.charge(id, 100, clock_.now() + 10s);
    BOOST_TEST((seen.seen == evidence::not_connected));
    one.release();
    ended = true;
  }
  [[nodiscard]] processor::config settings() {
    processor::config how;
    how.name = "default";
    how.http.host = "127.0.0.1";
    how.http.port = 1;
    how.changed = [this](bool closed) { told.push_back(closed); };
    return how;
  }

  asio::io_context context_{1};
  clock clock_{context_};
  poller sockets_{context_};

public:
  std::vector<bool> told; ///< of each change that was passed on: whether it closed
  processor one{clock_, sockets_, settings()};
};

} // namespace

BOOST_AUTO_TEST_SUITE(processor_word_test)

BOOST_AUTO_TEST_CASE(a_breaker_that_opens_by_own_failures_is_told_at_once_and_once) {
  lonely_processor here;
  here.fail();
  here.fail();
  BOOST_TEST(here.told.empty());
  here.fail();
  BOOST_TEST(!here.is_closed());
  BOOST_REQUIRE(here.told.size() == 1U);
  BOOST_TEST(!here.told[0]);
  here.one.look_after();
  here.hear(true);
  here.one.look_after();
  BOOST_TEST(here.told.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_breaker_that_a_word_has_opened_is_not_told) {
  lonely_processor here;
  here.hear(true);
  BOOST_TEST(!here.is_closed());
  here.one.look_after();
  BOOST_TEST(here.told.empty());
  BOOST_TEST(here.one.admits());
  here.fail(); // its own trial agrees: nothing new to the others
  here.one.look_after();
  BOOST_TEST(here.told.empty());
}

BOOST_AUTO_TEST_CASE(a_word_that_comes_by_two_ways_is_one_and_keeps_who_said_it_first) {
  lonely_processor here;
  here.hear(false, 30ms, 17);
  here.hear(false, 15ms); // the same, its age known to some milliseconds
  BOOST_TEST(here.one.health()->from == 17U);
  here.hear(true, 14ms); // another
  BOOST_TEST(here.one.health()->failing);
  here.hear(false, 20ms, 18); // older
  BOOST_TEST(here.one.health()->failing);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
