// Every request but `POST /payments`: summaries, payments, pages, health. By CONTRACT section 2.
// One per reactor; coroutines, since nothing here is on the path of a payment.
#pragma once

#include "server/config.hpp"
#include "server/http_response.hpp"
#include "server/http_session.hpp"
#include "server/http_target.hpp"
#include "server/reactors.hpp"
#include "storage/cached_ledger.hpp"
#include "storage/intake.hpp"
#include "storage/totals_copy.hpp"

#include <optional>
#include <string>
#include <vector>

namespace repasse {

class endpoints {
public:
  /// What Redis keeps; null where it does not.
  struct copies {
    cached_ledger* payments = nullptr; ///< is then the ledger
    totals_copy* totals = nullptr;
    intake* taken_in = nullptr;
  };
  endpoints(clock& time, ledger& books, copies kept, const config& settings, reactors& all);

  task<http_response> answer(endpoint_request request);

private:
  using query = query_parameters;
  using handler = task<http_response> (endpoints::*)(const endpoint_request& request,
                                                     const query& parameters);
  struct route {
    std::string_view method;
    std::string_view path;
    handler call;
  };
  static const std::vector<route>& routes();

  task<http_response> summary(const endpoint_request& request, const query& parameters);
  task<http_response> payments(const endpoint_request& request, const query& parameters);
  task<http_response> payment(std::string id);
  task<http_response> purge(const endpoint_request& request, const query& parameters);
  task<http_response> processors(const endpoint_request& request, const query& parameters);
  task<http_response> alive(const endpoint_request& request, const query& parameters);
  task<http_response> readiness(const endpoint_request& request, const query& parameters);
  task<http_response> audit(const endpoint_request& request, const query& parameters);
  task<http_response> cache_stats(const endpoint_request& request, const query& parameters);
  task<http_response> invalidate_all(const endpoint_request& request, const query& parameters);
  task<http_response> invalidate(std::string id);
  task<http_response> copied_summary(time_window window);
  task<std::optional<http_response>> admin_refusal(const endpoint_request& request);
  task<bool> is_admin(const endpoint_request& request);

  clock& clock_;
  ledger& ledger_;
  copies copies_;
  const config& settings_;
  std::vector<std::string> names_; ///< of the processors, in order
  reactors& all_;
};

} // namespace repasse
