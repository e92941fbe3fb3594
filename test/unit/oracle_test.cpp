// The oracle's arithmetic, payment by payment: what it waits for, what it pays, what stays unpaid.
#include "bench/oracle.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <string_view>
#include <vector>

namespace repasse {
namespace {

constexpr std::int64_t hundred = 100'00;

/// Stages of ten seconds.
oracle_config config_of(std::string_view stages) {
  oracle_config config;
  config.stages = parse_stages(stages, 2).value();
  config.seconds = 10.0 * static_cast<double>(config.stages.size());
  config.counted_at = config.seconds;
  config.fees = {0.05, 0.15};
  return config;
}

/// What one payment of 100.00 earns, in cents; 0: unpaid.
double profit_of(std::string_view stages, double second) {
  const oracle_payment one{second, hundred};
  return ask_oracle(config_of(stages), {&one, 1}).profit_cents;
}

constexpr double by_default = 95'00;
constexpr double by_fallback = 85'00;
constexpr double unpaid = 0;

void check_near(double told, double wanted) {
  BOOST_TEST(std::abs(told - wanted) < 1e-6, told << " " << wanted);
}

BOOST_AUTO_TEST_SUITE(oracle)

BOOST_AUTO_TEST_CASE(the_cheapest_that_is_up_and_fast_takes_it) {
  check_near(profit_of("0/0", 5), by_default);
  check_near(profit_of("0!/0", 5), by_fallback);
  check_near(profit_of("1000/0", 5), by_default);
  check_near(profit_of("1001/0", 5), by_fallback);
}

BOOST_AUTO_TEST_CASE(a_dearer_one_is_cheapest_where_its_fee_is_lower) {
  oracle_config config = config_of("0/0");
  config.fees = {0.15, 0.05};
  const oracle_payment one{5, hundred};
  BOOST_TEST(ask_oracle(config, {&one, 1}).paid[1].payments == 1U);
}

BOOST_AUTO_TEST_CASE(it_waits_for_the_cheapest_no_longer_than_its_patience) {
  check_near(profit_of("0!/0 0/0", 7.9), by_fallback);
  check_near(profit_of("0!/0 0/0", 8), by_default);
}

BOOST_AUTO_TEST_CASE(what_would_fail_at_the_end_of_its_delay_is_not_sent) {
  check_near(profit_of("500/0 500!/0", 9.4), by_default);
  check_near(profit_of("500/0 500!/0", 9.6), by_fallback);
}

BOOST_AUTO_TEST_CASE(while_all_fail_it_waits_for_the_first) {
  check_near(profit_of("0!/0! 0!/0 0/0", 5), by_fallback);
  check_near(profit_of("0!/0! 0/0", 5), by_default);
}

BOOST_AUTO_TEST_CASE(a_patience_that_ends_in_an_outage_is_waited_out_for_the_cheaper) {
  check_near(profit_of("0!/0 0!/0! 0/0", 7.9), by_fallback);
  check_near(profit_of("0!/0 0!/0! 0/0", 8.1), by_default);
  check_near(profit_of("0!/0 0!/0!", 8.1), by_fallback);
}

BOOST_AUTO_TEST_CASE(the_slow_are_used_when_there_is_no_other) {
  check_near(profit_of("0!/5000", 1), by_fallback);
  check_near(profit_of("2000/5000", 1), by_default);
}

BOOST_AUTO_TEST_CASE(what_no_processor_takes_before_the_end_is_unpaid) {
  check_near(profit_of("0!/0!", 5), unpaid);
  check_near(profit_of("0!/5000", 5.1), unpaid);
  check_near(profit_of("100/5000", 9.95), unpaid);
}

BOOST_AUTO_TEST_CASE(the_last_stage_lasts_until_what_was_taken_is_counted) {
  oracle_config config = config_of("0!/0! 100/5000");
  const oracle_payment one{19.95, hundred};
  check_near(ask_oracle(config, {&one, 1}).profit_cents, unpaid);
  config.counted_at = 20.1;
  check_near(ask_oracle(config, {&one, 1}).profit_cents, by_default);
}

BOOST_AUTO_TEST_CASE(shares_are_counted_and_sum_up) {
  const std::vector<oracle_payment> payments{{1, 1'00}, {2, 2'00}, {12, 10'00}, {25, 5'00}};
  const oracle_result result = ask_oracle(config_of("0/0 0!/0 0!/0!"), payments);
  BOOST_TEST(result.paid[0].payments == 2U);
  BOOST_TEST(result.paid[0].amount_cents == 3'00);
  BOOST_TEST(result.paid[1].payments == 1U);
  BOOST_TEST(result.unpaid.payments == 1U);
  BOOST_TEST(result.unpaid.amount_cents == 5'00);
  check_near(result.profit_cents, 3'00 * 0.95 + 10'00 * 0.85);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
