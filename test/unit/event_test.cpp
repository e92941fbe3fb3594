// What waits on a clock: events and groups of coroutines. Time is told by fire(); no case sleeps longer than
// a millisecond.
#include "storage/clock.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <string>

namespace repasse {
namespace {

using namespace std::chrono_literals;

struct loop {
  asio::io_context context{1};
  clock time{context};

  void spawn(task<> work) {
    asio::co_spawn(context.get_executor(), std::move(work), [](const std::exception_ptr& thrown) {
      if (thrown) std::terminate();
    });
    turn();
  }
  /// Runs what can run now.
  void turn() {
    context.restart();
    context.poll();
  }
};

/// Writes `name` and how the wait ended: `!` notified, `-` its time came first.
task<> wait_and_note(event& awaited, steady_time due, std::string name, std::string& notes) {
  const bool notified = co_await awaited.wait_until(due);
  notes += name + (notified ? "!" : "-");
}

BOOST_AUTO_TEST_SUITE(event_test)

BOOST_AUTO_TEST_CASE(a_notification_before_the_wait_is_kept_once) {
  loop here;
  event awaited(here.time);
  std::string notes;
  awaited.notify();
  awaited.notify();
  here.spawn(wait_and_note(awaited, never, "a", notes));
  BOOST_TEST(notes == "a!");
  here.spawn(wait_and_note(awaited, never, "b", notes));
  BOOST_TEST(notes == "a!");
  awaited.notify();
  here.turn();
  BOOST_TEST(notes == "a!b!");
}

BOOST_AUTO_TEST_CASE(a_kept_notification_comes_before_a_time_that_has_passed) {
  loop here;
  event awaited(here.time);
  std::string notes;
  awaited.notify();
  here.spawn(wait_and_note(awaited, here.time.now() - 1h, "a", notes));
  BOOST_TEST(notes == "a!");
}

BOOST_AUTO_TEST_CASE(notify_resumes_in_a_later_turn) {
  loop here;
  event awaited(here.time);
  std::string notes;
  here.spawn(wait_and_note(awaited, never, "a", notes));
  awaited.notify();
  BOOST_TEST(notes.empty());
  here.turn();
  BOOST_TEST(notes == "a!");
}

BOOST_AUTO_TEST_CASE(a_second_notification_before_the_waiter_runs_is_kept) {
  loop here;
  event awaited(here.time);
  std::string notes;
  here.spawn(wait_and_note(awaited, never, "a", notes));
  awaited.notify();
  awaited.notify();
  here.turn();
  here.spawn(wait_and_note(awaited, never, "b", notes));
  BOOST_TEST(notes == "a!b!");
}

BOOST_AUTO_TEST_CASE(events_fire_in_order_of_time_then_of_arrival) {
  loop here;
  const steady_time start = here.time.now() + 1h;
  event first(here.time);
  event second(here.time);
  event third(here.time);
  event last(here.time);
  event untimed(here.time);
  std::string notes;
  here.spawn(wait_and_note(untimed, never, "u", notes));
  here.spawn(wait_and_note(last, start + 9s, "l", notes));
  here.spawn(wait_and_note(second, start + 2s, "b", notes));
  here.spawn(wait_and_note(third, start + 2s, "c", notes));
  here.spawn(wait_and_note(first, start + 1s, "a", notes));
  BOOST_TEST((here.time.next_due() == start + 1s));
  here.time.fire(start + 2s - 1ns);
  here.turn();
  BOOST_TEST(notes == "a-");
  BOOST_TEST((here.time.next_due() == start + 2s));
  here.time.fire(start + 5s);
  here.turn();
  BOOST_TEST(notes == "a-b-c-");
  last.notify();
  BOOST_TEST((here.time.next_due() == never));
  here.time.fire(start + 1h);
  here.turn();
  BOOST_TEST(notes == "a-b-c-l!");
  untimed.notify();
  here.turn();
  BOOST_TEST(notes == "a-b-c-l!u!");
}

BOOST_AUTO_TEST_CASE(a_notification_that_comes_after_the_time_is_kept_for_the_next_wait) {
  loop here;
  event awaited(here.time);
  const steady_time due = here.time.now() + 1h;
  std::string notes;
  here.spawn(wait_and_note(awaited, due, "a", notes));
  here.time.fire(due);
  awaited.notify();
  here.turn();
  here.spawn(wait_and_note(awaited, due, "b", notes));
  BOOST_TEST(notes == "a-b!");
}

BOOST_AUTO_TEST_CASE(the_system_clock_wakes_what_waits_for_a_time) {
  loop here;
  event later(here.time);
  event sooner(here.time);
  std::string notes;
  here.spawn(wait_and_note(later, here.time.now() + 1ms, "b", notes));
  here.spawn(wait_and_note(sooner, here.time.now() - 1ms, "a", notes));
  here.context.restart();
  here.context.run();
  BOOST_TEST(notes == "a-b-");
}

/// Says when its coroutine has been destroyed.
struct leaving_note {
  std::string& notes;
  ~leaving_note() { notes += "~"; }
};

task<> wait_for_own_event(clock& time, steady_time due, std::string& notes) {
  const leaving_note leaving{notes};
  event own(time);
  const bool notified = co_await own.wait_until(due);
  notes += notified ? "!" : "-";
}

task<> wait_below(clock& time, steady_time due, std::string& notes) {
  const leaving_note leaving{notes};
  co_await wait_for_own_event(time, due, notes);
  notes += "resumed";
}

BOOST_AUTO_TEST_CASE(abandon_destroys_what_waits_without_resuming_it) {
  loop here;
  std::string notes;
  here.spawn(wait_for_own_event(here.time, never, notes));
  here.spawn(wait_for_own_event(here.time, here.time.now() + 1h, notes));
  here.spawn(wait_below(here.time, here.time.now() + 1h, notes));
  here.time.abandon();
  here.turn();
  BOOST_TEST(notes == "~~~~");
  BOOST_TEST((here.time.next_due() == never));
}

BOOST_AUTO_TEST_CASE(abandon_destroys_an_event_with_the_coroutine_that_waits_for_it) {
  loop here;
  std::string notes;
  auto shared = std::make_unique<event>(here.time);
  here.spawn(wait_and_note(*shared, never, "a", notes));
  here.time.abandon();
  here.turn();
  shared.reset();
  BOOST_TEST(notes.empty());
}

BOOST_AUTO_TEST_CASE(a_context_that_is_destroyed_after_abandon_leaks_nothing) {
  std::string notes;
  {
    loop here;
    here.spawn(wait_below(here.time, never, notes));
    here.time.abandon();
    BOOST_TEST(notes.empty());
  }
  BOOST_TEST(notes == "~~");
}

task<> join_and_note(task_group& group, steady_time due, std::string& notes) {
  const bool ended = co_await group.join_until(due);
  notes += ended ? "joined" : "late";
}

BOOST_AUTO_TEST_CASE(a_group_is_joined_when_all_its_tasks_have_ended) {
  loop here;
  task_group group(here.time);
  event a(here.time);
  event b(here.time);
  std::string notes;
  group.spawn(wait_and_note(a, never, "a", notes));
  group.spawn(wait_and_note(b, never, "b", notes));
  here.spawn(join_and_note(group, here.time.now() + 1h, notes));
  BOOST_TEST(group.running() == 2U);
  a.notify();
  here.turn();
  BOOST_TEST(group.running() == 1U);
  BOOST_TEST(notes == "a!");
  b.notify();
  here.turn();
  BOOST_TEST(notes == "a!b!joined");
}

BOOST_AUTO_TEST_CASE(a_join_is_late_when_its_time_comes_first_and_may_be_repeated) {
  loop here;
  task_group group(here.time);
  event a(here.time);
  std::string notes;
  const steady_time due = here.time.now() + 1h;
  group.spawn(wait_and_note(a, never, "a", notes));
  here.spawn(join_and_note(group, due, notes));
  here.time.fire(due);
  here.turn();
  BOOST_TEST(notes == "late");
  a.notify();
  here.spawn(join_and_note(group, due + 1h, notes));
  BOOST_TEST(notes == "latea!joined");
}

BOOST_AUTO_TEST_CASE(an_end_long_ago_does_not_join_a_group_that_runs_again) {
  loop here;
  task_group group(here.time);
  event a(here.time);
  std::string notes;
  here.spawn(join_and_note(group, never, notes));
  BOOST_TEST(notes == "joined");
  a.notify();
  group.spawn(wait_and_note(a, never, "a", notes));
  here.turn();
  group.spawn(wait_and_note(a, never, "b", notes));
  here.spawn(join_and_note(group, here.time.now() + 1h, notes));
  BOOST_TEST(notes == "joineda!");
  a.notify();
  here.turn();
  BOOST_TEST(notes == "joineda!b!joined");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
