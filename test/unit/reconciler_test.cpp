// The reconciler in virtual time, over payments in memory and a processor whose books a case writes: what it
// finds, what it cannot see, and where it ends.
#include "server/reconciler.hpp"

#include "server/poller.hpp"
#include "storage/memory_ledger.hpp"
#include "storage/memory_reconciliations.hpp"
#include "test/simulation/run_now.hpp"
#include "test/simulation/virtual_time.hpp"
#include "test/unit/asked_processor.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <exception>
#include <memory>
#include <string>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using simulation::run_now;

payment_id id_of(std::uint32_t number) {
  payment_id id;
  for (std::size_t i = 0; i < 4; ++i)
    id.bytes[i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  id.bytes[15] = 1;
  return id;
}

/// Our books, the books of the one processor, and who compares them.
class two_books {
public:
  explicit two_books(const std::string& admin_token = "123", const comparison::config& limits = {})
      : epoch_(run_now(ledger.open_epoch()).value()), start(time_.wall() - 3h) {
    processor::config how;
    how.name = "bank";
    how.admin_token = admin_token;
    processors_.push_back(std::make_unique<processor>(time_, sockets_, how));
    reconciler::config settings;
    settings.every = 0ms;
    settings.one = limits;
    reconciler_ = std::make_unique<reconciler>(
        time_, ledger, store, processors_, [this](const settle_item& taken) { settle(taken); }, settings);
  }
  ~two_books() {
    sockets_.close();
    time_.abandon();
    context_.restart();
    context_.poll();
  }
  two_books(const two_books&) = delete;
  two_books& operator=(const two_books&) = delete;

  // What we have comes in order of time, as the ledger in memory expects it.
  /// Ours, settled with it.
  void have(std::uint32_t number, std::int64_t cents, std::chrono::milliseconds at) {
    doubt(number, cents, at);
    settle({.id = id_of(number), .requested_at = start + at, .attempts = 1, .processor = 0});
  }
  /// Ours, open, and it names it.
  void doubt(std::uint32_t number, std::int64_t cents, std::chrono::milliseconds at) {
    append_item item;
    item.id = id_of(number);
    item.amount_cents = cents;
    item.token = number + 1;
    item.accepted_at = start + at;
    item.processor = 0;
    BOOST_REQUIRE(run_now(ledger.append(epoch_, {&item, 1})) == ledger_status::done);
    BOOST_REQUIRE(item.answer == append_item::verdict::fresh);
  }
  void settle(settle_item taken) {
    BOOST_REQUIRE(run_now(ledger.settle({&taken, 1})) == ledger_status::done);
  }
  /// Theirs.
  void take(std::uint32_t number, std::int64_t cents, std::chrono::milliseconds at) {
    BOOST_REQUIRE(theirs.books.take(id_of(number), {cents, start + at}));
  }
  void both(std::uint32_t number, std::int64_t cents, std::chrono::milliseconds at) {
    have(number, cents, at);
    take(number, cents, at);
  }

  /// A payment each half minute, and one of ours, number 200, that they do not have then.
  void fill_with_one_of_ours_alone() {
    for (std::uint32_t i = 0; i < 100; ++i) {
      both(i, 1990, i * 30s);
      if (i == 20) have(200, 1990, 10min + 5ms);
    }
  }

  /// One turn, a minute after the one before; the run that it has made.
  reconciliation_run compare() {
    pass(1min);
    std::optional<reconciler::begun> how;
    asio::co_spawn(context_.get_executor(), reconciler_->run(),
                   [&how](const std::exception_ptr& thrown, reconciler::begun got) {
                     if (thrown) std::terminate();
                     how = got;
                   });
    while (!how)
      step();
    BOOST_REQUIRE(*how == reconciler::begun::yes);
    return runs().front();
  }
  /// Newest first.
  std::vector<reconciliation_run> runs() { return run_now(store.read_runs(INT64_MAX, 100)).value(); }
  std::vector<reconciliation_finding> findings() {
    std::vector<reconciliation_finding> all;
    for (const reconciliation_run& run : runs())
      all.insert(all.end(), run.findings.begin(), run.findings.end());
    return all;
  }
  /// As `kind state` of each, in the order of their kinds.
  std::string told() {
    std::vector<std::string> words;
    for (const reconciliation_finding& one : findings())
      words.push_back(std::string(to_string(one.kind)) + " " + std::string(to_string(one.state)));
    std::ranges::sort(words);
    std::string text;
    for (const std::string& one : words)
      text += (text.empty() ? "" : ", ") + one;
    return text;
  }
  std::size_t open() {
    std::size_t all = 0;
    const open_findings counted = run_now(store.count_open()).value();
    for (const std::uint64_t of_kind : counted)
      all += of_kind;
    return all;
  }

  /// Time goes on, and what waits for it is done.
  void pass(std::chrono::nanoseconds time) {
    const steady_time until = time_.now() + time;
    for (;;) {
      turn();
      if (time_.next_due() > until) break;
      simulation::set_virtual_now(std::max(time_.now(), time_.next_due()));
      time_.fire(time_.now());
    }
    simulation::set_virtual_now(until);
  }
  [[nodiscard]] reconciler& comparing() { return *reconciler_; }

private:
  void turn() {
    context_.restart();
    context_.poll();
  }
  void step() {
    turn();
    if (time_.next_due() == never) return;
    simulation::set_virtual_now(std::max(time_.now(), time_.next_due()));
    time_.fire(time_.now());
  }

  asio::io_context context_{1};
  clock time_{context_};
  poller sockets_{context_};
  std::vector<std::unique_ptr<processor>> processors_;
  std::unique_ptr<reconciler> reconciler_;

public:
  memory_ledger ledger{{}};
  memory_reconciliations store;
  asked_processor theirs;

private:
  epoch_id epoch_;

public:
  const wall_time start; ///< hours ago
};

bool is_wide(const reconciliation_finding& one) { return !one.payment; }

constexpr comparison::config with_questions(std::size_t questions_max) {
  comparison::config limits;
  limits.questions_max = questions_max;
  return limits;
}

} // namespace

BOOST_AUTO_TEST_SUITE(reconciling)

BOOST_AUTO_TEST_CASE(equal_books_are_asked_for_each_minute_and_no_payment) {
  two_books books;
  for (std::uint32_t i = 0; i < 300; ++i)
    books.both(i, 100 + i, i * 20s);
  const reconciliation_run run = books.compare();
  BOOST_TEST(run.matched);
  BOOST_TEST(run.ours.requests == 300U);
  BOOST_TEST((run.ours == run.theirs));
  BOOST_TEST(run.findings.empty());
  const auto minutes = std::chrono::ceil<std::chrono::minutes>(run.window.to - run.window.from);
  BOOST_TEST(books.theirs.questions == static_cast<std::size_t>(minutes.count()));
  BOOST_TEST(books.comparing().figures().done == 1U);
}

BOOST_AUTO_TEST_CASE(a_long_window_is_cut_in_as_many_parts_as_are_asked_for) {
  two_books books;
  books.both(1, 100, -1000h);
  books.both(2, 100, 0h);
  BOOST_TEST(books.compare().matched);
  BOOST_TEST(books.theirs.questions <= 512U);
  BOOST_TEST(books.theirs.questions > 500U);
}

BOOST_AUTO_TEST_CASE(another_time_alone_is_found) {
  two_books books;
  books.fill_with_one_of_ours_alone();
  books.take(200, 1990, 20min);
  const reconciliation_run run = books.compare();
  BOOST_TEST((run.ours == run.theirs));
  BOOST_TEST(!run.matched);
  BOOST_TEST(books.told() == "other-time open");
  BOOST_TEST((run.findings.at(0).payment == id_of(200)));
}

BOOST_AUTO_TEST_CASE(one_missing_here_and_one_there_of_the_same_amount_are_found) {
  two_books books;
  books.fill_with_one_of_ours_alone();
  books.take(201, 1990, 20min);
  const reconciliation_run run = books.compare();
  BOOST_TEST((run.ours == run.theirs));
  BOOST_TEST(!run.matched);
  BOOST_TEST(books.told() == "ours-not-theirs open, theirs-not-ours open");
}

BOOST_AUTO_TEST_CASE(another_amount_alone_is_found_and_what_was_taken_is_settled) {
  two_books books;
  books.both(1, 1990, 0s);
  books.have(2, 1990, 1min);
  books.take(2, 2990, 1min);
  books.doubt(3, 500, 2min);
  books.take(3, 500, 2min + 7ms);
  BOOST_TEST(!books.compare().matched);
  BOOST_TEST(books.told() == "not-settled mended, other-amount open");
  const auto row = run_now(books.ledger.find(id_of(3))).value().value();
  BOOST_TEST((row.requested_at == books.start + 2min + 7ms));
  BOOST_TEST(books.comparing().figures().mended == 1U);
}

BOOST_AUTO_TEST_CASE(what_is_settled_while_it_compares_is_no_difference) {
  std::size_t questions = 1;
  for (std::size_t at = 1; at <= questions; ++at) {
    two_books books;
    books.both(1, 1990, 0s);
    books.doubt(2, 500, 1min);
    books.take(2, 500, 1min + 7ms);
    books.theirs.before = [&] {
      if (books.theirs.questions == at)
        books.settle({.id = id_of(2), .requested_at = books.start + 1min + 7ms, .processor = 0});
    };
    BOOST_TEST(books.compare().matched, "settled before answer " << at);
    BOOST_TEST(books.open() == 0U);
    questions = books.theirs.questions;
  }
  BOOST_TEST(questions > 100U);
}

BOOST_AUTO_TEST_CASE(
    a_processor_that_has_lost_all_is_one_finding_beyond_a_thousand_and_the_next_run_goes_on) {
  two_books books;
  for (std::uint32_t i = 0; i < 3000; ++i)
    books.have(i, 100, i * 1s);
  const reconciliation_run run = books.compare();
  BOOST_TEST((run.status == run_status::done), run.error);
  BOOST_TEST(!run.matched);
  BOOST_REQUIRE(run.findings.size() == findings_a_run_max);
  BOOST_REQUIRE(std::ranges::count_if(run.findings, is_wide) == 1);
  const reconciliation_finding rest = *std::ranges::find_if(run.findings, is_wide);
  BOOST_TEST((rest.kind == finding_kind::ours_not_theirs));
  BOOST_TEST(rest.ours.requests == 3000U);
  BOOST_TEST(rest.theirs.requests == 0U);
  const reconciliation_run next = books.compare();
  BOOST_TEST((next.status == run_status::done));
  BOOST_TEST((next.window.from == run.window.to + 1ms));
}

BOOST_AUTO_TEST_CASE(when_the_questions_end_what_is_left_is_one_finding_that_closes_when_all_agree) {
  two_books books("123", with_questions(60));
  for (std::uint32_t i = 0; i < 50; ++i) {
    books.both(i, 100, i * 1min);
    books.have(100 + i, 100, i * 1min + 1s);
  }
  const reconciliation_run run = books.compare();
  BOOST_TEST((run.status == run_status::done), run.error);
  BOOST_TEST(!run.matched);
  const auto rest = std::ranges::find_if(run.findings, is_wide);
  BOOST_REQUIRE((rest != run.findings.end()));
  BOOST_TEST((rest->window.from <= books.start + 1s));
  BOOST_TEST((rest->window.to >= books.start + 49min + 1s));
  for (std::uint32_t i = 0; i < 49; ++i)
    books.take(100 + i, 100, i * 1min + 1s);
  books.take(1000, 100, 30min); // as many as ours, but not the same
  BOOST_TEST(!books.compare().matched);
  BOOST_TEST(books.open() >= 1U);
  books.take(149, 100, 49min + 1s);
  books.have(1000, 100, 30min);
  BOOST_TEST(books.compare().matched);
  BOOST_TEST(books.open() == 0U);
}

BOOST_AUTO_TEST_CASE(more_payments_at_once_than_are_asked_for_are_one_finding) {
  two_books books;
  for (std::uint32_t i = 0; i < 1100; ++i)
    books.have(i, 100, 0s);
  books.take(1, 100, 0s);
  const reconciliation_run run = books.compare();
  BOOST_TEST(!run.matched);
  BOOST_TEST(books.told() == "ours-not-theirs open");
  BOOST_TEST(run.findings.at(0).ours.requests == 1100U);
  BOOST_TEST(run.findings.at(0).theirs.requests == 1U);
}

BOOST_AUTO_TEST_CASE(between_two_pages_of_rows_is_a_pause_as_between_two_questions) {
  two_books books;
  books.have(1, 100, 0s);
  for (std::uint32_t i = 0; i < 10'000; ++i)
    books.both(100 + i, 100, std::chrono::milliseconds(1 + i / 6));
  const steady_time before = simulation::virtual_now();
  BOOST_TEST(!books.compare().matched);
  BOOST_TEST(books.told() == "ours-not-theirs open");
  const std::size_t pages = 10;
  const auto paused = (books.theirs.questions + pages) * comparison::config{}.pause;
  BOOST_TEST((simulation::virtual_now() - before >= 1min + paused));
}

BOOST_AUTO_TEST_CASE(without_a_summary_what_is_left_in_doubt_is_a_finding_until_it_is_settled) {
  two_books books("", with_questions(2));
  for (std::uint32_t i = 0; i < 5; ++i) {
    books.doubt(i, 100, i * 1s);
    books.take(i, 100, i * 1s + 5ms);
  }
  books.have(6, 100, 10s);
  const reconciliation_run run = books.compare();
  BOOST_TEST((run.status == run_status::done), run.error);
  BOOST_TEST(!run.matched);
  BOOST_TEST(books.told() == "not-settled mended, not-settled mended, not-settled open");
  for (std::uint32_t i = 0; i < 5; ++i)
    books.settle({.id = id_of(i), .requested_at = books.start + i * 1s + 5ms, .processor = 0});
  BOOST_TEST(books.compare().matched);
}

BOOST_AUTO_TEST_CASE(a_finding_of_what_is_unknown_to_us_is_mended_once_the_books_agree) {
  two_books books;
  books.both(1, 100, 0s);
  books.take(2, 300, 1min);
  BOOST_TEST(!books.compare().matched);
  BOOST_TEST(books.told() == "theirs-not-ours open");
  BOOST_TEST(!books.compare().matched);
  BOOST_TEST(books.told() == "theirs-not-ours open");
  books.have(2, 300, 1min);
  BOOST_TEST(books.compare().matched);
  BOOST_TEST(books.told() == "theirs-not-ours mended");
  const std::string history = books.findings().at(0).history;
  BOOST_TEST(std::ranges::count(history, '\n') == 1);
  BOOST_TEST(history.find(" open: it is none that we know of\n") != history.npos, history);
  BOOST_TEST(history.find(" mended: the books agree now") != history.npos, history);
}

BOOST_AUTO_TEST_CASE(an_explained_finding_stays_so_when_a_run_finds_the_same_again_and_not_when_another) {
  two_books books(""); // what is shortly before a window is looked at again
  const std::chrono::milliseconds lately = 3h - 5min;
  books.doubt(1, 100, lately);
  books.settle({.id = id_of(1), .requested_at = books.start + lately, .attempts = 2, .processor = 0});
  BOOST_TEST(!books.compare().matched);
  BOOST_TEST(books.told() == "ours-not-theirs open");
  const explanation came = run_now(books.store.explain(books.findings().at(0).id, "it was refunded"));
  BOOST_REQUIRE((came.what == explanation::verdict::done));
  const std::size_t asked = books.theirs.questions;
  BOOST_TEST(books.compare().matched);
  BOOST_TEST(books.theirs.questions == asked + 1); // found again, and not looked at as one that is open
  BOOST_TEST(books.told() == "ours-not-theirs explained");
  BOOST_TEST(books.open() == 0U);
  books.take(1, 300, lately);
  BOOST_TEST(!books.compare().matched);
  BOOST_TEST(books.told() == "other-amount open, ours-not-theirs explained");
}

BOOST_AUTO_TEST_CASE(of_many_that_are_open_each_is_looked_at_in_its_turn) {
  two_books books;
  for (std::uint32_t i = 0; i < 300; ++i)
    books.have(i, 100, i * 1s);
  BOOST_TEST(!books.compare().matched);
  BOOST_TEST(books.open() == 300U);
  for (std::uint32_t i = 250; i < 300; ++i) // those found last
    books.take(i, 100, i * 1s);
  const auto later = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()) + 1ms;
  while (std::chrono::system_clock::now() < later) { // the store's own clock is real
  }
  for (int i = 0; i < 5; ++i)
    books.compare();
  BOOST_TEST(books.open() == 250U);
  const std::vector<reconciliation_finding> all = books.findings();
  BOOST_TEST(std::ranges::all_of(all, [&](const auto& one) { return one.last_seen >= later; }));
}

BOOST_AUTO_TEST_CASE(a_silent_processor_fails_the_run_and_the_next_begins_where_it_began) {
  two_books books;
  books.both(1, 100, 0s);
  books.have(2, 300, 1min);
  books.theirs.is_silent = true;
  const reconciliation_run run = books.compare();
  BOOST_TEST((run.status == run_status::failed));
  BOOST_TEST(!run.error.empty());
  BOOST_TEST(books.comparing().figures().failed == 1U);
  books.theirs.is_silent = false;
  const reconciliation_run next = books.compare();
  BOOST_TEST((next.window.from == run.window.from));
  BOOST_TEST(books.told() == "ours-not-theirs open");
}

BOOST_AUTO_TEST_CASE(the_eldest_knows_what_is_open_without_a_turn_of_its_own_and_others_do_not_say) {
  two_books books;
  books.have(1, 100, 0s);
  const reconciliation_run run = books.compare();
  BOOST_TEST(!books.comparing().figures().open.has_value());
  bool is_eldest = true;
  books.comparing().start([&] { return is_eldest; });
  books.pass(6s);
  const reconciliation_figures& figures = books.comparing().figures();
  BOOST_REQUIRE(figures.open.has_value());
  BOOST_TEST((*figures.open)[static_cast<std::size_t>(finding_kind::ours_not_theirs)] == 1U);
  BOOST_TEST((figures.until == run.window.to));
  BOOST_TEST(figures.done == 1U);
  reconciliation_finding another = run.findings.at(0);
  another.payment = id_of(2);
  BOOST_REQUIRE(run_now(books.store.keep_finding(run.id, another)));
  books.pass(65s);
  BOOST_TEST((*figures.open)[static_cast<std::size_t>(finding_kind::ours_not_theirs)] == 2U);
  is_eldest = false;
  books.pass(6s);
  BOOST_TEST(!figures.open.has_value());
  BOOST_TEST((figures.until == run.window.to));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
