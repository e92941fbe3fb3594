// The real processor-simulator, asked over real sockets: each sentence of CONTRACT section 3, each
// hostile mode. What repasse's own tests rest on is tested here.
#define BOOST_TEST_MODULE simulator
#include "bench/flat_json.hpp"
#include "bench/http_caller.hpp"
#include "test/comes.hpp"
#include "test/end_to_end/simulator_process.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>

#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <future>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace repasse {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

const http_headers admin_token = {{"X-Rinha-Token", "123"}};

std::string id_of(int number) {
  char text[37];
  std::snprintf(text, sizeof text, "3fa85f64-5717-4562-b3fc-%012d", number);
  return text;
}

std::string payment_body(int number, std::string_view amount = "19.90",
                         std::string_view requested_at = "2025-07-15T12:34:56.000Z") {
  return R"({"correlationId":")" + id_of(number) + R"(","amount":)" + std::string(amount) +
         R"(,"requestedAt":")" + std::string(requested_at) + "\"}";
}

http_reply post(http_caller& caller, int number) {
  return caller.call("POST", "/payments", payment_body(number));
}

unsigned status_of_get(http_caller& caller, int number) {
  return caller.call("GET", "/payments/" + id_of(number)).status;
}

void configure(http_caller& caller, const std::string& name, std::string_view body) {
  BOOST_TEST(caller.call("PUT", "/admin/configurations/" + name, body, admin_token).status == 200U);
}

std::string summary(http_caller& caller, const std::string& query = "") {
  return caller.call("GET", "/admin/payments-summary" + query, "", admin_token).body;
}

std::chrono::steady_clock::duration since(std::chrono::steady_clock::time_point start) {
  return std::chrono::steady_clock::now() - start;
}

/// One simulator and one connection to it, for a case.
struct one_simulator {
  simulator_process simulator;
  http_caller caller = simulator.caller();

  asio::ip::tcp::socket connected(asio::io_context& context) const {
    asio::ip::tcp::socket socket(context);
    socket.connect({asio::ip::address_v4::loopback(), simulator.port()});
    socket.set_option(asio::ip::tcp::no_delay(true));
    return socket;
  }
};

std::string request_of(const std::string& body) {
  return "POST /payments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(payments, one_simulator)

BOOST_AUTO_TEST_CASE(takes_a_payment_once) {
  BOOST_TEST(status_of_get(caller, 1) == 404U);
  const http_reply answer = post(caller, 1);
  BOOST_TEST(answer.status == 200U);
  BOOST_TEST(answer.body == R"({"message":"payment processed successfully"})");
  BOOST_TEST(post(caller, 1).status == 422U);
  BOOST_TEST(caller.call("GET", "/payments/" + id_of(1)).body ==
             R"({"correlationId":")" + id_of(1) +
                 R"(","amount":19.90,"requestedAt":"2025-07-15T12:34:56.000Z"})");
}

BOOST_AUTO_TEST_CASE(refuses_what_is_no_payment) {
  const auto status_of = [this](const std::string& body) {
    return caller.call("POST", "/payments", body).status;
  };
  BOOST_TEST(status_of("{") == 400U);
  BOOST_TEST(status_of("{}") == 400U);
  BOOST_TEST(status_of(payment_body(1, "0")) == 400U);
  BOOST_TEST(status_of(payment_body(1, "\"19.90\"")) == 400U);
  BOOST_TEST(status_of(payment_body(1, "1.999")) == 400U);
  BOOST_TEST(status_of(payment_body(1, "19.90", "yesterday")) == 400U);
  BOOST_TEST(caller.call("POST", "/payments", payment_body(1), {{"Content-Type", "text/plain"}}).status ==
             415U);
  BOOST_TEST(caller.call("DELETE", "/payments").status == 405U);
  BOOST_TEST(caller.call("GET", "/nowhere").status == 404U);
  BOOST_TEST(caller.call("POST", "/payments", "", {{"Transfer-Encoding", "chunked"}}).status == 411U);
  BOOST_TEST(status_of_get(caller, 1) == 404U);
}

BOOST_AUTO_TEST_CASE(fails_without_taking) {
  configure(caller, "failure", R"({"failure":true})");
  BOOST_TEST(post(caller, 1).status == 500U);
  BOOST_TEST(status_of_get(caller, 1) == 404U);
  configure(caller, "failure", R"({"failure":false})");
  BOOST_TEST(post(caller, 1).status == 200U);
}

BOOST_AUTO_TEST_CASE(sleeps_its_delay_before_each_answer_to_a_post_and_no_other) {
  configure(caller, "delay", R"({"delay":150})");
  for (const unsigned expected : {200U, 422U}) {
    const auto start = std::chrono::steady_clock::now();
    BOOST_TEST(post(caller, 1).status == expected);
    BOOST_TEST((since(start) >= 150ms));
  }
  configure(caller, "delay", R"({"delay":60000})");
  BOOST_TEST(status_of_get(caller, 1) == 200U); // within the caller's own limit
}

BOOST_AUTO_TEST_CASE(reads_the_failure_switch_after_the_delay) {
  configure(caller, "delay", R"({"delay":3000})");
  configure(caller, "failure", R"({"failure":true})");
  auto sent = std::async(std::launch::async, [this] {
    http_caller other = simulator.caller(30s);
    return post(other, 1).status;
  });
  std::this_thread::sleep_for(100ms);
  configure(caller, "failure", R"({"failure":false})");
  BOOST_TEST(sent.get() == 200U);
}

BOOST_AUTO_TEST_CASE(takes_the_payment_of_a_client_that_has_gone) {
  configure(caller, "delay", R"({"delay":3000})");
  http_caller hasty = simulator.caller(500ms);
  BOOST_TEST((post(hasty, 1).failure == call_failure::timed_out));
  BOOST_TEST(status_of_get(caller, 1) == 404U);
  BOOST_TEST(comes([this] { return status_of_get(caller, 1) == 200U; }));
}

BOOST_AUTO_TEST_CASE(refuses_beyond_800_at_work_and_500_waiting) {
  rlimit open_files{};
  ::getrlimit(RLIMIT_NOFILE, &open_files);
  open_files.rlim_cur = open_files.rlim_max;
  BOOST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &open_files) == 0);
  configure(caller, "delay", R"({"delay":5000})");
  asio::io_context context;
  std::vector<asio::ip::tcp::socket> posters;
  for (int i = 0; i < 1300; ++i) {
    posters.push_back(connected(context));
    asio::write(posters.back(), asio::buffer(request_of(payment_body(i))));
  }
  std::this_thread::sleep_for(300ms);
  http_caller last = simulator.caller(); // accepted behind all of them, and so read behind them
  BOOST_TEST(post(last, 1300).status == 429U);
  configure(caller, "delay", R"({"delay":0})");
  BOOST_TEST(
      comes([this] { return *flat_json::read(summary(caller))->count("totalRequests") == 1300U; }, 40s));
  BOOST_TEST(status_of_get(caller, 1300) == 404U);
}

BOOST_AUTO_TEST_CASE(reads_a_request_that_comes_byte_by_byte) {
  asio::io_context context;
  asio::ip::tcp::socket socket = connected(context);
  for (const char byte : request_of(payment_body(1)))
    asio::write(socket, asio::buffer(&byte, 1));
  std::string answer(15, '\0');
  asio::read(socket, asio::buffer(answer));
  BOOST_TEST(answer == "HTTP/1.1 200 OK");
  BOOST_TEST(status_of_get(caller, 1) == 200U);
}

BOOST_AUTO_TEST_CASE(answers_pipelined_requests_in_their_order) {
  const std::vector<std::string> targets = {"/payments/" + id_of(1), "/nowhere", "/payments/" + id_of(2)};
  BOOST_TEST(post(caller, 2).status == 200U);
  const auto answers = caller.get_all(targets);
  BOOST_TEST(answers[0].status == 404U);
  BOOST_TEST(answers[1].status == 404U);
  BOOST_TEST(answers[2].status == 200U);
  BOOST_TEST(caller.call("GET", "/nowhere", "", {{"Connection", "close"}}).header("connection") == "close");
  BOOST_TEST(status_of_get(caller, 2) == 200U);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(administration, one_simulator)

BOOST_AUTO_TEST_CASE(asks_for_the_token_and_lets_it_be_changed) {
  BOOST_TEST(caller.call("GET", "/admin/payments-summary").status == 401U);
  configure(caller, "token", R"({"token":"another"})");
  BOOST_TEST(caller.call("GET", "/admin/payments-summary", "", admin_token).status == 401U);
  BOOST_TEST(caller.call("GET", "/admin/payments-summary", "", {{"X-Rinha-Token", "another"}}).status ==
             200U);
}

BOOST_AUTO_TEST_CASE(sums_a_window_over_requested_at_with_both_bounds_inclusive) {
  const auto post_at = [this](int number, const char* time) {
    BOOST_TEST(caller.call("POST", "/payments", payment_body(number, "0.10", time)).status == 200U);
  };
  post_at(1, "2025-07-15T12:00:00.500Z");
  post_at(2, "2025-07-15T12:00:01.000Z");
  post_at(3, "2025-07-15T12:00:02.999Z");
  post_at(4, "2025-07-15T12:00:03.000Z");
  const std::string four =
      R"({"totalRequests":4,"totalAmount":0.40,"totalFee":0.02,"feePerTransaction":0.05})";
  const std::string two =
      R"({"totalRequests":2,"totalAmount":0.20,"totalFee":0.01,"feePerTransaction":0.05})";
  BOOST_TEST(summary(caller) == four);
  BOOST_TEST(summary(caller, "?from=2025-07-15T12:00:01.000Z") == four);
  BOOST_TEST(summary(caller, "?from=2025-07-15T12:00:01.000Z&to=2025-07-15T12:00:02.999Z") == two);
  BOOST_TEST(summary(caller, "?from=2025-07-15T12:00:01.001Z&to=2025-07-15T12:00:03Z") == two);
  BOOST_TEST(summary(caller, "?to=2025-07-15T12%3A00%3A01Z&from=2025-07-15T12%3A00%3A00Z") == two);
  BOOST_TEST(summary(caller, "?from=2025-07-15T12:00:03.001Z&to=2025-07-15T12:01:00Z")
                 .starts_with(R"({"totalRequests":0,"totalAmount":0.00,"totalFee":0.00)"));
}

BOOST_AUTO_TEST_CASE(forgets_all_at_a_purge) {
  BOOST_TEST(post(caller, 1).status == 200U);
  BOOST_TEST(caller.call("POST", "/admin/purge-payments", "", admin_token).status == 200U);
  BOOST_TEST(status_of_get(caller, 1) == 404U);
  BOOST_TEST(post(caller, 1).status == 200U);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(program)

BOOST_AUTO_TEST_CASE(begins_as_its_options_say) {
  const simulator_process simulator({"--fee", "0.15", "--delay", "20", "--requested-at-without-zone",
                                     "--hostile", "refuse-429:0.5", "--hostile", "status-400:0.5"});
  http_caller caller = simulator.caller();
  BOOST_TEST(caller.call("GET", "/payments/service-health").body ==
             R"({"failing":false,"minResponseTime":20})");
  const unsigned status = post(caller, 1).status;
  BOOST_TEST((status == 429U || status == 400U));
  configure(caller, "hostile", R"({"mode":"none"})");
  BOOST_TEST(post(caller, 1).status == 200U);
  BOOST_TEST(caller.call("GET", "/payments/" + id_of(1)).body.ends_with(R"("2025-07-15T12:34:56.000"})"));
  BOOST_TEST(summary(caller).ends_with(R"("totalFee":2.99,"feePerTransaction":0.15})"));
}

BOOST_AUTO_TEST_CASE(ends_with_0_when_asked_to) {
  simulator_process terminated({"--failure"});
  simulator_process interrupted;
  BOOST_TEST(terminated.end(SIGTERM) == 0);
  BOOST_TEST(interrupted.end(SIGINT) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(health, one_simulator)

BOOST_AUTO_TEST_CASE(answers_one_call_in_5_s_and_holds_two_back) {
  const auto start = std::chrono::steady_clock::now();
  const auto ask = [this] {
    http_caller one = simulator.caller(30s);
    return one.call("GET", "/payments/service-health");
  };
  const auto have_asked = [this](int count) {
    const std::string begins = R"({"asked":)" + std::to_string(count) + ',';
    return comes(
        [&] { return caller.call("GET", "/admin/health-calls", "", admin_token).body.starts_with(begins); });
  };
  BOOST_TEST(ask().body == R"({"failing":false,"minResponseTime":0})");
  auto second = std::async(std::launch::async, ask);
  BOOST_TEST(have_asked(2));
  auto third = std::async(std::launch::async, ask);
  BOOST_TEST(have_asked(3));
  BOOST_TEST(ask().status == 429U);
  configure(caller, "failure", R"({"failure":true})");
  configure(caller, "delay", R"({"delay":7})");
  BOOST_TEST(second.get().body == R"({"failing":true,"minResponseTime":7})");
  BOOST_TEST((since(start) >= 5s));
  BOOST_TEST((since(start) < 9s));
  configure(caller, "hostile", R"({"health":{"failing":false,"minResponseTime":1}})");
  BOOST_TEST(third.get().body == R"({"failing":false,"minResponseTime":1})");
  BOOST_TEST((since(start) >= 10s));
  BOOST_TEST(caller.call("GET", "/admin/health-calls", "", admin_token).body == R"({"asked":4,"early":3})");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(hostile_modes, one_simulator)

namespace {

/// What comes has time to come; what never comes is not waited for long.
std::chrono::milliseconds time_for(call_failure expected) {
  return expected == call_failure::timed_out ? 200ms : 10'000ms;
}

void be_hostile(http_caller& caller, const std::string& mode, const std::string& more = "") {
  configure(caller, "hostile", R"({"mode":")" + mode + R"(","share":1)" + more + "}");
}

} // namespace

BOOST_AUTO_TEST_CASE(takes_and_gives_no_usable_answer) {
  int number = 0;
  const auto expect = [&](const std::string& mode, call_failure failure) {
    be_hostile(caller, mode);
    BOOST_TEST_CONTEXT(mode) {
      http_caller victim = simulator.caller(time_for(failure));
      BOOST_TEST((post(victim, ++number).failure == failure));
      BOOST_TEST(comes([&] { return status_of_get(caller, number) == 200U; }));
    }
  };
  expect("take-then-drop", call_failure::closed);
  expect("take-then-reset", call_failure::closed);
  expect("take-never-answer", call_failure::timed_out);
  expect("half-answer", call_failure::closed);
  expect("nonsense", call_failure::nonsense);
}

BOOST_AUTO_TEST_CASE(takes_and_answers_late) {
  be_hostile(caller, "take-then-late", R"(,"millis":3000)");
  const auto start = std::chrono::steady_clock::now();
  auto sent = std::async(std::launch::async, [this] {
    http_caller other = simulator.caller();
    return post(other, 1).status;
  });
  BOOST_TEST(comes([this] { return status_of_get(caller, 1) == 200U; }));
  BOOST_TEST((since(start) < 3s)); // taken before it is answered
  BOOST_TEST(sent.get() == 200U);
  BOOST_TEST((since(start) >= 3s));
}

BOOST_AUTO_TEST_CASE(does_not_take_and_gives_no_usable_answer) {
  for (const auto& [mode, failure] : {std::pair{"drop-before-take", call_failure::closed},
                                      std::pair{"never-answer", call_failure::timed_out}}) {
    be_hostile(caller, mode);
    http_caller victim = simulator.caller(time_for(failure));
    BOOST_TEST((post(victim, 1).failure == failure));
  }
  BOOST_TEST(status_of_get(caller, 1) == 404U);
}

BOOST_AUTO_TEST_CASE(does_not_take_and_answers_otherwise) {
  const auto expect = [this](const std::string& mode, unsigned status) {
    be_hostile(caller, mode);
    BOOST_TEST(post(caller, 1).status == status);
  };
  expect("status-400", 400U);
  expect("status-401", 401U);
  expect("refuse-429", 429U);
  expect("wrong-status", 302U);
  BOOST_TEST(post(caller, 1).status == 418U);
  http_caller victim = simulator.caller(200ms);
  BOOST_TEST((post(victim, 1).failure == call_failure::timed_out));
  BOOST_TEST(status_of_get(caller, 1) == 404U);
}

BOOST_AUTO_TEST_CASE(answers_500_for_a_taken_id_only_if_an_earlier_send_was_taken) {
  be_hostile(caller, "error-when-taken");
  BOOST_TEST(post(caller, 1).status == 200U);
  BOOST_TEST(post(caller, 1).status == 500U);
  BOOST_TEST(status_of_get(caller, 1) == 200U);
}

BOOST_AUTO_TEST_CASE(hits_about_the_share_that_was_asked_for) {
  configure(caller, "hostile", R"({"mode":"status-400","share":0.2})");
  configure(caller, "hostile", R"({"mode":"refuse-429","share":0.3})");
  BOOST_TEST(
      caller.call("PUT", "/admin/configurations/hostile", R"({"mode":"nonsense","share":0.6})", admin_token)
          .status == 400U);
  std::multiset<unsigned> statuses;
  for (int number = 0; number < 2000; ++number)
    statuses.insert(post(caller, number).status);
  BOOST_TEST((statuses.count(400) > 300 && statuses.count(400) < 500));
  BOOST_TEST((statuses.count(429) > 480 && statuses.count(429) < 720));
  BOOST_TEST(statuses.count(200) + statuses.count(400) + statuses.count(429) == 2000U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
