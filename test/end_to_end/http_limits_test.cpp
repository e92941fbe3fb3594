// Clients that are too many, too slow, or gone: each has a limit, and none takes anything from the others.
#define BOOST_TEST_MODULE http_limits
#include "test/comes.hpp"
#include "test/end_to_end/raw_connection.hpp"
#include "test/end_to_end/requests.hpp"
#include "test/end_to_end/server_process.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace repasse {
namespace {

using namespace requests;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

std::vector<raw_connection> connections(std::size_t count, std::uint16_t port) {
  std::vector<raw_connection> all;
  for (std::size_t i = 0; i < count; ++i)
    all.emplace_back(port);
  return all;
}

} // namespace

BOOST_AUTO_TEST_SUITE(limits)

BOOST_AUTO_TEST_CASE(turns_away_connections_beyond_their_limit) {
  const server_process server{{{"MAX_CONNECTIONS", "20"}, {"REACTORS", "1"}}};
  std::vector<raw_connection> open = connections(20, server.port());
  for (raw_connection& each : open) {
    each.send(get("/healthz"));
    BOOST_TEST(each.next().status == 200U);
  }
  for (int i = 0; i < 10; ++i) {
    raw_connection refused(server.port());
    refused.send(post_payment(1));
    const http_reply answer = refused.next();
    detail_of(answer, 503);
    BOOST_TEST(answer.header("Retry-After") == "1");
    BOOST_TEST(answer.header("Connection") == "close");
    BOOST_TEST(refused.rest().value_or("still open") == "");
  }
  for (raw_connection& each : open) {
    each.send(get("/payments/" + id_of(1)));
    BOOST_TEST(each.next().status == 404U);
  }
  open.clear();
  http_caller caller = server.caller();
  BOOST_TEST(comes([&] { return caller.call("GET", "/healthz").status == 200U; }));
}

BOOST_AUTO_TEST_CASE(closes_a_slow_sender_while_others_go_on) {
  const server_process server;
  std::vector<raw_connection> slow = connections(3, server.port());
  const std::string request = post_payment(1);
  slow[0].send("GET /heal");
  slow[1].send(request.substr(0, request.size() - 1));
  raw_connection idle(server.port());
  const auto begun = steady_clock::now();
  for (std::size_t at = 0; steady_clock::now() < begun + 9s; ++at) { // a byte now and then is no excuse
    slow[2].send(request.substr(at, 1));
    raw_connection other(server.port());
    other.send(get("/healthz"));
    BOOST_TEST(other.next().status == 200U);
    BOOST_TEST(!idle.rest(500ms).has_value());
  }
  for (raw_connection& each : slow)
    BOOST_TEST(each.rest(21s).has_value());
  idle.send(get("/payments/" + id_of(1)));
  BOOST_TEST(idle.next().status == 404U);
}

BOOST_AUTO_TEST_CASE(holds_little_for_a_client_that_never_reads) {
  const server_process server;
  http_caller caller = server.caller();
  for (std::size_t i = 0; i < 1000; ++i)
    BOOST_REQUIRE(caller.call("POST", "/payments", payment_body(i)).status == 202U);
  const std::size_t before_kib = server.resident_kib();
  std::vector<raw_connection> deaf = connections(10, server.port());
  std::string requests;
  for (int i = 0; i < 1000; ++i)
    requests += get("/payments?limit=1000"); // some 200 KB an answer
  for (const auto due = steady_clock::now() + 2s; steady_clock::now() < due;)
    for (raw_connection& each : deaf)
      each.send_some(requests);
  const std::size_t grown_kib = server.resident_kib() - before_kib;
  BOOST_TEST(grown_kib < 10U * 1024);
  BOOST_TEST(caller.call("GET", "/healthz").status == 200U);
}

BOOST_AUTO_TEST_CASE(survives_clients_that_vanish_in_the_middle) {
  const server_process server;
  const std::string request = post_payment(1);
  for (std::size_t at = 0; at < request.size(); at += 7) {
    raw_connection client(server.port());
    client.send(request.substr(0, at));
    client.reset();
  }
  for (std::size_t i = 10; i < 200; ++i) {
    raw_connection client(server.port());
    client.send(post_payment(i) + get("/payments?limit=1000") + post_payment(i + 1000));
    client.reset();
  }
  http_caller caller = server.caller();
  BOOST_TEST(caller.call("GET", "/payments/" + id_of(1)).status == 404U);
  BOOST_TEST(caller.call("POST", "/payments", payment_body(1)).status == 202U);
}

BOOST_AUTO_TEST_CASE(keeps_a_connection_while_its_answer_takes_long) {
  const std::string token(32, 't');
  const server_process server{{{"ADMIN_TOKEN", token}}};
  raw_connection client(server.port());
  client.send(get("/admin/nothing", "X-Admin-Token: wrong\r\n") + get("/healthz"));
  client.end_input();
  detail_of(client.next(), 401);
  BOOST_TEST(client.next().status == 200U);
  BOOST_TEST(client.rest().value_or("still open") == "");
}

BOOST_AUTO_TEST_CASE(spends_no_time_on_clients_that_have_gone_before_their_answer) {
  const std::string path = "/tmp/repasse-test-" + std::to_string(::getpid()) + ".sock";
  const std::uint16_t port = free_port();
  const server_process server{
      {{"LISTEN", "unix:" + path + "," + address_of(port)}, {"ADMIN_TOKEN", std::string(32, 't')}}};
  const std::string slow = get("/admin/nothing", "X-Admin-Token: wrong\r\n"); // answered a second later
  const auto before = server.cpu_time();
  raw_connection(path).send(slow);
  raw_connection(port).send(slow);
  std::this_thread::sleep_for(1500ms);
  BOOST_TEST((server.cpu_time() - before < 300ms));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
