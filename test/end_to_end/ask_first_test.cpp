// After a restore: the real repasse with ASK_FIRST between two real simulators, one of which has taken
// payments that repasse knows nothing of.
#define BOOST_TEST_MODULE ask_first
#include "test/end_to_end/payer.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>

namespace repasse {
namespace {

using namespace requests;
using namespace std::chrono_literals;

constexpr std::size_t cheap = 0;
constexpr std::size_t dear = 1;

struct asking_stack : whole_stack {
  /// None pays the higher fee because the cheap one is late.
  asking_stack() : whole_stack(variables{{"ASK_FIRST", "true"}, {"CHEAPEST_PATIENCE", "60s"}}) {}

  /// By somebody at the dearer processor, before repasse was asked to.
  std::string charge(std::size_t number, std::string_view requested_at) const {
    std::string body = payment_body(number);
    body.back() = ',';
    body += R"("requestedAt":")" + std::string(requested_at) + R"("})";
    http_caller processor = stack.simulators[dear].caller();
    BOOST_TEST(processor.call("POST", "/payments", body).status == 200U);
    return member(processor.call("GET", "/payments/" + id_of(number)).body, "requestedAt");
  }
  [[nodiscard]] bool has_taken(std::size_t processor, std::size_t number) const {
    return stack.simulators[processor].caller().call("GET", "/payments/" + id_of(number)).status == 200U;
  }
  void post(std::size_t number, std::string_view amount = "19.90") {
    BOOST_TEST(caller.call("POST", "/payments", payment_body(number, amount)).status == 202U);
  }
  std::string status_of(std::size_t number) { return member(get("/payments/" + id_of(number)), "status"); }
};

const std::string long_ago = "2025-07-15T12:34:56.789Z";

} // namespace

BOOST_FIXTURE_TEST_SUITE(ask_first, asking_stack)

BOOST_AUTO_TEST_CASE(says_at_its_start_that_it_asks_first) {
  BOOST_TEST(stack.server.log().find("ASK_FIRST is on") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_payment_that_nobody_has_goes_to_the_cheapest_processor) {
  BOOST_TEST(member(processed(1), "processor") == "default");
  BOOST_TEST(has_taken(cheap, 1));
  BOOST_TEST(!has_taken(dear, 1));
}

BOOST_AUTO_TEST_CASE(a_payment_that_one_has_is_booked_there_and_charged_nowhere_else) {
  const std::string taken_at = charge(1, long_ago);
  const std::string shown = processed(1);
  BOOST_TEST(member(shown, "processor") == "fallback");
  BOOST_TEST(member(shown, "requestedAt") == taken_at);
  BOOST_TEST(shown.ends_with(R"("attempts":0})"), shown);
  BOOST_TEST(!has_taken(cheap, 1));
  BOOST_TEST(get("/payments-summary?from=" + long_ago + "&to=" + long_ago)
                 .ends_with(R"("fallback":{"totalRequests":1,"totalAmount":19.90}})"));
}

BOOST_AUTO_TEST_CASE(a_payment_that_one_has_with_another_amount_is_rejected) {
  charge(1, long_ago);
  post(1, "19.91");
  for (int look = 0; look < 500 && status_of(1) != "rejected"; ++look)
    std::this_thread::sleep_for(20ms);
  BOOST_TEST(status_of(1) == "rejected");
  BOOST_TEST(!has_taken(cheap, 1));
  BOOST_TEST(get("/payments-summary") == empty_summary);
}

BOOST_AUTO_TEST_CASE(nothing_is_sent_before_a_dead_processor_is_back) {
  const std::uint16_t port = stack.simulators[dear].port();
  stack.simulators[dear].end(SIGKILL);
  for (std::size_t i = 0; i < 100; ++i)
    post(i);
  std::this_thread::sleep_for(1500ms);
  for (std::size_t i = 0; i < 100; ++i) {
    BOOST_TEST(status_of(i) == "accepted");
    BOOST_TEST(!has_taken(cheap, i));
  }
  const simulator_process revived({}, port);
  for (std::size_t i = 0; i < 100; ++i)
    BOOST_TEST(member(processed(i), "processor") == "default");
}

BOOST_AUTO_TEST_CASE(nothing_is_sent_before_a_silent_processor_has_spoken) {
  charge(1, long_ago);
  stack.simulators[dear].signal(SIGSTOP);
  post(1);
  post(2);
  std::this_thread::sleep_for(2500ms); // longer than one question may take
  BOOST_TEST(status_of(1) == "accepted");
  BOOST_TEST(!has_taken(cheap, 1));
  BOOST_TEST(!has_taken(cheap, 2));
  stack.simulators[dear].signal(SIGCONT);
  BOOST_TEST(member(processed(1), "processor") == "fallback");
  processed(2);
  BOOST_TEST(!has_taken(cheap, 1));
}

BOOST_AUTO_TEST_CASE(the_books_agree_after_a_load) {
  stack.post(2000, 8);
  BOOST_TEST(stack.acknowledged() == 2000U);
  const audit_report report = stack.audit();
  BOOST_TEST(report.ok(), report.to_text());
  BOOST_TEST(report.processed == 2000U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
