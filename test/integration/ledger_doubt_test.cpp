// Each write is cut off after every byte of its exchange, both ways: before, within and after its commit.
// Whatever it then says, repeated until it is done it has happened once. Several instances are cut at a time,
// since each has to connect again before it can go on.
#include "test/integration/cutting_proxy.hpp"
#include "test/integration/ledger_bench.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace repasse {
namespace {

using way = cutting_proxy::way;

constexpr std::size_t instances = 6;
constexpr std::size_t rows_a_trial = 3;

/// One instance behind a proxy of its own, and what its trials have come to.
struct victim {
  victim(loop& of, const postgres_server& server, std::uint32_t number)
      : time(of.time),
        proxy(std::make_unique<cutting_proxy>(of.time, server.port())),
        books(of, server.url(proxy->port()), number) {}

  clock& time;
  std::unique_ptr<cutting_proxy> proxy;
  ledger_bench books;
  epoch_id epoch = 0;
  std::size_t doubts = 0;
  std::size_t refusals = 0; ///< nothing was written
  std::size_t wrong = 0;
};

/// Numbers of the payments of one trial.
using numbers = std::array<std::uint64_t, rows_a_trial>;
numbers numbers_of(std::uint64_t trial) { return {3 * trial, 3 * trial + 1, 3 * trial + 2}; }

task<bool> recover(victim& of) {
  event pause(of.time);
  while (!of.books.get().health().is_up)
    co_await pause.wait_for(2ms);
  co_return true;
}

/// Counts what was said, and waits until there is a connection again. True when it is done.
task<bool> is_done(victim& of, ledger_status status) {
  if (status == ledger_status::done) co_return true;
  ++(status == ledger_status::in_doubt ? of.doubts : of.refusals);
  co_await recover(of);
  co_return false;
}

task<bool> append_until_done(victim& of, std::uint64_t trial) {
  std::vector<append_item> items;
  for (const std::uint64_t number : numbers_of(trial))
    items.push_back(posted(number, 0));
  for (bool done = false; !done;) {
    const ledger_status status = co_await of.books.get().append(of.epoch, items);
    done = co_await is_done(of, status);
  }
  for (const append_item& item : items)
    if (item.answer != appended::fresh) ++of.wrong;
  co_return true;
}

task<bool> amend_until_done(victim& of, std::uint64_t trial) {
  std::vector<amend_item> items;
  for (const std::uint64_t number : numbers_of(trial))
    items.push_back({.id = id_of(number),
                     .version = 1,
                     .attempts = 1,
                     .status = payment_status::unknown,
                     .processor = 0});
  for (bool done = false; !done;) {
    const ledger_status status = co_await of.books.get().amend(of.epoch, items);
    done = co_await is_done(of, status);
  }
  for (const amend_item& item : items)
    if (!item.applied) ++of.wrong;
  co_return true;
}

task<bool> settle_until_done(victim& of, std::uint64_t trial) {
  std::vector<settle_item> items;
  for (const std::uint64_t number : numbers_of(trial))
    items.push_back(witness(number, 0));
  const std::size_t doubts = of.doubts;
  for (bool done = false; !done;) {
    const ledger_status status = co_await of.books.get().settle(items);
    done = co_await is_done(of, status);
  }
  for (const settle_item& item : items)
    if (item.answer != settled::settled && (item.answer != settled::known || of.doubts == doubts)) ++of.wrong;
  co_return true;
}

task<bool> release_until_done(victim& of, std::uint64_t) {
  std::size_t released = 0;
  for (bool done = false; !done;) {
    const ledger_status status = co_await of.books.get().release(of.epoch, 1'000, released);
    done = co_await is_done(of, status);
  }
  co_return true;
}

/// Of whatever is left anywhere.
task<bool> adopt_until_done(victim& of, std::uint64_t) {
  std::vector<owned_row> rows(1'000);
  std::size_t taken = 0;
  for (bool done = false; !done;) {
    const auto beaten = co_await of.books.get().beat(of.epoch, {});
    if (beaten && beaten->ended) ++of.wrong;
    const ledger_status status = co_await of.books.get().adopt(of.epoch, rows, taken);
    done = co_await is_done(of, status);
  }
  co_return true;
}

task<bool> end_until_done(victim& of, std::uint64_t) {
  for (bool done = false; !done;) {
    const ledger_status status = co_await of.books.get().end_epoch(of.epoch);
    done = co_await is_done(of, status);
  }
  co_return true;
}

using write = task<bool> (*)(victim&, std::uint64_t);

class doubt {
public:
  doubt() {
    for (std::uint32_t i = 0; i < instances; ++i) {
      victims.push_back(std::make_unique<victim>(reactor, server, i));
      open(*victims.back());
    }
  }
  // A proxy runs the loop as it ends, so all of them end before any ledger.
  ~doubt() {
    for (const auto& one : victims)
      one->proxy.reset();
  }

  void open(victim& of) {
    of.epoch = of.books.open();
    of.books.beat(of.epoch);
    server.sql("UPDATE epochs SET steady_since = steady_since - interval '6 s', last_beat = clock_timestamp()"
               " WHERE epoch = " +
               std::to_string(of.epoch));
  }

  /// A trial that is not cut.
  void prepare(write what) {
    for (const auto& one : victims)
      reactor.await(what(*one, trial_of(*one)));
  }
  /// Cuts `what` after each byte, or every few, each time after `before`.
  template <typename Before, typename After>
  void cut_everywhere(write what, std::size_t rounds, Before before, After after) {
    for (const way where : {way::to_server, way::to_client}) {
      before();
      const std::size_t begun = victims[0]->proxy->passed(where);
      prepare(what);
      const std::size_t bytes = victims[0]->proxy->passed(where) - begun;
      after();
      ++trials;
      // Those that lie around the end, where it is or is not committed, are many; the others go in steps.
      for (std::size_t round = 0; round < rounds; ++round) {
        before();
        std::vector<loop::started<bool>> all;
        for (std::size_t i = 0; i < instances; ++i) {
          const std::size_t number = round * instances + i;
          victims[i]->proxy->cut_after(where, 1 + number * bytes / (rounds * instances));
          all.push_back(reactor.start(what(*victims[i], trial_of(*victims[i]))));
        }
        for (const auto& one : all)
          reactor.await(one);
        for (const auto& one : victims)
          one->proxy->cut_after(where, SIZE_MAX);
        reactor.until([this] {
          return std::all_of(victims.begin(), victims.end(),
                             [](const auto& one) { return one->books.get().health().is_up; });
        });
        after();
        ++trials;
      }
      BOOST_TEST_MESSAGE(bytes << " bytes");
    }
    std::size_t doubts = 0;
    std::size_t refusals = 0;
    for (const auto& one : victims) {
      BOOST_TEST(one->wrong == 0U);
      doubts += one->doubts;
      refusals += one->refusals;
    }
    BOOST_TEST_MESSAGE(trials * instances << " trials, " << doubts << " doubts, " << refusals << " refusals");
  }
  [[nodiscard]] std::string rows() const { return std::to_string(3 * instances * (trials - 1)); }
  [[nodiscard]] std::uint64_t trial_of(const victim& of) const {
    for (std::size_t i = 0; i < instances; ++i)
      if (victims[i].get() == &of) return trials * instances + i;
    return 0;
  }

  postgres_server& server = ledger_server();
  loop reactor;
  std::vector<std::unique_ptr<victim>> victims;
  std::uint64_t trials = 1;
};

constexpr auto nothing = [] {};

BOOST_AUTO_TEST_SUITE(ledger_doubt)

BOOST_AUTO_TEST_CASE(an_append_that_is_cut_off_anywhere_happens_once) {
  doubt of;
  of.cut_everywhere(append_until_done, 8, nothing, nothing);
  BOOST_TEST(
      of.server.sql("SELECT count(*) FROM payments p JOIN epochs e ON e.epoch = p.owner AND NOT e.marked"
                    " WHERE p.version = 1 AND p.status = 1") == of.rows());
  BOOST_TEST(of.server.sql("SELECT count(*) FROM payments") == of.rows());
}

BOOST_AUTO_TEST_CASE(a_choice_that_is_cut_off_anywhere_happens_once) {
  doubt of;
  of.cut_everywhere(
      amend_until_done, 8, [&] { of.prepare(append_until_done); }, nothing);
  BOOST_TEST(
      of.server.sql("SELECT count(*) FROM payments WHERE version = 2 AND status = 2 AND attempts = 1") ==
      of.rows());
  BOOST_TEST(of.server.sql("SELECT count(*) FROM audit") == of.rows());
}

BOOST_AUTO_TEST_CASE(a_settle_that_is_cut_off_anywhere_is_booked_once) {
  doubt of;
  of.cut_everywhere(
      settle_until_done, 8, [&] { of.prepare(append_until_done); }, nothing);
  const std::uint64_t rows = std::stoull(of.rows());
  for (int i = 0; i < 2; ++i) {
    BOOST_TEST(of.victims[0]->books.summarize()[0] ==
               (processor_total{rows, static_cast<std::int64_t>(1990 * rows)}));
    of.victims[1]->books.fold();
  }
}

BOOST_AUTO_TEST_CASE(a_takeover_that_is_cut_off_anywhere_loses_no_row) {
  doubt of;
  ledger_bench dying(of.reactor, of.server.url(), 99);
  std::uint64_t number = 0;
  const auto before = [&] {
    const epoch_id dead = dying.open();
    std::vector<append_item> items;
    for (int i = 0; i < 30; ++i)
      items.push_back(posted(++number, i % 2 == 0 ? processor_index{0} : no_processor));
    dying.append(dead, items);
    dying.end(dead);
    for (const auto& one : of.victims)
      one->books.beat(one->epoch);
  };
  const auto after = [&] {
    // Each finds what it has taken, and another sweep finds what nobody took.
    BOOST_TEST(rows_out_of_bounds() == "0");
    for (int i = 0; i < 2; ++i)
      for (const auto& one : of.victims) {
        one->books.beat(one->epoch);
        one->books.adopt_all(one->epoch);
      }
    std::set<payment_id> found;
    std::size_t count = 0;
    for (const auto& one : of.victims) {
      one->books.beat(one->epoch);
      for (const owned_row& row : one->books.unsettled(one->epoch)) {
        found.insert(row.id);
        ++count;
      }
      one->books.beat(one->epoch);
    }
    BOOST_TEST(count == number);
    BOOST_TEST(found.size() == number);
    BOOST_TEST(rows_out_of_bounds() == "0");
  };
  of.cut_everywhere(adopt_until_done, 9, before, after);
  BOOST_TEST(of.server.sql("SELECT count(*) FROM payments WHERE status = 1") == "0");
  BOOST_TEST(of.server.sql("SELECT count(*) FROM payments") == std::to_string(number));
  BOOST_TEST(of.server.sql("SELECT count(*) FROM audit WHERE event = 'taken over'") ==
             of.server.sql("SELECT sum(version - 1) FROM payments"));
}

BOOST_AUTO_TEST_CASE(a_release_that_is_cut_off_anywhere_loses_no_row) {
  doubt of;
  ledger_bench taker(of.reactor, of.server.url(), 99);
  const epoch_id epoch = taker.open();
  std::uint64_t number = 0;
  const auto before = [&] {
    for (const auto& one : of.victims) {
      one->books.append(one->epoch, {posted(++number), posted(++number), posted(++number)});
      one->books.beat(one->epoch);
    }
  };
  const auto after = [&] {
    taker.beat(epoch);
    BOOST_TEST(rows_out_of_bounds() == "0");
  };
  taker.make_steady(epoch);
  of.cut_everywhere(release_until_done, 6, before, after);
  taker.make_steady(epoch);
  std::size_t taken = 0;
  for (int i = 0; i < 2; ++i)
    taken += taker.adopt_all(epoch, 1'000).size();
  BOOST_TEST(taken == number);
  BOOST_TEST(of.server.sql("SELECT count(*) FROM payments WHERE version = 3") == std::to_string(number));
}

BOOST_AUTO_TEST_CASE(an_end_that_is_cut_off_anywhere_leaves_all_rows_to_others) {
  doubt of;
  ledger_bench taker(of.reactor, of.server.url(), 99);
  const epoch_id epoch = taker.open();
  std::uint64_t number = 0;
  const auto before = [&] {
    for (const auto& one : of.victims) {
      one->epoch = one->books.open();
      one->books.append(one->epoch, {posted(++number), posted(++number, 0), posted(++number)});
    }
  };
  of.cut_everywhere(end_until_done, 4, before, [&] { taker.beat(epoch); });
  taker.make_steady(epoch);
  std::size_t taken = 0;
  for (int i = 0; i < 2; ++i)
    taken += taker.adopt_all(epoch, 1'000).size();
  BOOST_TEST(taken == number);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
