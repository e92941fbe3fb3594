// What Redis loses while a payment taken in is in nobody's list but the importer's.
#include "storage/intake.hpp"
#include "test/integration/redis_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;

struct kept_intake {
  explicit kept_intake(loop& of) : loop_(of), redis(of, config_of(shared_redis().url())) {
    redis.until_connected();
    holds.start();
    loop_.until([&] { return holds.is_open(); });
  }
  ~kept_intake() {
    holds.stop();
    loop_.holds_within(200ms, [] { return false; }); // its watch ends
  }
  kept_intake(const kept_intake&) = delete;
  kept_intake& operator=(const kept_intake&) = delete;

  void take_in(std::size_t count) {
    std::vector<intake_item> items(count);
    for (std::size_t i = 0; i < count; ++i) {
      items[i].id.bytes[0] = static_cast<std::uint8_t>(i + 1);
      items[i].amount_cents = 1990;
      items[i].accepted_at = loop_.time.wall();
    }
    loop_.start(holds.take_in(items));
    loop_.until([&] { return holds.figures().remembered == count; });
  }
  /// In the stream.
  std::int64_t length() { return redis.ask({"XLEN", names.intake()}).as_number().value_or(-1); }

private:
  loop& loop_;

public:
  kept_redis redis;
  redis_names names{"repasse"};
  intake holds{loop_.time, redis.link, names, {.consumer = "test"}};
};

} // namespace

BOOST_AUTO_TEST_SUITE(intake_loss)

BOOST_AUTO_TEST_CASE(what_the_importer_has_when_redis_is_emptied_is_taken_in_again_once_it_is_put_back) {
  loop of;
  kept_intake one(of);
  one.take_in(10);
  const std::vector<taken_payment> under_way = of.await(one.holds.next(6));
  BOOST_TEST(under_way.size() == 6U);
  shared_redis().cli({"FLUSHALL"});
  of.until([&] { return one.holds.figures().lost == 4; });
  BOOST_TEST(one.length() == 4);
  one.holds.put_back(under_way);
  BOOST_TEST(of.holds_within(5s, [&] { return one.holds.figures().lost == 10; }));
  BOOST_TEST(one.length() == 10);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
