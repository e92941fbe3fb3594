// What clients read of payments: windows of the summary to the millisecond in every form of time, pages that
// show each payment once.
#define BOOST_TEST_MODULE reads
#include "test/end_to_end/payer.hpp"

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

/// The ids of a page, in its order.
std::vector<std::string> ids_in(std::string_view page) {
  constexpr std::string_view before = R"({"correlationId":")";
  std::vector<std::string> ids;
  for (auto at = page.find(before); at != page.npos; at = page.find(before, at + 1))
    ids.emplace_back(page.substr(at + before.size(), 36));
  return ids;
}

} // namespace

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

} // namespace repasse
