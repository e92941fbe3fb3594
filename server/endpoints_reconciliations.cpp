// The endpoints of reconciliation, behind X-Admin-Token; endpoints.cpp has looked at it.
#include "server/endpoints.hpp"
#include "server/parameters.hpp"
#include "server/reconciliation_json.hpp"

#include <charconv>

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
  std::int64_t before = INT64_MAX;
  const std::string_view cursor = to.parameters.find("cursor").value_or("");
  if (!cursor.empty()) {
    const auto [end, error] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), before);
    if (error != std::errc{} || end != cursor.data() + cursor.size() || before < 1)
      co_return refused({"cursor", "what an earlier answer has given as next"});
  }
  auto runs = co_await reconciler_.store().read_runs(before, limit + 1);
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

} // namespace repasse
