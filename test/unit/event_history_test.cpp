// How a stream of events begins, for who comes anew, comes back, comes with nonsense, or from another time.
#include "server/event_history.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

namespace repasse {
namespace {

constexpr std::int64_t noon = 1'752'580'800'000;
const std::string greeting = "retry: 1000\n\n";

struct minutes {
  event_history kept;

  void pass(std::int64_t from, int seconds, double accepted = 1) {
    for (int i = 0; i < seconds; ++i)
      kept.remember(from + i * 1000, {.accepted = accepted});
  }
  [[nodiscard]] std::size_t points(const std::string& last_event_id) const {
    const std::string text = kept.beginning(last_event_id);
    std::size_t found = 0;
    for (std::size_t at = text.find(",0,null,null,null]"); at != std::string::npos;
         at = text.find(",0,null,null,null]", at + 1))
      ++found;
    return found;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(of_event_history, minutes)

BOOST_AUTO_TEST_CASE(it_begins_with_all_for_who_comes_anew_and_with_what_was_missed_for_who_comes_back) {
  BOOST_TEST(kept.beginning("") == greeting);
  kept.remember(noon, {.accepted = 12.34, .settled = 11, .held = 7, .accept_p99 = 0.5, .in_redis = 50});
  kept.remember(noon + 1000, {});
  BOOST_TEST(kept.beginning("") == greeting + "event: history\ndata: {\"points\":[[1752580800000,12.3,11.0,7,"
                                              "0.50,null,50],[1752580801000,0.0,0.0,0,null,null,null]]}\n\n");
  BOOST_TEST(points("1752580800000") == 1U);
  BOOST_TEST(kept.beginning("1752580801000") == greeting);
}

BOOST_AUTO_TEST_CASE(what_is_no_number_has_seen_nothing) {
  pass(noon, 3);
  for (const char* const nonsense :
       {"", "nonsense", "-1", "-9223372036854775808", "9223372036854775807", "99999999999999999999999999",
        "\xff\xfe", "1e99", " 1752580802000", "0x7fffffff"})
    BOOST_TEST(points(nonsense) == 3U, nonsense);
}

BOOST_AUTO_TEST_CASE(it_keeps_five_minutes) {
  pass(noon, 1000);
  BOOST_TEST(points("") == event_history::points_max);
  BOOST_TEST(kept.beginning("").find("[1752581500000,") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(another_instance_may_be_a_little_ahead) {
  pass(noon, 3);
  BOOST_TEST(kept.beginning(std::to_string(noon + 3'500)) == greeting);
}

BOOST_AUTO_TEST_CASE(a_clock_that_is_set_back_takes_its_future_with_it) {
  pass(noon, 100, 7);
  pass(noon + 30'500, 5);
  BOOST_TEST(points("") == 31U + 5U);
  BOOST_TEST(points(std::to_string(noon + 99'000)) == 31U + 5U); // seen when it was later than now
  pass(noon - 3'600'000, 2);
  BOOST_TEST(points("") == 2U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
