// What every store of reconciliations means by a finding. A test's source defines `findings_under_test`, a
// std::tuple of fixtures, then includes this file. Each case makes one of its own, which is empty and offers
//   reconciliations& store();
//   T run(task<T>)             runs a task to its end
#pragma once

#include "storage/reconciliations.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace repasse::contract {

using explained = explanation::verdict;

/// A fixture with a run, and the calls that cases make most often.
template <typename Fixture>
class findings_bench : public Fixture {
public:
  findings_bench() {
    const auto begun = this->run(this->store().begin_run(0, window));
    BOOST_REQUIRE(begun.has_value());
    run_ = *begun;
  }
  /// Of a payment: settled with us for so much, and the processor does not have it.
  static reconciliation_finding missing(std::uint8_t number, std::int64_t cents) {
    reconciliation_finding one;
    one.kind = finding_kind::ours_not_theirs;
    one.payment.emplace();
    one.payment->bytes[15] = number;
    one.window = {window.from, window.from};
    one.ours = {1, cents};
    one.history = "the processor does not have it";
    return one;
  }
  void keep(const reconciliation_finding& one) {
    BOOST_REQUIRE(this->run(this->store().keep_finding(run_, one)));
  }
  explanation explain(std::int64_t id, const std::string& reason = "it was refunded") {
    return this->run(this->store().explain(id, reason));
  }
  /// In the order in which they were found.
  std::vector<reconciliation_finding> all() {
    std::vector<reconciliation_finding> found =
        this->run(this->store().read_runs(INT64_MAX, 10))->at(0).findings;
    std::ranges::sort(found, {}, &reconciliation_finding::id);
    return found;
  }
  std::size_t open() {
    std::size_t sum = 0;
    const open_findings counted = this->run(this->store().count_open()).value();
    for (const std::uint64_t of_kind : counted)
      sum += of_kind;
    BOOST_TEST(this->run(this->store().open_of(0, 100)).value().size() == sum);
    return sum;
  }

  static constexpr time_window window{wall_time{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}},
                                      wall_time{std::chrono::sys_days{std::chrono::year{2026} / 1 / 2}}};

private:
  std::int64_t run_ = 0;
};

BOOST_AUTO_TEST_SUITE(findings)

BOOST_AUTO_TEST_CASE_TEMPLATE(an_open_one_is_explained_once_and_its_history_says_what_and_why, Fixture,
                              findings_under_test) {
  findings_bench<Fixture> of;
  of.keep(of.missing(1, 2990));
  of.keep(of.missing(2, 100));
  const std::int64_t id = of.all().at(0).id;
  BOOST_TEST(id > 0);
  BOOST_TEST(of.open() == 2U);
  const explanation came = of.explain(id, "re\\funded: \"4711\"");
  BOOST_REQUIRE((came.what == explained::done));
  BOOST_TEST((came.finding.state == finding_state::explained));
  BOOST_TEST(came.finding.id == id);
  BOOST_TEST((came.finding.explained_at >= came.finding.first_seen));
  BOOST_TEST(of.open() == 1U);
  const reconciliation_finding shown = of.all().at(0);
  BOOST_TEST(shown.is_same_difference(of.missing(1, 2990)));
  BOOST_TEST((shown.state == finding_state::explained));
  BOOST_TEST(shown.history == came.finding.history);
  const std::string told =
      "Z open: the processor does not have it\n" + to_string(*shown.explained_at).substr(0, 16);
  BOOST_TEST(shown.history.find(told) != std::string::npos, shown.history);
  BOOST_TEST(shown.history.ends_with("Z explained, ours 1 of 29.90, theirs 0 of 0.00: re\\funded: \"4711\""),
             shown.history);
  BOOST_TEST((of.explain(id, "again").what == explained::not_open));
  BOOST_TEST(of.all().at(0).history == shown.history);
  BOOST_TEST((of.explain(id + 1'000'000).what == explained::no_such_finding));
  BOOST_TEST(of.open() == 1U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_is_mended_is_not_explained, Fixture, findings_under_test) {
  findings_bench<Fixture> of;
  of.keep(of.missing(1, 2990));
  reconciliation_finding known = of.all().at(0);
  const std::int64_t id = known.id;
  known.state = finding_state::mended;
  of.keep(known);
  BOOST_TEST(of.all().at(0).id == id);
  BOOST_TEST((of.explain(id).what == explained::not_open));
  known.state = finding_state::open; // and is there again
  of.keep(known);
  BOOST_TEST((of.explain(id).what == explained::done));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_very_difference_that_is_explained_stays_so_and_another_is_a_new_finding,
                              Fixture, findings_under_test) {
  findings_bench<Fixture> of;
  of.keep(of.missing(1, 2990));
  of.explain(of.all().at(0).id);
  of.keep(of.missing(1, 2990));
  reconciliation_finding looked_at = of.missing(1, 2990); // by a run that had read it as open
  looked_at.state = finding_state::mended;
  of.keep(looked_at);
  BOOST_TEST(of.open() == 0U);
  BOOST_REQUIRE(of.all().size() == 1U);

  of.keep(of.missing(1, 3990)); // other sums
  BOOST_REQUIRE(of.all().size() == 2U);
  BOOST_TEST(of.open() == 1U);
  reconciliation_finding other_kind = of.missing(1, 2990);
  other_kind.kind = finding_kind::other_time;
  of.keep(other_kind);
  of.keep(of.missing(2, 2990)); // another payment
  BOOST_TEST(of.open() == 3U);

  of.explain(of.all().at(1).id);
  for (const std::int64_t cents : {2990, 3990})
    of.keep(of.missing(1, cents));
  BOOST_TEST(of.open() == 2U);
  BOOST_TEST(of.all().size() == 4U);
  BOOST_TEST((of.all().at(0).state == finding_state::explained));
  BOOST_TEST((of.all().at(1).state == finding_state::explained));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_part_is_explained_with_its_bounds, Fixture, findings_under_test) {
  findings_bench<Fixture> of;
  reconciliation_finding part = of.missing(1, 2990);
  part.payment.reset();
  part.window = of.window;
  of.keep(part);
  of.explain(of.all().at(0).id);
  of.keep(part);
  BOOST_TEST(of.open() == 0U);
  part.window.to += std::chrono::milliseconds{1};
  of.keep(part);
  BOOST_TEST(of.open() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse::contract
