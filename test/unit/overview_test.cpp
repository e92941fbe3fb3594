// What the dashboard shows, from given reports and views: sums, rates, who is lost, what was said.
#include "server/overview.hpp"

#include "server/reactor.hpp"
#include "test/unit/two_processors.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>

#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

const wall_time wall_begin{std::chrono::milliseconds{1'752'580'800'000}};

struct desk {
  config settings = two_processors();
  overview shown{settings, "here:1"};
  steady_time now = steady_time{} + 1h;
  wall_time wall = wall_begin;
  std::vector<reactor_report> reports = std::vector<reactor_report>(1);
  summary books{};

  static instance_view view(std::string instance, std::uint64_t accepted = 0, std::uint64_t settled = 0) {
    instance_view made;
    made.epoch = 7;
    made.instance = std::move(instance);
    made.accepted = accepted;
    made.settled = settled;
    made.processors.resize(2);
    return made;
  }
  /// A second later. The first one is the own.
  void look(std::vector<instance_view> views, bool others_answered = true) {
    now += 1s;
    wall += 1s;
    shown.begin(now);
    for (instance_view& one : views)
      if (one.at == wall_time{}) one.at = wall;
    shown.see_own(views.front());
    for (const instance_view& one : views)
      shown.see(one);
    shown.end(others_answered, wall);
  }
  /// The own process alone; those of its reactors that answer.
  void look_at_own(const std::vector<instance_view>& views, std::chrono::seconds passed = 1s) {
    now += passed;
    wall += passed;
    shown.begin(now);
    for (instance_view one : views) {
      one.at = wall;
      shown.see_own(one);
    }
    shown.end(false, wall);
  }
  void pass_until_gone(const std::vector<instance_view>& rest) {
    for (auto i = 0s; i <= overview::gone_after; i += 1s)
      look(rest);
  }
  json::object page() {
    overview::more of;
    of.wall = wall;
    of.uptime_seconds = 12.3;
    of.reports = &reports;
    of.books = &books;
    of.are_books_current = true;
    of.viewers = 3;
    const std::string text = shown.json(of);
    BOOST_TEST(text.find('\n') == std::string::npos);
    return json::parse(text).as_object();
  }
  json::value instance(std::string_view name) {
    const json::array all = page().at("instances").as_array();
    for (const json::value& one : all)
      if (one.at("instance").as_string() == json::string_view{name.data(), name.size()}) return one;
    return nullptr;
  }
};

std::string text(const json::value& of) { return json::serialize(of); }

} // namespace

BOOST_FIXTURE_TEST_SUITE(of_overview, desk)

BOOST_AUTO_TEST_CASE(counters_are_the_sum_of_all_that_are_known) {
  instance_view one = view("here:1", 100, 90);
  one.held = 4;
  one.replayed = 1;
  one.is_eldest = true;
  instance_view other = view("there:2", 50, 40);
  other.held = 3;
  other.in_doubt = 2;
  other.oldest_seconds = 8.5;
  other.oldest_in_doubt_seconds = 3.5;
  look({one, other});
  BOOST_TEST(
      text(page().at("payments")) ==
      R"({"accepted":150,"replayed":1,"conflicts":0,"refused":0,"takenIn":0,"settled":130,"rejected":0})");
  BOOST_TEST(
      text(page().at("backlog")) ==
      R"({"held":7,"waiting":0,"inDoubt":2,"oldestSeconds":8.5E0,"oldestInDoubtSeconds":3.5E0,"takenIn":null})");
  BOOST_TEST(instance("here:1").at("isEldest").as_bool());
  BOOST_TEST(!instance("there:2").at("isEldest").as_bool());
  BOOST_TEST(page().at("viewers").as_int64() == 3);
}

BOOST_AUTO_TEST_CASE(rates_are_of_the_last_second_of_each) {
  look({view("here:1", 100, 90), view("there:2", 1000, 1000)});
  BOOST_TEST(page().at("rates").at("accepted").as_double() == 0.0);
  look({view("here:1", 150, 100), view("there:2", 1010, 1030)});
  BOOST_TEST(page().at("rates").at("accepted").as_double() == 60.0);
  BOOST_TEST(page().at("rates").at("settled").as_double() == 40.0);
  instance_view stale = view("there:2", 1010, 1030);
  stale.at = wall - 0s;
  for (int i = 0; i < 4; ++i)
    look({view("here:1", 150, 100), stale});
  BOOST_TEST(page().at("rates").at("accepted").as_double() == 0.0);
}

BOOST_AUTO_TEST_CASE(rates_and_changes_go_on_when_a_clock_is_set) {
  for (const auto step : {-3600s, 3600s, -3600s}) {
    instance_view one = view("here:1", 100, 90);
    look({one});
    wall += step;
    one.accepted += 60;
    one.at = {};
    look({one});
    BOOST_TEST(page().at("rates").at("accepted").as_double() == 60.0);
  }
  instance_view one = view("here:1");
  for (std::uint64_t i = 1; i <= 60; ++i)
    one.changes.push_back({i, wall + 1h, "info", "before"});
  look({one});
  one.changes.push_back({61, wall, "info", "after"});
  look({one});
  BOOST_TEST(page().at("changes").as_array().back().at("text").as_string() == "after");
}

BOOST_AUTO_TEST_CASE(latencies_are_of_the_last_seconds_not_since_the_start) {
  instance_view slow = view("here:1");
  slow.accept[10] = 1000; // of long ago
  look({slow});
  BOOST_TEST(page().at("latency").at("accept").at("p99").is_null());
  slow.accept[1] = 100;
  look({slow});
  BOOST_TEST(page().at("latency").at("accept").at("p50").as_double() == 0.175);
  for (std::size_t i = 0; i < overview::views_max; ++i)
    look({slow});
  BOOST_TEST(page().at("latency").at("accept").at("p50").is_null());
}

BOOST_AUTO_TEST_CASE(one_that_vanishes_is_lost_and_one_that_has_said_so_is_not) {
  instance_view ending = view("ending:3", 5);
  ending.is_stopping = true;
  look({view("here:1"), view("there:2", 50), ending});
  BOOST_TEST(instance("ending:3").at("state").as_string() == "stopping");
  pass_until_gone({view("here:1")});
  BOOST_TEST(instance("ending:3").is_null());
  BOOST_TEST(instance("there:2").at("state").as_string() == "lost");
  BOOST_TEST(instance("there:2").at("takenOverBy").is_null());
  BOOST_TEST(page().at("payments").at("accepted").as_int64() == 50); // what it did was done
  BOOST_TEST(text(page().at("changes")).find("epoch 7 shows itself no more") != std::string::npos);
  for (int i = 0; i < 302; ++i)
    look({view("here:1")});
  BOOST_TEST(instance("there:2").is_null());
}

BOOST_AUTO_TEST_CASE(who_took_over_the_payments_of_a_lost_one_has_said_so_itself) {
  instance_view lost = view("there:2");
  lost.epoch = 9;
  instance_view busy = view("here:1"); // with the payments of another
  busy.took_over = {3};
  const instance_view idle = view("third:3");
  look({busy, idle, lost});
  pass_until_gone({busy, idle});
  BOOST_TEST(instance("there:2").at("state").as_string() == "lost");
  BOOST_TEST(instance("there:2").at("takenOverBy").is_null());
  instance_view taker = idle;
  taker.took_over = {3, 9};
  look({busy, taker});
  BOOST_TEST(instance("there:2").at("takenOverBy").as_string() == "third:3");
  BOOST_TEST(instance("here:1").at("takenOverBy").is_null());
  busy.took_over = {3, 9};
  look({busy, taker}); // both have some of them
  BOOST_TEST(instance("there:2").at("takenOverBy").as_string() == "third:3, here:1");
  look({busy, taker, lost}); // it was but silent
  BOOST_TEST(instance("there:2").at("takenOverBy").is_null());
}

BOOST_AUTO_TEST_CASE(
    a_reactor_of_the_own_process_that_does_not_answer_is_said_so_for_as_long_as_it_does_not) {
  instance_view first = view("here:1");
  instance_view second = view("here:1");
  second.reactor = 1;
  second.held = 5;
  const auto state = [&] { return page().at("instances").at(1).at("state").as_string(); };
  look_at_own({first, second});
  for (int i = 0; i < 4; ++i)
    look_at_own({first});
  BOOST_TEST(state() == "serving");
  look_at_own({first});
  BOOST_TEST(state() == "does not answer");
  BOOST_TEST(page().at("backlog").at("held").as_int64() == 0);
  BOOST_TEST(text(page().at("changes")).find("reactor 1 of this process does not answer") !=
             std::string::npos);
  for (int i = 0; i < 302; ++i)
    look_at_own({first});
  BOOST_TEST(state() == "does not answer");
  look_at_own({first, second});
  BOOST_TEST(state() == "serving");
  BOOST_TEST(page().at("backlog").at("held").as_int64() == 5);
}

BOOST_AUTO_TEST_CASE(a_look_that_is_late_itself_loses_nobody_of_the_own_process) {
  instance_view first = view("here:1");
  instance_view second = view("here:1");
  second.reactor = 1;
  const auto changes = [&] { return page().at("changes").as_array().size(); };
  look_at_own({first, second});
  look_at_own({first}, 60s); // all were paused, and the other is not yet there again
  BOOST_TEST(changes() == 0U);
  look_at_own({first, second});
  for (int i = 0; i < 60; ++i)
    look_at_own({}); // nor does the first answer
  look_at_own({first});
  BOOST_TEST(changes() == 0U);
  first.is_stopping = second.is_stopping = true;
  look_at_own({first, second});
  for (int i = 0; i < 10; ++i)
    look_at_own({first});
  BOOST_TEST(changes() == 0U);
}

BOOST_AUTO_TEST_CASE(one_that_is_cut_off_from_postgresql_is_said_so_and_what_was_taken_over_is_counted_once) {
  instance_view own = view("here:1");
  own.held = 1;
  instance_view other = view("there:2");
  other.epoch = 9;
  other.held = 5;
  other.oldest_seconds = 60;
  other.is_ledger_away = true;
  reports[0].books.kind = "postgresql";
  reports[0].books.since = now - 1h;
  const auto state = [&] { return std::string(instance("there:2").at("state").as_string()); };
  for (int i = 0; i < 5; ++i)
    look({own, other});
  BOOST_TEST(state() == "serving"); // those that come back do not all say so at once
  look({own, other});
  BOOST_TEST(state() == "cut off from PostgreSQL");
  BOOST_TEST(page().at("backlog").at("held").as_int64() == 6);
  own.took_over = {9};
  own.held = 6;
  look({own, other});
  BOOST_TEST(instance("there:2").at("takenOverBy").as_string() == "here:1");
  BOOST_TEST(page().at("backlog").at("held").as_int64() == 6);
  BOOST_TEST(page().at("backlog").at("oldestSeconds").as_double() == 0.0);
  reports[0].books.is_up = false;
  BOOST_TEST(state() == "serving"); // so is this one
  reports[0].books = {.kind = "postgresql", .since = now - 3s};
  BOOST_TEST(state() == "serving");
  reports[0].books.since = now - 5s;
  BOOST_TEST(state() == "cut off from PostgreSQL");
  other.is_ledger_away = false;
  look({own, other});
  BOOST_TEST(state() == "serving");
}

BOOST_AUTO_TEST_CASE(what_waits_in_redis_is_one_number_and_not_known_once_redis_is_not_reached) {
  const auto taken_in = [&] { return text(page().at("backlog").at("takenIn")); };
  instance_view first = view("here:1");
  instance_view second = first;
  second.reactor = 1;
  first.in_redis = 700;
  second.in_redis = 690;
  look_at_own({first, second});
  BOOST_TEST(taken_in() == "700");
  BOOST_TEST(shown.now().in_redis.value_or(0) == 700U);
  look_at_own({second});
  BOOST_TEST(taken_in() == "690");
  second.in_redis.reset();
  look_at_own({second});
  BOOST_TEST(taken_in() == "null");
}

BOOST_AUTO_TEST_CASE(memory_that_has_no_room_is_not_up) {
  settings.use_database_storage = false;
  reports.resize(2);
  reports[0].can_accept = true;
  reports[0].since = now - 60s;
  reports[1].since = now - 5s;
  look({view("here:1")});
  const auto memory = [&] { return page().at("stores").at(0); };
  BOOST_TEST(memory().at("name").as_string() == "memory");
  BOOST_TEST(memory().at("up").as_bool());
  BOOST_TEST(memory().at("sinceSeconds").as_double() == 61.0);
  reports[0].can_accept = false;
  BOOST_TEST(!memory().at("up").as_bool());
  BOOST_TEST(memory().at("sinceSeconds").as_double() == 6.0);
}

BOOST_AUTO_TEST_CASE(behind_sentinel_the_intake_is_not_said_to_be_closed) {
  reports[0].taking_in.emplace().trouble = "Redis needs appendonly yes";
  look({view("here:1")});
  BOOST_TEST(text(page().at("stores")).find(R"("intake","up":false)") != std::string::npos);
  settings.redis_url = "redis-sentinel://one,two/primary";
  BOOST_TEST(text(page().at("stores")).find("intake") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(nobody_is_lost_while_redis_does_not_answer_and_one_comes_back) {
  look({view("here:1"), view("there:2")});
  look({view("here:1")}, false);
  BOOST_TEST(instance("there:2").at("state").as_string() == "serving");
  BOOST_TEST(instance("there:2").at("seenSecondsAgo").as_double() == 1.0);
  pass_until_gone({view("here:1")});
  BOOST_TEST(instance("there:2").at("state").as_string() == "lost");
  look({view("here:1"), view("there:2")});
  BOOST_TEST(instance("there:2").at("state").as_string() == "serving");
}

BOOST_AUTO_TEST_CASE(nobody_is_lost_because_a_redis_that_comes_back_has_forgotten_it) {
  look({view("here:1"), view("there:2")});
  for (int i = 0; i < 60; ++i)
    look({view("here:1")}, false);
  look({view("here:1")});
  look({view("here:1")});
  BOOST_TEST(instance("there:2").at("state").as_string() == "serving");
  look({view("here:1"), view("there:2")});
  look({view("here:1")});
  BOOST_TEST(instance("there:2").at("state").as_string() == "serving");
  BOOST_TEST(page().at("changes").as_array().empty());
}

BOOST_AUTO_TEST_CASE(who_begins_again_under_its_old_name_is_another) {
  const auto life = [&](const char* name, wall_time started, std::uint64_t number) {
    instance_view made = view(name);
    made.started = started;
    made.held = 3;
    made.changes = {{number, wall, "info", "line " + std::to_string(number)}};
    return made;
  };
  const instance_view own = life("here:1", wall, 1);
  const instance_view other = life("there:1", wall, 2);
  look({own, life("here:1", wall - 1h, 700), life("there:1", wall - 1h, 500)});
  pass_until_gone({own, other});
  BOOST_TEST(page().at("backlog").at("held").as_int64() == 6);
  std::size_t lost = 0;
  const json::array all = page().at("instances").as_array();
  for (const json::value& one : all)
    lost += one.at("state").as_string() == "lost" ? 1U : 0U;
  BOOST_TEST(lost == 2U);
  for (const char* const line : {"line 1\"", "line 2\"", "line 500\"", "line 700\""})
    BOOST_TEST(text(page().at("changes")).find(line) != std::string::npos, line);
}

BOOST_AUTO_TEST_CASE(lost_ones_give_way_to_the_living_and_the_living_to_nobody) {
  const auto crowd = [](const std::string& name, std::size_t count) {
    std::vector<instance_view> made;
    for (std::size_t i = 0; i < count; ++i)
      made.push_back(view(name + std::to_string(i)));
    return made;
  };
  std::vector<instance_view> all = crowd("dies:", overview::known_max - 1);
  all.insert(all.begin(), view("here:1"));
  look(all);
  pass_until_gone({view("here:1"), view("dies:0")});
  look({view("here:1"), view("dies:0"), view("begins:1")});
  BOOST_TEST(page().at("instances").as_array().size() == overview::known_max);
  BOOST_TEST(instance("begins:1").at("state").as_string() == "serving");
  BOOST_TEST(instance("dies:0").at("state").as_string() == "serving");
  all = crowd("lives:", overview::known_max);
  all.insert(all.begin(), view("here:1"));
  look(all);
  BOOST_TEST(page().at("instances").as_array().size() == overview::known_max);
  BOOST_TEST(instance("lives:0").at("state").as_string() == "serving");
  BOOST_TEST(!instance("here:1").is_null());
  BOOST_TEST(!instance("begins:1").is_null());
}

BOOST_AUTO_TEST_CASE(a_breaker_that_is_open_somewhere_is_open) {
  instance_view other = view("there:2");
  other.processors[1].circuit = breaker::state::open;
  other.processors[1].in_flight = 3;
  other.processors[1].since_seconds = 4;
  instance_view own = view("here:1");
  own.processors[1].since_seconds = 100;
  look({own, other});
  const json::value seen = page().at("processors").at(1);
  BOOST_TEST(seen.at("breaker").as_string() == "open");
  BOOST_TEST(seen.at("sinceSeconds").as_double() == 4.0);
  BOOST_TEST(seen.at("inFlight").as_int64() == 3);
  BOOST_TEST(page().at("processors").at(0).at("breaker").as_string() == "closed");
}

BOOST_AUTO_TEST_CASE(fees_are_exact_whatever_the_sums) {
  books[0] = {.requests = 2, .amount_cents = 3981};
  books[1] = {.requests = 1, .amount_cents = 9'000'000'000'000'001};
  look({view("here:1")});
  BOOST_TEST(text(page().at("books")) ==
             R"({"processors":[{"name":"default","requests":2,"amount":"39.81","fees":"1.99"},)"
             R"({"name":"fallback","requests":1,"amount":"90000000000000.01","fees":"13500000000000.00"}],)"
             R"("fees":"13500000000001.99","cheapestFees":"4500000000001.99","isCurrent":true})");
}

BOOST_AUTO_TEST_CASE(changes_are_told_once_in_their_order_and_fifty_of_them) {
  instance_view other = view("there:2");
  other.changes = {{5, wall_begin, "info", "epoch 7 begins"}};
  instance_view own = view("here:1");
  own.changes = {{1, wall + 1s, "warning", "processor default: breaker open\n\"quoted\""}};
  look({own, other});
  look({own, other});
  BOOST_TEST(shown.last_change(own) == 1U);
  BOOST_TEST(shown.last_change(view("nobody:1")) == 0U);
  const json::array told = page().at("changes").as_array();
  BOOST_REQUIRE(told.size() == 2U);
  BOOST_TEST(told[0].at("text").as_string() == "epoch 7 begins");
  BOOST_TEST(told[0].at("instance").as_string() == "there:2");
  for (std::uint64_t i = 2; i < 80; ++i)
    own.changes.push_back({i, wall + 1h, "info", "x"});
  look({own});
  BOOST_TEST(page().at("changes").as_array().size() == 50U);
}

BOOST_AUTO_TEST_CASE(a_view_comes_back_from_its_text_as_it_was) {
  instance_view made = view("there:2", 1000, 995);
  made.reactor = 1;
  made.started = wall;
  made.at = wall + 5s;
  made.is_eldest = true;
  made.held = 5;
  made.took_over = {3, 5};
  made.is_ledger_away = true;
  made.oldest_in_doubt_seconds = 7.5;
  made.accept[3] = 9;
  made.processors[1].circuit = breaker::state::half_open;
  made.processors[1].is_on_trial = true;
  made.processors[1].charges[17] = 4;
  for (std::uint64_t i = 1; i < 10; ++i)
    made.changes.push_back({i, wall, "error", "quoted \" and \xff cut"});
  const std::string said = instance_json(settings, made);
  BOOST_TEST(said.size() < 4096U);
  BOOST_TEST(said.starts_with(
      R"({"instance":"there:2","epoch":7,"reactor":1,"held":5,"waiting":0,"accepted":1000,"settled":995,)"));
  const auto read = parse_instance(settings, said);
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST(read->changes.size() == instance_view::changes_max);
  BOOST_TEST(read->changes.back().number == 9U);
  BOOST_TEST(read->changes.back().level == "error");
  BOOST_TEST(read->is_ledger_away);
  BOOST_TEST(read->oldest_in_doubt_seconds == 7.5);
  BOOST_TEST(read->took_over == made.took_over, boost::test_tools::per_element());
  BOOST_TEST((read->processors[1].circuit == breaker::state::half_open));
  BOOST_TEST(read->processors[1].is_on_trial);
  BOOST_TEST(instance_json(settings, *read) == said);
}

BOOST_AUTO_TEST_CASE(what_is_no_view_is_none_and_what_is_missing_is_zero) {
  for (const std::string_view none :
       {"", "{", "[]", "7", R"({"instance":"a"})", R"({"epoch":1})", R"({"instance":"a","epoch":"1"})",
        R"({"instance":"a","epoch":-1})", R"({"instance":7,"epoch":1})"})
    BOOST_TEST(!parse_instance(settings, none).has_value(), none);
  BOOST_TEST(!parse_instance(settings, std::string(instance_view::bytes_max + 1, ' ')).has_value());
  std::string many;
  for (int i = 0; i < 100; ++i)
    many += ",7";
  const auto old =
      parse_instance(settings, R"({"instance":"a","epoch":1,"accepted":-1,"accept":[1,"x",1e300],)"
                               R"("processors":[{"name":"other"},7,{"name":"fallback","inFlight":2}],)"
                               R"("changes":[1],"tookOver":["x")" +
                                   many + "]}");
  BOOST_REQUIRE(old.has_value());
  BOOST_TEST(old->accepted == 0U);
  BOOST_TEST(old->accept[0] == 1U);
  BOOST_TEST(old->accept[2] == 0U);
  BOOST_TEST(old->processors[1].in_flight == 2U);
  const auto wild = parse_instance(
      settings, R"({"instance":"a","epoch":1,"oldestSeconds":1e999,"at":9223372036854775807,"started":-1,)"
                R"("processors":[{"name":"default","sinceSeconds":-1e999,"oldestMillis":1e308}],)"
                R"("changes":[{"number":1,"at":-9223372036854775808,"text":"x"}]})");
  BOOST_REQUIRE(wild.has_value());
  BOOST_TEST(wild->oldest_seconds == 0.0);
  BOOST_TEST((wild->changes[0].at == wall_time{}));
  look({view("here:1")});
  look({view("here:1"), *wild});
  BOOST_TEST(page().at("backlog").at("oldestSeconds").as_double() == 0.0); // it is JSON
  BOOST_TEST(old->took_over.size() == instance_view::took_over_max);
  BOOST_TEST(old->took_over[0] == 0U);
  BOOST_TEST(old->took_over[1] == 7U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
