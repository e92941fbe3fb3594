// A repasse that is posted to and scraped, and what its metrics are compared with.
#pragma once

#include "storage/histogram.hpp"
#include "test/comes.hpp"
#include "test/end_to_end/payer.hpp"
#include "test/end_to_end/scraped_metrics.hpp"

#include <boost/json/parse.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <cmath>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace repasse {

inline std::string amount_of(std::size_t number) { return std::to_string(1 + number % 90) + ".25"; }

/// A repasse of two reactors with its processors, and its clients, who note how they are answered.
struct observed_house {
  explicit observed_house(variables settings) : stack(completed(std::move(settings))) {}

  static variables completed(variables settings) {
    settings.try_emplace("REACTORS", "2");
    settings.try_emplace("PROCESSOR_FALLBACK_FEE", "0.05"); // as the simulators have it
    return settings;
  }

  /// `count` posts from 4 clients, of consecutive payments from `first` on; with another amount than usual
  /// they are conflicts.
  void post(std::size_t first, std::size_t count, bool other_amount = false) {
    std::atomic<std::size_t> next = first;
    std::vector<std::jthread> clients;
    for (int i = 0; i < 4; ++i)
      clients.emplace_back([&] {
        http_caller caller = stack.server.caller();
        for (std::size_t at = next++; at < first + count; at = next++)
          tell(caller.call("POST", "/payments",
                           requests::payment_body(at, amount_of(at + (other_amount ? 1 : 0)))));
      });
  }

  void tell(const http_reply& answer) {
    if (answer.status == 202U)
      ++(answer.header("Idempotent-Replayed") == "true" ? replayed : accepted);
    else
      ++(answer.status == 409U ? conflicts : answer.status == 503U ? refused : others);
  }

  /// With both reactors in it: of one that is late by a second a scrape has what it said before.
  [[nodiscard]] scraped_metrics scrape() const {
    http_caller caller = stack.server.caller();
    scraped_metrics told = scraped_metrics::of(caller);
    for (int again = 0; again < 20 && told.sum("repasse_reactor_up") != 2; ++again)
      told = scraped_metrics::of(caller);
    return told;
  }

  [[nodiscard]] bool settles() const {
    return comes([&] { return scrape()["repasse_payments_held"] == 0; }, std::chrono::seconds(60));
  }

  server_stack stack;
  std::atomic<std::size_t> accepted = 0;
  std::atomic<std::size_t> replayed = 0;
  std::atomic<std::size_t> conflicts = 0;
  std::atomic<std::size_t> refused = 0;
  std::atomic<std::size_t> others = 0;
};

/// What the rows say: `processedAt` less `acceptedAt` of each.
inline duration_histogram ends_of_rows(http_caller& caller, std::size_t& rows) {
  duration_histogram ends;
  std::string cursor;
  do {
    const http_reply answer = caller.call("GET", "/payments?status=processed&limit=1000" + cursor);
    BOOST_REQUIRE(answer.status == 200U);
    const boost::json::value page = boost::json::parse(answer.body);
    for (const boost::json::value& row : page.at("payments").as_array()) {
      const auto time = [&](const char* name) {
        return *parse_time(std::string_view{row.at(name).as_string()}, rounding::down);
      };
      ends.observe(time("processedAt") - time("acceptedAt"));
      ++rows;
    }
    const boost::json::value& next = page.at("next");
    cursor = next.is_null() ? "" : "&cursor=" + std::string(next.as_string());
  } while (!cursor.empty());
  return ends;
}

inline void compare_posts(const observed_house& house, const scraped_metrics& told) {
  const auto posted = [&](const std::string& outcome) {
    return told["repasse_payments_posted_total{outcome=\"" + outcome + "\"}"];
  };
  BOOST_TEST(posted("accepted") + posted("taken_in") == double(house.accepted));
  BOOST_TEST(posted("replayed") == double(house.replayed));
  BOOST_TEST(posted("conflict") == double(house.conflicts));
  BOOST_TEST(posted("refused") == double(house.refused));
  BOOST_TEST(house.others == 0U);
  const auto answered = [&](const std::string& code) {
    return told["repasse_http_requests_total{endpoint=\"post_payment\",code=\"" + code + "\"}"];
  };
  BOOST_TEST(answered("202") == double(house.accepted + house.replayed));
  BOOST_TEST(answered("409") == double(house.conflicts));
  BOOST_TEST(answered("503") == double(house.refused));
  const double taken = double(house.accepted + house.replayed + house.conflicts);
  BOOST_TEST(told["repasse_accept_duration_seconds_count"] == taken);
}

inline void compare_rows(const observed_house& house, const scraped_metrics& told) {
  http_caller caller = house.stack.server.caller();
  std::size_t rows = 0;
  const duration_histogram ends = ends_of_rows(caller, rows);
  BOOST_TEST(rows == house.accepted);
  const std::string name = "repasse_end_to_end_duration_seconds";
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < duration_histogram::bounded; ++i) {
    std::ostringstream bound;
    bound << static_cast<double>(duration_scale::bounds[i]) * duration_scale::unit;
    below += ends.count_in(i);
    BOOST_TEST(told[name + "_bucket{le=\"" + bound.str() + "\"}"] == double(below), bound.str());
  }
  BOOST_TEST(told[name + "_bucket{le=\"+Inf\"}"] == double(rows));
  BOOST_TEST(told[name + "_count"] == double(rows));
  BOOST_TEST(std::abs(told[name + "_sum"] - static_cast<double>(ends.sum()) * 1e-9) < 1e-6);
}

} // namespace repasse
