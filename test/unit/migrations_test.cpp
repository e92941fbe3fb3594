// The schema as it stands against what a program was built with: who may go on, who must not, and what is
// said. What the database makes of it is integration/migrations_test's.
#include "storage/migrations.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>

namespace repasse {
namespace {

const std::array<migration, 2> known{{
    {1, "create_payments", "-- works with: 1\nCREATE TABLE a ();\n", "DROP TABLE a;"},
    {2, "add_notes", "-- works with: 1\n-- without a transaction\nCREATE INDEX CONCURRENTLY b ON a (c);\n",
     "DROP INDEX b"},
}};

applied_migration row_of(const migration& step) {
  return {step.version, std::string(step.name), step.checksum(), step.works_with(),
          false,        "2025-07-15T12:00:00Z"};
}

/// Of a newer program.
applied_migration row_of(int version, int works_with) {
  return {version, "newer", "0badcafe", works_with, false, "2025-07-16T12:00:00Z"};
}

migration_report judged(const std::vector<applied_migration>& rows) { return judge(known, rows); }

bool is_said(const migration_report& report, std::string_view part) {
  return report.verdict == schema_verdict::unusable && report.reason.find(part) != std::string::npos;
}

} // namespace

BOOST_AUTO_TEST_SUITE(migrations_test)

BOOST_AUTO_TEST_CASE(a_migration_says_what_it_works_with_and_whether_it_is_in_a_transaction) {
  BOOST_TEST(known[0].title() == "000001_create_payments");
  BOOST_TEST(known[0].works_with() == 1);
  BOOST_TEST(known[0].is_in_transaction());
  BOOST_TEST(!known[1].is_in_transaction());
  for (const auto* text : {"", "\n", "-- works with: x\n", "CREATE TABLE a ();", "\n-- works with: 1\n"})
    BOOST_TEST((migration{1, "a", text, ""}.works_with()) == 0, text);
}

BOOST_AUTO_TEST_CASE(a_checksum_is_that_of_every_byte_of_the_up_file) {
  BOOST_TEST((migration{1, "a", "123456789", ""}.checksum()) == "cbf43926"); // CRC-32's own check value
  BOOST_TEST((migration{1, "a", "123456789\n", ""}.checksum()) != "cbf43926");
  BOOST_TEST((migration{2, "b", "123456789", "x"}.checksum()) == "cbf43926");
}

BOOST_AUTO_TEST_CASE(what_this_program_has_embedded_is_in_order) {
  int version = 0;
  for (const migration& step : embedded_migrations()) {
    BOOST_TEST(step.version == ++version);
    BOOST_TEST(step.works_with() >= 1, step.title());
    BOOST_TEST(step.works_with() <= step.version, step.title());
    BOOST_TEST(!step.down.empty(), step.title());
    for (const auto text : {step.up, step.down}) // the transaction is not theirs
      for (const auto* word : {"BEGIN;", "COMMIT", "ROLLBACK"})
        BOOST_TEST(text.find(word) == text.npos, step.title() << " holds " << word);
  }
}

BOOST_AUTO_TEST_CASE(an_empty_or_partly_applied_schema_is_behind) {
  const auto empty = judged({});
  BOOST_TEST((empty.verdict == schema_verdict::behind));
  BOOST_TEST(empty.version == 0);
  BOOST_TEST(empty.steps.size() == 2);
  const auto partly = judged({row_of(known[0])});
  BOOST_TEST((partly.verdict == schema_verdict::behind));
  BOOST_TEST(partly.reason == "the schema has version 1, this program needs 2: run `repasse migrate up`");
}

BOOST_AUTO_TEST_CASE(all_applied_is_right) {
  const auto report = judged({row_of(known[0]), row_of(known[1])});
  BOOST_TEST((report.verdict == schema_verdict::right));
  BOOST_TEST(report.version == 2);
  BOOST_TEST(report.reason == "");
  const std::vector<std::string> steps{"000001_create_payments  applied 2025-07-15T12:00:00Z",
                                       "000002_add_notes  applied 2025-07-15T12:00:00Z"};
  BOOST_TEST(report.steps == steps, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_newer_schema_says_itself_who_may_go_on) {
  const std::vector<applied_migration> own{row_of(known[0]), row_of(known[1])};
  auto rows = own;
  rows.push_back(row_of(3, 2));
  BOOST_TEST((judged(rows).verdict == schema_verdict::right));
  BOOST_TEST(judged(rows).version == 3);
  rows.push_back(row_of(4, 3));
  BOOST_TEST(is_said(judged(rows),
                     "the schema has version 4, which works with programs of schema version 3 and "
                     "later; this one is of 2: run a newer repasse"));
  rows.back().works_with = 2;
  rows[2].works_with = 3; // not undone by a later one that is milder
  BOOST_TEST(is_said(judged(rows), "the schema has version 3"));
}

BOOST_AUTO_TEST_CASE(a_newer_step_under_way_does_not_stop_an_older_program) {
  std::vector<applied_migration> rows{row_of(known[0]), row_of(known[1]), row_of(3, 1)};
  rows.back().dirty = true;
  BOOST_TEST((judged(rows).verdict == schema_verdict::right));
}

BOOST_AUTO_TEST_CASE(a_file_that_was_changed_after_it_was_applied_is_refused) {
  auto rows = std::vector{row_of(known[0]), row_of(known[1])};
  rows[0].checksum = "12345678";
  const auto report = judged(rows);
  BOOST_TEST(is_said(report, "migration 000001_create_payments is not the one that was applied"));
  BOOST_TEST(is_said(report, "12345678"));
  BOOST_TEST(report.steps[0].ends_with(", changed since"));
}

BOOST_AUTO_TEST_CASE(a_step_that_did_not_end_says_how_to_go_on) {
  auto rows = std::vector{row_of(known[0]), row_of(known[1])};
  rows[1].dirty = true;
  const auto report = judged(rows);
  BOOST_TEST(
      is_said(report, "migration 000002_add_notes was begun at 2025-07-15T12:00:00Z and has not ended"));
  BOOST_TEST(is_said(report, "`repasse migrate down`, then run `repasse migrate up`"));
  BOOST_TEST(report.steps[1].ends_with(", not ended"));
}

BOOST_AUTO_TEST_CASE(a_table_that_no_repasse_has_written_is_refused) {
  BOOST_TEST(
      is_said(judged({row_of(known[1])}), "migration 000001_create_payments is missing though 2 is applied"));
  BOOST_TEST(is_said(judged({row_of(0, 0)}), "000000_newer, applied at"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
