// The queries of doc/queries.sql run as they stand there, over payments as the ledger writes them.
#include "test/integration/ledger_bench.hpp"
#include "test/integration/sql_session.hpp"

#include <fstream>
#include <sstream>

namespace repasse {
namespace {

struct question {
  std::string text; ///< ends with a question mark
  std::string statement;
};

std::vector<question> questions() {
  std::ifstream file(REPASSE_QUERIES);
  BOOST_REQUIRE(file.is_open());
  std::vector<question> all;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("-- ") && line.ends_with("?")) all.push_back({line.substr(3), {}});
    if (line.starts_with("--") || line.empty() || all.empty()) continue;
    all.back().statement += line + '\n';
  }
  return all;
}

BOOST_AUTO_TEST_SUITE(ledger_queries)

BOOST_AUTO_TEST_CASE(every_question_has_an_answer) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench books(reactor, server.url());
  sql_session session(reactor, server.url());
  const epoch_id epoch = books.open();
  const wall_time now = reactor.time.wall();
  append_item asked = posted(1, 0, now - 2s);
  asked.id = *parse_payment_id("4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3");
  books.append(epoch, {asked, posted(2, 1, now - 1s), posted(3, 0, now), posted(4, no_processor, now)});
  BOOST_TEST(books.amend(
      epoch,
      {.id = asked.id, .version = 1, .attempts = 1, .status = payment_status::unknown, .processor = 0}));
  settle_item taken = witness(1, 0, now - 1s);
  taken.id = asked.id;
  taken.attempts = 2;
  BOOST_TEST(books.settle(taken) == settled::settled);
  BOOST_TEST(books.settle(witness(2, 1, now - 1s)) == settled::settled);
  books.fold();
  BOOST_TEST(books.settle(witness(3, 0, now)) == settled::settled);

  const std::vector<question> all = questions();
  BOOST_TEST(all.size() == 10U);
  for (const question& each : all)
    BOOST_TEST(!session.rows(each.statement).empty(), each.text);
  const auto report = session.rows("SELECT amount, processor, status, attempts, epoch FROM payments_report"
                                   " WHERE correlation_id = '4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3'");
  BOOST_REQUIRE_EQUAL(report.size(), 1U);
  BOOST_TEST(report[0][0] == "19.90");
  BOOST_TEST(report[0][1] == "default");
  BOOST_TEST(report[0][2] == "processed");
  BOOST_TEST(report[0][3] == "2");
  BOOST_TEST(report[0][4] == std::to_string(epoch));
  // What each processor took each day is what the ledger says.
  const auto days = session.rows(all[5].statement);
  std::uint64_t payments = 0;
  for (const auto& day : days)
    payments += std::stoull(day[2]);
  BOOST_TEST(payments == 3U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
