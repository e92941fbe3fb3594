// The circuit breaker: when it opens, whom it lets try, when it closes. Time is a number here.
#include "health/breaker.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <functional>
#include <random>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;

using state = breaker::state;

constexpr steady_time start{1h};
constexpr auto fast = 1ms;
constexpr auto slow = 1s + 1ns;

health_report report(steady_time heard, bool failing, std::chrono::milliseconds min_response_time = 0ms) {
  health_report said;
  said.failing = failing;
  said.min_response_time = min_response_time;
  said.heard = heard;
  return said;
}

/// Opened at `start`, by failures that took so long.
breaker opened_by(std::chrono::nanoseconds took, const breaker::config& settings = {}) {
  breaker circuit(settings);
  for (int i = 0; i < settings.failures_to_open; ++i) {
    const bool is_trial = circuit.begin();
    circuit.failed(start, took, is_trial);
  }
  return circuit;
}

/// How long it admits nothing from `now` on, to the millisecond, if nothing else happens.
std::chrono::milliseconds pause_from(const breaker& circuit, steady_time now) {
  std::chrono::milliseconds pause{0};
  while (!circuit.admits(now + pause) && pause < 1min)
    ++pause;
  return pause;
}

/// One call, which fails then and there.
void try_and_fail(breaker& circuit, steady_time now, std::chrono::nanoseconds took = fast) {
  const bool is_trial = circuit.begin();
  circuit.failed(now, took, is_trial);
}

bool is_left_alone_until(const breaker& circuit, steady_time then) {
  return !circuit.admits(then - 1ns) && circuit.admits(then);
}

bool is_within_a_quarter_above(std::chrono::milliseconds pause, std::chrono::milliseconds least) {
  return pause >= least && pause <= least + least / 4 + 1ms;
}

/// Calls that begin when they may and end in every way, in random order.
class random_calls {
public:
  explicit random_calls(std::uint64_t seed) : random_(seed) {}

  void step() {
    now_ += std::chrono::milliseconds{below(8) == 0 ? below(40'000) : below(40)};
    switch (below(8)) {
    case 0:
      circuit_.heard(report(now_, below(2) == 0, std::chrono::milliseconds{below(2'000)}));
      break;
    case 1:
    case 2:
    case 3:
      if (circuit_.admits(now_)) begin();
      break;
    default:
      if (!open_.empty()) end(below(open_.size()));
    }
    if (circuit_.is_closed())
      for (call& one : open_)
        one.is_trial = false;
  }

  [[nodiscard]] bool at_most_one_trial_is_out() const {
    const auto trials = std::count_if(open_.begin(), open_.end(), std::mem_fn(&call::is_trial));
    return trials == (circuit_.is_on_trial() ? 1 : 0);
  }

  [[nodiscard]] bool time_leads_to_a_trial() const {
    return circuit_.is_on_trial() || circuit_.admits(now_ + 30s);
  }

  [[nodiscard]] bool good_health_leads_to_a_trial() const {
    breaker asked = circuit_;
    asked.heard(report(now_, false));
    return asked.is_on_trial() || asked.admits(now_);
  }

  [[nodiscard]] bool is_shown_half_open_only_if_one_may_try_it_or_does() const {
    return circuit_.now_in() != state::half_open || circuit_.is_on_trial() || circuit_.admits(now_);
  }

private:
  struct call {
    bool is_trial = false;
  };

  std::size_t below(std::size_t bound) { return random_() % bound; }

  void begin() { open_.push_back({.is_trial = circuit_.begin()}); }

  void end(std::size_t index) {
    call& one = open_[index];
    const std::size_t how = below(6);
    if (how == 0) circuit_.succeeded(now_);
    if (how == 1) circuit_.failed(now_, fast, one.is_trial);
    if (how == 2) circuit_.failed(now_, slow, one.is_trial);
    if (how == 3) circuit_.withdrawn(one.is_trial);
    if (how == 4) circuit_.trip(now_, one.is_trial);
    if (how == 5) {
      circuit_.overdue(now_, one.is_trial);
      one.is_trial = false; // it may still end, but another may be tried now
    } else {
      open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(index));
    }
  }

  std::mt19937_64 random_;
  steady_time now_ = start;
  breaker circuit_{{}};
  std::vector<call> open_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(breaker_test)

BOOST_AUTO_TEST_CASE(opens_after_consecutive_failures_and_not_before) {
  breaker circuit({});
  for (int i = 0; i < 2; ++i) {
    try_and_fail(circuit, start);
    BOOST_TEST(circuit.is_closed());
    BOOST_TEST(circuit.admits(start));
  }
  try_and_fail(circuit, start);
  BOOST_TEST(to_string(circuit.now_in()) == "open");
  BOOST_TEST(!circuit.admits(start));
}

BOOST_AUTO_TEST_CASE(a_success_begins_the_count_of_failures_anew) {
  breaker circuit({});
  for (int i = 0; i < 100; ++i) {
    circuit.failed(start, i % 2 == 0 ? fast : slow, false);
    circuit.failed(start, fast, false);
    circuit.succeeded(start);
  }
  BOOST_TEST(circuit.is_closed());
}

BOOST_AUTO_TEST_CASE(as_many_failures_open_it_as_configured) {
  BOOST_TEST(!opened_by(fast, {.failures_to_open = 1}).is_closed());
  breaker circuit({.failures_to_open = 10});
  for (int i = 0; i < 9; ++i)
    circuit.failed(start, fast, false);
  BOOST_TEST(circuit.is_closed());
  circuit.failed(start, fast, false);
  BOOST_TEST(!circuit.is_closed());
}

BOOST_AUTO_TEST_CASE(half_open_admits_one_trial_however_long_it_takes) {
  breaker circuit = opened_by(fast);
  const steady_time later = start + 63ms;
  BOOST_TEST(circuit.admits(later));
  static_cast<void>(circuit.begin());
  BOOST_TEST(to_string(circuit.now_in()) == "half-open");
  BOOST_TEST(!circuit.admits(later));
  BOOST_TEST(!circuit.admits(later + 1h));
}

BOOST_AUTO_TEST_CASE(one_successful_trial_closes_it) {
  breaker circuit = opened_by(fast);
  static_cast<void>(circuit.begin());
  circuit.succeeded(start + 64ms);
  BOOST_TEST(to_string(circuit.now_in()) == "closed");
  BOOST_TEST(circuit.admits(start + 64ms));
  circuit.failed(start + 65ms, fast, false);
  circuit.failed(start + 65ms, fast, false);
  BOOST_TEST(circuit.is_closed());
}

BOOST_AUTO_TEST_CASE(pauses_double_with_each_failed_trial_up_to_the_bound) {
  breaker circuit = opened_by(fast);
  steady_time now = start;
  for (const auto least : {50ms, 100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms, 1000ms}) {
    const std::chrono::milliseconds pause = pause_from(circuit, now);
    BOOST_TEST(is_within_a_quarter_above(pause, least), pause.count() << " ms after " << least.count());
    now += pause;
    try_and_fail(circuit, now);
  }
}

BOOST_AUTO_TEST_CASE(pauses_begin_anew_once_it_has_been_closed) {
  breaker circuit = opened_by(fast);
  steady_time now = start;
  for (int i = 0; i < 5; ++i) {
    now += 2s;
    try_and_fail(circuit, now);
  }
  static_cast<void>(circuit.begin());
  circuit.succeeded(now + 2s);
  for (int i = 0; i < 3; ++i)
    circuit.failed(now + 3s, fast, false);
  BOOST_TEST(is_within_a_quarter_above(pause_from(circuit, now + 3s), 50ms));
}

BOOST_AUTO_TEST_CASE(the_jitter_spreads_reactors_within_a_quarter) {
  auto least = std::chrono::milliseconds::max();
  auto most = std::chrono::milliseconds::min();
  for (std::uint32_t seed = 0; seed < 1000; ++seed) {
    const breaker circuit = opened_by(fast, {.pause_min = 1s, .jitter_seed = seed * 0x9e3779b9U});
    least = std::min(least, pause_from(circuit, start));
    most = std::max(most, pause_from(circuit, start));
  }
  BOOST_TEST(least.count() >= 1000);
  BOOST_TEST(least.count() < 1050);
  BOOST_TEST(most.count() > 1200);
  BOOST_TEST(most.count() <= 1250);
}

BOOST_AUTO_TEST_CASE(what_failed_slowly_is_left_alone_for_30_s) {
  BOOST_TEST(opened_by(1s).admits(start + 63ms)); // just within the limit: fast
  breaker circuit = opened_by(slow);
  BOOST_TEST(is_left_alone_until(circuit, start + 30s));
  static_cast<void>(circuit.begin());
  circuit.failed(start + 32s, slow, true);
  BOOST_TEST(is_left_alone_until(circuit, start + 62s));
}

BOOST_AUTO_TEST_CASE(a_slow_failure_after_fast_ones_makes_the_pause_long) {
  breaker circuit = opened_by(fast);
  static_cast<void>(circuit.begin());
  circuit.failed(start + 3s, slow, true);
  BOOST_TEST(is_left_alone_until(circuit, start + 33s));
}

BOOST_AUTO_TEST_CASE(a_good_health_answer_allows_a_slow_one_its_trial) {
  breaker circuit = opened_by(slow);
  circuit.heard(report(start + 5s, true));
  BOOST_TEST(!circuit.admits(start + 5s));
  circuit.heard(report(start + 10s, false));
  BOOST_TEST(circuit.admits(start + 10s));
  static_cast<void>(circuit.begin());
  circuit.heard(report(start + 15s, false));
  BOOST_TEST(!circuit.admits(start + 15s));
}

BOOST_AUTO_TEST_CASE(a_bad_health_answer_neither_hastens_nor_delays_a_trial) {
  breaker circuit = opened_by(fast);
  const std::chrono::milliseconds pause = pause_from(circuit, start);
  circuit.heard(report(start + 10ms, true));
  circuit.heard(report(start + 20ms, true, 5000ms));
  BOOST_TEST((pause_from(circuit, start) == pause));
}

BOOST_AUTO_TEST_CASE(a_trial_that_was_withdrawn_is_given_back) {
  breaker circuit = opened_by(fast);
  const std::chrono::milliseconds pause = pause_from(circuit, start);
  for (int i = 0; i < 10; ++i) {
    static_cast<void>(circuit.begin());
    BOOST_TEST(!circuit.admits(start + pause));
    circuit.withdrawn(true);
    BOOST_TEST(circuit.admits(start + pause));
  }
  try_and_fail(circuit, start + pause);
  BOOST_TEST(is_within_a_quarter_above(pause_from(circuit, start + pause), 100ms));
}

BOOST_AUTO_TEST_CASE(withdrawing_from_a_closed_one_changes_nothing) {
  breaker circuit({});
  static_cast<void>(circuit.begin());
  circuit.withdrawn(true);
  BOOST_TEST(circuit.is_closed());
  circuit.failed(start, fast, true);
  circuit.failed(start, fast, true);
  circuit.withdrawn(true);
  BOOST_TEST(circuit.is_closed());
  circuit.failed(start, fast, true);
  circuit.withdrawn(true);
  BOOST_TEST(!circuit.admits(start));
}

BOOST_AUTO_TEST_CASE(overdue_calls_open_it_as_slow) {
  breaker circuit({});
  circuit.overdue(start, false);
  circuit.overdue(start, false);
  BOOST_TEST(circuit.admits(start));
  circuit.overdue(start, false);
  BOOST_TEST(is_left_alone_until(circuit, start + 30s));
}

BOOST_AUTO_TEST_CASE(overdue_calls_and_failures_count_together_until_a_success) {
  breaker circuit({});
  circuit.overdue(start, false);
  circuit.failed(start, fast, false);
  circuit.succeeded(start);
  circuit.overdue(start, false);
  circuit.failed(start, fast, false);
  BOOST_TEST(circuit.is_closed());
  circuit.overdue(start, false);
  BOOST_TEST(!circuit.is_closed());
}

BOOST_AUTO_TEST_CASE(an_overdue_trial_makes_the_pause_long) {
  breaker circuit = opened_by(fast);
  static_cast<void>(circuit.begin());
  circuit.overdue(start + 2s, true);
  BOOST_TEST(is_left_alone_until(circuit, start + 32s));
}

BOOST_AUTO_TEST_CASE(calls_sent_before_it_opened_extend_nothing) {
  breaker circuit = opened_by(fast);
  const std::chrono::milliseconds pause = pause_from(circuit, start);
  for (int i = 0; i < 300; ++i) {
    circuit.failed(start + 10ms, fast, false);
    circuit.failed(start + 20ms, slow, false);
    circuit.overdue(start + 30ms, false);
  }
  BOOST_TEST((pause_from(circuit, start) == pause));
  try_and_fail(circuit, start + pause);
  BOOST_TEST(is_within_a_quarter_above(pause_from(circuit, start + pause), 100ms));
}

BOOST_AUTO_TEST_CASE(calls_sent_before_it_opened_leave_the_trial_the_trial) {
  breaker circuit = opened_by(fast);
  const bool is_trial = circuit.begin();
  BOOST_TEST(is_trial);
  circuit.failed(start + 1s, fast, false);
  circuit.trip(start + 1s, false);
  circuit.overdue(start + 1s, false);
  circuit.withdrawn(false);
  circuit.heard(report(start + 1s, false));
  BOOST_TEST(to_string(circuit.now_in()) == "half-open");
  BOOST_TEST(!circuit.admits(start + 1h));
}

BOOST_AUTO_TEST_CASE(a_call_sent_before_it_opened_closes_it_by_succeeding) {
  breaker circuit = opened_by(slow);
  circuit.succeeded(start + 2s);
  BOOST_TEST(circuit.is_closed());
}

BOOST_AUTO_TEST_CASE(one_wrongly_set_up_opens_at_once_and_is_tried_soon) {
  breaker circuit({});
  static_cast<void>(circuit.begin());
  circuit.trip(start, true);
  BOOST_TEST(is_within_a_quarter_above(pause_from(circuit, start), 50ms));
  static_cast<void>(circuit.begin());
  circuit.trip(start + 1s, true);
  BOOST_TEST(is_within_a_quarter_above(pause_from(circuit, start + 1s), 100ms));
}

BOOST_AUTO_TEST_CASE(bad_health_is_ignored_for_a_second_after_a_success) {
  breaker circuit({});
  circuit.succeeded(start);
  circuit.heard(report(start + 1s - 1ns, true, 5000ms));
  BOOST_TEST(circuit.is_closed());
  circuit.heard(report(start + 1s, true));
  BOOST_TEST(!circuit.is_closed());
}

BOOST_AUTO_TEST_CASE(bad_health_of_an_idle_one_opens_it_but_allows_a_trial_at_once) {
  breaker circuit({});
  circuit.heard(report(start, true));
  BOOST_TEST(to_string(circuit.now_in()) == "open");
  BOOST_TEST(circuit.admits(start));
  try_and_fail(circuit, start);
  BOOST_TEST(is_within_a_quarter_above(pause_from(circuit, start), 100ms));
}

BOOST_AUTO_TEST_CASE(bad_health_of_an_idle_slow_one_allows_no_trial_for_30_s) {
  breaker circuit({});
  circuit.heard(report(start, true, 1001ms));
  BOOST_TEST(is_left_alone_until(circuit, start + 30s));
}

BOOST_AUTO_TEST_CASE(good_health_alone_closes_nothing_and_outweighs_no_failures) {
  breaker circuit({});
  circuit.failed(start, fast, false);
  circuit.failed(start, fast, false);
  circuit.heard(report(start, false));
  circuit.failed(start, fast, false);
  BOOST_TEST(!circuit.is_closed());
  circuit.heard(report(start, false));
  BOOST_TEST(!circuit.is_closed());
}

BOOST_AUTO_TEST_CASE(since_tells_when_it_opened_or_closed_but_not_of_trials) {
  breaker circuit = opened_by(fast);
  BOOST_TEST((circuit.since() == start));
  try_and_fail(circuit, start + 1s);
  BOOST_TEST((circuit.since() == start));
  static_cast<void>(circuit.begin());
  circuit.succeeded(start + 4s);
  BOOST_TEST((circuit.since() == start + 4s));
  circuit.succeeded(start + 5s);
  BOOST_TEST((circuit.since() == start + 4s));
}

BOOST_AUTO_TEST_CASE(whatever_happens_one_trial_is_out_at_most_and_another_follows) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      random_calls calls(seed);
      for (int i = 0; i < 1000; ++i) {
        calls.step();
        BOOST_REQUIRE(calls.at_most_one_trial_is_out());
        BOOST_REQUIRE(calls.time_leads_to_a_trial());
        BOOST_REQUIRE(calls.good_health_leads_to_a_trial());
        BOOST_REQUIRE(calls.is_shown_half_open_only_if_one_may_try_it_or_does());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_good_word_makes_it_half_open_until_the_trial_fails_or_a_bad_one_comes) {
  breaker circuit = opened_by(fast);
  BOOST_TEST((circuit.now_in() == state::open));
  BOOST_TEST(circuit.admits(start + 10s)); // that its pause is over says nothing of it
  BOOST_TEST((circuit.now_in() == state::open));
  circuit.heard(report(start + 10s, false));
  BOOST_TEST((circuit.now_in() == state::half_open));
  BOOST_TEST(!circuit.is_on_trial());
  circuit.heard(report(start + 15s, true));
  BOOST_TEST((circuit.now_in() == state::open));
  BOOST_TEST(circuit.admits(start + 15s));
  circuit.heard(report(start + 20s, false));
  BOOST_TEST((circuit.now_in() == state::half_open));
  try_and_fail(circuit, start + 21s);
  BOOST_TEST((circuit.now_in() == state::open));
  circuit.heard(report(start + 25s, false));
  const bool is_trial = circuit.begin();
  BOOST_TEST(is_trial);
  BOOST_TEST(circuit.is_on_trial());
  circuit.succeeded(start + 26s);
  BOOST_TEST((circuit.now_in() == state::closed));
  BOOST_TEST((circuit.since() == start + 26s)); // an invitation is no change
}

BOOST_AUTO_TEST_CASE(a_good_word_that_tells_of_slowness_lets_it_be_tried_and_leaves_it_open) {
  breaker circuit = opened_by(slow);
  circuit.heard(report(start + 5s, false, 1001ms));
  BOOST_TEST(circuit.admits(start + 5s));
  BOOST_TEST((circuit.now_in() == state::open));
  circuit.heard(report(start + 10s, false, 1000ms));
  BOOST_TEST((circuit.now_in() == state::half_open));
}

BOOST_AUTO_TEST_CASE(a_good_word_from_before_it_opened_does_not_let_it_be_tried) {
  breaker circuit = opened_by(slow);
  circuit.heard(report(start - 1ms, false));
  BOOST_TEST((circuit.now_in() == state::open));
  BOOST_TEST(is_left_alone_until(circuit, start + 30s));
  circuit.heard(report(start + 1ms, false));
  BOOST_TEST(is_left_alone_until(circuit, start + 1ms));
  static_cast<void>(circuit.begin());
  circuit.failed(start + 3s, slow, true);
  circuit.heard(report(start + 2s, false)); // while the trial was under way
  BOOST_TEST(is_left_alone_until(circuit, start + 33s));
}

BOOST_AUTO_TEST_CASE(a_recovery_elsewhere_lets_it_be_tried_at_once_and_closes_nothing) {
  breaker circuit = opened_by(fast);
  for (int i = 0; i < 6; ++i) // its pause is long by now
    try_and_fail(circuit, start + 10s * (i + 1));
  const steady_time word = start + 60s + 1ms;
  BOOST_TEST(!circuit.admits(word));
  circuit.heard(report(word, false));
  BOOST_TEST(circuit.admits(word));
  BOOST_TEST(!circuit.is_closed());
  const bool is_trial = circuit.begin();
  BOOST_TEST(!circuit.admits(word)); // one at a time
  circuit.failed(word + 1ms, fast, is_trial);
  BOOST_TEST(is_within_a_quarter_above(pause_from(circuit, word + 1ms), 1s)); // the word has not shortened it
}

BOOST_AUTO_TEST_CASE(a_breaker_that_opens_elsewhere_costs_one_trial_here) {
  breaker circuit({});
  circuit.heard(report(start, true));
  BOOST_TEST(!circuit.is_closed());
  BOOST_TEST(circuit.admits(start));
  const bool is_trial = circuit.begin();
  BOOST_TEST(is_trial);
  BOOST_TEST(!circuit.admits(start));
  circuit.succeeded(start + 5ms);
  BOOST_TEST(circuit.is_closed());
  circuit.heard(report(start + 900ms, true)); // its own success is stronger
  BOOST_TEST(circuit.is_closed());
}

BOOST_AUTO_TEST_CASE(bad_words_do_not_keep_an_open_breaker_from_being_tried) {
  breaker circuit = opened_by(fast);
  const std::chrono::milliseconds pause = pause_from(circuit, start);
  for (int i = 0; i < 100; ++i)
    circuit.heard(report(start + 1ms * i, true, i % 2 == 0 ? 0ms : 5'000ms));
  BOOST_TEST(!circuit.admits(start + pause - 1ms));
  BOOST_TEST(circuit.admits(start + pause));
  const bool is_trial = circuit.begin();
  circuit.heard(report(start + pause, true));
  BOOST_TEST((circuit.now_in() == state::half_open));
  static_cast<void>(is_trial);
  circuit.succeeded(start + pause + 1ms);
  BOOST_TEST(circuit.is_closed());
}

/// What breakers tell each other, as processor passes it on: changes by own evidence alone.
BOOST_AUTO_TEST_CASE(instances_do_not_keep_each_others_breakers_open) {
  constexpr int count = 4;
  std::vector<breaker> all(count, breaker{{}});
  steady_time now = start;
  const auto tell = [&](int from, bool failing) {
    for (int to = 0; to < count; ++to)
      if (to != from) all[static_cast<std::size_t>(to)].heard(report(now, failing));
  };
  int told = 0;
  const auto call = [&](int who, bool succeeds) {
    breaker& one = all[static_cast<std::size_t>(who)];
    if (!one.admits(now)) return;
    const bool was_closed = one.is_closed();
    const bool is_trial = one.begin();
    if (succeeds)
      one.succeeded(now);
    else
      one.failed(now, fast, is_trial);
    if (was_closed == one.is_closed()) return;
    ++told;
    tell(who, !one.is_closed());
  };
  // The first cannot reach the processor for 10 s, all others can; each calls every 5 ms.
  for (; now < start + 10s; now += 5ms)
    for (int who = 0; who < count; ++who)
      call(who, who != 0);
  BOOST_TEST(!all[0].is_closed());
  for (int who = 1; who < count; ++who)
    BOOST_TEST(all[static_cast<std::size_t>(who)].is_closed());
  BOOST_TEST(told <= count); // it opened once; nobody went on about it
  // It comes back, and nobody has been left behind.
  for (; now < start + 12s; now += 5ms)
    for (int who = 0; who < count; ++who)
      call(who, true);
  for (const breaker& one : all)
    BOOST_TEST(one.is_closed());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
