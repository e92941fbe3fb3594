// POST /admin/payments/{correlationId}/resolve: what an administrator does about a payment in doubt.
#include "server/endpoints.hpp"
#include "server/http_parser.hpp"
#include "server/reactor.hpp"
#include "server/resolution_json.hpp"

namespace repasse {
namespace {

std::string against(const oversight& seen) {
  if (seen.payment.status == payment_status::processed)
    return "the processor says that it has taken the payment: it is in the books now";
  if (seen.said == holding::verdict::other_amount)
    return "the processor has it with another amount: its owner rejects it";
  return "the processor says that it does not have the payment";
}

} // namespace

task<http_response> endpoints::resolve(const question& to) {
  if (!is_json(to.request.content_type)) co_return problem(415, "Content-Type must be application/json");
  const std::optional<payment_id> id = parse_payment_id(to.id);
  if (!id) co_return problem(404, "no such payment: a correlationId is a UUID");
  posted_resolution wanted;
  json_refusal refusal;
  if (!parse_resolution(to.request.body, clock_.wall(), wanted, refusal))
    co_return problem(refusal.status, refusal.detail);
  wanted.what.id = *id;
  oversight seen;
  if (wanted.declares)
    seen = co_await overseer_.declare(wanted.what);
  else
    seen = co_await overseer_.ask(*id);

  http_response response;
  switch (seen.what) {
  case oversight::verdict::unavailable:
    co_return unavailable();
  case oversight::verdict::no_such_payment:
    co_return problem(404, "no such payment");
  case oversight::verdict::is_final:
    co_return problem(409, "it is " + std::string{to_string(seen.payment.status)} + " already");
  case oversight::verdict::not_in_doubt:
    co_return problem(409,
                      "it is not in doubt: its status is " + std::string{to_string(seen.payment.status)});
  case oversight::verdict::may_be_known:
    co_return problem(
        409, "its processor is not configured here, and an instance that knew it was alive within the "
             "last minute");
  case oversight::verdict::against_word:
    co_await wake(*id);
    co_return problem(409, against(seen));
  case oversight::verdict::asked:
    co_await wake(*id);
    break;
  case oversight::verdict::noted:
    response.status = 202;
    break;
  case oversight::verdict::settled:
  case oversight::verdict::done:
    break;
  }
  write_oversight(response.body, seen, wanted, names_);
  co_return response;
}

/// In whichever reactor of this process it is in doubt.
task<> endpoints::wake(payment_id id) {
  auto look = [id](reactor& one) -> task<bool> {
    one.flow().look_at(id);
    co_return true;
  };
  co_await all_.gather<bool>(clock_, clock_.now() + reactors::gather_limit, look);
}

} // namespace repasse
