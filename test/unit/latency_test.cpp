// What is remembered of latencies: percentiles against sorted lists of the same values, and the expectation.
#include "health/latency.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr steady_time start{1h};

/// The upper edge of a step is told, and a step may be as wide as an eighth of its lower edge.
constexpr double error_max = 0.07;

/// Values from 1 µs to an hour, all magnitudes alike.
std::vector<std::int64_t> random_micros(std::mt19937_64& random, std::size_t count) {
  std::uniform_real_distribution<double> magnitude(0, std::log2(3.6e9));
  std::vector<std::int64_t> values(count);
  for (std::int64_t& value : values)
    value = static_cast<std::int64_t>(std::exp2(magnitude(random)));
  return values;
}

latency_histogram histogram_of(const std::vector<std::int64_t>& micros) {
  latency_histogram seen;
  for (const std::int64_t value : micros)
    seen.record(std::chrono::microseconds{value});
  return seen;
}

bool is_near(std::chrono::microseconds told, std::int64_t exact) {
  return std::abs(static_cast<double>(told.count() - exact)) <= error_max * static_cast<double>(exact);
}

} // namespace

BOOST_AUTO_TEST_SUITE(latency_test)

BOOST_AUTO_TEST_CASE(no_calls_have_no_latency) {
  const latency_histogram none;
  BOOST_TEST(none.count() == 0U);
  for (const double share : {0.0, 0.5, 1.0})
    BOOST_TEST(none.percentile(share).count() == 0);
}

BOOST_AUTO_TEST_CASE(one_call_is_every_percentile) {
  for (const std::int64_t micros : {1, 2, 3, 4, 7, 8, 9, 15, 16, 1000, 1023, 1024, 1025, 999'999}) {
    const latency_histogram one = histogram_of({micros});
    BOOST_TEST(one.count() == 1U);
    for (const double share : {0.0, 0.5, 0.99, 1.0})
      BOOST_TEST(is_near(one.percentile(share), micros), one.percentile(share).count() << " for " << micros);
  }
}

BOOST_AUTO_TEST_CASE(the_ends_are_the_least_and_the_greatest) {
  const latency_histogram seen = histogram_of({40, 900'000, 3'000, 3'000, 3'000});
  BOOST_TEST(is_near(seen.percentile(0), 40));
  BOOST_TEST(is_near(seen.percentile(1), 900'000));
  BOOST_TEST(is_near(seen.percentile(0.5), 3'000));
}

BOOST_AUTO_TEST_CASE(percentiles_are_near_those_of_the_sorted_values) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::int64_t> values = random_micros(random, 1 + random() % 500);
    const latency_histogram seen = histogram_of(values);
    std::sort(values.begin(), values.end());
    for (const double share : {0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const auto rank = static_cast<std::size_t>(share * static_cast<double>(values.size()));
      const std::int64_t exact = values[std::min(rank, values.size() - 1)];
      const std::chrono::microseconds told = seen.percentile(share);
      BOOST_TEST(is_near(told, exact), told.count() << " for " << exact << " in round " << round);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_greater_share_never_has_a_smaller_latency) {
  std::mt19937_64 random(8);
  const latency_histogram seen = histogram_of(random_micros(random, 1000));
  for (int i = 1; i <= 1000; ++i)
    BOOST_TEST(seen.percentile(i / 1000.0).count() >= seen.percentile((i - 1) / 1000.0).count());
}

BOOST_AUTO_TEST_CASE(what_is_beyond_the_ends_counts_as_the_ends) {
  latency_histogram seen;
  seen.record(-5s);
  seen.record(0ns);
  seen.record(999ns);
  BOOST_TEST(seen.percentile(1).count() == 1);
  seen.record(std::chrono::hours{10'000});
  seen.record(std::chrono::nanoseconds::max());
  BOOST_TEST(seen.count() == 5U);
  BOOST_TEST((seen.percentile(1) > 1h));
}

BOOST_AUTO_TEST_CASE(added_histograms_are_as_if_recorded_in_one) {
  std::mt19937_64 random(9);
  std::vector<std::int64_t> all = random_micros(random, 300);
  const std::vector<std::int64_t> more = random_micros(random, 700);
  latency_histogram sum = histogram_of(all);
  sum.add(histogram_of(more));
  sum.add({});
  all.insert(all.end(), more.begin(), more.end());
  const latency_histogram together = histogram_of(all);
  BOOST_TEST(sum.count() == 1000U);
  for (int i = 0; i <= 100; ++i)
    BOOST_TEST(sum.percentile(i / 100.0).count() == together.percentile(i / 100.0).count());
}

BOOST_AUTO_TEST_CASE(the_first_call_is_the_expectation) {
  expectation expected;
  BOOST_TEST(expected.value().count() == 0);
  expected.observe(start, 80ms);
  BOOST_TEST((expected.value() == 80ms));
}

BOOST_AUTO_TEST_CASE(each_further_call_moves_it_by_an_eighth) {
  expectation expected;
  expected.observe(start, 80ms);
  expected.observe(start, 160ms);
  BOOST_TEST((expected.value() == 90ms));
  expected.observe(start + 1s, 10ms);
  BOOST_TEST((expected.value() == 80ms));
}

BOOST_AUTO_TEST_CASE(a_second_without_a_call_begins_it_anew) {
  expectation expected;
  expected.observe(start, 80ms);
  expected.observe(start + 1s + 1ns, 5s);
  BOOST_TEST((expected.value() == 5s));
}

BOOST_AUTO_TEST_CASE(the_processors_own_word_counts_only_without_calls) {
  expectation expected;
  expected.told(start, 100ms);
  BOOST_TEST((expected.value() == 100ms));
  expected.told(start, 200ms);
  BOOST_TEST((expected.value() == 200ms));
  expected.observe(start, 10ms);
  BOOST_TEST((expected.value() == 10ms));
  expected.told(start + 1s, 5s);
  BOOST_TEST((expected.value() == 10ms));
  expected.told(start + 1s + 1ns, 5s);
  BOOST_TEST((expected.value() == 5s));
}

BOOST_AUTO_TEST_CASE(a_call_replaces_the_processors_own_word) {
  expectation expected;
  expected.observe(start, 10ms);
  expected.told(start + 2s, 5s);
  expected.observe(start + 2s, 20ms);
  BOOST_TEST((expected.value() == 20ms));
}

BOOST_AUTO_TEST_CASE(it_follows_steady_calls_and_stays_between_their_bounds) {
  std::mt19937_64 random(10);
  expectation expected;
  for (int i = 0; i < 10'000; ++i) {
    expected.observe(start + i * 1ms, std::chrono::microseconds{1'000 + random() % 1'000});
    BOOST_TEST((expected.value() >= 1ms && expected.value() < 2ms));
  }
  for (int i = 0; i < 100; ++i)
    expected.observe(start + 10s, 50ms);
  BOOST_TEST((expected.value() > 49ms && expected.value() <= 50ms));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
