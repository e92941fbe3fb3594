// The copied totals: any window is made of spans that are there, each second once; late changes reach all
// levels.
#include "storage/totals_image.hpp"

#include <boost/test/unit_test.hpp>

#include <random>

namespace repasse {
namespace {

constexpr std::int64_t now = 1'764'301'419;

/// What a plan adds up to.
processor_total sum_of(const totals_image& image, const span_plan& plan, processor_index processor) {
  processor_total sum;
  for (const auto& [level, begins] : plan.spans) {
    const auto found = image.sums().find({level, begins, processor});
    if (found == image.sums().end()) continue;
    sum.requests += found->second.requests;
    sum.amount_cents += found->second.amount_cents;
  }
  return sum;
}

BOOST_AUTO_TEST_SUITE(totals_image_test)

BOOST_AUTO_TEST_CASE(a_plan_covers_the_largest_window_that_can_be_told) {
  const totals_layout layout = layout_at(now);
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const std::array<std::int64_t, 5> ages{100, 20'000, 300'000, 9'000'000, 500'000'000};
    const auto any = [&] {
      return now + 5 - static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(ages[random() % 5]));
    };
    std::int64_t from = any();
    std::int64_t to = any();
    if (to < from) std::swap(from, to);
    const span_plan plan = plan_spans(layout, from, to);
    BOOST_REQUIRE(plan.from >= from);
    BOOST_REQUIRE(plan.to <= std::max(to, plan.from));
    std::int64_t at = plan.from;
    for (const auto& [level, begins] : plan.spans) {
      BOOST_REQUIRE(begins == at);
      BOOST_REQUIRE(span_of(level, begins) == begins);
      BOOST_REQUIRE(begins >= layout.begins[level]);
      at += span_seconds[level];
    }
    BOOST_REQUIRE(at == plan.to);
    BOOST_REQUIRE(plan.spans.size() <= 4000 + 2 * (59 + 59 + 23));
    if (from >= layout.begins[0] && to <= layout.end) BOOST_REQUIRE((plan.from == from && plan.to == to));
  }
  const span_plan all = plan_spans(layout, INT64_MIN / 2, INT64_MAX / 2);
  BOOST_TEST(all.from == layout.begins[3]);
  BOOST_TEST(all.to == layout.end);
}

BOOST_AUTO_TEST_CASE(every_level_follows_the_seconds_and_what_is_old_is_dropped) {
  totals_image image(layout_at(now));
  std::map<std::int64_t, processor_total> truth;
  std::mt19937_64 random(11);
  std::int64_t clock = now;
  for (int i = 0; i < 3'000; ++i) {
    const std::int64_t second = clock + 2 - static_cast<std::int64_t>(random() % 7'000);
    processor_total& own = truth[second];
    own.requests += 1;
    own.amount_cents += static_cast<std::int64_t>(random() % 1'000);
    image.set(0, second, std::array{own, processor_total{}});
    if (i % 100 != 0) continue;
    clock += static_cast<std::int64_t>(random() % 900);
    image.move_to(layout_at(clock));
    const std::int64_t from = image.layout().begins[0];
    const span_plan plan = plan_spans(image.layout(), from, INT64_MAX / 2);
    processor_total expected;
    for (auto one = truth.lower_bound(from); one != truth.end(); ++one) {
      expected.requests += one->second.requests;
      expected.amount_cents += one->second.amount_cents;
    }
    BOOST_REQUIRE((sum_of(image, plan, 0) == expected));
    BOOST_REQUIRE((sum_of(image, plan, 1) == processor_total{}));
    for (const auto& [key, sum] : image.sums())
      BOOST_REQUIRE(key.begins >= image.layout().begins[key.level]);
  }
  processor_total all;
  for (const auto& [second, sum] : truth)
    all.requests += sum.requests;
  BOOST_TEST(sum_of(image, plan_spans(image.layout(), INT64_MIN / 2, INT64_MAX / 2), 0).requests ==
             all.requests);
  BOOST_TEST((image.finest_level(image.layout().begins[0]) == 0U));
  BOOST_TEST((image.finest_level(image.layout().begins[0] - 1) == 1U));
  BOOST_TEST(!image.finest_level(image.layout().begins[3] - 1).has_value());
}

BOOST_AUTO_TEST_CASE(changes_are_told_once) {
  totals_image image(layout_at(now));
  image.set(0, now, std::array{processor_total{1, 5}});
  BOOST_TEST(image.take_changes().set.size() == span_levels);
  image.set(0, now, std::array{processor_total{1, 5}});
  BOOST_TEST(image.take_changes().set.empty());
  image.move_to(layout_at(now + 4 * 3600));
  const auto changes = image.take_changes();
  BOOST_TEST(changes.set.empty());
  BOOST_REQUIRE(changes.dropped.size() == 1U);
  BOOST_TEST((changes.dropped[0] == total_key{0, now, 0}));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
