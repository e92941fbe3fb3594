// What the process shows of itself, merged from several reactors.
#include "server/status_pages.hpp"
#include "test/unit/two_processors.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>

#include <sstream>
#include <string>
#include <vector>

namespace repasse {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using state = breaker::state;

constexpr steady_time now{1h};

/// Of a reactor that has seen nothing yet.
reactor_report fresh_report() {
  reactor_report report;
  report.processors.resize(2);
  report.books.kind = "memory";
  report.has_epoch = true;
  report.can_accept = true;
  report.since = now - 2500ms;
  for (auto& one : report.processors)
    one.since = now - 1s;
  return report;
}

reactor_report report_with(state circuit) {
  reactor_report report = fresh_report();
  report.processors[0].circuit = circuit;
  return report;
}

health_report health(bool failing, steady_time heard) {
  health_report said;
  said.failing = failing;
  said.min_response_time = 120ms;
  said.heard = heard;
  said.heard_wall = *parse_time("2025-07-15T12:00:00.007Z", rounding::down);
  said.from = 42;
  return said;
}

/// Of `processors_json`, which must be JSON.
json::object shown(std::size_t index, const std::vector<reactor_report>& reports) {
  const json::value page = json::parse(processors_json(two_processors(), reports));
  return page.at("processors").at(index).as_object();
}

std::string first_line(const http_response& page) {
  std::istringstream lines(page.body);
  std::string line;
  std::getline(lines, line);
  return line;
}

std::string breaker_shown(const std::vector<reactor_report>& reports) {
  return std::string(shown(0, reports).at("breaker").as_string());
}

} // namespace

BOOST_AUTO_TEST_SUITE(status_pages_test)

BOOST_AUTO_TEST_CASE(processors_that_nothing_is_known_of_are_shown_to_the_byte) {
  const std::vector<reactor_report> reports = {fresh_report()};
  BOOST_TEST(
      processors_json(two_processors(), reports) ==
      R"({"processors":[)"
      R"({"name":"default","fee":0.05,"breaker":"closed","health":null,"inFlight":0,)"
      R"("expectedMillis":0.000,"oldestUnansweredMillis":0.000,"latency":{"calls":0,"p50Millis":0.000,"p90Millis":0.000,)"
      R"("p99Millis":0.000}},)"
      R"({"name":"fallback","fee":0.15,"breaker":"closed","health":null,"inFlight":0,)"
      R"("expectedMillis":0.000,"oldestUnansweredMillis":0.000,"latency":{"calls":0,"p50Millis":0.000,"p90Millis":0.000,)"
      R"("p99Millis":0.000}}]})");
}

BOOST_AUTO_TEST_CASE(all_64_processors_and_any_fee_make_valid_json) {
  config settings;
  settings.processors.resize(processors_max);
  for (std::size_t i = 0; i < processors_max; ++i) {
    settings.processors[i].name = "processor-" + std::to_string(i);
    settings.processors[i].fee_ppm = i == 0 ? 0 : 1'000'000 / static_cast<std::int64_t>(i);
  }
  settings.processors[63].fee_ppm = 1;
  std::vector<reactor_report> reports(3);
  for (reactor_report& report : reports)
    report.processors.resize(processors_max);
  const json::value page = json::parse(processors_json(settings, reports));
  const json::array& shown_all = page.at("processors").as_array();
  BOOST_REQUIRE(shown_all.size() == processors_max);
  BOOST_TEST(shown_all[7].at("name").as_string() == "processor-7");
  BOOST_TEST(shown_all[0].at("fee").to_number<double>() == 0.0);
  BOOST_TEST(shown_all[1].at("fee").to_number<double>() == 1.0);
  BOOST_TEST(shown_all[3].at("fee").to_number<double>() == 0.333333);
  BOOST_TEST(shown_all[63].at("fee").to_number<double>() == 0.000001);
}

BOOST_AUTO_TEST_CASE(health_tells_what_was_said_when_and_to_whom) {
  reactor_report report = fresh_report();
  report.processors[1].health = health(true, now);
  const json::object seen = shown(1, {report});
  BOOST_TEST(json::serialize(seen.at("health")) ==
             R"({"failing":true,"minResponseTime":120,"when":"2025-07-15T12:00:00.007Z","from":"epoch 42"})");
  BOOST_TEST(shown(0, {report}).at("health").is_null());
}

BOOST_AUTO_TEST_CASE(health_that_another_instance_has_told_is_from_redis) {
  reactor_report report = fresh_report();
  report.processors[0].health = health(false, now);
  report.processors[0].health->from = 0;
  BOOST_TEST(shown(0, {report}).at("health").at("from").as_string() == "redis");
}

BOOST_AUTO_TEST_CASE(a_redis_that_is_up_but_not_listened_to_is_told_and_makes_nothing_unready) {
  reactor_report report = fresh_report();
  report.redis = reactor_report::seen_redis{
      .is_up = true, .since = now - 1s, .latency = 1ms, .trouble = {}, .hears = true};
  const auto page = [&] { return readiness_page(two_processors(), std::vector{report}, false, now); };
  BOOST_TEST(page().body.find("redis: up, latency 1.0 ms, since 1.0 s\n") != std::string::npos, page().body);
  report.redis->hears = false;
  BOOST_TEST(page().status == 200);
  BOOST_TEST(page().body.find("since 1.0 s, no messages about health are heard\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_newest_health_is_shown_whichever_reactor_has_it) {
  reactor_report older = fresh_report();
  older.processors[0].health = health(true, now - 5s);
  reactor_report newer = fresh_report();
  newer.processors[0].health = health(false, now);
  for (const auto& reports : {std::vector{older, newer, fresh_report()}, std::vector{newer, older}})
    BOOST_TEST(shown(0, reports).at("health").at("failing").as_bool() == false);
}

BOOST_AUTO_TEST_CASE(the_breaker_that_weighs_most_is_shown_since_it_changed) {
  const reactor_report closed = report_with(state::closed);
  const reactor_report half_open = report_with(state::half_open);
  const reactor_report open = report_with(state::open);
  BOOST_TEST(breaker_shown({closed, closed}) == "closed");
  reactor_report tried = half_open;
  tried.processors[0].is_on_trial = true;
  BOOST_TEST(breaker_shown({half_open, half_open}) == "half-open");
  BOOST_TEST(breaker_shown({closed, tried, half_open}) == "half-open");
  BOOST_TEST(breaker_shown({tried, closed}) == "half-open");
  BOOST_TEST(breaker_shown({closed, half_open}) ==
             "closed"); // it takes payments; there nobody came to try it
  BOOST_TEST(breaker_shown({half_open, closed}) == "closed");
  BOOST_TEST(breaker_shown({closed, open}) == "open");
  BOOST_TEST(breaker_shown({open, closed, half_open}) == "open");
  BOOST_TEST(breaker_shown({half_open, closed, open}) == "open");
  reactor_report long_open = open;
  long_open.processors[0].since = now - 60s;
  reactor_report just_closed = closed;
  just_closed.processors[0].since = now - 1s;
  for (const auto& reports : {std::vector{long_open, just_closed}, std::vector{just_closed, long_open}})
    BOOST_TEST((merge_processor(reports, 0).since == now - 60s));
}

BOOST_AUTO_TEST_CASE(in_flight_and_latencies_are_summed_and_the_greatest_expectation_is_shown) {
  std::vector<reactor_report> reports(3, fresh_report());
  for (std::size_t i = 0; i < 3; ++i) {
    auto& seen = reports[i].processors[1];
    seen.in_flight = 100 + i;
    seen.expected = i == 1 ? 1500us : 10us;
    for (int call = 0; call < 100; ++call)
      seen.latencies.record(i == 2 ? 1s : 1ms);
  }
  const json::object seen = shown(1, reports);
  BOOST_TEST(seen.at("inFlight").to_number<int>() == 303);
  BOOST_TEST(seen.at("expectedMillis").to_number<double>() == 1.5);
  const json::object& latency = seen.at("latency").as_object();
  BOOST_TEST(latency.at("calls").to_number<int>() == 300);
  BOOST_TEST(latency.at("p50Millis").to_number<double>() == 1.0, boost::test_tools::tolerance(0.07));
  BOOST_TEST(latency.at("p90Millis").to_number<double>() == 1000.0, boost::test_tools::tolerance(0.07));
  BOOST_TEST(latency.at("p99Millis").to_number<double>() == 1000.0, boost::test_tools::tolerance(0.07));
  BOOST_TEST(shown(0, reports).at("inFlight").to_number<int>() == 0);
}

BOOST_AUTO_TEST_CASE(a_reactor_that_did_not_answer_is_left_out) {
  reactor_report report = report_with(state::open);
  report.processors[0].in_flight = 7;
  const json::object seen = shown(0, {reactor_report{}, report, reactor_report{}});
  BOOST_TEST(seen.at("breaker").as_string() == "open");
  BOOST_TEST(seen.at("inFlight").to_number<int>() == 7);
  BOOST_TEST(breaker_shown({reactor_report{}}) == "closed");
}

BOOST_AUTO_TEST_CASE(a_ready_server_says_so_with_a_line_for_each_dependency) {
  const std::vector<reactor_report> reports = {fresh_report()};
  const http_response page = readiness_page(two_processors(), reports, false, now);
  BOOST_TEST(page.status == 200);
  BOOST_TEST(page.content_type == "text/plain; charset=utf-8");
  BOOST_TEST(page.body == "database: up, payments live in memory, latency 0.0 ms, since 2.5 s\n"
                          "redis: not configured\n"
                          "processor default: closed, latency 0.0 ms, since 1.0 s\n"
                          "processor fallback: closed, latency 0.0 ms, since 1.0 s\n");
}

BOOST_AUTO_TEST_CASE(one_reactor_with_room_is_enough_to_be_ready) {
  reactor_report full = fresh_report();
  full.can_accept = false;
  const auto status_of = [](const std::vector<reactor_report>& reports) {
    return readiness_page(two_processors(), reports, false, now).status;
  };
  BOOST_TEST(status_of({full, fresh_report(), full}) == 200);
  BOOST_TEST(status_of({full, full}) == 503);
  BOOST_TEST(status_of({reactor_report{}}) == 503);
  BOOST_TEST(status_of({}) == 503);
}

BOOST_AUTO_TEST_CASE(a_server_without_room_says_why_it_is_not_ready) {
  reactor_report full = fresh_report();
  full.can_accept = false;
  const std::vector<reactor_report> reports = {full};
  const http_response page = readiness_page(two_processors(), reports, false, now);
  BOOST_TEST(page.body.starts_with("database: takes no more payments, payments live in memory"));
}

BOOST_AUTO_TEST_CASE(the_database_is_shown_as_the_reactor_that_is_worst_off_sees_it) {
  config settings = two_processors();
  settings.use_database_storage = true;
  reactor_report well = fresh_report();
  well.books.kind = "postgresql";
  well.books.latency = 1500us;
  reactor_report away = well;
  away.books.is_up = false;
  away.books.since = now - 700ms;
  away.books.latency = 200us;
  away.books.trouble = "connection refused";
  const auto line_of = [&](const std::vector<reactor_report>& reports) {
    return first_line(readiness_page(settings, reports, false, now));
  };
  BOOST_TEST(line_of({well, well}) ==
             "database: up, payments live in PostgreSQL, latency 1.5 ms, since 2.5 s");
  for (const auto& reports : {std::vector{well, away, well}, std::vector{away, well, reactor_report{}}})
    BOOST_TEST(line_of(reports) ==
               "database: away, payments live in PostgreSQL, latency 1.5 ms, since 0.7 s, "
               "connection refused");
  reactor_report troubled = well;
  troubled.books.trouble = "the replica is away";
  BOOST_TEST(line_of({well, troubled}).ends_with("since 2.5 s, the replica is away"));
  BOOST_TEST(line_of({troubled, away}).ends_with("connection refused"));
  reactor_report away_too = away;
  away_too.books.trouble = "another reason";
  BOOST_TEST(line_of({away, away_too}).ends_with("connection refused"));
}

BOOST_AUTO_TEST_CASE(one_reactor_that_is_away_makes_the_server_unready_and_is_named) {
  reactor_report unconnected = fresh_report();
  unconnected.books.is_up = false;
  unconnected.books.trouble = "connection refused";
  unconnected.can_accept = false;
  reactor_report homeless = fresh_report();
  homeless.has_epoch = false;
  homeless.can_accept = false;
  const auto check = [](const std::vector<reactor_report>& reports, std::string_view reason) {
    const http_response page = readiness_page(two_processors(), reports, false, now);
    BOOST_TEST(page.status == 503);
    BOOST_TEST(page.body.find(reason) != std::string::npos, page.body);
  };
  check({unconnected, fresh_report()}, "database: away, ");
  check({fresh_report(), unconnected}, ", connection refused\n");
  check({fresh_report(), homeless, fresh_report()}, "\nreactor 1: has no epoch\n");
  check({reactor_report{}, fresh_report()}, "\nreactor 0: does not answer\n");
  check({homeless, reactor_report{}}, "\nreactor 0: has no epoch\nreactor 1: does not answer\n");
}

BOOST_AUTO_TEST_CASE(a_clock_far_from_the_databases_is_told) {
  const auto line_of = [](std::vector<std::optional<std::chrono::milliseconds>> aheads) {
    std::vector<reactor_report> reports;
    for (const auto& ahead : aheads)
      reports.emplace_back(fresh_report()).books.ahead = ahead;
    return first_line(readiness_page(two_processors(), reports, false, now));
  };
  for (const auto& ahead : std::vector<std::optional<std::chrono::milliseconds>>{{}, 0ms, 250ms, -250ms})
    BOOST_TEST(line_of({ahead}).find("clock") == std::string::npos);
  BOOST_TEST(line_of({10ms, 251ms, {}}).ends_with(", this clock is 251 ms ahead of the database's"));
  BOOST_TEST(line_of({-300ms, 251ms}).ends_with(", this clock is 300 ms behind the database's"));
}

BOOST_AUTO_TEST_CASE(a_draining_server_is_not_ready_and_says_so_first) {
  const std::vector<reactor_report> reports = {fresh_report()};
  const http_response page = readiness_page(two_processors(), reports, true, now);
  BOOST_TEST(page.status == 503);
  BOOST_TEST(page.body.starts_with("repasse: stopping\ndatabase: up"));
}

BOOST_AUTO_TEST_CASE(processors_that_are_all_open_do_not_make_it_unready) {
  reactor_report report = report_with(state::open);
  report.processors[1].circuit = state::open;
  report.processors[0].health = health(true, now - 2500ms);
  report.processors[1].health = health(false, now);
  const std::vector<reactor_report> reports = {report};
  const http_response page = readiness_page(two_processors(), reports, false, now);
  BOOST_TEST(page.status == 200);
  BOOST_TEST(
      page.body.ends_with("processor default: open, latency 0.0 ms, since 1.0 s, said failing 2.5 s ago\n"
                          "processor fallback: open, latency 0.0 ms, since 1.0 s, said well 0.0 s ago\n"));
}

BOOST_AUTO_TEST_CASE(why_a_processor_is_not_reached_by_tls_is_told_whichever_reactor_saw_it) {
  std::vector<reactor_report> reports = {fresh_report(), fresh_report()};
  reports[1].processors[0].tls_trouble = "certificate has expired";
  const http_response page = readiness_page(two_processors(), reports, false, now);
  BOOST_TEST(page.body.find(" s, TLS handshake failed: certificate has expired\nprocessor fallback: ") !=
             std::string::npos);
  BOOST_TEST(page.body.find("TLS", page.body.find("fallback")) == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
