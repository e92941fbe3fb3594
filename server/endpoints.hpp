// Every request but `POST /payments`: summaries, payments, pages, health. By CONTRACT section 2.
// One per reactor; coroutines, since nothing here is on the path of a payment.
#pragma once

#include "server/config.hpp"
#include "server/http_response.hpp"
#include "server/http_session.hpp"
#include "server/http_target.hpp"
#include "server/metrics.hpp"
#include "server/overseer.hpp"
#include "server/reactors.hpp"
#include "server/reconciler.hpp"
#include "server/request_steps.hpp"
#include "server/token_bucket.hpp"
#include "storage/cached_ledger.hpp"
#include "storage/intake.hpp"
#include "storage/totals_copy.hpp"

#include <optional>
#include <string>
#include <vector>

namespace repasse {

class event_feed;

class endpoints {
public:
  /// What Redis keeps; null where it does not.
  struct copies {
    cached_ledger* payments = nullptr; ///< is then the ledger
    totals_copy* totals = nullptr;
    intake* taken_in = nullptr;
  };
  endpoints(clock& time, ledger& books, copies kept, overseer& hand, reconciler& comparing,
            const config& settings, reactors& all, const event_feed& feed);

  task<http_response> answer(endpoint_request request);
  [[nodiscard]] const duration_histogram& scrapes() const { return metrics_.scrapes(); }

  /// One request, for the handler of its path; valid until that has answered.
  struct question {
    const endpoint_request& request;
    const query_parameters& parameters;
    std::string_view id;   ///< what stands in place of the path's `{…}`
    std::string_view path; ///< decoded
    request_steps& steps;
  };
  using handler = task<http_response> (endpoints::*)(const question& to);
  struct route {
    std::string_view method;
    std::string_view path;
    endpoint_kind kind; ///< as it is counted
    handler call;       ///< null: the listener's
  };
  /// All that is answered, and what openapi.json describes.
  static const std::vector<route>& routes();
  /// Where a request leads.
  struct match {
    const route* to = nullptr;                 ///< null: that path does not know the method, or is none
    std::string_view id;                       ///< what stands in place of the path's `{…}`
    endpoint_kind kind = endpoint_kind::other; ///< of the path, whatever the method
  };
  [[nodiscard]] static match find_route(std::string_view method, std::string_view path);

private:
  static http_response no_route(std::string_view path);
  task<http_response> find_answer(const endpoint_request& request, const http_target& target, match found,
                                  request_steps& steps);
  void note(const endpoint_request& request, const request_steps& steps, int status);
  task<http_response> summary(const question& to);
  task<http_response> payments(const question& to);
  task<http_response> payment(const question& to);
  task<http_response> purge(const question& to);
  task<http_response> processors(const question& to);
  task<http_response> alive(const question& to);
  task<http_response> readiness(const question& to);
  task<http_response> metrics(const question& to);
  // Of a browser: endpoints_pages.cpp.
  task<http_response> file(const question& to);
  task<http_response> events(const question& to);
  // Of an administrator: endpoints_admin.cpp.
  task<http_response> audit(const question& to);
  task<http_response> cache_stats(const question& to);
  task<http_response> invalidate_all(const question& to);
  task<http_response> invalidate(const question& to);
  task<http_response> resolve(const question& to); // endpoints_doubt.cpp
  task<> wake(payment_id id);
  // Of an administrator: endpoints_reconciliations.cpp.
  task<http_response> compare_now(const question& to);
  task<http_response> compared(const question& to);
  task<http_response> explain(const question& to);
  task<http_response> copied_summary(time_window window);
  task<std::optional<http_response>> admin_refusal(const endpoint_request& request);
  task<bool> is_admin(const endpoint_request& request);

  clock& clock_;
  ledger& ledger_;
  copies copies_;
  overseer& overseer_;
  reconciler& reconciler_;
  const config& settings_;
  std::vector<std::string> names_; ///< of the processors, in order
  reactors& all_;
  const event_feed& feed_;
  metrics_page metrics_;
  token_bucket slow_lines_{1, 10};
};

} // namespace repasse
