#include "test/unit/asked_processor.hpp"

#include "server/http_client.hpp"
#include "server/payment_json.hpp"
#include "storage/check.hpp"

namespace repasse {
namespace {

asked_processor* the_one = nullptr;

std::string_view between(std::string_view text, std::string_view begin, std::string_view end) {
  const std::size_t at = text.find(begin);
  REPASSE_CHECK(at != text.npos);
  text.remove_prefix(at + begin.size());
  return text.substr(0, text.find(end));
}

wall_time time_of(std::string_view text) {
  const auto time = parse_time(text, rounding::down);
  REPASSE_CHECK(time.has_value());
  return *time;
}

} // namespace

asked_processor::asked_processor() { the_one = this; }
asked_processor::~asked_processor() { the_one = nullptr; }

asked_processor& asked_processor::current() {
  REPASSE_CHECK(the_one != nullptr);
  return *the_one;
}

int asked_processor::answer(std::string_view request, std::string& body) {
  ++questions;
  if (before) before();
  if (request.starts_with("GET /admin/payments-summary?")) {
    const taken_totals sums =
        books.within(time_of(between(request, "from=", "&")), time_of(between(request, "to=", " ")));
    char amount[24];
    body = R"({"totalRequests":)" + std::to_string(sums.requests) + R"(,"totalAmount":)" +
           std::string(amount, write_amount(amount, sums.amount_cents)) + "}";
    return 200;
  }
  const auto id = parse_payment_id(between(request, "GET /payments/", " "));
  REPASSE_CHECK(id.has_value());
  const auto found = books.find(*id);
  if (!found) return 404;
  write_charge(body, *id, found->amount_cents, found->requested_at);
  return 200;
}

struct http_client::connection {};

struct http_client::state {
  connection any;
};

http_client::http_client(clock&, poller&, const config&) : state_(std::make_unique<state>()) {}

http_client::~http_client() = default;

task<http_client::connection*> http_client::connect(steady_time) { co_return &state_->any; }

void http_client::give_back(connection&) {}

std::string_view http_client::trouble() const { return {}; }

task<http_answer> http_client::exchange(connection&, std::string_view request, steady_time) {
  asked_processor& to = asked_processor::current();
  http_answer answer;
  std::string body;
  answer.status = to.answer(request, body);
  answer.what = to.is_silent ? http_answer::kind::timed_out : http_answer::kind::answered;
  answer.body_size = body.copy(answer.body_bytes.data(), answer.body_bytes.size());
  co_return answer;
}

http_client::connections http_client::counted() const { return {}; }

} // namespace repasse
