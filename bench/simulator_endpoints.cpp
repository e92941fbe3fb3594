#include "bench/simulator_endpoints.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace repasse {
namespace {

constexpr std::string_view payments_path = "/payments";
constexpr std::string_view health_path = "/payments/service-health";
constexpr std::string_view admin_path = "/admin/";
constexpr std::string_view configurations_path = "/admin/configurations/";

constexpr std::size_t millis_max = 3'600'000;

std::string_view reason_of(unsigned status) {
  switch (status) {
  case 200:
    return "OK";
  case 302:
    return "Found";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 411:
    return "Length Required";
  case 413:
    return "Content Too Large";
  case 415:
    return "Unsupported Media Type";
  case 418:
    return "I'm a teapot";
  case 422:
    return "Unprocessable Content";
  case 429:
    return "Too Many Requests";
  case 431:
    return "Request Header Fields Too Large";
  default:
    return "Internal Server Error";
  }
}

void append_number(std::string& to, std::uint64_t number) {
  std::array<char, 20> digits{};
  to.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
}

void append_amount(std::string& to, std::int64_t cents) {
  std::array<char, 24> digits{};
  to.append(digits.data(), write_amount(digits.data(), cents));
}

std::string message(std::string_view text) {
  return std::string(R"({"message":")").append(text).append("\"}");
}

int hex_value(char c) {
  const std::size_t at =
      std::string_view("0123456789abcdef").find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

/// The value of a query's parameter, percent-decoded; a plus stays one, as it begins a zone.
std::string parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    if (!pair.starts_with(name) || pair.size() == name.size() || pair[name.size()] != '=') continue;
    std::string value;
    for (std::string_view rest = pair.substr(name.size() + 1); !rest.empty(); rest.remove_prefix(1)) {
      const bool escaped =
          rest.size() > 2 && rest.front() == '%' && hex_value(rest[1]) >= 0 && hex_value(rest[2]) >= 0;
      value.push_back(escaped ? static_cast<char>(hex_value(rest[1]) * 16 + hex_value(rest[2]))
                              : rest.front());
      if (escaped) rest.remove_prefix(2);
    }
    return value;
  }
  return {};
}

} // namespace

bool simulator_endpoints::handle(const scanned_request& request, caller_id caller, steady_time now,
                                 std::string& to) {
  const std::size_t mark = request.target.find('?');
  const std::string_view path = request.target.substr(0, mark);
  const std::string_view query = mark == request.target.npos ? "" : request.target.substr(mark + 1);
  response answer;
  const bool gets = request.method == "GET";
  if (path == payments_path && request.method == "POST") {
    if (post_payment(request, caller, now, answer)) return false;
  } else if (path == health_path && gets) {
    processor_.ask_health(caller, now);
    return false;
  } else if (path.starts_with(admin_path)) {
    answer = admin(request, path, query);
  } else if (path == payments_path || (path.starts_with("/payments/") && !gets)) {
    answer = {405, message("no such method here")};
  } else if (path.starts_with("/payments/")) {
    answer = get_payment(path.substr(payments_path.size() + 1));
  } else {
    answer = {404, message("no such path")};
  }
  write(answer.status, answer.body, request.keep_alive, to);
  return true;
}

/// What is wrong with the request itself is 400 and never 422, which here means "already taken".
bool simulator_endpoints::post_payment(const scanned_request& request, caller_id caller, steady_time now,
                                       response& refusal) {
  const std::string_view media_type =
      request.content_type.substr(0, request.content_type.find_first_of("; "));
  if (!equal_in_any_case(media_type, "application/json")) {
    refusal = {415, message("the media type must be application/json")};
    return false;
  }
  const auto members = flat_json::read(request.body);
  if (!members) {
    refusal = {400, message("the body is not a JSON object")};
    return false;
  }
  const auto id = parse_payment_id(members->string("correlationId").value_or(""));
  const auto number = members->number("amount");
  const amount_text amount =
      number ? parse_amount(*number) : amount_text{amount_text::verdict::not_positive, 0};
  const auto requested_at = parse_time(members->string("requestedAt").value_or(""), rounding::down);
  if (!id || amount.what != amount_text::verdict::ok || !requested_at) {
    refusal = {400, message("correlationId, amount and requestedAt are needed, and must be valid")};
    return false;
  }
  processor_.post(caller, *id, {amount.cents, *requested_at}, now);
  return true;
}

simulator_endpoints::response simulator_endpoints::get_payment(std::string_view id_text) const {
  const auto id = parse_payment_id(id_text);
  const auto found = id ? processor_.payments.find(*id) : std::nullopt;
  if (!found) return {404, message("payment not found")};
  std::string time = to_string(found->requested_at);
  if (config_.requested_at_without_zone) time.pop_back();
  response answer;
  answer.body.append(R"({"correlationId":")").append(to_string(*id)).append(R"(","amount":)");
  append_amount(answer.body, found->amount_cents);
  answer.body.append(R"(,"requestedAt":")").append(time).append("\"}");
  return answer;
}

simulator_endpoints::response simulator_endpoints::admin(const scanned_request& request,
                                                         std::string_view path, std::string_view query) {
  if (request.token != processor_.switches.token) return {401, message("wrong token")};
  if (path == "/admin/health-calls" && request.method == "GET") return health_calls();
  if (path == "/admin/payments-summary" && request.method == "GET") return summary(query);
  if (path.starts_with(configurations_path) && request.method == "PUT")
    return configure(path.substr(configurations_path.size()), request.body);
  if (path == "/admin/purge-payments" && request.method == "POST") {
    processor_.payments.clear();
    return {200, message("All payments purged.")};
  }
  return {404, message("no such path or method")};
}

simulator_endpoints::response simulator_endpoints::health_calls() const {
  const simulated_processor::health_calls& calls = processor_.health_asked();
  response answer;
  answer.body.append(R"({"asked":)");
  append_number(answer.body, calls.asked);
  answer.body.append(R"(,"early":)");
  append_number(answer.body, calls.early);
  answer.body.append("}");
  return answer;
}

simulator_endpoints::response simulator_endpoints::summary(std::string_view query) const {
  const std::string from_text = parameter(query, "from");
  const std::string to_text = parameter(query, "to");
  taken_totals totals = processor_.payments.all();
  if (!from_text.empty() && !to_text.empty()) {
    const auto from = parse_time(from_text, rounding::up);
    const auto to = parse_time(to_text, rounding::down);
    if (!from || !to) return {400, message("from and to must be times of ISO 8601")};
    totals = processor_.payments.within(*from, *to);
  }
  response answer;
  answer.body.append(R"({"totalRequests":)");
  append_number(answer.body, totals.requests);
  answer.body.append(R"(,"totalAmount":)");
  append_amount(answer.body, totals.amount_cents);
  answer.body.append(R"(,"totalFee":)");
  append_amount(answer.body, config_.fee.of(totals.amount_cents));
  answer.body.append(R"(,"feePerTransaction":)");
  std::array<char, 32> shortest{};
  const double share = static_cast<double>(config_.fee.millionths) / 1e6;
  answer.body.append(shortest.data(),
                     std::to_chars(shortest.data(), shortest.data() + shortest.size(), share).ptr);
  answer.body.append("}");
  return answer;
}

simulator_endpoints::response simulator_endpoints::configure(std::string_view name, std::string_view body) {
  const auto members = flat_json::read(body);
  if (!members) return {400, message("the body is not a JSON object")};
  processor_switches& switches = processor_.switches;
  if (name == "token") {
    const auto token = members->string("token");
    if (!token || token->empty()) return {400, message("token must be a string")};
    switches.token = *token;
  } else if (name == "delay") {
    const auto delay = members->count("delay");
    if (!delay || *delay > millis_max) return {400, message("delay must be milliseconds")};
    switches.delay = std::chrono::milliseconds(*delay);
  } else if (name == "failure") {
    const auto failing = members->boolean("failure");
    if (!failing) return {400, message("failure must be true or false")};
    switches.failing = *failing;
  } else if (name == "hostile") {
    return configure_hostile(*members);
  } else {
    return {404, message("no such configuration")};
  }
  return {200, message("configured")};
}

simulator_endpoints::response simulator_endpoints::configure_hostile(const flat_json& members) {
  processor_switches& switches = processor_.switches;
  if (const auto lie = members.object("health")) {
    const auto failing = lie->boolean("failing");
    const auto min_response = lie->count("minResponseTime");
    if (!failing || !min_response) return {400, message("health needs failing and minResponseTime")};
    switches.health_lie = simulated_health{*failing, *min_response};
    return {200, message("configured")};
  }
  const auto mode = parse_hostile_mode(members.string("mode").value_or(""));
  const std::string_view share_text = members.number("share").value_or("1");
  double share = -1;
  std::from_chars(share_text.data(), share_text.data() + share_text.size(), share);
  const std::size_t millis =
      members.count("millis").value_or(static_cast<std::size_t>(switches.hostile.late_after.count()));
  if (!mode) return {400, message("mode must be none or one of: " + hostile_mode_names())};
  if (millis > millis_max || !switches.hostile.set(*mode, share))
    return {400, message("share is 0 to 1, and so is the sum of all; millis at most an hour")};
  switches.hostile.late_after = std::chrono::milliseconds(millis);
  if (*mode == hostile_mode::none) switches.health_lie.reset();
  return {200, message("configured")};
}

void simulator_endpoints::write(verdict what, bool keep_alive, std::string& to) const {
  switch (what) {
  case verdict::taken:
    return write(200, R"({"message":"payment processed successfully"})", keep_alive, to);
  case verdict::already_taken:
    return write(422, R"({"message":"correlationId already taken"})", keep_alive, to);
  case verdict::failed:
    return write(500, R"({"message":"payment processor is failing"})", keep_alive, to);
  case verdict::too_many:
    return write(429, R"({"message":"too many requests"})", keep_alive, to);
  case verdict::redirect:
    return write(302, "{}", keep_alive, to);
  case verdict::teapot:
    return write(418, "{}", keep_alive, to);
  case verdict::bad_request:
    return write(400, R"({"message":"bad request"})", keep_alive, to);
  case verdict::unauthorized:
    return write(401, R"({"message":"unauthorized"})", keep_alive, to);
  case verdict::health:
    break;
  }
  const simulated_health health = processor_.health();
  std::string body =
      health.failing ? R"({"failing":true,"minResponseTime":)" : R"({"failing":false,"minResponseTime":)";
  append_number(body, health.min_response_millis);
  write(200, body.append("}"), keep_alive, to);
}

void simulator_endpoints::write(unsigned status, std::string_view body, bool keep_alive, std::string& to) {
  to.append("HTTP/1.1 ");
  append_number(to, status);
  to.append(" ").append(reason_of(status)).append("\r\nContent-Type: application/json\r\nContent-Length: ");
  append_number(to, body.size());
  to.append(keep_alive ? "\r\n\r\n" : "\r\nConnection: close\r\n\r\n").append(body);
}

} // namespace repasse
