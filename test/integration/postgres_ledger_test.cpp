// The PostgreSQL ledger passes the ledger's contract, and that of findings; what is so where several
// instances share them, for as long as they are kept.
#include "test/integration/ledger_server.hpp"

namespace repasse {
namespace {

class postgres_findings : public postgres_fixture {
public:
  reconciliations& store() { return get(); }
};

} // namespace

using ledgers_under_test = std::tuple<postgres_fixture>;
using findings_under_test = std::tuple<postgres_findings>;

} // namespace repasse

#include "test/contract/findings.hpp"
#include "test/ledger_contract.hpp"

namespace repasse::contract {
namespace {

BOOST_AUTO_TEST_SUITE(findings_in_postgres)

BOOST_AUTO_TEST_CASE(those_of_a_processor_that_is_not_configured_are_shown_and_explained_but_not_counted) {
  findings_bench<postgres_findings> of;
  of.keep(of.missing(1, 2990));
  BOOST_TEST(of.open() == 1U);
  test_ledger without(of.reactor(), ledger_server_running().url(), 1, {"fallback", "third"});
  without.until_up();
  const auto count = [&] {
    const open_findings counted = of.run(without.get().count_open()).value();
    return counted[static_cast<std::size_t>(finding_kind::ours_not_theirs)];
  };
  BOOST_TEST(count() == 0U);
  reconciliation_finding theirs = of.missing(2, 100);
  theirs.processor = 1;
  of.keep(theirs); // of fallback
  BOOST_TEST(count() == 1U);
  const auto runs = of.run(without.get().read_runs(INT64_MAX, 10)).value();
  BOOST_REQUIRE(runs.at(0).findings.size() == 2U);
  BOOST_TEST((of.run(without.get().explain(of.all().at(0).id, "gone")).what == explained::done));
  BOOST_TEST((of.all().at(0).state == finding_state::explained));
}

BOOST_AUTO_TEST_CASE(an_explained_one_is_kept_for_90_days_since_then_and_its_run_as_long) {
  findings_bench<postgres_findings> of;
  of.keep(of.missing(1, 2990));
  of.explain(of.all().at(0).id);
  const auto end_run_after = [&](int days) {
    const std::string age = "clock_timestamp() - interval '" + std::to_string(days) + " days'";
    ledger_server_running().sql("UPDATE reconciliation_findings SET last_seen = now() - interval '1 year', "
                                "explained_at = " +
                                age +
                                "; UPDATE reconciliation_runs SET started_at = now() - interval '1 year'");
    BOOST_REQUIRE(of.run(of.get().end_run({})));
    return of.run(of.get().read_runs(INT64_MAX, 10)).value();
  };
  const auto kept = end_run_after(89);
  BOOST_REQUIRE(kept.size() == 1U);
  BOOST_TEST(kept.at(0).findings.size() == 1U);
  of.keep(of.missing(1, 2990));
  BOOST_TEST(of.open() == 0U);
  BOOST_TEST(end_run_after(91).empty());
}

BOOST_AUTO_TEST_CASE(one_that_is_explained_while_a_run_notes_it_is_not_opened_anew) {
  findings_bench<postgres_findings> of;
  of.keep(of.missing(1, 2990));
  const std::int64_t id = of.all().at(0).id;
  test_ledger another(of.reactor(), ledger_server_running().url(), 1);
  another.until_up();
  for (int i = 0; i < 50; ++i) {
    ledger_server_running().sql(
        "UPDATE reconciliation_findings SET state = 0, explained_at = NULL, subject = "
        "correlation_id::text; DELETE FROM reconciliation_findings WHERE id <> " +
        std::to_string(id));
    const auto noted = of.reactor().start(of.get().keep_finding(1, of.missing(1, 2990)));
    const auto came = of.reactor().start(another.get().explain(id, "at once"));
    BOOST_REQUIRE(of.reactor().await(noted));
    BOOST_REQUIRE((of.reactor().await(came).what == explained::done));
    BOOST_REQUIRE(of.all().size() == 1U);
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse::contract
