// A load second by second: posts count where they were intended, acknowledgements where they came.
#include "bench/load_seconds.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <vector>

namespace repasse {
namespace {

open_loop_post post_of(std::uint64_t intended, std::uint32_t payment, std::uint32_t latency,
                       std::uint16_t status, std::uint32_t lateness = 0) {
  return {.intended = intended,
          .payment = payment,
          .lateness = lateness,
          .latency = latency,
          .status = status,
          .sent = true};
}

open_loop_result load_of(std::vector<open_loop_post> posts, std::size_t payments) {
  open_loop_result load;
  load.payments.resize(payments);
  load.posts = std::move(posts);
  return load;
}

BOOST_AUTO_TEST_SUITE(load_second_by_second)

BOOST_AUTO_TEST_CASE(a_post_counts_in_the_second_it_was_intended_for_however_late_its_answer) {
  const auto seconds =
      seconds_of(load_of({post_of(100, 0, 2'500'000, 202), post_of(1'100'000, 1, 300, 202)}, 2), 3);
  BOOST_REQUIRE(seconds.size() == 3U);
  BOOST_TEST(seconds[0].posts == 1U);
  BOOST_TEST(seconds[0].max == 2'500'000U);
  BOOST_TEST(seconds[1].p99 == 300U);
  BOOST_TEST(seconds[2].posts == 0U);
  BOOST_TEST(seconds[2].max == 0U);
}

BOOST_AUTO_TEST_CASE(answers_are_told_apart_and_what_has_none_has_no_latency) {
  const auto seconds =
      seconds_of(load_of({post_of(0, 0, 10, 202), post_of(1, 1, 20, 503), post_of(2, 2, 0, 0, 70)}, 3), 0.5);
  BOOST_REQUIRE(seconds.size() == 1U);
  BOOST_TEST(seconds[0].posts == 3U);
  BOOST_TEST(seconds[0].accepted == 1U);
  BOOST_TEST(seconds[0].refused == 1U);
  BOOST_TEST(seconds[0].unanswered == 1U);
  BOOST_TEST(seconds[0].p50 == 10U);
  BOOST_TEST(seconds[0].max == 20U);
  BOOST_TEST(seconds[0].late_max == 70U);
}

BOOST_AUTO_TEST_CASE(a_payment_is_acknowledged_once_when_its_first_202_comes) {
  const auto times =
      acknowledgements_of(load_of({post_of(0, 0, 3'000'000, 202), post_of(500'000, 1, 10, 503),
                                   post_of(1'000'000, 0, 100, 202), post_of(1'500'000, 2, 200, 202)},
                                  3));
  BOOST_TEST(times == (std::vector<std::uint64_t>{1'000'100, 1'500'200}), boost::test_tools::per_element());
  BOOST_TEST(acknowledged_by(times, 1) == 0U);
  BOOST_TEST(acknowledged_by(times, 1.2) == 1U);
  BOOST_TEST(acknowledged_by(times, 2) == 2U);
  BOOST_TEST(acknowledged_by(times, -1) == 0U);
}

BOOST_AUTO_TEST_CASE(percentiles_are_of_ranks) {
  std::vector<std::uint32_t> values;
  for (std::uint32_t i = 1000; i > 0; --i)
    values.push_back(i);
  BOOST_TEST(percentile(values, 0) == 1U);
  BOOST_TEST(percentile(values, 0.5) == 500U);
  BOOST_TEST(percentile(values, 0.99) == 990U);
  BOOST_TEST(percentile(values, 1) == 1000U);
  std::vector<std::uint32_t> none;
  BOOST_TEST(percentile(none, 0.99) == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
