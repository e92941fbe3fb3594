// How a serving repasse ends, what it says meanwhile, and what it does at its limits: nothing that was
// acknowledged is left behind, and nobody is left hanging.
#define BOOST_TEST_MODULE lifecycle
#include "bench/flat_json.hpp"
#include "test/comes.hpp"
#include "test/end_to_end/raw_connection.hpp"
#include "test/end_to_end/requests.hpp"
#include "test/end_to_end/server_stack.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace repasse {
namespace {

using namespace requests;
using namespace std::chrono_literals;

unsigned status_of(const server_process& server, std::string_view target) {
  return server.caller().call("GET", target).status;
}

unsigned status_of_post(const server_process& server, std::size_t number, std::string_view amount = "19.90") {
  return server.caller().call("POST", "/payments", payment_body(number, amount)).status;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    lines.push_back(line);
  return lines;
}

const std::string admin_token = "an-admin-token-of-32-characters!";

} // namespace

BOOST_AUTO_TEST_SUITE(ending)

BOOST_AUTO_TEST_CASE(an_idle_server_ends_cleanly) {
  for (const int signal : {SIGTERM, SIGINT}) {
    server_process server;
    const raw_connection idle(server.port());
    BOOST_TEST(server.end(signal) == 0);
    BOOST_TEST(server.log().find("stopped") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_drain_is_announced_before_connections_are_refused) {
  bool was_in_time = false;
  for (int attempt = 0; attempt < 5 && !was_in_time; ++attempt) {
    server_process server;
    raw_connection open(server.port());
    open.send(get("/readyz"));
    BOOST_TEST(open.next().status == 200U);
    const auto begun = std::chrono::steady_clock::now();
    server.signal(SIGTERM);
    const bool is_announced = comes([&] { return status_of(server, "/readyz") == 503U; }, 1s);
    const unsigned health = status_of(server, "/healthz");
    const unsigned posted = status_of_post(server, 1);
    open.send(get("/readyz"));
    const http_reply last = open.next();
    // The notice is a second long: on a machine that was busy meanwhile this says nothing.
    was_in_time = std::chrono::steady_clock::now() - begun < 800ms;
    if (!was_in_time) continue;
    BOOST_TEST(is_announced);
    BOOST_TEST(health == 200U);
    BOOST_TEST(posted == 202U);
    BOOST_TEST(last.status == 503U);
    BOOST_TEST(last.header("Connection") == "close");
    BOOST_TEST(open.rest().value_or("still open") == "");
    BOOST_TEST(comes([&] { return !raw_connection(server.port()).is_connected(); }));
  }
  BOOST_TEST(was_in_time);
}

BOOST_AUTO_TEST_CASE(a_drain_brings_every_acknowledged_payment_to_its_outcome) {
  server_stack stack;
  stack.configure("delay", R"({"delay":500})");
  std::atomic<bool> ended = false;
  std::jthread load([&] {
    while (!ended) {
      stack.post(20, 4);
      std::this_thread::sleep_for(30ms);
    }
  });
  std::this_thread::sleep_for(400ms);
  BOOST_TEST(stack.server.end(SIGTERM) == 0);
  ended = true;
  load.join();
  BOOST_TEST(stack.acknowledged() > 20U);
  BOOST_TEST(stack.refused() == 0U);
  BOOST_TEST(stack.taken_once() == stack.acknowledged());
  BOOST_TEST(stack.server.log().find("unsettled") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_drain_finishes_the_request_that_is_half_sent) {
  server_process server;
  raw_connection client(server.port());
  const std::string request = post_payment(1);
  client.send(request.substr(0, 40));
  BOOST_TEST(status_of(server, "/healthz") == 200U);
  server.signal(SIGTERM);
  BOOST_TEST(comes([&] { return status_of(server, "/readyz") != 200U; })); // 503, a second later no answer
  client.send(request.substr(40));
  const http_reply answer = client.next();
  BOOST_TEST(answer.status == 202U);
  BOOST_TEST(answer.header("Connection") == "close");
}

BOOST_AUTO_TEST_CASE(a_drain_takes_no_longer_than_it_may) {
  server_stack stack{{{"SHUTDOWN_TIMEOUT", "1s"}}};
  for (const simulator_process& each : stack.simulators)
    each.signal(SIGSTOP);
  stack.post(10, 2);
  stack.server.signal(SIGTERM);
  BOOST_TEST(stack.server.wait(8s).has_value()); // by itself it would take 10 s
  BOOST_TEST(stack.server.log().find("payments unsettled") != std::string::npos, stack.server.log());
}

BOOST_AUTO_TEST_CASE(a_second_signal_ends_it_at_once) {
  server_stack stack;
  stack.configure("delay", R"({"delay":5000})");
  stack.post(10, 2);
  stack.server.signal(SIGTERM);
  BOOST_TEST(comes([&] { return stack.server.log().find("stops within") != std::string::npos; }));
  BOOST_TEST(!stack.server.wait(300ms).has_value());
  stack.server.signal(SIGTERM);
  BOOST_TEST(stack.server.wait(30s).value_or(0) == 128 + SIGTERM); // a drain that ends has 0
}

BOOST_AUTO_TEST_CASE(clients_of_a_killed_server_are_not_left_hanging) {
  server_process server;
  std::vector<raw_connection> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(server.port());
    clients.back().send(get("/healthz") + "GET /half");
  }
  BOOST_TEST(clients.back().next().status == 200U);
  BOOST_TEST(server.end(SIGKILL) == 128 + SIGKILL);
  for (raw_connection& each : clients)
    BOOST_TEST(each.rest().has_value());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(limits)

BOOST_AUTO_TEST_CASE(a_full_backlog_refuses_and_recovers) {
  // All of them are to be in one processor's sum, however late its answers are.
  server_stack stack{{{"MAX_BACKLOG", "50"}, {"REACTORS", "1"}, {"CHEAPEST_PATIENCE", "60s"}}};
  stack.configure("failure", R"({"failure":true})");
  stack.post(50, 1);
  BOOST_TEST(stack.acknowledged() == 50U);
  const http_reply refusal = stack.server.caller().call("POST", "/payments", payment_body(1));
  detail_of(refusal, 503);
  BOOST_TEST(refusal.header("Retry-After") == "1");
  BOOST_TEST(status_of(stack.server, "/payments/" + id_of(1)) == 404U);
  BOOST_TEST(status_of(stack.server, "/payments-summary") == 200U);
  BOOST_TEST(status_of(stack.server, "/readyz") == 503U);
  stack.configure("failure", R"({"failure":false})");
  BOOST_TEST(comes([&] { return status_of(stack.server, "/readyz") == 200U; }));
  BOOST_TEST(comes([&] {
    return stack.server.caller().call("GET", "/payments-summary").body.find(R"("totalRequests":50,)") !=
           std::string::npos;
  }));
  stack.post(50, 1);
  BOOST_TEST(stack.acknowledged() == 100U);
  const audit_report report = stack.audit();
  BOOST_TEST(report.ok(), report.to_text());
}

BOOST_AUTO_TEST_CASE(a_full_ledger_refuses_what_is_new_and_knows_what_is_not) {
  const server_process server{{{"MEMORY_PAYMENTS_MAX", "100"}, {"ALLOW_PURGE", "true"}}};
  for (std::size_t i = 0; i < 100; ++i)
    BOOST_TEST(status_of_post(server, i) == 202U);
  for (std::size_t i = 100; i < 120; ++i) {
    const http_reply refusal = server.caller().call("POST", "/payments", payment_body(i));
    detail_of(refusal, 503);
    BOOST_TEST(refusal.header("Retry-After") == "1");
    BOOST_TEST(status_of(server, "/payments/" + id_of(i)) == 404U);
  }
  BOOST_TEST(status_of(server, "/readyz") == 503U);
  const http_reply replay = server.caller().call("POST", "/payments", payment_body(7));
  BOOST_TEST(replay.status == 202U);
  BOOST_TEST(replay.header("Idempotent-Replayed") == "true");
  BOOST_TEST(status_of_post(server, 7, "1.00") == 409U);
  BOOST_TEST(server.caller().call("POST", "/purge-payments").status == 200U);
  BOOST_TEST(comes([&] { return status_of_post(server, 100) == 202U; }));
  BOOST_TEST(comes([&] { return status_of(server, "/readyz") == 200U; }));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(logging)

BOOST_AUTO_TEST_CASE(the_log_has_no_secret_and_no_line_for_a_payment) {
  server_stack stack{{{"ADMIN_TOKEN", admin_token}, {"LOG_LEVEL", "debug"}}};
  stack.post(500, 4);
  stack.configure_one(0, "failure", R"({"failure":true})");
  stack.post(500, 4);
  http_caller caller = stack.server.caller();
  caller.call("POST", "/payments", payment_body(1));
  caller.call("POST", "/payments", payment_body(1, "1.00"));
  caller.call("GET", "/admin/nothing", "", {{"X-Admin-Token", admin_token}});
  caller.call("GET", "/admin/nothing", "", {{"X-Admin-Token", "another-" + admin_token}});
  BOOST_TEST(stack.server.end(SIGTERM) == 0);
  const std::string log = stack.server.log();
  BOOST_TEST(log.find(admin_token) == log.npos);
  for (const std::string& line : lines_of(log)) // a sample is traced, and names its payment
    BOOST_TEST((line.find(id_of(1)) == line.npos || line.find(" payment traceId=") != line.npos), line);
  BOOST_TEST(lines_of(log).size() < 100U, log);
}

BOOST_AUTO_TEST_CASE(a_log_of_json_has_one_object_a_line) {
  server_process server{{{"LOG_FORMAT", "json"}}};
  BOOST_TEST(server.end(SIGTERM) == 0);
  const std::vector<std::string> lines = lines_of(server.log());
  BOOST_TEST(lines.size() >= 3U);
  for (const std::string& line : lines) {
    const auto members = flat_json::read(line);
    BOOST_TEST(members.has_value(), line);
    if (!members) continue;
    for (const std::string_view name : {"time", "level", "message"})
      BOOST_TEST(members->string(name).has_value(), name << " is not in " << line);
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
