// How the comparisons of a reference load are counted, and what they cost.
#include "bench/reference.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <optional>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;

summary_check check_of(std::uint64_t ours, std::uint64_t theirs, bool scored,
                       std::optional<std::chrono::milliseconds> explained_after = std::nullopt) {
  summary_check made;
  made.ours = {{ours, static_cast<std::int64_t>(ours) * 100}};
  made.theirs = {{theirs, static_cast<std::int64_t>(theirs) * 100}};
  made.scored = scored;
  made.explained_after = explained_after;
  return made;
}

/// 1000.00 taken at 5 %, answered in 5 ms.
reference_report report_of(std::vector<summary_check> checks) {
  reference_report report;
  report.load.payments.resize(10);
  report.load.posts = {{.latency = 5'000, .status = 202, .sent = true}};
  report.takings = {{{10, 1000'00}, 50, 0.05}};
  report.checks = std::move(checks);
  return report;
}

BOOST_AUTO_TEST_SUITE(summary_checks)

BOOST_AUTO_TEST_CASE(differences_are_counted_by_score_and_by_explanation) {
  const check_counts counts = count_checks(
      {check_of(5, 5, true), check_of(4, 5, true, 60ms), check_of(4, 5, false, 60ms), check_of(4, 5, false)});
  BOOST_TEST(counts.made == 4U);
  BOOST_TEST(counts.scored == 2U);
  BOOST_TEST(counts.differed == 3U);
  BOOST_TEST(counts.scored_differed == 1U);
  BOOST_TEST(counts.explained == 2U);
  BOOST_TEST(counts.unexplained == 1U);
}

BOOST_AUTO_TEST_CASE(apart_is_what_either_side_has_more) {
  summary_check check = check_of(4, 5, true);
  check.ours.push_back({9, 900});
  check.theirs.push_back({7, 650});
  BOOST_TEST(check.requests_apart() == 3U);
  BOOST_TEST(check.cents_apart() == 350);
}

BOOST_AUTO_TEST_CASE(the_bonus_is_two_percent_for_each_millisecond_below_eleven) {
  const reference_score score = score_of(report_of({check_of(5, 5, true)}));
  BOOST_TEST(score.profit == 950);
  BOOST_TEST(score.penalty == 0);
  BOOST_TEST(std::abs(score.bonus - 950 * 0.12) < 1e-9);
  BOOST_TEST(std::abs(score.total - 950 * 1.12) < 1e-9);
}

BOOST_AUTO_TEST_CASE(a_difference_in_a_scored_check_costs_profit_also_when_it_is_explained) {
  BOOST_TEST(std::abs(score_of(report_of({check_of(4, 5, true, 60ms)})).penalty - 950 * 0.35) < 1e-9);
  BOOST_TEST(score_of(report_of({check_of(4, 5, false, 60ms)})).penalty == 0);
}

BOOST_AUTO_TEST_CASE(inconsistent_is_what_is_scored_or_not_explained) {
  BOOST_TEST(report_of({check_of(4, 5, true, 60ms)}).inconsistencies() == 1U);
  BOOST_TEST(report_of({check_of(4, 5, false, 60ms)}).inconsistencies() == 0U);
  BOOST_TEST(report_of({check_of(4, 5, false)}).inconsistencies() == 1U);
}

BOOST_AUTO_TEST_CASE(who_charges_more_than_was_posted_scores_nothing) {
  reference_report report = report_of({});
  report.load.payments.resize(9);
  BOOST_TEST(score_of(report).total == 0);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
