// What beats tell of unsettled rows, and walks over rows that visit what they tell: also against a model in
// which appends, settles, takeovers and looks meet in any order.
#include "storage/open_rows.hpp"

#include <boost/test/unit_test.hpp>

#include <deque>
#include <functional>
#include <optional>
#include <random>

namespace repasse {

namespace {

using namespace std::chrono_literals;
using spans = std::vector<time_span>;

constexpr wall_time start{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
constexpr wall_time always = wall_time::max();

bool covers(const spans& all, wall_time accepted_at) {
  return std::any_of(all.begin(), all.end(),
                     [&](const time_span& one) { return one.begin <= accepted_at && accepted_at < one.end; });
}

page_cursor row_at(wall_time time) { return {.accepted_at = time, .id = {}}; }

BOOST_AUTO_TEST_SUITE(open_rows_test)

BOOST_AUTO_TEST_CASE(names_the_seconds_that_hold_rows_and_all_that_is_not_counted) {
  open_rows rows;
  BOOST_TEST((rows.spans(start + 5ms) == (spans{{start + 5ms, always}})));
  rows.add(start + 300ms);
  rows.add(start + 700ms);
  rows.add(start + 1500ms);
  rows.add(start + 10s);
  const spans both{{start, start + 2s}, {start + 10s, start + 11s}, {start + 20s, always}};
  BOOST_TEST((rows.spans(start + 20s) == both));
  BOOST_TEST((rows.spans(start + 10500ms) == (spans{{start, start + 2s}, {start + 10s, always}})));
  BOOST_TEST((rows.spans(start + 100ms) == (spans{{start, always}})));
  BOOST_TEST((rows.spans(start - 1h) == (spans{{start - 1h, always}})));
  rows.remove(start + 300ms);
  BOOST_TEST((rows.spans(start + 20s) == both));
  rows.remove(start + 700ms);
  rows.remove(start + 10s);
  rows.remove(start + 10s); // of a row that it never heard of
  BOOST_TEST((rows.spans(start + 20s) == (spans{{start + 1s, start + 2s}, {start + 20s, always}})));
}

BOOST_AUTO_TEST_CASE(the_longest_gaps_are_left_out_and_the_others_are_not) {
  open_rows rows;
  for (int i = 0; i < 1000; ++i)
    rows.add(start + i * 10s);
  rows.add(start - 24h);
  rows.add(start + 12h);
  const spans told = rows.spans(start + 24h);
  BOOST_TEST(told.size() == open_rows::spans_max);
  BOOST_TEST((told.front() == time_span{start - 24h, start - 24h + 1s}));
  BOOST_TEST((told.back() == time_span{start + 24h, always}));
  BOOST_TEST((told[told.size() - 2] == time_span{start + 12h, start + 12h + 1s}));
  for (std::size_t i = 1; i < told.size(); ++i)
    BOOST_TEST((told[i - 1].end < told[i].begin));
  for (int i = 0; i < 1000; ++i)
    BOOST_TEST(covers(told, start + i * 10s));
}

BOOST_AUTO_TEST_CASE(a_look_that_meets_appends_counts_none_of_them_twice) {
  open_rows rows;
  const wall_time now = start + 500ms;
  rows.add(now - 1h);
  rows.begin_look(now);
  rows.see(now - 1h);
  for (int i = 0; i < 3000; i += 10) { // the look ends far behind those that it began with
    rows.add(now + i * 1ms);
    rows.see(now + i * 1ms);
    rows.pass(now + i * 1ms);
  }
  rows.end_look();
  for (int i = 0; i < 3000; i += 10)
    rows.remove(now + i * 1ms);
  rows.remove(now - 1h);
  BOOST_TEST((rows.spans(start + 1h) == (spans{{start + 1h, always}})));
}

BOOST_AUTO_TEST_CASE(a_look_forgets_what_others_settled_and_finds_what_was_never_counted) {
  open_rows rows;
  rows.add(start);
  rows.add(start + 10s);
  rows.add(start + 20s);
  rows.begin_look(start + 1h);
  rows.see(start + 10s);
  rows.see(start + 15s);
  rows.pass(start + 16s);
  rows.remove(start + 10s); // was seen before
  rows.remove(start + 20s); // will not be seen any more
  rows.pass(start + 1h);
  BOOST_TEST(rows.spans(start + 1h).size() == 2U); // until it has come to its end
  rows.end_look();
  BOOST_TEST((rows.spans(start + 1h) == (spans{{start + 15s, start + 16s}, {start + 1h, always}})));
}

BOOST_AUTO_TEST_CASE(rows_that_come_from_others_while_a_look_is_under_way_stay_counted) {
  open_rows rows;
  rows.begin_look(start + 1h);
  rows.pass(start + 100s);
  rows.add(start + 50s); // behind it
  rows.add(start + 150s);
  rows.see(start + 150s); // twice, which a later look mends
  rows.pass(start + 200s);
  rows.end_look();
  rows.remove(start + 150s);
  BOOST_TEST(covers(rows.spans(start + 1h), start + 50s));
  rows.begin_look(start + 1h);
  rows.see(start + 50s);
  rows.end_look();
  BOOST_TEST((rows.spans(start + 1h) == (spans{{start + 50s, start + 51s}, {start + 1h, always}})));
}

BOOST_AUTO_TEST_CASE(a_look_that_begins_again_forgets_what_it_had_seen) {
  open_rows rows;
  rows.add(start);
  rows.begin_look(start + 1h);
  rows.see(start);
  rows.begin_look(start + 1h);
  rows.end_look();
  BOOST_TEST((rows.spans(start + 1h) == (spans{{start + 1h, always}})));
  rows.end_look(); // once is enough
}

/// Rows of one owner as a server holds them, and what their owner hears of them, and when.
struct model {
  struct row {
    bool is_open = true;
    bool is_counted = false;
    bool is_known = false; ///< to its owner, who may settle it
    bool is_doubtful = false;
  };
  using row_map = std::map<wall_time, row>; // no two are accepted in the same millisecond
  static wall_time second_of(wall_time time) { return std::chrono::floor<std::chrono::seconds>(time); }

  explicit model(unsigned seed) : random(seed) {}

  std::uint32_t one_of(std::uint32_t limit) {
    return std::uniform_int_distribution<std::uint32_t>(0, limit - 1)(random);
  }
  wall_time any_time() { return start + std::chrono::milliseconds{one_of(10'000)}; }
  void deliver() {
    if (replies.empty()) return;
    const std::function<void()> reply = std::move(replies.front());
    replies.pop_front();
    reply();
  }

  /// In three steps, on a connection of its own: it begins, it is done, it is heard of.
  void append() {
    if (appending == always) {
      now += std::chrono::milliseconds{one_of(500)};
      while (rows.contains(now))
        now += 1ms;
      appending = now;
    } else if (!rows.contains(appending)) {
      rows[appending] = {};
    } else {
      open.add(appending);
      rows[appending].is_counted = rows[appending].is_known = true;
      appending = always;
    }
  }
  void settle(bool by_another) {
    const auto found = rows.lower_bound(any_time());
    if (found == rows.end() || !found->second.is_open || !found->second.is_known) return;
    found->second.is_open = false;
    if (!by_another) replies.emplace_back([this, at = found->first] { open.remove(at); });
  }
  void take(bool is_doubtful) {
    const wall_time at = any_time();
    if (rows.contains(at) || at == appending) return;
    rows[at] = {.is_doubtful = is_doubtful};
    if (is_doubtful) {
      in_doubt = std::min(in_doubt, second_of(at));
      is_looking = false; // it begins again
      return;
    }
    ++takes;
    taking = std::min(taking, at);
    replies.emplace_back([this, at] {
      open.add(at);
      rows[at].is_counted = rows[at].is_known = true;
      if (--takes == 0) taking = always;
    });
  }
  void look() {
    if (!std::exchange(is_looking, true)) {
      ++look_number;
      is_asked = false;
      look_at = wall_time::min();
      look_end = second_of(std::min(now, appending));
      open.begin_look(look_end);
    }
    if (std::exchange(is_asked, true)) return;
    std::vector<wall_time> seen;
    auto each = rows.upper_bound(look_at);
    for (std::uint32_t i = 1 + one_of(6); i > 0 && each != rows.end(); --i, ++each) {
      look_at = each->first;
      if (each->second.is_open) seen.push_back(look_at);
    }
    const bool is_over = each == rows.end() || look_at >= look_end;
    replies.emplace_back([this, seen, is_over, at = look_at, number = look_number] {
      if (!is_looking || number != look_number) return;
      is_asked = false;
      for (const wall_time one : seen) {
        open.see(one);
        if (one != appending) rows[one].is_known = true;
      }
      open.pass(at);
      if (is_over) end_look();
    });
  }
  void end_look() {
    open.end_look();
    is_looking = false;
    ++looks;
    in_doubt = always;
    for (auto& [accepted_at, one] : rows) {
      if (accepted_at < look_end) one.is_counted = true;
      if (one.is_doubtful && !one.is_counted) in_doubt = std::min(in_doubt, second_of(accepted_at));
    }
  }

  [[nodiscard]] spans told() const { return open.spans(std::min({now, appending, taking, in_doubt})); }
  void check() const {
    const spans all = told();
    for (const auto& [accepted_at, one] : rows)
      if (one.is_open)
        BOOST_REQUIRE_MESSAGE(covers(all, accepted_at),
                              "a row of " << (accepted_at - start).count() << " ms");
  }

  std::minstd_rand random;
  row_map rows;
  std::deque<std::function<void()>> replies; ///< of one connection: in order
  open_rows open;
  wall_time now = start;
  wall_time appending = always;
  wall_time taking = always;
  std::size_t takes = 0;
  wall_time in_doubt = always;
  wall_time look_at{};
  wall_time look_end{};
  std::size_t look_number = 0;
  std::size_t looks = 0;
  bool is_looking = false;
  bool is_asked = false;
};

BOOST_AUTO_TEST_CASE(no_open_row_is_ever_left_out_whatever_happens_in_whatever_order) {
  std::size_t looks = 0;
  std::size_t told = 0;
  for (unsigned seed = 1; seed <= 400; ++seed) {
    model world(seed);
    for (int step = 0; step < 600; ++step) {
      switch (world.one_of(12)) {
      case 0:
      case 1:
      case 2:
        world.append();
        break;
      case 3:
      case 4:
      case 5:
        world.settle(world.one_of(8) == 0);
        break;
      case 6:
        world.take(world.one_of(4) == 0);
        break;
      case 7:
      case 8:
        world.look();
        break;
      case 9:
        if (world.one_of(20) == 0 && world.appending == always) world.now -= 2s;
        break;
      default:
        world.deliver();
      }
      world.check();
    }
    looks += world.looks;
    // Once nothing happens any more, a look tells the truth.
    while (world.appending != always)
      world.append();
    while (!world.replies.empty())
      world.deliver();
    world.now = start + 2h;
    world.is_looking = false;
    for (const std::size_t before = world.looks; world.looks == before; world.deliver())
      world.look();
    const spans all = world.told();
    BOOST_TEST((all.back().begin == world.now));
    for (std::size_t i = 0; i + 1 < all.size() && all.size() < open_rows::spans_max; ++i)
      for (wall_time second = all[i].begin; second < all[i].end; second += 1s, ++told)
        BOOST_TEST(std::any_of(world.rows.begin(), world.rows.end(), [&](const auto& row) {
          return row.second.is_open && model::second_of(row.first) == second;
        }));
  }
  BOOST_TEST(looks > 1000U);
  BOOST_TEST(told > 400U);
}

BOOST_AUTO_TEST_CASE(spans_of_several_are_joined) {
  const spans several{
      {start + 5s, always}, {start, start + 2s}, {start + 1s, start + 3s}, {start + 3s, start + 4s}};
  BOOST_TEST((joined(several) == spans{{start, start + 4s}, {start + 5s, always}}));
  BOOST_TEST(
      (joined({{start + 5s, always}, {start, always}, {start + 9s, always}}) == spans{{start, always}}));
}

BOOST_AUTO_TEST_CASE(a_walk_visits_nothing_but_its_spans) {
  span_walk walk(
      {{start, start + 1s}, {start + 1h, start + 2h}, {start + 3h, start + 3h + 1s}, {start + 9h, always}});
  BOOST_TEST(!walk.has_ended());
  BOOST_TEST((walk.at().accepted_at == start - 1ms));
  BOOST_TEST((walk.at().id.bytes[0] == 0xff));
  walk.pass(row_at(start + 999ms));
  BOOST_TEST((walk.at().accepted_at == start + 999ms)); // there may be more of that time
  walk.pass(row_at(start + 1s));
  BOOST_TEST((walk.at().accepted_at == start + 1h - 1ms));
  walk.pass(row_at(start + 90min));
  BOOST_TEST((walk.at().accepted_at == start + 90min));
  walk.pass(row_at(start + 5h)); // one window went beyond several
  BOOST_TEST((walk.at().accepted_at == start + 9h - 1ms));
  walk.pass(row_at(start + 10h));
  BOOST_TEST(!walk.has_ended());
  walk.end();
  BOOST_TEST(walk.has_ended());
  BOOST_TEST(span_walk{}.has_ended());

  span_walk short_one({{start, start - 5s}}); // one window all the same
  BOOST_TEST(!short_one.has_ended());
  short_one.pass(row_at(start));
  BOOST_TEST(short_one.has_ended());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
