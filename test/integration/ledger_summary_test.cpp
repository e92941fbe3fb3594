// A summary is exact for any window, whatever has been folded and whatever holds folding up.
#include "test/integration/ledger_bench.hpp"
#include "test/integration/sql_session.hpp"

#include <random>

namespace repasse {
namespace {

using millis = std::chrono::milliseconds;

/// Settles payments at random and asks for windows at random.
class random_books {
public:
  explicit random_books(unsigned seed) : random_(seed) {
    for (std::uint32_t i = 0; i < 2; ++i)
      ledgers.push_back(std::make_unique<ledger_bench>(reactor, server.url(), i));
    epoch_ = ledgers[0]->open();
  }

  std::uint64_t below(std::uint64_t limit) {
    return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random_);
  }
  ledger_bench& any_ledger() { return *ledgers[below(2)]; }

  /// Of the last 40 days and the next two minutes, more often of late.
  wall_time any_time() {
    constexpr std::array<std::uint64_t, 5> spans{3'000, 120'000, 3 * 3'600'000, 30 * 3'600'000,
                                                 40 * 24 * 3'600'000ULL};
    const wall_time now = reactor.time.wall();
    return below(10) == 0 ? now + millis{below(120'000)} : now - millis{below(spans[below(spans.size())])};
  }

  void settle_some() {
    std::vector<append_item> items;
    std::vector<settle_item> witnesses;
    for (std::size_t i = 0; i <= below(40); ++i) {
      const auto processor = static_cast<processor_index>(below(3));
      items.push_back(posted(++number_, processor, start, 1 + static_cast<std::int64_t>(below(100'000))));
      witnesses.push_back(witness(number_, processor, any_time()));
      if (below(4) == 0 && i > 0) witnesses.back().requested_at = witnesses[i - 1].requested_at;
      times_.push_back(witnesses.back().requested_at);
    }
    ledgers[0]->append(epoch_, items);
    ledger_bench& one = any_ledger();
    BOOST_REQUIRE((one.run(one.get().settle(witnesses)) == ledger_status::done));
  }

  wall_time any_bound() {
    wall_time bound = below(3) == 0 ? any_time() : times_[below(times_.size())];
    constexpr std::array<std::int64_t, 5> steps{1, 1'000, 60'000, 3'600'000, 86'400'000};
    const std::int64_t step = steps[below(2) == 0 ? 0 : below(steps.size())];
    bound = wall_time{millis{bound.time_since_epoch().count() / step * step}};
    return bound + millis{static_cast<std::int64_t>(below(3)) - 1};
  }

  /// One window by the ledger and by the rows.
  void compare() {
    time_window window{.from = any_bound(), .to = any_bound()};
    if (below(4) == 0) window.to = window.from + millis{below(3'000)};
    if (window.to < window.from) std::swap(window.from, window.to);
    const auto folding =
        below(5) == 0 ? std::optional(reactor.start(any_ledger().get().fold())) : std::nullopt;
    const summary sums = any_ledger().summarize(window);
    if (folding) BOOST_REQUIRE((reactor.await(*folding) == ledger_status::done));
    summary expected{};
    for (const auto& row : session.rows(
             "SELECT substr(n.name, 1, 1), count(*), sum(p.amount_cents) FROM payments p JOIN processors n"
             " ON n.id = p.processor WHERE p.status = 3 AND p.requested_at BETWEEN '" +
             to_string(window.from) + "' AND '" + to_string(window.to) + "' GROUP BY 1"))
      expected[row[0] == "d" ? 0U : row[0] == "f" ? 1U : 2U] = {std::stoull(row[1]), std::stoll(row[2])};
    for (std::size_t i = 0; i < 3; ++i)
      BOOST_REQUIRE_MESSAGE(sums[i] == expected[i], to_string(window.from)
                                                        << " to " << to_string(window.to) << ": " << sums[i]
                                                        << ", should be " << expected[i]);
    ++compared;
  }

  void go_on(int steps) {
    for (int i = 0; i < steps; ++i) {
      settle_some();
      if (below(6) == 0) { // both at once
        const auto a = reactor.start(ledgers[0]->get().fold());
        const auto b = reactor.start(ledgers[1]->get().fold());
        BOOST_REQUIRE((reactor.await(a) == ledger_status::done));
        BOOST_REQUIRE((reactor.await(b) == ledger_status::done));
      }
      for (int k = 0; k < 4; ++k)
        compare();
    }
  }

  postgres_server& server = ledger_server();
  loop reactor;
  std::vector<std::unique_ptr<ledger_bench>> ledgers;
  sql_session session{reactor, server.url()};
  int compared = 0;

private:
  std::minstd_rand random_;
  epoch_id epoch_ = 0;
  std::uint64_t number_ = 0;
  std::vector<wall_time> times_;
};

BOOST_AUTO_TEST_SUITE(ledger_summary)

BOOST_AUTO_TEST_CASE(a_summary_is_the_plain_sum_over_any_window) {
  random_books books(11);
  books.session.run("UPDATE folded SET minutes = -100000000000, hours = -100000000000, days = -100000000000");
  books.go_on(100);
  {
    sql_session writer(books.reactor, books.server.url());
    sql_session dump(books.reactor, books.server.url());
    dump.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM payments");
    books.go_on(30);
    writer.run("BEGIN; INSERT INTO audit (epoch, event, detail) VALUES (0, 'test', 'held open')");
    books.go_on(70);
    BOOST_TEST(books.session.value("SELECT count(*) FROM deltas") != "0");
    writer.run("ROLLBACK");
    books.go_on(20);
    dump.run("COMMIT");
  }
  books.go_on(30);
  for (const auto& one : books.ledgers)
    one->fold();
  BOOST_TEST(books.session.value("SELECT count(*) FROM deltas") == "0");
  for (int i = 0; i < 200; ++i)
    books.compare();
  BOOST_TEST(books.compared >= 1'000);
  // Each level says the same of all that is complete.
  BOOST_TEST(
      books.session.value(
          "SELECT count(*) FROM (SELECT count(*), sum(requests), sum(amount_cents) FROM totals t, folded f"
          " WHERE begins < f.days GROUP BY level) AS x") == "4");
  BOOST_TEST(
      books.session.value(
          "SELECT count(DISTINCT (requests, cents)) FROM (SELECT sum(requests) AS requests,"
          " sum(amount_cents) AS cents FROM totals t, folded f WHERE begins < f.days GROUP BY level) AS x") ==
      "1");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
