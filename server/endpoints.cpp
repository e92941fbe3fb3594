#include "server/endpoints.hpp"

#include "server/payment_json.hpp"
#include "server/reactor.hpp"
#include "server/status_pages.hpp"

#include <charconv>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// A reactor that does not answer by then is left out.
constexpr std::chrono::nanoseconds gather_limit = 1s;
/// Each wrong token costs the caller this long.
constexpr std::chrono::nanoseconds wrong_token_pause = 1s;

/// Of an answer that the ledger has not vouched for, being away.
constexpr std::string_view from_redis = "Repasse-Source: redis\r\n";
/// What an invalidation of all may take.
constexpr std::chrono::nanoseconds invalidate_limit = 30s;

/// A parameter that is there and wrong: 422, naming it.
struct wrong_parameter {
  std::string_view name;
  std::string_view expected;
};

http_response refused(const wrong_parameter& wrong) {
  return problem(422, std::string{wrong.name} + " must be " + std::string{wrong.expected});
}

http_response unavailable(std::string_view detail = "the ledger does not answer") {
  http_response response = problem(503, detail);
  response.headers = "Retry-After: 1\r\n";
  return response;
}

/// `from` and `to`; false and `wrong` if one is no time.
bool read_window(const query_parameters& parameters, time_window& window, wrong_parameter& wrong) {
  const auto read = [&](std::string_view name, rounding round, wall_time& bound) {
    const std::optional<std::string_view> text = parameters.find(name);
    if (!text || text->empty()) return true;
    const std::optional<wall_time> time = parse_time(restore_zone_plus(*text), round);
    if (time)
      bound = *time;
    else
      wrong = {name, "an ISO 8601 time such as 2025-07-15T12:34:56.000Z"};
    return time.has_value();
  };
  return read("from", rounding::up, window.from) && read("to", rounding::down, window.to);
}

bool read_limit(const query_parameters& parameters, std::size_t& limit, wrong_parameter& wrong) {
  const std::optional<std::string_view> text = parameters.find("limit");
  if (!text || text->empty()) return true;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
  if (error == std::errc{} && end == text->data() + text->size() && limit >= 1 && limit <= 1000) return true;
  wrong = {"limit", "a number from 1 to 1000"};
  return false;
}

/// All of a page's parameters but the window and the limit.
bool read_filters(const query_parameters& parameters, const std::vector<std::string>& names,
                  page_query& query, wrong_parameter& wrong) {
  if (const auto text = parameters.find("status"); text && !text->empty()) {
    query.status = parse_payment_status(*text);
    wrong = {"status", "accepted, sending, unknown, processed or rejected"};
    if (!query.status) return false;
  }
  if (const auto text = parameters.find("processor"); text && !text->empty()) {
    const auto found = std::find(names.begin(), names.end(), *text);
    wrong = {"processor", "the name of a configured processor"};
    if (found == names.end()) return false;
    query.processor = static_cast<processor_index>(found - names.begin());
  }
  if (const auto text = parameters.find("cursor"); text && !text->empty()) {
    query.after = decode_cursor(*text);
    wrong = {"cursor", "what an earlier page gave as next"};
    if (!query.after) return false;
  }
  return true;
}

http_response invalidated(std::optional<std::uint64_t> payments) {
  if (!payments) return unavailable("Redis does not answer");
  http_response response;
  response.body = "{\"invalidated\":" + std::to_string(*payments) + "}";
  return response;
}

/// Takes as long whatever the difference is.
bool equal_in_constant_time(std::string_view given, std::string_view wanted) {
  unsigned difference = given.size() == wanted.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i)
    difference |=
        static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(wanted[i % wanted.size()]);
  return difference == 0;
}

} // namespace

endpoints::endpoints(clock& time, ledger& books, copies kept, const config& settings, reactors& all)
    : clock_(time),
      ledger_(books),
      copies_(kept),
      settings_(settings),
      names_(settings.processor_names()),
      all_(all) {}

const std::vector<endpoints::route>& endpoints::routes() {
  static const std::vector<route> table = {
      {"GET", "/payments-summary", &endpoints::summary},
      {"GET", "/payments", &endpoints::payments},
      {"POST", "/payments", nullptr},
      {"POST", "/purge-payments", &endpoints::purge},
      {"GET", "/processors", &endpoints::processors},
      {"GET", "/healthz", &endpoints::alive},
      {"GET", "/readyz", &endpoints::readiness},
      {"GET", "/admin/audit", &endpoints::audit},
      {"GET", "/admin/cache/stats", &endpoints::cache_stats},
      {"POST", "/admin/cache/invalidate/payments", &endpoints::invalidate_all},
  };
  return table;
}

task<http_response> endpoints::answer(endpoint_request request) {
  const std::optional<http_target> target = http_target::parse(request.method, request.target);
  if (!target) co_return problem(400, "the request target is malformed");
  const std::optional<query> parameters = query::parse(target->query());
  if (!parameters) co_return problem(400, "the query is malformed");
  if (const auto twice = parameters->repeated())
    co_return problem(400, std::string{*twice} + " is given more than once");

  const std::string_view path = target->path();
  if (path.starts_with("/admin/")) {
    std::optional<http_response> refusal = co_await admin_refusal(request);
    if (refusal) co_return std::move(*refusal);
  }
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view{request.method};
  std::string allowed;
  for (const route& one : routes()) {
    if (one.path != path) continue;
    if (one.method == method && one.call != nullptr)
      co_return co_await (this->*one.call)(request, *parameters);
    allowed.append(allowed.empty() ? "" : ", ").append(one.method == "GET" ? "GET, HEAD" : one.method);
  }
  constexpr std::string_view single = "/payments/";
  if (path.starts_with(single) && path.find('/', single.size()) == std::string_view::npos) {
    if (method == "GET") co_return co_await payment(std::string{path.substr(single.size())});
    allowed = "GET, HEAD";
  }
  constexpr std::string_view cached = "/admin/cache/invalidate/payments/";
  if (path.starts_with(cached) && path.find('/', cached.size()) == std::string_view::npos) {
    if (method == "POST") co_return co_await invalidate(std::string{path.substr(cached.size())});
    allowed = "POST";
  }
  if (!allowed.empty()) {
    http_response response = problem(405, "this path does not know the method");
    response.headers = "Allow: " + allowed + "\r\n";
    co_return response;
  }
  co_return problem(404, "no such path");
}

task<http_response> endpoints::summary(const endpoint_request&, const query& parameters) {
  time_window window;
  wrong_parameter wrong;
  if (!read_window(parameters, window, wrong)) co_return refused(wrong);
  if (!ledger_.health().is_up) // answers not yet in the books would be waited for
    co_return co_await copied_summary(window);
  const steady_time due = clock_.now() + gather_limit;
  auto flush = [due](reactor& one) { return one.flow().flush(due); };
  co_await all_.gather<bool>(clock_, due, flush);
  const auto totals = co_await ledger_.summarize(window);
  if (!totals) co_return co_await copied_summary(window);
  http_response response;
  write_summary(response.body, *totals, names_);
  co_return response;
}

/// From what Redis has copied, while the ledger is away.
task<http_response> endpoints::copied_summary(time_window window) {
  if (copies_.totals == nullptr) co_return unavailable();
  const auto copied = co_await copies_.totals->read(window);
  if (!copied) co_return unavailable();
  http_response response;
  response.headers.append(from_redis)
      .append("Repasse-As-Of: ")
      .append(to_string(copied->as_of))
      .append("\r\nRepasse-Window: ")
      .append(to_string(copied->window.from))
      .append("/")
      .append(to_string(copied->window.to))
      .append("\r\n");
  write_summary(response.body, copied->sums, names_);
  co_return response;
}

task<http_response> endpoints::payments(const endpoint_request&, const query& parameters) {
  page_query wanted;
  wrong_parameter wrong;
  if (!read_window(parameters, wanted.accepted, wrong) || !read_limit(parameters, wanted.limit, wrong) ||
      !read_filters(parameters, names_, wanted, wrong))
    co_return refused(wrong);
  const auto found = co_await ledger_.read_page(wanted);
  if (!found) co_return unavailable();
  http_response response;
  write_page(response.body, *found, names_);
  co_return response;
}

task<http_response> endpoints::payment(std::string id) {
  const std::optional<payment_id> wanted = parse_payment_id(id);
  if (!wanted) co_return problem(404, "no such payment: a correlationId is a UUID");
  cached_ledger::found_payment found;
  if (copies_.payments != nullptr)
    found = co_await copies_.payments->look_up(*wanted);
  else
    found.payment = co_await ledger_.find(*wanted);
  if ((!found.payment || !*found.payment) && copies_.taken_in != nullptr) {
    const auto taken = co_await copies_.taken_in->find(*wanted);
    if (taken && *taken) {
      payment_record record;
      record.id = *wanted;
      record.amount_cents = (*taken)->amount_cents;
      record.accepted_at = (*taken)->accepted_at;
      found.is_copy = !found.payment;
      found.payment = std::optional(record);
    } else if (found.payment) {
      found.payment = co_await ledger_.find(*wanted); // it may have been imported since
    }
  }
  if (!found.payment) co_return unavailable();
  if (!*found.payment) co_return problem(404, "no such payment");
  http_response response;
  if (found.is_copy) response.headers = from_redis;
  write_payment(response.body, **found.payment, names_);
  co_return response;
}

task<http_response> endpoints::purge(const endpoint_request& request, const query&) {
  bool allowed = settings_.allow_purge;
  if (!allowed) allowed = co_await is_admin(request);
  if (!allowed) co_return problem(403, "purging needs ALLOW_PURGE=true or the admin token");
  const ledger_status status = co_await ledger_.purge();
  if (status != ledger_status::done) co_return unavailable();
  auto tell = [](reactor& one) -> task<bool> {
    one.purged();
    co_return true;
  };
  co_await all_.gather<bool>(clock_, clock_.now() + gather_limit, tell);
  if (copies_.taken_in != nullptr) {
    const bool emptied = co_await copies_.taken_in->purge();
    co_await all_.gather<bool>(clock_, clock_.now() + gather_limit, tell); // what was put back meanwhile
    if (!emptied) co_return unavailable();
  }
  http_response response;
  response.body = R"({"message":"All payments purged."})";
  co_return response;
}

task<http_response> endpoints::processors(const endpoint_request&, const query&) {
  auto look = [](reactor& one) -> task<reactor_report> { co_return one.report(); };
  const auto reports = co_await all_.gather<reactor_report>(clock_, clock_.now() + gather_limit, look);
  http_response response;
  response.body = processors_json(settings_, reports);
  co_return response;
}

task<http_response> endpoints::alive(const endpoint_request&, const query&) {
  http_response response;
  response.content_type = "text/plain; charset=utf-8";
  response.body = "ok\n";
  co_return response;
}

task<http_response> endpoints::readiness(const endpoint_request&, const query&) {
  auto look = [](reactor& one) -> task<reactor_report> { co_return one.report(); };
  const steady_time asked = clock_.now();
  const auto reports = co_await all_.gather<reactor_report>(clock_, asked + gather_limit, look);
  co_return readiness_page(settings_, reports, all_.is_draining(), clock_.now());
}

task<http_response> endpoints::audit(const endpoint_request&, const query& parameters) {
  const std::optional<std::string_view> text = parameters.find("correlationId");
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
task<http_response> endpoints::cache_stats(const endpoint_request&, const query&) {
  http_response response;
  if (copies_.payments == nullptr) {
    response.body = R"({"enabled":false})";
    co_return response;
  }
  auto look = [](reactor& one) -> task<reactor_report> { co_return one.report(); };
  const auto reports = co_await all_.gather<reactor_report>(clock_, clock_.now() + gather_limit, look);
  const auto content = co_await copies_.payments->read_content();
  response.body = cache_json(settings_, reports, content, clock_.now());
  co_return response;
}

task<http_response> endpoints::invalidate_all(const endpoint_request&, const query&) {
  if (copies_.payments == nullptr) co_return problem(404, "there is no cache");
  const auto gone = co_await copies_.payments->invalidate_all(clock_.now() + invalidate_limit);
  co_return invalidated(gone);
}

task<http_response> endpoints::invalidate(std::string id) {
  if (copies_.payments == nullptr) co_return problem(404, "there is no cache");
  const std::optional<payment_id> wanted = parse_payment_id(id);
  if (!wanted) co_return problem(404, "no such payment: a correlationId is a UUID");
  const auto gone = co_await copies_.payments->invalidate(*wanted);
  co_return invalidated(gone);
}

/// Empty if the request is the administrator's. Without a token configured there are no such paths.
task<std::optional<http_response>> endpoints::admin_refusal(const endpoint_request& request) {
  if (settings_.admin_token.empty()) co_return problem(404, "no such path");
  const bool admin = co_await is_admin(request);
  if (admin) co_return std::nullopt;
  http_response response = problem(401, "X-Admin-Token is missing or wrong");
  response.headers = "WWW-Authenticate: X-Admin-Token realm=\"repasse\"\r\n";
  co_return response;
}

task<bool> endpoints::is_admin(const endpoint_request& request) {
  if (settings_.admin_token.empty()) co_return false;
  if (equal_in_constant_time(request.admin_token, settings_.admin_token)) co_return true;
  if (!request.admin_token.empty()) {
    event pause(clock_);
    co_await pause.wait_for(wrong_token_pause);
  }
  co_return false;
}

} // namespace repasse
