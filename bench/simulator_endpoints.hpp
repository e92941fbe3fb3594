// The HTTP interface of a simulated processor: from a scanned request to an answer's bytes. What takes
// time (`POST /payments`, the health call) is handed to the simulated_processor, whose replies come later.
// Beside the calls of CONTRACT section 3 there is one, for tests, `PUT /admin/configurations/hostile`:
//   {"mode":"take-then-late","share":0.3,"millis":5000}   sets one mode beside the others, with
//   share 1 in place of them; names: hostility.hpp
//   {"health":{"failing":false,"minResponseTime":1}}      what the health call says from now on
//   {"mode":"none"}                                       ends all of it
// and `GET /admin/health-calls` → {"asked":7,"early":0}: health calls so far, and how many of them the limit
// held back or refused.
#pragma once

#include "bench/fee_rate.hpp"
#include "bench/flat_json.hpp"
#include "bench/http_scanner.hpp"
#include "bench/simulated_processor.hpp"

#include <string>
#include <string_view>

namespace repasse {

struct endpoints_config {
  fee_rate fee;
  bool requested_at_without_zone = false; ///< in the answer to `GET /payments/{id}`
};

class simulator_endpoints {
public:
  simulator_endpoints(endpoints_config config, simulated_processor& processor)
      : config_(config), processor_(processor) {}

  /// Appends the answer to `to`, or hands the request to the processor, which will reply to `caller`:
  /// then it returns false.
  bool handle(const scanned_request& request, caller_id caller, steady_time now, std::string& to);

  /// Appends the bytes that stand for the processor's verdict.
  void write(verdict what, bool keep_alive, std::string& to) const;

  /// Appends an answer whose body is a JSON object.
  static void write(unsigned status, std::string_view body, bool keep_alive, std::string& to);

private:
  struct response {
    unsigned status = 200;
    std::string body;
  };

  [[nodiscard]] bool post_payment(const scanned_request& request, caller_id caller, steady_time now,
                                  response& refusal);
  [[nodiscard]] response get_payment(std::string_view id) const;
  [[nodiscard]] response admin(const scanned_request& request, std::string_view path, std::string_view query);
  [[nodiscard]] response health_calls() const;
  [[nodiscard]] response summary(std::string_view query) const;
  [[nodiscard]] response configure(std::string_view name, std::string_view body);
  [[nodiscard]] response configure_hostile(const flat_json& members);

  endpoints_config config_;
  simulated_processor& processor_;
};

} // namespace repasse
