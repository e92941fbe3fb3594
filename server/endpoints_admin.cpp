// The endpoints of an administrator, behind X-Admin-Token; endpoints.cpp has looked at it.
#include "server/endpoints.hpp"
#include "server/parameters.hpp"
#include "server/payment_json.hpp"
#include "server/reactor.hpp"
#include "server/status_pages.hpp"

namespace repasse {
namespace {

/// What an invalidation of all may take.
constexpr std::chrono::nanoseconds invalidate_limit = std::chrono::seconds{30};

http_response invalidated(std::optional<std::uint64_t> payments) {
  if (!payments) return unavailable("Redis does not answer");
  http_response response;
  response.body = "{\"invalidated\":" + std::to_string(*payments) + "}";
  return response;
}

} // namespace

task<http_response> endpoints::audit(const question& to) {
  const std::optional<std::string_view> text = to.parameters.find("correlationId");
  const std::optional<payment_id> id = parse_payment_id(text.value_or(""));
  if (!id) co_return refused({"correlationId", "the UUID of a payment"});
  const auto payment = co_await ledger_.find(*id);
  if (!payment) co_return unavailable();
  const auto entries = co_await ledger_.audit(*id);
  if (!entries) co_return unavailable();
  if (!*payment && entries->empty()) co_return problem(404, "no such payment");
  http_response response;
  write_audit(response.body, *id, *payment, *entries, names_);
  co_return response;
}

/// Also without the cache: whoever looks regularly is told so rather than left to guess why there is no such
/// path.
task<http_response> endpoints::cache_stats(const question&) {
  http_response response;
  if (copies_.payments == nullptr) {
    response.body = R"({"enabled":false})";
    co_return response;
  }
  auto look = [](reactor& one) -> task<reactor_report> { co_return one.report(); };
  const auto reports =
      co_await all_.gather<reactor_report>(clock_, clock_.now() + reactors::gather_limit, look);
  const auto content = co_await copies_.payments->read_content();
  response.body = cache_json(settings_, reports, content, clock_.now());
  co_return response;
}

task<http_response> endpoints::invalidate_all(const question&) {
  if (copies_.payments == nullptr) co_return problem(404, "there is no cache");
  const auto gone = co_await copies_.payments->invalidate_all(clock_.now() + invalidate_limit);
  co_return invalidated(gone);
}

task<http_response> endpoints::invalidate(const question& to) {
  if (copies_.payments == nullptr) co_return problem(404, "there is no cache");
  const std::optional<payment_id> wanted = parse_payment_id(to.id);
  if (!wanted) co_return problem(404, "no such payment: a correlationId is a UUID");
  const auto gone = co_await copies_.payments->invalidate(*wanted);
  co_return invalidated(gone);
}

} // namespace repasse
