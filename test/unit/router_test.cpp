// Where the next payment goes: both policies, every reason to go elsewhere, and every reason to wait.
#include "server/router.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr routing by_price{};
constexpr routing by_speed{.policy = routing_policy::fastest};
constexpr auto patient = 0ms;
constexpr auto impatient = 2s;

constexpr std::int64_t five_percent = 50'000;
constexpr std::int64_t fifteen_percent = 150'000;

candidate well(std::int64_t fee_ppm, std::chrono::nanoseconds expected = 10ms) {
  candidate one;
  one.fee_ppm = fee_ppm;
  one.admits = true;
  one.expected = expected;
  return one;
}

candidate away(std::int64_t fee_ppm) {
  candidate one = well(fee_ppm);
  one.admits = false;
  return one;
}

/// Its oldest call has been open for so long.
candidate stalled(candidate one, std::chrono::nanoseconds oldest_open) {
  one.oldest_open = oldest_open;
  return one;
}

/// Routes among candidates in configured order.
processor_index routed(const std::vector<candidate>& candidates, const routing& how,
                       std::chrono::nanoseconds waited = patient, std::uint64_t refused = 0) {
  std::vector<processor_index> cheapest_first(candidates.size());
  std::iota(cheapest_first.begin(), cheapest_first.end(), processor_index{0});
  std::stable_sort(cheapest_first.begin(), cheapest_first.end(), [&](processor_index a, processor_index b) {
    return candidates[a].fee_ppm < candidates[b].fee_ppm;
  });
  return route(candidates, cheapest_first, how, waited, refused);
}

/// One to 64 candidates in all states.
std::vector<candidate> random_candidates(std::mt19937_64& random) {
  std::vector<candidate> candidates(1 + random() % (random() % 4 == 0 ? processors_max : 4));
  for (candidate& one : candidates) {
    one.fee_ppm = static_cast<std::int64_t>(random() % 100);
    one.admits = random() % 3 != 0;
    one.expected = std::chrono::milliseconds{random() % (random() % 4 == 0 ? 3'000 : 300)};
    one.oldest_open = std::chrono::milliseconds{random() % 2 == 0 ? 0 : random() % 600};
  }
  return candidates;
}

bool is_usable(const candidate& one) { return one.admits && one.oldest_open <= one.expected + 150ms; }

} // namespace

BOOST_AUTO_TEST_SUITE(router_test)

BOOST_AUTO_TEST_CASE(the_cheapest_is_chosen_wherever_it_stands) {
  BOOST_TEST(routed({well(five_percent, 900ms), well(fifteen_percent, 1ms)}, by_price) == 0);
  BOOST_TEST(routed({well(fifteen_percent, 1ms), well(five_percent, 900ms)}, by_price) == 1);
  BOOST_TEST(routed({well(3), well(2), well(1), well(2)}, by_price) == 2);
}

BOOST_AUTO_TEST_CASE(equal_fees_go_to_the_one_configured_first) {
  BOOST_TEST(routed({well(7), well(5, 20ms), well(5, 10ms), well(5, 30ms)}, by_price) == 1);
}

BOOST_AUTO_TEST_CASE(the_fastest_is_chosen_whatever_it_costs) {
  BOOST_TEST(routed({well(1, 20ms), well(9, 10ms)}, by_speed) == 1);
  BOOST_TEST(routed({well(1, 3s), well(9, 2s)}, by_speed) == 1);
}

BOOST_AUTO_TEST_CASE(of_equally_fast_ones_the_cheapest_then_the_first_is_chosen) {
  BOOST_TEST(routed({well(9), well(5), well(5)}, by_speed) == 1);
  BOOST_TEST(routed({well(5), well(5), well(9)}, by_speed) == 0);
}

BOOST_AUTO_TEST_CASE(the_age_of_the_oldest_call_counts_as_slowness) {
  BOOST_TEST(routed({stalled(well(1, 100ms), 240ms), well(9, 200ms)}, by_speed) == 1);
  BOOST_TEST(routed({stalled(well(1, 100ms), 190ms), well(9, 200ms)}, by_speed) == 0);
}

BOOST_AUTO_TEST_CASE(a_payment_waits_for_a_cheaper_one_no_longer_than_its_patience) {
  const std::vector<candidate> candidates = {away(five_percent), well(fifteen_percent)};
  BOOST_TEST(routed(candidates, by_price, 0ms) == no_processor);
  BOOST_TEST(routed(candidates, by_price, 2s - 1ns) == no_processor);
  BOOST_TEST(routed(candidates, by_price, 2s) == 1);
  BOOST_TEST(routed(candidates, by_price, 1h) == 1);
}

BOOST_AUTO_TEST_CASE(no_patience_pays_the_higher_fee_at_once) {
  routing at_once = by_price;
  at_once.cheapest_patience = 0ms;
  BOOST_TEST(routed({away(five_percent), well(fifteen_percent)}, at_once) == 1);
}

BOOST_AUTO_TEST_CASE(the_cheapest_does_not_wait_for_a_dearer_one) {
  BOOST_TEST(routed({well(five_percent), away(fifteen_percent)}, by_price) == 0);
}

BOOST_AUTO_TEST_CASE(the_fastest_policy_has_no_patience) {
  BOOST_TEST(routed({away(five_percent), well(fifteen_percent, 5s)}, by_speed) == 1);
}

BOOST_AUTO_TEST_CASE(a_payment_waits_while_none_admits) {
  for (const routing& how : {by_price, by_speed}) {
    BOOST_TEST(routed({away(1)}, how, impatient) == no_processor);
    BOOST_TEST(routed({away(1), away(2), away(3)}, how, impatient) == no_processor);
  }
}

BOOST_AUTO_TEST_CASE(one_is_stalled_150_ms_beyond_what_was_expected) {
  for (const routing& how : {by_price, by_speed}) {
    BOOST_TEST(routed({stalled(well(1, 10ms), 160ms)}, how, impatient) == 0);
    BOOST_TEST(routed({stalled(well(1, 10ms), 160ms + 1ns)}, how, impatient) == no_processor);
  }
}

BOOST_AUTO_TEST_CASE(payments_wait_for_a_stalled_cheaper_one_then_go_elsewhere) {
  const std::vector<candidate> candidates = {stalled(well(five_percent), 300ms), well(fifteen_percent)};
  BOOST_TEST(routed(candidates, by_price, patient) == no_processor);
  BOOST_TEST(routed(candidates, by_price, impatient) == 1);
  BOOST_TEST(routed(candidates, by_speed, patient) == 1);
}

BOOST_AUTO_TEST_CASE(one_expected_just_within_the_limit_is_not_slow) {
  BOOST_TEST(routed({well(five_percent, 1s), well(fifteen_percent)}, by_price) == 0);
  BOOST_TEST(routed({well(five_percent, 1s + 1ns), well(fifteen_percent)}, by_price, impatient) == 1);
}

BOOST_AUTO_TEST_CASE(a_slow_one_is_used_only_when_there_is_no_other) {
  const candidate slow_cheap = well(five_percent, 3s);
  BOOST_TEST(routed({slow_cheap, well(fifteen_percent)}, by_price, impatient) == 1);
  BOOST_TEST(routed({slow_cheap, away(fifteen_percent)}, by_price, patient) == no_processor);
  BOOST_TEST(routed({slow_cheap, away(fifteen_percent)}, by_price, impatient) == 0);
  BOOST_TEST(routed({away(five_percent), well(fifteen_percent, 3s)}, by_price, impatient) == 1);
}

BOOST_AUTO_TEST_CASE(of_slow_ones_the_cheapest_that_is_not_stalled_is_used) {
  BOOST_TEST(routed({well(2, 2s), well(1, 5s)}, by_price, impatient) == 1);
  BOOST_TEST(routed({well(2, 2s), stalled(well(1, 5s), 6s)}, by_price, impatient) == 0);
  BOOST_TEST(routed({well(2, 2s), stalled(well(1, 5s), 4s)}, by_price, impatient) == 1);
}

BOOST_AUTO_TEST_CASE(a_single_slow_one_is_used_at_once) {
  BOOST_TEST(routed({well(five_percent, 20s)}, by_price, patient) == 0);
  BOOST_TEST(routed({well(five_percent, 20s)}, by_speed, patient) == 0);
  BOOST_TEST(routed({well(1), well(2, 20s), well(3)}, by_price, patient, 0b101) == 1);
}

BOOST_AUTO_TEST_CASE(a_processor_that_refused_is_never_waited_for) {
  const std::vector<candidate> candidates = {well(five_percent), well(fifteen_percent)};
  for (const routing& how : {by_price, by_speed}) {
    BOOST_TEST(routed(candidates, how, patient, 0b01) == 1);
    BOOST_TEST(routed(candidates, how, patient, 0b10) == 0);
    BOOST_TEST(routed(candidates, how, impatient, 0b11) == no_processor);
  }
}

BOOST_AUTO_TEST_CASE(the_last_of_64_processors_is_routed_to_and_may_refuse) {
  std::vector<candidate> candidates(processors_max, away(10));
  candidates.back() = well(1);
  constexpr std::uint64_t by_the_last = std::uint64_t{1} << 63;
  for (const routing& how : {by_price, by_speed}) {
    BOOST_TEST(routed(candidates, how, patient) == 63);
    BOOST_TEST(routed(candidates, how, impatient, by_the_last) == no_processor);
    BOOST_TEST(routed(candidates, how, patient, ~by_the_last) == 63);
  }
}

BOOST_AUTO_TEST_CASE(nowhere_to_go_is_no_processor) {
  BOOST_TEST(routed({}, by_price) == no_processor);
  BOOST_TEST(routed({}, by_speed) == no_processor);
}

BOOST_AUTO_TEST_CASE(none_that_refused_or_stalled_or_does_not_admit_is_ever_chosen) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 20'000; ++round) {
    const std::vector<candidate> candidates = random_candidates(random);
    const std::uint64_t refused = random() & random();
    const auto waited = std::chrono::milliseconds{random() % 4'000};
    for (const routing& how : {by_price, by_speed}) {
      const processor_index chosen = routed(candidates, how, waited, refused);
      if (chosen == no_processor) continue;
      BOOST_REQUIRE(chosen < candidates.size());
      BOOST_REQUIRE(is_usable(candidates[chosen]));
      BOOST_REQUIRE((refused >> chosen & 1U) == 0U);
    }
  }
}

BOOST_AUTO_TEST_CASE(after_its_patience_a_payment_waits_only_while_none_can_take_it) {
  std::mt19937_64 random(12);
  for (int round = 0; round < 20'000; ++round) {
    const std::vector<candidate> candidates = random_candidates(random);
    const std::uint64_t refused = random() & random();
    bool any_usable = false;
    for (std::size_t i = 0; i < candidates.size(); ++i)
      any_usable = any_usable || (is_usable(candidates[i]) && (refused >> i & 1U) == 0U);
    for (const routing& how : {by_price, by_speed})
      BOOST_REQUIRE((routed(candidates, how, impatient, refused) != no_processor) == any_usable);
  }
}

BOOST_AUTO_TEST_CASE(the_lowest_fee_is_paid_whenever_all_are_well) {
  std::mt19937_64 random(13);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<candidate> candidates = random_candidates(random);
    for (candidate& one : candidates)
      one = stalled(well(one.fee_ppm, one.expected % 1s), one.oldest_open % 150ms);
    const auto cheapest =
        std::min_element(candidates.begin(), candidates.end(),
                         [](const candidate& a, const candidate& b) { return a.fee_ppm < b.fee_ppm; });
    BOOST_REQUIRE(routed(candidates, by_price, patient) == cheapest - candidates.begin());
  }
}

BOOST_AUTO_TEST_CASE(a_patient_payment_never_pays_more_than_the_lowest_fee_open_to_it) {
  std::mt19937_64 random(14);
  for (int round = 0; round < 20'000; ++round) {
    const std::vector<candidate> candidates = random_candidates(random);
    const processor_index chosen = routed(candidates, by_price, patient);
    if (chosen == no_processor) continue;
    for (const candidate& one : candidates)
      BOOST_REQUIRE(candidates[chosen].fee_ppm <= one.fee_ppm);
  }
}

BOOST_AUTO_TEST_CASE(patience_begins_anew_after_an_outage_that_was_longer) {
  constexpr steady_time start{1h};
  patience waiting(2s);
  BOOST_TEST((waiting.waited(start - 5s, start) == 5s));
  waiting.note(false, start);
  BOOST_TEST((waiting.waited(start - 5s, start + 3s) == 8s)); // a trial goes to whoever is to be had
  waiting.note(true, start + 3s);
  BOOST_TEST((waiting.waited(start - 5s, start + 3s) == 0s));
  BOOST_TEST((waiting.waited(start - 5s, start + 4s) == 1s));
  BOOST_TEST((waiting.waited(start + 3500ms, start + 4s) == 500ms));
}

BOOST_AUTO_TEST_CASE(processors_that_come_and_go_do_not_make_payments_wait_for_ever) {
  constexpr steady_time start{1h};
  patience waiting(2s);
  for (int i = 0; i < 10; ++i) {
    waiting.note(false, start + i * 2s);
    waiting.note(true, start + i * 2s + 1s);
  }
  BOOST_TEST((waiting.waited(start, start + 20s) == 20s));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
