// Payments through the real repasse and two real simulators, as clients and operators see them: settled,
// summed, listed, purged.
#define BOOST_TEST_MODULE payments
#include "storage/payment.hpp"
#include "test/end_to_end/requests.hpp"
#include "test/end_to_end/server_stack.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace repasse {
namespace {

using namespace requests;
using namespace std::chrono_literals;

const std::string admin_token = "an-admin-token-of-32-characters!";

/// A client of one repasse.
struct client {
  std::string get(const std::string& target, unsigned status = 200) {
    const http_answer answer = caller.call("GET", target);
    BOOST_TEST(answer.status == status,
               target << " is answered with " << answer.status << " " << answer.body);
    return answer.body;
  }

  /// Posts one and returns it as it is shown once it is processed.
  std::string processed(std::size_t number, std::string_view amount = "19.90") {
    BOOST_TEST(caller.call("POST", "/payments", payment_body(number, amount)).status == 202U);
    std::string shown;
    for (int look = 0; look < 500; ++look) {
      shown = get("/payments/" + id_of(number));
      if (member(shown, "status") == "processed") break;
      std::this_thread::sleep_for(20ms);
    }
    BOOST_TEST(member(shown, "status") == "processed");
    return shown;
  }

  http_caller caller;
};

struct running_stack {
  server_stack stack;
};

/// The whole stack and a client of it, for a case.
struct whole_stack : running_stack, client {
  explicit whole_stack(const variables& settings = {})
      : running_stack{server_stack(settings)}, client{stack.server.caller()} {}
};

struct purgeable_stack : whole_stack {
  purgeable_stack() : whole_stack(variables{{"ALLOW_PURGE", "true"}}) {}
};

struct administered_stack : whole_stack {
  administered_stack() : whole_stack(variables{{"ADMIN_TOKEN", admin_token}}) {}
};

const std::string empty_summary = R"({"default":{"totalRequests":0,"totalAmount":0.00},)"
                                  R"("fallback":{"totalRequests":0,"totalAmount":0.00}})";
const std::string summary_of_one = R"({"default":{"totalRequests":1,"totalAmount":19.90},)"
                                   R"("fallback":{"totalRequests":0,"totalAmount":0.00}})";

/// The ids of a page, in its order.
std::vector<std::string> ids_in(std::string_view page) {
  constexpr std::string_view before = R"({"correlationId":")";
  std::vector<std::string> ids;
  for (auto at = page.find(before); at != page.npos; at = page.find(before, at + 1))
    ids.emplace_back(page.substr(at + before.size(), 36));
  return ids;
}

wall_time time_in(const std::string& shown, std::string_view name) {
  const auto time = parse_time(member(shown, name), rounding::down);
  BOOST_REQUIRE(time.has_value());
  return *time;
}

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
  const http_answer taken = processor.call("GET", "/payments/" + id_of(1));
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
  client other{server.caller()};
  BOOST_TEST(member(other.processed(1), "processor") == "cheap");
  BOOST_TEST(other.get("/payments-summary") == R"({"dear":{"totalRequests":0,"totalAmount":0.00},)"
                                               R"("mid":{"totalRequests":0,"totalAmount":0.00},)"
                                               R"("cheap":{"totalRequests":1,"totalAmount":19.90}})");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(summaries, whole_stack)

BOOST_AUTO_TEST_CASE(the_window_is_inclusive_and_to_the_millisecond) {
  BOOST_TEST(get("/payments-summary") == empty_summary);
  const wall_time at = time_in(processed(1), "requestedAt");
  const auto summary = [this](wall_time from, wall_time to) {
    return get("/payments-summary?from=" + to_string(from) + "&to=" + to_string(to));
  };
  BOOST_TEST(summary(at, at) == summary_of_one);
  BOOST_TEST(summary(at - 1h, at) == summary_of_one);
  BOOST_TEST(summary(at + 1ms, at + 1h) == empty_summary);
  BOOST_TEST(summary(at - 1h, at - 1ms) == empty_summary);
  BOOST_TEST(summary(at + 1ms, at - 1ms) == empty_summary);
  BOOST_TEST(get("/payments-summary?from=" + to_string(at)) == summary_of_one);
  BOOST_TEST(get("/payments-summary?from=" + to_string(at + 1ms)) == empty_summary);
  BOOST_TEST(get("/payments-summary?to=" + to_string(at)) == summary_of_one);
  BOOST_TEST(get("/payments-summary?to=" + to_string(at - 1ms)) == empty_summary);
  BOOST_TEST(get("/payments-summary?from=&to=") == summary_of_one);
}

BOOST_AUTO_TEST_CASE(times_come_with_any_zone_and_any_fraction) {
  const wall_time at = time_in(processed(1), "requestedAt");
  const auto local = [](wall_time time) { return to_string(time).substr(0, 23); };
  for (const std::string& same :
       {local(at), local(at) + "Z", local(at) + "000000Z", local(at) + "+00:00", local(at + 2h) + "+02:00",
        local(at + 2h) + "%2B02:00", local(at - 3h) + "-0300", local(at - 3h) + "-03"}) {
    BOOST_TEST(get("/payments-summary?from=" + same + "&to=" + same) == summary_of_one, same);
  }
  // `from` is rounded up, `to` down.
  BOOST_TEST(get("/payments-summary?from=" + local(at - 1ms) + "000001Z") == summary_of_one);
  BOOST_TEST(get("/payments-summary?from=" + local(at) + "000001Z") == empty_summary);
  BOOST_TEST(get("/payments-summary?to=" + local(at) + "999999Z") == summary_of_one);
  BOOST_TEST(get("/payments-summary?to=" + local(at - 1ms) + "999999Z") == empty_summary);
  const std::string second = to_string(at).substr(0, 19);
  BOOST_TEST(get("/payments-summary?from=" + second) == summary_of_one);
  BOOST_TEST(get("/payments-summary?from=" + second + ".0Z&to=" + second + ".999999999Z") == summary_of_one);
}

BOOST_AUTO_TEST_CASE(a_wrong_time_is_refused_by_name) {
  for (const std::string_view name : {"from", "to"})
    for (const std::string_view time : {"yesterday", "2025-02-30T00:00:00Z", "2025-07-15T24:00:01Z",
                                        "2025-07-15T12:00:00.0000000001Z", "2025-07-15T12:00:00+2Z", "1"})
      for (const std::string_view path : {"/payments-summary?", "/payments?"}) {
        const std::string target = std::string(path) + std::string(name) + "=" + std::string(time);
        BOOST_TEST_CONTEXT(target)
        BOOST_TEST(detail_of(caller.call("GET", target), 422).starts_with(name));
      }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(pages, whole_stack)

BOOST_AUTO_TEST_CASE(pages_show_every_payment_once_newest_first) {
  for (std::size_t i = 0; i < 25; ++i)
    BOOST_TEST(caller.call("POST", "/payments", payment_body(i)).status == 202U);
  std::vector<std::string> ids;
  std::vector<std::size_t> sizes;
  std::string cursor;
  do {
    const std::string page = get("/payments?limit=10&cursor=" + cursor);
    const std::vector<std::string> found = ids_in(page);
    sizes.push_back(found.size());
    ids.insert(ids.end(), found.begin(), found.end());
    cursor = member(page, "next");
    BOOST_TEST(page.ends_with(R"(,"next":null})") == cursor.empty());
  } while (!cursor.empty() && sizes.size() < 5);
  BOOST_TEST(sizes == (std::vector<std::size_t>{10, 10, 5}), boost::test_tools::per_element());
  BOOST_TEST(std::set<std::string>(ids.begin(), ids.end()).size() == 25U);
  BOOST_TEST(ids == ids_in(get("/payments")), boost::test_tools::per_element());
  wall_time newer = wall_time::max();
  for (const std::string& id : ids) {
    const wall_time accepted = time_in(get("/payments/" + id), "acceptedAt");
    BOOST_TEST((accepted <= newer));
    newer = accepted;
  }
}

BOOST_AUTO_TEST_CASE(pages_are_filtered) {
  processed(1);
  stack.configure("failure", R"({"failure":true})");
  std::this_thread::sleep_for(5ms);
  BOOST_TEST(caller.call("POST", "/payments", payment_body(2)).status == 202U);
  const auto ids = [this](const std::string& filter) { return ids_in(get("/payments?" + filter)); };
  BOOST_TEST(ids("").size() == 2U);
  BOOST_TEST(ids("status=processed") == std::vector{id_of(1)}, boost::test_tools::per_element());
  BOOST_TEST(ids("status=processed&processor=default").size() == 1U);
  BOOST_TEST(ids("status=processed&processor=fallback").empty());
  BOOST_TEST(ids("status=rejected").empty());
  const std::string accepted = member(get("/payments/" + id_of(2)), "acceptedAt");
  BOOST_TEST(ids("from=" + accepted) == std::vector{id_of(2)}, boost::test_tools::per_element());
  BOOST_TEST(ids("to=" + accepted).size() == 2U);
  BOOST_TEST(ids("from=" + accepted + "&to=" + accepted).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_wrong_parameter_is_refused_by_name) {
  for (const std::string& parameter :
       {std::string("limit=0"), std::string("limit=1001"), std::string("limit=-1"), std::string("limit=ten"),
        std::string("limit=1.0"), std::string("status=done"), std::string("status=Processed"),
        std::string("processor=nobody"), std::string("cursor=x"), "cursor=" + std::string(48, 'g')}) {
    const std::string detail = detail_of(caller.call("GET", "/payments?" + parameter), 422);
    BOOST_TEST(detail.starts_with(parameter.substr(0, parameter.find('='))), parameter << ": " << detail);
  }
  BOOST_TEST(get("/payments?limit=1000") == R"({"payments":[],"next":null})");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(purging, purgeable_stack)

BOOST_AUTO_TEST_CASE(purging_leaves_nothing_and_repasse_goes_on) {
  processed(1);
  const http_answer answer = caller.call("POST", "/purge-payments");
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
  BOOST_TEST((time_of(admin_token, 404) < 500ms));
  BOOST_TEST(caller.call("GET", "/admin/nothing").status == 401U);
}

BOOST_AUTO_TEST_CASE(without_a_token_there_is_no_administration) {
  const server_process server;
  http_caller other = server.caller();
  detail_of(other.call("GET", "/admin/audit", "", {{"X-Admin-Token", admin_token}}), 404);
  detail_of(other.call("POST", "/purge-payments", "", {{"X-Admin-Token", ""}}), 403);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(status, whole_stack)

BOOST_AUTO_TEST_CASE(processors_are_shown_with_all_that_is_known_of_them) {
  processed(1);
  std::string shown;
  for (int look = 0; look < 100 && shown.find(R"("minResponseTime")") == shown.npos; ++look) {
    shown = get("/processors");
    std::this_thread::sleep_for(50ms);
  }
  for (const std::string_view part :
       {R"("name":"default","fee":0.05,"breaker":"closed")", R"("name":"fallback","fee":0.15)",
        R"("health":{"failing":false,"minResponseTime":0,"when":")", R"("inFlight":0)", R"("p99Millis":)"})
    BOOST_TEST(shown.find(part) != shown.npos, part << " is not in " << shown);
}

BOOST_AUTO_TEST_CASE(readiness_has_a_line_for_each_dependency) {
  const std::string shown = get("/readyz");
  for (const std::string_view line : {"database:", "redis:", "processor default:", "processor fallback:"})
    BOOST_TEST(shown.find(line) != shown.npos, shown);
  BOOST_TEST(get("/healthz") == "ok\n");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
