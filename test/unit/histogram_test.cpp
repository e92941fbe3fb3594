// Fixed buckets: what falls where.
#include "storage/histogram.hpp"

#include <boost/test/unit_test.hpp>

namespace repasse {
namespace {

using namespace std::chrono_literals;

} // namespace

BOOST_AUTO_TEST_SUITE(histograms)

BOOST_AUTO_TEST_CASE(an_upper_bound_belongs_to_its_bucket) {
  duration_histogram seen;
  seen.observe(0ns);
  seen.observe(100us);
  seen.observe(100us + 1ns);
  seen.observe(250us);
  BOOST_TEST(seen.count_in(0) == 2U);
  BOOST_TEST(seen.count_in(1) == 2U);
  BOOST_TEST(seen.count_in(2) == 0U);
  BOOST_TEST(seen.count() == 4U);
  BOOST_TEST(seen.sum() == 450'001);
}

BOOST_AUTO_TEST_CASE(what_is_beyond_every_bound_is_counted_last_and_what_is_negative_as_nothing) {
  duration_histogram seen;
  seen.observe(30s);
  seen.observe(30s + 1ns);
  seen.observe(-5ms); // of two clocks that disagree
  BOOST_TEST(seen.sum() == 60'000'000'001);
  BOOST_TEST(seen.count_in(duration_histogram::bounded - 1) == 1U);
  BOOST_TEST(seen.count_in(duration_histogram::bounded) == 1U);
  BOOST_TEST(seen.count_in(0) == 1U);
}

BOOST_AUTO_TEST_CASE(those_of_several_reactors_add_up) {
  size_histogram one;
  size_histogram other;
  one.observe(1);
  other.observe(1);
  other.observe(1'001);
  one.add(other);
  BOOST_TEST(one.count_in(0) == 2U);
  BOOST_TEST(one.count_in(size_histogram::bounded) == 1U);
  BOOST_TEST(one.count() == 3U);
  BOOST_TEST(one.sum() == 1'003);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
