// A client of the whole stack, who posts payments and reads what has become of them.
#pragma once

#include "storage/payment.hpp"
#include "test/comes.hpp"
#include "test/end_to_end/requests.hpp"
#include "test/end_to_end/server_stack.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <string>
#include <string_view>

namespace repasse {

/// A client of one repasse, by one connection.
struct payer {
  std::string get(const std::string& target, unsigned status = 200) {
    const http_reply answer = caller.call("GET", target);
    BOOST_TEST(answer.status == status,
               target << " is answered with " << answer.status << " " << answer.body);
    return answer.body;
  }

  /// Posts one and returns it as it is shown once it is processed.
  std::string processed(std::size_t number, std::string_view amount = "19.90") {
    BOOST_TEST(caller.call("POST", "/payments", requests::payment_body(number, amount)).status == 202U);
    std::string shown;
    const auto is_processed = [&] {
      shown = caller.call("GET", "/payments/" + requests::id_of(number)).body;
      return requests::member(shown, "status") == "processed";
    };
    BOOST_TEST(comes(is_processed, std::chrono::seconds(60)), shown);
    return shown;
  }

  http_caller caller;
};

struct running_stack {
  server_stack stack;
};

/// The whole stack and a payer at it, for a case.
struct whole_stack : running_stack, payer {
  explicit whole_stack(const variables& settings = {})
      : running_stack{server_stack(settings)}, payer{stack.server.caller()} {}
};

/// A time of a payment as it is shown.
inline wall_time time_in(const std::string& shown, std::string_view name) {
  const auto time = parse_time(requests::member(shown, name), rounding::down);
  BOOST_REQUIRE(time.has_value());
  return *time;
}

/// Without any payment, and with one by default.
inline const std::string empty_summary = R"({"default":{"totalRequests":0,"totalAmount":0.00},)"
                                         R"("fallback":{"totalRequests":0,"totalAmount":0.00}})";
inline const std::string summary_of_one = R"({"default":{"totalRequests":1,"totalAmount":19.90},)"
                                          R"("fallback":{"totalRequests":0,"totalAmount":0.00}})";

} // namespace repasse
