// Payments through the real repasse and two real simulators, as clients and operators see them: settled,
// purged, administered. What is read of them is reads_test's.
#define BOOST_TEST_MODULE payments
#include "test/comes.hpp"
#include "test/end_to_end/payer.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <thread>

namespace repasse {
namespace {

using namespace requests;
using namespace std::chrono_literals;

const std::string admin_token = "an-admin-token-of-32-characters!";

struct purgeable_stack : whole_stack {
  purgeable_stack() : whole_stack(variables{{"ALLOW_PURGE", "true"}}) {}
};

struct administered_stack : whole_stack {
  administered_stack() : whole_stack(variables{{"ADMIN_TOKEN", admin_token}}) {}
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(settling, whole_stack)

BOOST_AUTO_TEST_CASE(a_payment_is_processed_by_the_cheapest_processor) {
  const auto begun = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const std::string shown = processed(1);
  BOOST_TEST(member(shown, "processor") == "default");
  BOOST_TEST(shown.ends_with(R"("attempts":1})"), shown);
  BOOST_TEST((begun <= time_in(shown, "acceptedAt")));
  BOOST_TEST((time_in(shown, "acceptedAt") <= time_in(shown, "requestedAt")));
  BOOST_TEST((time_in(shown, "requestedAt") <= time_in(shown, "processedAt")));
  http_caller processor = stack.simulators[0].caller();
  const http_reply taken = processor.call("GET", "/payments/" + id_of(1));
  BOOST_TEST(member(taken.body, "requestedAt") == member(shown, "requestedAt"));
  BOOST_TEST(get("/payments-summary") == summary_of_one);
}

BOOST_AUTO_TEST_CASE(the_books_agree_with_the_processors_after_a_load_with_failures) {
  stack.configure_one(0, "delay", R"({"delay":5})");
  stack.post(500, 8);
  stack.configure_one(0, "failure", R"({"failure":true})");
  stack.post(500, 8);
  stack.configure_one(0, "failure", R"({"failure":false})");
  stack.post(500, 8);
  BOOST_TEST(stack.acknowledged() == 1500U);
  const audit_report report = stack.audit();
  BOOST_TEST(report.ok(), report.to_text());
  BOOST_TEST(report.processed == 1500U);
}

BOOST_AUTO_TEST_CASE(takes_processors_of_any_names_and_fees_in_any_order) {
  const auto url = [this](std::size_t p) { return "http://" + address_of(stack.simulators[p].port()); };
  const server_process server{{{"PROCESSORS", "dear,mid,cheap"},
                               {"PROCESSOR_DEAR_URL", url(0)},
                               {"PROCESSOR_DEAR_FEE", "0.2"},
                               {"PROCESSOR_MID_URL", "http://127.0.0.1:1"},
                               {"PROCESSOR_MID_FEE", "0.02"},
                               {"PROCESSOR_CHEAP_URL", url(1)},
                               {"PROCESSOR_CHEAP_FEE", "0.01"}}};
  payer other{server.caller()};
  BOOST_TEST(member(other.processed(1), "processor") == "cheap");
  BOOST_TEST(other.get("/payments-summary") == R"({"dear":{"totalRequests":0,"totalAmount":0.00},)"
                                               R"("mid":{"totalRequests":0,"totalAmount":0.00},)"
                                               R"("cheap":{"totalRequests":1,"totalAmount":19.90}})");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(purging, purgeable_stack)

BOOST_AUTO_TEST_CASE(purging_leaves_nothing_and_repasse_goes_on) {
  processed(1);
  const http_reply answer = caller.call("POST", "/purge-payments");
  BOOST_TEST(answer.status == 200U);
  BOOST_TEST(answer.body == R"({"message":"All payments purged."})");
  BOOST_TEST(get("/payments-summary") == empty_summary);
  BOOST_TEST(get("/payments") == R"({"payments":[],"next":null})");
  get("/payments/" + id_of(1), 404);
  processed(2);
  BOOST_TEST(get("/payments-summary") == summary_of_one);
}

BOOST_AUTO_TEST_CASE(purging_under_load_harms_nothing_that_comes_after_it) {
  stack.configure("delay", R"({"delay":100})");
  stack.post(200, 8);
  BOOST_TEST(caller.call("POST", "/purge-payments").status == 200U);
  std::this_thread::sleep_for(500ms); // calls that were open may still land
  stack.configure("delay", R"({"delay":0})");
  BOOST_TEST(caller.call("POST", "/purge-payments").status == 200U);
  for (std::size_t i = 0; i < 20; ++i)
    processed(i);
  BOOST_TEST(get("/payments-summary").starts_with(R"({"default":{"totalRequests":20,)"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(administration, administered_stack)

BOOST_AUTO_TEST_CASE(purging_needs_the_token) {
  detail_of(caller.call("POST", "/purge-payments"), 403);
  detail_of(caller.call("POST", "/purge-payments", "", {{"X-Admin-Token", admin_token + "x"}}), 403);
  BOOST_TEST(caller.call("POST", "/purge-payments", "", {{"X-Admin-Token", admin_token}}).status == 200U);
}

BOOST_AUTO_TEST_CASE(a_wrong_token_is_slow_and_the_right_one_is_not) {
  const auto time_of = [this](const std::string& token, unsigned status) {
    const auto begun = std::chrono::steady_clock::now();
    detail_of(caller.call("GET", "/admin/nothing", "", {{"X-Admin-Token", token}}), status);
    return std::chrono::steady_clock::now() - begun;
  };
  BOOST_TEST((time_of("wrong", 401) >= 500ms));
  BOOST_TEST(comes([&] { return time_of(admin_token, 404) < 500ms; }));
  BOOST_TEST(caller.call("GET", "/admin/nothing").status == 401U);
}

BOOST_AUTO_TEST_CASE(the_audit_tells_the_life_of_a_payment) {
  const std::string payment = processed(1);
  const http_headers admin = {{"X-Admin-Token", admin_token}};
  const http_reply audit = caller.call("GET", "/admin/audit?correlationId=" + id_of(1), "", admin);
  BOOST_TEST(audit.status == 200U);
  BOOST_TEST(audit.header("Content-Type") == "application/json");
  const auto entry = [&payment](const char* time, const char* event, const char* detail) {
    return R"({"at":")" + member(payment, time) + R"(","event":")" + event + R"(","by":null,"detail":")" +
           detail + R"("})";
  };
  BOOST_TEST(audit.body == R"({"correlationId":")" + id_of(1) + R"(","entries":[)" +
                               entry("acceptedAt", "accepted", "19.90") + "," +
                               entry("requestedAt", "sent", "to default") + "," +
                               entry("processedAt", "settled", "taken by default, attempts: 1") + "]}");
}

BOOST_AUTO_TEST_CASE(the_audit_is_for_the_administrator_and_of_one_known_payment) {
  const http_headers admin = {{"X-Admin-Token", admin_token}};
  detail_of(caller.call("GET", "/admin/audit?correlationId=" + id_of(2), "", admin), 404);
  for (const char* query : {"", "?correlationId=", "?correlationId=2", "?id=2",
                            "?correlationId=4a7901b87d264d9daa19000000000002"})
    BOOST_TEST(detail_of(caller.call("GET", std::string("/admin/audit") + query, "", admin), 422)
                   .starts_with("correlationId must be"));
  const http_reply posted = caller.call("POST", "/admin/audit", "", admin);
  detail_of(posted, 405);
  BOOST_TEST(posted.header("Allow") == "GET, HEAD");
  for (const char* method : {"GET", "POST"})
    detail_of(caller.call(method, "/admin/audit?correlationId=" + id_of(2)), 401);
  detail_of(caller.call("GET", "/admin/audit?correlationId=2", "", {{"X-Admin-Token", admin_token + "x"}}),
            401);
}

BOOST_AUTO_TEST_CASE(without_a_token_there_is_no_administration) {
  const server_process server;
  http_caller other = server.caller();
  for (const char* method : {"GET", "POST"})
    detail_of(
        other.call(method, "/admin/audit?correlationId=" + id_of(1), "", {{"X-Admin-Token", admin_token}}),
        404);
  detail_of(other.call("POST", "/purge-payments", "", {{"X-Admin-Token", ""}}), 403);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(status, whole_stack)

BOOST_AUTO_TEST_CASE(processors_are_shown_with_all_that_is_known_of_them) {
  processed(1);
  std::string shown;
  BOOST_TEST(comes([&] {
    shown = get("/processors");
    return shown.find(R"("minResponseTime")") != shown.npos;
  }));
  for (const std::string_view part :
       {R"("name":"default","fee":0.05,"breaker":"closed")", R"("name":"fallback","fee":0.15)",
        R"("health":{"failing":false,"minResponseTime":0,"when":")", R"("inFlight":0)", R"("p99Millis":)"})
    BOOST_TEST(shown.find(part) != shown.npos, part << " is not in " << shown);
}

BOOST_AUTO_TEST_CASE(readiness_has_a_line_for_each_dependency) {
  BOOST_TEST(comes([&] { return caller.call("GET", "/readyz").status == 200U; }));
  const std::string shown = get("/readyz");
  for (const std::string_view line : {"database:", "redis:", "processor default:", "processor fallback:"})
    BOOST_TEST(shown.find(line) != shown.npos, shown);
  BOOST_TEST(get("/healthz") == "ok\n");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
