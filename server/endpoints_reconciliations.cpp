// The endpoints of reconciliation, behind X-Admin-Token; endpoints.cpp has looked at it.
#include "server/endpoints.hpp"
#include "server/http_parser.hpp"
#include "server/parameters.hpp"
#include "server/reconciliation_json.hpp"
#include "server/resolution_json.hpp"

namespace repasse {
namespace {

/// Each with its findings.
constexpr std::size_t runs_a_page_max = 100;
constexpr std::size_t runs_a_page = 20;

} // namespace

task<http_response> endpoints::compare_now(const question&) {
  const reconciler::begun how = co_await reconciler_.begin();
  http_response response;
  switch (how) {
  case reconciler::begun::yes:
    response.status = 202;
    response.body = R"({"message":"Reconciliation has begun."})";
    co_return response;
  case reconciler::begun::under_way:
    co_return problem(409, "a reconciliation is under way");
  case reconciler::begun::unavailable:
    break;
  }
  co_return unavailable();
}

task<http_response> endpoints::compared(const question& to) {
  std::size_t limit = runs_a_page;
  wrong_parameter wrong;
  if (!read_limit(to.parameters, limit, wrong)) co_return refused(wrong);
  if (limit > runs_a_page_max) co_return refused({"limit", "a number from 1 to 100"});
  std::optional<std::int64_t> before = INT64_MAX;
  const std::string_view cursor = to.parameters.find("cursor").value_or("");
  if (!cursor.empty()) before = parse_number(cursor);
  if (!before) co_return refused({"cursor", "what an earlier answer has given as next"});
  auto runs = co_await reconciler_.store().read_runs(*before, limit + 1);
  if (!runs) co_return unavailable();
  std::optional<std::int64_t> next;
  if (runs->size() > limit) {
    runs->pop_back();
    next = runs->back().id;
  }
  http_response response;
  write_runs(response.body, *runs, names_, next);
  co_return response;
}

task<http_response> endpoints::explain(const question& to) {
  if (!is_json(to.request.content_type)) co_return problem(415, "Content-Type must be application/json");
  const std::optional<std::int64_t> id = parse_number(to.id);
  if (!id) co_return problem(404, "no such finding: its id is a number");
  std::string reason;
  json_refusal refusal;
  if (!parse_explanation(to.request.body, reason, refusal)) co_return problem(refusal.status, refusal.detail);
  const explanation came = co_await reconciler_.store().explain(*id, std::move(reason));
  http_response response;
  switch (came.what) {
  case explanation::verdict::done:
    write_finding(response.body, came.finding);
    co_return response;
  case explanation::verdict::no_such_finding:
    co_return problem(404, "no such finding");
  case explanation::verdict::not_open:
    co_return problem(409, "the finding is not open");
  case explanation::verdict::unavailable:
    break;
  }
  co_return unavailable();
}

} // namespace repasse
