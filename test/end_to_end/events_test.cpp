// The stream that feeds the dashboard: how it begins, goes on, is resumed and ends, how many may look, that
// payments do not suffer, and what it shows of several instances.
#define BOOST_TEST_MODULE events
#include "test/comes.hpp"
#include "test/end_to_end/payer.hpp"
#include "test/end_to_end/requests.hpp"
#include "test/end_to_end/server_stack.hpp"
#include "test/end_to_end/viewer.hpp"
#include "test/integration/postgres_server.hpp"
#include "test/integration/redis_server.hpp"

#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>

#include <csignal>
#include <list>
#include <memory>
#include <string>

namespace repasse {
namespace {

using namespace requests;
using namespace std::chrono_literals;
namespace json = boost::json;

std::int64_t accepted(const json::value& snapshot) {
  return snapshot.at("payments").at("accepted").to_number<std::int64_t>();
}

/// While an instance has no epoch yet.
std::int64_t taken_in(const json::value& snapshot) {
  return snapshot.at("payments").at("takenIn").to_number<std::int64_t>();
}

struct one_server {
  server_process server{{{"REACTORS", "2"}}};
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(streams, one_server)

BOOST_AUTO_TEST_CASE(begin_at_once_and_go_on_each_second) {
  viewer one(server.port());
  BOOST_TEST(one.head.starts_with("HTTP/1.1 200 OK\r\n"), one.head);
  for (const std::string_view field : {"Content-Type: text/event-stream\r\n", "Cache-Control: no-store\r\n",
                                       "X-Accel-Buffering: no\r\n", "Connection: close\r\n"})
    BOOST_TEST(one.head.find(field) != std::string::npos, one.head);
  BOOST_TEST(one.head.find("Content-Length") == std::string::npos, one.head);
  BOOST_TEST(one.connection.up_to("\n\n").value_or("") == "retry: 1000\n\n");
  const json::value first = one.snapshot();
  const std::string id = one.id;
  BOOST_TEST(accepted(first) == 0);
  BOOST_TEST(first.at("instances").as_array().size() == 2U);
  server.caller().call("POST", "/payments", payment_body(1));
  BOOST_TEST(!one.until([](const json::value& seen) { return accepted(seen) == 1; }).is_null());
  BOOST_TEST(std::stoll(one.id) > std::stoll(id));
}

BOOST_AUTO_TEST_CASE(go_to_HTTP_1_0_too) {
  viewer one(server.port(), "", "HTTP/1.0");
  BOOST_TEST(one.head.find("Transfer-Encoding") == std::string::npos);
  BOOST_TEST(!one.snapshot().is_null());
  BOOST_TEST(!one.snapshot().is_null());
}

BOOST_AUTO_TEST_CASE(tell_their_head_alone_to_HEAD) {
  raw_connection client(server.port());
  client.send(get("/events", "", "HEAD"));
  const http_reply head = client.next(true);
  BOOST_TEST(head.status == 200U);
  BOOST_TEST(head.header("Content-Type") == "text/event-stream");
  BOOST_TEST(client.rest().value_or("still open") == "");
}

BOOST_AUTO_TEST_CASE(answer_what_came_before_and_nothing_behind) {
  viewer one(server.port(), "\r\nGET /events HTTP/1.1\r\nHost: h\r\n"); // a second one behind the first
  BOOST_TEST(!one.snapshot().is_null());
  raw_connection client(server.port());
  client.send(get("/healthz") + get("/events") + post_payment(1) + get("/healthz"));
  BOOST_TEST(client.next().body == "ok\n");
  BOOST_TEST(client.up_to("\r\n\r\n").value_or("").find("text/event-stream") != std::string::npos);
  client.send(post_payment(2));
  BOOST_TEST(client.up_to("event: snapshot").has_value());
  const std::string more = client.up_to("event: snapshot").value_or("");
  BOOST_TEST(more.find("HTTP/1.1") == std::string::npos, more);
  for (const std::size_t number : {1, 2})
    BOOST_TEST(server.caller().call("GET", "/payments/" + id_of(number)).status == 404U);
}

BOOST_AUTO_TEST_CASE(begin_with_the_last_minutes_for_the_first_who_looks) {
  for (std::size_t number = 1; number <= 30; ++number) { // over several of its looks
    server.caller().call("POST", "/payments", payment_body(number));
    std::this_thread::sleep_for(200ms);
  }
  viewer first(server.port());
  const json::value before = first.next("history");
  BOOST_REQUIRE(!before.is_null());
  double accepted_then = 0;
  for (const json::value& one : before.at("points").as_array())
    accepted_then += one.at(1).to_number<double>();
  BOOST_TEST(accepted_then > 0);
}

BOOST_AUTO_TEST_CASE(give_what_was_missed_to_who_comes_back) {
  std::string id;
  {
    viewer one(server.port());
    one.snapshot();
    id = one.id;
  }
  std::this_thread::sleep_for(4500ms); // nobody looks
  viewer back(server.port(), "Last-Event-ID: " + id + "\r\n");
  const json::value missed = back.next("history");
  BOOST_REQUIRE(!missed.is_null());
  const json::array& points = missed.at("points").as_array();
  BOOST_TEST(points.size() >= 2U);
  for (const json::value& one : points)
    BOOST_TEST(one.at(0).as_int64() > std::stoll(id));
  BOOST_TEST(points[0].as_array().size() == 7U);
  back.snapshot();
  viewer again(server.port(), "Last-Event-ID: " + back.id + "\r\n");
  again.connection.up_to("\n\n");
  const std::string later = "event: history\ndata: ";
  std::string event = again.connection.up_to("\n\n").value_or("");
  if (event.starts_with(later)) { // of a second that is over meanwhile
    const json::value more = json::parse(event.substr(later.size()));
    for (const json::value& one : more.at("points").as_array())
      BOOST_TEST(one.at(0).as_int64() > std::stoll(back.id));
    event = again.connection.up_to("\n\n").value_or("");
  }
  BOOST_TEST(event.find("event: snapshot") != std::string::npos, event);
  viewer nonsense(server.port(), "Last-Event-ID: nonsense\r\n");
  BOOST_TEST(nonsense.next("history").at("points").as_array().size() > points.size());
}

BOOST_AUTO_TEST_CASE(end_at_once_when_the_server_stops) {
  std::list<viewer> all;
  for (int i = 0; i < 20; ++i)
    all.emplace_back(server.port());
  all.back().snapshot();
  server.signal(SIGTERM);
  for (viewer& one : all)
    BOOST_TEST(one.connection.rest(3s).has_value());
  const std::optional<int> status =
      server.wait(6s); // a second's notice for the load balancer; SHUTDOWN_TIMEOUT is 10
  BOOST_TEST(status.value_or(-1) == 0);
}

BOOST_AUTO_TEST_CASE(are_not_more_than_two_hundred) {
  std::list<viewer> all;
  for (int i = 0; i < 200; ++i)
    all.emplace_back(server.port());
  raw_connection one_more(server.port());
  one_more.send(get("/events"));
  const http_reply refused = one_more.next();
  detail_of(refused, 503);
  BOOST_TEST(refused.header("Retry-After") == "1");
  BOOST_TEST(one_more.rest().value_or("still open") == "");
  BOOST_TEST(all.back().snapshot().at("viewers").as_int64() == 200);
  BOOST_TEST(server.caller().call("GET", "/healthz").status == 200U);
  all.pop_front();
  BOOST_TEST(comes([&] { return viewer(server.port()).head.starts_with("HTTP/1.1 200"); }));
}

BOOST_AUTO_TEST_CASE(are_noticed_when_they_go_with_and_without_a_word) {
  viewer stays(server.port());
  {
    viewer leaves(server.port());
    viewer resets(server.port());
    viewer half(server.port());
    half.connection.end_input();
    BOOST_TEST(half.connection.rest().has_value());
    resets.connection.reset();
  }
  BOOST_TEST(
      !stays.until([](const json::value& seen) { return seen.at("viewers").as_int64() == 1; }).is_null());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(of_the_whole)

BOOST_AUTO_TEST_CASE(payments_flow_while_a_hundred_look_on_and_each_sees_them_all) {
  server_stack stack;
  std::list<viewer> all;
  for (int i = 0; i < 100; ++i)
    all.emplace_back(stack.server.port());
  stack.post(2000, 8);
  BOOST_TEST(stack.acknowledged() == 2000U);
  BOOST_TEST(stack.audit().ok());
  for (viewer& one : all) {
    const json::value seen = one.until([](const json::value& each) {
      return each.at("payments").at("settled").to_number<std::int64_t>() == 2000;
    });
    BOOST_REQUIRE(!seen.is_null());
    BOOST_TEST(accepted(seen) == 2000);
    BOOST_TEST(seen.at("backlog").at("held").to_number<std::int64_t>() == 0);
  }
}

BOOST_AUTO_TEST_CASE(an_instance_is_there_as_long_as_it_shows_itself_whatever_its_clock_says) {
  redis_server redis;
  server_process server({{"REDIS_URL", redis.url()}, {"REACTORS", "1"}});
  const auto far = [](const json::value& snapshot) -> std::string {
    for (const json::value& each : snapshot.at("instances").as_array())
      if (each.at("instance").as_string() == "far:1")
        return std::string(std::string_view(each.at("state").as_string()));
    return "none";
  };
  redis.cli({"SET", "repasse:instances:77", R"({"instance":"far:1","epoch":77,"at":1})"});
  redis.cli({"ZADD", "repasse:instances", "1", "77"});
  viewer one(server.port());
  BOOST_REQUIRE(!one.until([&](const json::value& seen) { return far(seen) == "serving"; }).is_null());
  for (int i = 0; i < 3; ++i)
    BOOST_TEST(far(one.snapshot()) == "serving");
  BOOST_TEST(redis.cli({"ZSCORE", "repasse:instances", "77"}) == "1");
  redis.cli({"DEL", "repasse:instances:77"});
  BOOST_TEST(!one.until([&](const json::value& seen) { return far(seen) == "lost"; }).is_null());
  BOOST_TEST(redis.cli({"ZSCORE", "repasse:instances", "77"}).empty());
}

BOOST_AUTO_TEST_CASE(two_instances_are_one_picture_and_a_killed_one_is_lost_a_stopped_one_is_not) {
  static postgres_server database;
  if (!database.is_running()) database.start();
  database.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION repasse");
  redis_server redis;
  simulator_process processor;
  const variables settings{{"DATABASE_URL", database.url()},
                           {"REDIS_URL", redis.url()},
                           {"REACTORS", "1"},
                           {"PROCESSOR_DEFAULT_URL", "http://" + address_of(processor.port())},
                           {"PROCESSOR_FALLBACK_URL", "http://" + address_of(processor.port())}};
  server_process here(settings);
  auto killed = std::make_unique<server_process>(settings);
  auto stopped = std::make_unique<server_process>(settings);
  const std::array<server_process*, 3> all{&here, killed.get(), stopped.get()};
  std::size_t number = 0;
  for (server_process* const one : all) {
    BOOST_REQUIRE(comes([&] { return one->caller().call("GET", "/readyz").status == 200U; }));
    for (int i = 0; i < 5; ++i)
      BOOST_TEST(one->caller().call("POST", "/payments", payment_body(++number)).status == 202U);
  }
  const auto name = [](const server_process& of) { return ":" + std::to_string(of.id()); };
  const auto said = [](const json::value& snapshot, const std::string& end, const char* what) {
    for (const json::value& each : snapshot.at("instances").as_array())
      if (std::string_view(each.at("instance").as_string()).ends_with(end))
        return each.at(what).is_string() ? std::string(each.at(what).as_string()) : "null";
    return std::string("none");
  };
  const auto state = [&](const json::value& snapshot, const std::string& end) {
    return said(snapshot, end, "state");
  };
  {
    viewer elsewhere(stopped->port()); // nobody looks on at `here` until one is lost
    const json::value together = elsewhere.until([](const json::value& seen) {
      return accepted(seen) + taken_in(seen) == 15 &&
             seen.at("payments").at("settled").to_number<std::int64_t>() == 15;
    });
    BOOST_REQUIRE(!together.is_null());
    BOOST_TEST(together.at("instances").as_array().size() == 3U);
    std::size_t eldest = 0;
    for (const json::value& each : together.at("instances").as_array())
      eldest += each.at("isEldest").as_bool() ? 1U : 0U;
    BOOST_TEST(eldest == 1U);
  }

  const std::string stopped_name = name(*stopped);
  const std::string killed_name = name(*killed);
  const auto delay = [&](std::string_view millis) {
    processor.caller().call("PUT", "/admin/configurations/delay", R"({"delay":)" + std::string(millis) + "}",
                            {{"X-Rinha-Token", "123"}});
  };
  delay("20000");
  BOOST_TEST(killed->caller().call("POST", "/payments", payment_body(++number)).status == 202U);
  killed->end(SIGKILL);
  const auto at = std::chrono::steady_clock::now();
  viewer one(here.port());
  BOOST_TEST(!one.next("history").is_null());
  const json::value lost =
      one.until([&](const json::value& seen) { return state(seen, killed_name) == "lost"; });
  BOOST_REQUIRE(!lost.is_null());
  BOOST_TEST((std::chrono::steady_clock::now() - at < 18s)); // promised: 5 s and one
  BOOST_TEST(json::serialize(lost.at("changes")).find("shows itself no more") != std::string::npos);
  const json::value taken =
      one.until([&](const json::value& seen) { return said(seen, killed_name, "takenOverBy") != "null"; });
  BOOST_REQUIRE(!taken.is_null());
  const std::string taker = said(taken, killed_name, "takenOverBy");
  BOOST_TEST((taker.ends_with(name(here)) || taker.ends_with(stopped_name)), taker);
  const std::string log = (taker.ends_with(stopped_name) ? *stopped : here).log();
  BOOST_TEST(log.find("takes over 1 payments") != std::string::npos, log);
  delay("0");

  stopped->signal(SIGTERM);
  BOOST_TEST(
      !one.until([&](const json::value& seen) { return state(seen, stopped_name) == "stopping"; }).is_null());
  const json::value gone =
      one.until([&](const json::value& seen) { return state(seen, stopped_name) == "none"; });
  BOOST_TEST(!gone.is_null());
  BOOST_TEST(json::serialize(gone.at("instances")).find("lost") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
