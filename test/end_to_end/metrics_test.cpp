// What /metrics says against what is true: after a load with slow, failing and silent processors, duplicates
// and conflicts, every counter is what clients, books and processors say, every histogram of payments what
// their rows say, to the bucket.
#define BOOST_TEST_MODULE metrics
#include "test/end_to_end/observed_house.hpp"
#include "test/integration/postgres_server.hpp"

#include <boost/json/parse.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// With somebody who scrapes all the while.
struct scraped_house : observed_house {
  using observed_house::observed_house;

  /// Every stage of the load; takes 33 s, for calls that nobody answers in 30 s.
  void live() {
    std::atomic<bool> is_over = false;
    std::jthread scraper([&] {
      std::optional<scraped_metrics> before;
      while (!is_over) {
        scraped_metrics now = scrape();
        if (before)
          for (const std::string& name : now.gone_back_since(*before))
            gone_back.push_back(name);
        before = std::move(now);
        std::this_thread::sleep_for(100ms);
      }
    });
    stack.configure("delay", R"({"delay":20})");
    post(0, 400);
    stack.configure_one(0, "failure", R"({"failure":true})");
    post(400, 300);
    stack.configure_one(0, "failure", R"({"failure":false})");
    std::this_thread::sleep_for(300ms);
    stack.configure("delay", R"({"delay":31000})");
    post(700, 40);
    post(0, 150);        // duplicates
    post(150, 60, true); // conflicts
    std::this_thread::sleep_for(2s);
    stack.configure("delay", R"({"delay":0})");
    post(740, 200);
    has_settled = settles();
    is_over = true;
  }

  std::vector<std::string> gone_back;
  bool has_settled = false;
};

void compare_settled(const observed_house& house, const scraped_metrics& told) {
  http_caller caller = house.stack.server.caller();
  const boost::json::value summary = boost::json::parse(caller.call("GET", "/payments-summary").body);
  double settled = 0;
  for (std::size_t p = 0; p < 2; ++p) {
    const std::string name = server_stack::names[p];
    http_caller processor = house.stack.simulators[p].caller();
    const boost::json::value theirs = boost::json::parse(
        processor.call("GET", "/admin/payments-summary", "", {{"X-Rinha-Token", "123"}}).body);
    const auto counted = [&](const std::string& metric) {
      return told[metric + "{processor=\"" + name + "\"}"];
    };
    const auto cents = [](const boost::json::value& amount) {
      return std::round(amount.to_number<double>() * 100);
    };
    BOOST_TEST(counted("repasse_payments_settled_total") ==
               summary.at(name).at("totalRequests").to_number<double>());
    BOOST_TEST(counted("repasse_payments_settled_total") == theirs.at("totalRequests").to_number<double>());
    BOOST_TEST(counted("repasse_settled_amount_cents_total") == cents(summary.at(name).at("totalAmount")));
    BOOST_TEST(counted("repasse_settled_amount_cents_total") == cents(theirs.at("totalAmount")));
    BOOST_TEST(std::abs(counted("repasse_settled_fees_cents_total") -
                        theirs.at("totalFee").to_number<double>() * 100) < 1.0);
    const std::string of_it = "processor=\"" + name + "\"";
    BOOST_TEST(counted("repasse_charge_duration_seconds_count") == told.sum("repasse_sends_total", of_it));
    settled += counted("repasse_payments_settled_total");
  }
  BOOST_TEST(settled == double(house.accepted));
  BOOST_TEST(told["repasse_ledger_batch_payments_sum{call=\"settle\"}"] == settled);
  BOOST_TEST(told["repasse_payments_rejected_total"] == 0);
}

/// The load was what it was meant to be.
void look_at_load(const observed_house& house, const scraped_metrics& told) {
  BOOST_TEST(house.accepted == 940U);
  BOOST_TEST(house.replayed == 150U);
  BOOST_TEST(house.conflicts == 60U);
  BOOST_TEST(told.sum("repasse_sends_total", "evidence=\"failed_missing\"") > 0);
  BOOST_TEST(told.sum("repasse_sends_total", "evidence=\"timed_out\"") > 0);
  BOOST_TEST(told["repasse_payments_doubts_total"] > 0);
  BOOST_TEST(told.sum("repasse_breaker_changes_total", "to=\"open\"") > 0);
}

void compare(const scraped_house& house) {
  BOOST_TEST(house.has_settled);
  BOOST_TEST(house.gone_back.empty(), (house.gone_back.empty() ? "" : house.gone_back.front()));
  const scraped_metrics told = house.scrape();
  look_at_load(house, told);
  compare_posts(house, told);
  compare_settled(house, told);
  compare_rows(house, told);
  BOOST_TEST(told["repasse_payments_posted_total{outcome=\"taken_in\"}"] == 0);
  BOOST_TEST(told["repasse_ledger_batch_payments_sum{call=\"append\"}"] ==
             told["repasse_accept_duration_seconds_count"]);
  for (const char* none : {"repasse_payments_held", "repasse_payments_waiting", "repasse_payments_in_doubt",
                           "repasse_oldest_waiting_seconds", "repasse_oldest_in_doubt_seconds"})
    BOOST_TEST(told[none] == 0, none);
  BOOST_TEST(promtool_findings(told.text()) == "");
  const double scrapes = told["repasse_scrape_duration_seconds_count"];
  BOOST_TEST_MESSAGE("CPU of a scrape: " << 1e3 * told["repasse_scrape_duration_seconds_sum"] / scrapes
                                         << " ms");
}

} // namespace

BOOST_AUTO_TEST_CASE(every_counter_is_what_clients_books_and_processors_say) {
  const postgres_server database;
  scraped_house in_memory{{}};
  scraped_house in_postgres{{{"DATABASE_URL", database.url()}}};
  BOOST_REQUIRE(
      comes([&] { return in_postgres.stack.server.caller().call("GET", "/readyz").status == 200U; }));
  {
    const std::jthread one([&] { in_memory.live(); });
    const std::jthread other([&] { in_postgres.live(); });
  }
  BOOST_TEST_CONTEXT("payments in memory") { compare(in_memory); }
  BOOST_TEST_CONTEXT("payments in PostgreSQL") {
    compare(in_postgres);
    const scraped_metrics told = in_postgres.scrape();
    BOOST_TEST(told["repasse_ledger_up{kind=\"postgresql\"}"] == 1);
    BOOST_TEST(told.sum("repasse_database_connections{") == 6);
    BOOST_TEST(told["repasse_database_connections_max"] == 25);
  }
}

BOOST_AUTO_TEST_CASE(refusals_are_counted_by_their_reason) {
  observed_house house{{{"PROCESSOR_DEFAULT_URL", "http://127.0.0.1:1"},
                        {"PROCESSOR_FALLBACK_URL", "http://127.0.0.1:1"},
                        {"MAX_BACKLOG", "20"}}};
  house.post(0, 60);
  BOOST_TEST(house.refused > 0U);
  const scraped_metrics told = house.scrape();
  compare_posts(house, told);
  BOOST_TEST(told["repasse_payments_refused_total{reason=\"backlog\"}"] == double(house.refused));
  BOOST_TEST(told["repasse_payments_held"] == double(house.accepted));
  BOOST_TEST(told["repasse_backlog_max"] == 20);
  BOOST_TEST(comes([&] { return house.scrape()["repasse_oldest_waiting_seconds"] > 0; }));
}

BOOST_AUTO_TEST_CASE(a_scrape_is_plain_text_and_tells_what_the_system_says) {
  server_process server{{{"REACTORS", "2"}}};
  http_caller caller = server.caller();
  http_reply answer;
  int scrapes = 0;
  const auto has_both_reactors = [&] { // one that is late by a second is left out
    answer = caller.call("GET", "/metrics");
    ++scrapes;
    return scraped_metrics(answer.body).sum("repasse_reactor_up") == 2;
  };
  BOOST_TEST(comes(has_both_reactors));
  BOOST_TEST(answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
  const scraped_metrics told(answer.body);
  BOOST_TEST(told["repasse_reactor_up{reactor=\"1\"}"] == 1);
  BOOST_TEST(std::abs(told["process_resident_memory_bytes"] - 1024.0 * double(server.resident_kib())) < 4e6);
  BOOST_TEST(told.sum("repasse_build_info{version=\"") == 1);
  const auto now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  BOOST_TEST(std::abs(told["process_start_time_seconds"] - now) < 60);
  caller.call("GET", "/nowhere");
  caller.call("GET", "/payments/nonsense");
  caller.call("PUT", "/payments?limit=3");
  caller.call("GET", "http://repasse/payments-summary?from=x");
  caller.call("POST", "/admin/whatever/there/is");
  BOOST_TEST(comes(has_both_reactors));
  const scraped_metrics later(answer.body);
  BOOST_TEST(later["repasse_http_requests_total{endpoint=\"other\",code=\"404\"}"] == 1);
  BOOST_TEST(later["repasse_http_requests_total{endpoint=\"payment\",code=\"404\"}"] == 1);
  BOOST_TEST(later["repasse_http_requests_total{endpoint=\"payments\",code=\"405\"}"] == 1);
  BOOST_TEST(later["repasse_http_requests_total{endpoint=\"summary\",code=\"422\"}"] == 1);
  BOOST_TEST(later["repasse_http_requests_total{endpoint=\"admin\",code=\"404\"}"] == 1);
  BOOST_TEST(later["repasse_http_requests_total{endpoint=\"metrics\",code=\"200\"}"] == scrapes - 1);
  BOOST_TEST(later["repasse_http_connections"] == 1);
}

} // namespace repasse
