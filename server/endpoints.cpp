#include "server/endpoints.hpp"

#include "server/log.hpp"
#include "server/parameters.hpp"
#include "server/payment_json.hpp"
#include "server/reactor.hpp"
#include "server/status_pages.hpp"

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// Each wrong token costs the caller this long.
constexpr std::chrono::nanoseconds wrong_token_pause = 1s;

/// Of a method and a target, in the log.
constexpr std::size_t request_text_max = 200;

/// Of an answer that the ledger has not vouched for, being away.
constexpr std::string_view from_redis = "Repasse-Source: redis\r\n";

/// Of the administrator's paths, also of those that there are not.
constexpr std::string_view admin_folder = "/admin/";

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

/// Takes as long whatever the difference is.
bool equal_in_constant_time(std::string_view given, std::string_view wanted) {
  unsigned difference = given.size() == wanted.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i)
    difference |=
        static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(wanted[i % wanted.size()]);
  return difference == 0;
}

/// What stands in `path` where `pattern` has its `{…}`, which never holds a slash: empty where it has none;
/// nullopt if they do not match.
std::optional<std::string_view> match_path(std::string_view pattern, std::string_view path) {
  const std::size_t open = pattern.find('{');
  if (open == std::string_view::npos)
    return pattern == path ? std::optional(std::string_view{}) : std::nullopt;
  const std::string_view before = pattern.substr(0, open);
  const std::string_view behind = pattern.substr(pattern.find('}') + 1);
  const bool is_framed =
      path.size() >= before.size() + behind.size() && path.starts_with(before) && path.ends_with(behind);
  if (!is_framed) return std::nullopt;
  const std::string_view held = path.substr(before.size(), path.size() - before.size() - behind.size());
  if (held.find('/') != std::string_view::npos) return std::nullopt;
  return held;
}

} // namespace

endpoints::endpoints(clock& time, ledger& books, copies kept, overseer& hand, reconciler& comparing,
                     const config& settings, reactors& all, const event_feed& feed)
    : clock_(time),
      ledger_(books),
      copies_(kept),
      overseer_(hand),
      reconciler_(comparing),
      settings_(settings),
      names_(settings.processor_names()),
      all_(all),
      feed_(feed),
      metrics_(time, settings, all) {}

const std::vector<endpoints::route>& endpoints::routes() {
  using kind = endpoint_kind;
  static const std::vector<route> table = {
      {"GET", "/payments-summary", kind::totals, &endpoints::summary},
      {"GET", "/payments", kind::payments, &endpoints::payments},
      {"POST", "/payments", kind::post_payment, nullptr},
      {"GET", "/payments/{correlationId}", kind::payment, &endpoints::payment},
      {"POST", "/purge-payments", kind::purge, &endpoints::purge},
      {"GET", "/processors", kind::processors, &endpoints::processors},
      {"GET", "/healthz", kind::healthz, &endpoints::alive},
      {"GET", "/readyz", kind::readyz, &endpoints::readiness},
      {"GET", "/", kind::dashboard, &endpoints::file},
      {"GET", "/dashboard/{file}", kind::dashboard, &endpoints::file},
      {"GET", "/openapi.json", kind::openapi, &endpoints::file},
      {"GET", "/events", kind::events, &endpoints::events},
      {"GET", "/metrics", kind::metrics, &endpoints::metrics},
      {"GET", "/admin/audit", kind::admin, &endpoints::audit},
      {"GET", "/admin/cache/stats", kind::admin, &endpoints::cache_stats},
      {"POST", "/admin/cache/invalidate/payments", kind::admin, &endpoints::invalidate_all},
      {"GET", "/admin/reconciliations", kind::admin, &endpoints::compared},
      {"POST", "/admin/reconciliations", kind::admin, &endpoints::compare_now},
      {"POST", "/admin/reconciliations/findings/{id}", kind::admin, &endpoints::explain},
      {"POST", "/admin/cache/invalidate/payments/{correlationId}", kind::admin, &endpoints::invalidate},
      {"POST", "/admin/payments/{correlationId}/resolve", kind::admin, &endpoints::resolve},
  };
  return table;
}

endpoints::match endpoints::find_route(std::string_view method, std::string_view path) {
  match found;
  if (path.starts_with(admin_folder)) found.kind = endpoint_kind::admin;
  if (method == "HEAD") method = "GET";
  for (const route& one : routes()) {
    const std::optional<std::string_view> id = match_path(one.path, path);
    if (!id) continue;
    if (found.kind == endpoint_kind::other) found.kind = one.kind;
    if (one.method != method || one.call == nullptr) continue;
    found.to = &one;
    found.id = *id;
    break;
  }
  return found;
}

http_response endpoints::no_route(std::string_view path) {
  std::string allowed;
  for (const route& one : routes())
    if (match_path(one.path, path))
      allowed.append(allowed.empty() ? "" : ", ").append(one.method == "GET" ? "GET, HEAD" : one.method);
  if (allowed.empty()) return problem(404, "no such path");
  http_response response = problem(405, "this path does not know the method");
  response.headers = "Allow: " + allowed + "\r\n";
  return response;
}

task<http_response> endpoints::answer(endpoint_request request) {
  request_steps steps(clock_);
  http_response response;
  if (const std::optional<http_target> target = http_target::parse(request.method, request.target)) {
    const match found = find_route(request.method, target->path());
    response = co_await find_answer(request, *target, found, steps);
    response.kind = found.kind;
  } else {
    response = problem(400, "the request target is malformed");
  }
  note(request, steps, response.status);
  co_return response;
}

/// Logs it if its client traces it, or if it was slow.
void endpoints::note(const endpoint_request& request, const request_steps& steps, int status) {
  const std::chrono::nanoseconds took = steps.took();
  const bool is_slow = took > settings_.slow_request();
  if (!is_slow && request.traceparent.empty()) return;
  const std::optional<trace_context> trace = parse_traceparent(request.traceparent);
  const bool is_traced = trace && trace->is_sampled;
  if (!is_traced && !(is_slow && slow_lines_.take(clock_.now()))) return;
  const auto fill = [&](log_fields& fields) {
    fields.add("method", request.method.substr(0, request_text_max))
        .add("target", request.target.substr(0, request_text_max));
    if (trace) fields.add("traceId", to_string(trace->trace)).add("parentId", span_text(trace->parent));
    fields.add_json("status", std::to_string(status))
        .add_json("ms", fmt::format("{:.3f}", std::chrono::duration<double, std::milli>(took).count()))
        .add_json("spans", steps.json());
  };
  if (is_slow)
    log_with(spdlog::level::warn, "slow request", fill);
  else
    log_trace("request", fill);
}

task<http_response> endpoints::find_answer(const endpoint_request& request, const http_target& target,
                                           match found, request_steps& steps) {
  const std::string_view path = target.path();
  if (path.starts_with(admin_folder)) { // before all else: who may not ask learns nothing
    std::optional<http_response> refusal = co_await admin_refusal(request);
    if (refusal) co_return std::move(*refusal);
  }
  const std::optional<query_parameters> parameters = query_parameters::parse(target.query());
  if (!parameters) co_return problem(400, "the query is malformed");
  if (const auto twice = parameters->repeated())
    co_return problem(400, std::string{*twice} + " is given more than once");
  if (found.to == nullptr) co_return no_route(path);
  const question to{request, *parameters, found.id, path, steps};
  co_return co_await (this->*found.to->call)(to);
}

task<http_response> endpoints::summary(const question& to) {
  time_window window;
  wrong_parameter wrong;
  if (!read_window(to.parameters, window, wrong)) co_return refused(wrong);
  if (!ledger_.health().is_up) // answers not yet in the books would be waited for
    co_return co_await copied_summary(window);
  const steady_time asked = clock_.now();
  const steady_time due = asked + reactors::gather_limit;
  auto flush = [due](reactor& one) { return one.flow().flush(due); };
  co_await all_.gather<bool>(clock_, due, flush);
  const steady_time flushed = clock_.now();
  const auto totals = co_await ledger_.summarize(window);
  to.steps.add("flush", asked, flushed);
  to.steps.add("ledger", flushed, clock_.now());
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

task<http_response> endpoints::payments(const question& to) {
  page_query wanted;
  wrong_parameter wrong;
  if (!read_window(to.parameters, wanted.accepted, wrong) ||
      !read_limit(to.parameters, wanted.limit, wrong) || !read_filters(to.parameters, names_, wanted, wrong))
    co_return refused(wrong);
  const steady_time asked = clock_.now();
  const auto found = co_await ledger_.read_page(wanted);
  to.steps.add("ledger", asked, clock_.now());
  if (!found) co_return unavailable();
  http_response response;
  write_page(response.body, *found, names_);
  co_return response;
}

task<http_response> endpoints::payment(const question& to) {
  const std::optional<payment_id> wanted = parse_payment_id(to.id);
  if (!wanted) co_return problem(404, "no such payment: a correlationId is a UUID");
  cached_ledger::found_payment found;
  const steady_time asked = clock_.now();
  if (copies_.payments != nullptr)
    found = co_await copies_.payments->look_up(*wanted);
  else
    found.payment = co_await ledger_.find(*wanted);
  const steady_time looked_up = clock_.now();
  if (copies_.payments != nullptr) to.steps.add("cache", asked, asked + found.asked_redis);
  to.steps.add("ledger", asked + found.asked_redis, looked_up);
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
    to.steps.add("intake", looked_up, clock_.now());
  }
  if (!found.payment) co_return unavailable();
  if (!*found.payment) co_return problem(404, "no such payment");
  http_response response;
  if (found.is_copy) response.headers = from_redis;
  write_payment(response.body, **found.payment, names_);
  co_return response;
}

task<http_response> endpoints::purge(const question& to) {
  bool allowed = settings_.allow_purge;
  if (!allowed) allowed = co_await is_admin(to.request);
  if (!allowed) co_return problem(403, "purging needs ALLOW_PURGE=true or the admin token");
  const ledger_status status = co_await ledger_.purge();
  if (status != ledger_status::done) co_return unavailable();
  reconciler_.store().purged();
  auto tell = [](reactor& one) -> task<bool> {
    one.purged();
    co_return true;
  };
  co_await all_.gather<bool>(clock_, clock_.now() + reactors::gather_limit, tell);
  if (copies_.taken_in != nullptr) {
    const bool emptied = co_await copies_.taken_in->purge();
    co_await all_.gather<bool>(clock_, clock_.now() + reactors::gather_limit,
                               tell); // what was put back meanwhile
    if (!emptied) co_return unavailable();
  }
  http_response response;
  response.body = R"({"message":"All payments purged."})";
  co_return response;
}

task<http_response> endpoints::processors(const question&) {
  auto look = [](reactor& one) -> task<reactor_report> { co_return one.report(); };
  const auto reports =
      co_await all_.gather<reactor_report>(clock_, clock_.now() + reactors::gather_limit, look);
  http_response response;
  response.body = processors_json(settings_, reports);
  co_return response;
}

task<http_response> endpoints::alive(const question&) {
  http_response response;
  response.content_type = "text/plain; charset=utf-8";
  response.body = "ok\n";
  co_return response;
}

task<http_response> endpoints::readiness(const question&) {
  auto look = [](reactor& one) -> task<reactor_report> { co_return one.report(); };
  const steady_time asked = clock_.now();
  const auto reports = co_await all_.gather<reactor_report>(clock_, asked + reactors::gather_limit, look);
  co_return readiness_page(settings_, reports, all_.is_draining(), clock_.now());
}

task<http_response> endpoints::metrics(const question&) { return metrics_.answer(); }

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
