#include "server/payment_json.hpp"

#include <charconv>
#include <cmath>

namespace repasse {
namespace {

using kind = json_member::kind;

constexpr std::string_view id_name = "correlationId";
constexpr std::string_view amount_name = "amount";

bool take_id(const json_member& member, payment_id& id, json_refusal& refusal) {
  if (member.what == kind::absent) return refuse(refusal, 422, id_name, "correlationId is missing");
  if (member.what != kind::string) return refuse(refusal, 422, id_name, "correlationId must be a string");
  const std::optional<payment_id> parsed = parse_payment_id(member.string());
  if (!parsed) return refuse(refusal, 422, id_name, "correlationId must be a UUID");
  id = *parsed;
  return true;
}

bool take_amount(const json_member& member, std::int64_t& cents, json_refusal& refusal) {
  using verdict = amount_text::verdict;
  if (member.what == kind::absent) return refuse(refusal, 422, amount_name, "amount is missing");
  if (member.what != kind::number) return refuse(refusal, 422, amount_name, "amount must be a number");
  const amount_text amount = parse_amount(member.number);
  switch (amount.what) {
  case verdict::ok:
    cents = amount.cents;
    return true;
  case verdict::not_positive:
    return refuse(refusal, 422, amount_name, "amount must be positive");
  case verdict::too_many_decimals:
    return refuse(refusal, 422, amount_name, "amount must not have more than two decimals");
  case verdict::too_large:
    break;
  }
  return refuse(refusal, 422, amount_name, "amount must not exceed 99999999.99");
}

/// A payment's amount may be what has the exponent.
bool is_readable(json_verdict verdict, const json_member& amount, json_refusal& refusal) {
  const bool is_cut = amount.what == kind::number && amount.number.empty();
  if (verdict == json_verdict::number_too_large && is_cut)
    return refuse(refusal, 422, amount_name, "amount has an exponent out of range");
  return is_readable(verdict, refusal);
}

} // namespace

bool refuse(json_refusal& refusal, int status, std::string_view field, std::string_view detail) {
  refusal = {status, field, detail};
  return false;
}

bool is_readable(json_verdict verdict, json_refusal& refusal) {
  switch (verdict) {
  case json_verdict::object:
    return true;
  case json_verdict::other_value:
    return refuse(refusal, 422, "", "the body must be a JSON object");
  case json_verdict::repeated_member:
    return refuse(refusal, 400, "", "a member of the JSON is repeated");
  case json_verdict::number_too_large:
    return refuse(refusal, 400, "", "a number of the JSON is out of range");
  case json_verdict::malformed:
    break;
  }
  return refuse(refusal, 400, "", "the body is not well-formed JSON");
}

bool parse_posted_payment(std::string_view body, posted_payment& payment, json_refusal& refusal) {
  std::array members{json_member{id_name}, json_member{amount_name}};
  const json_verdict verdict = read_members(body, members);
  return is_readable(verdict, members[1], refusal) && take_id(members[0], payment.id, refusal) &&
         take_amount(members[1], payment.amount_cents, refusal);
}

std::optional<processor_payment> parse_processor_payment(std::string_view body) {
  std::array members{json_member{id_name}, json_member{amount_name}, json_member{"requestedAt"}};
  if (read_members(body, members) != json_verdict::object) return std::nullopt;
  processor_payment payment;
  json_refusal refusal;
  if (!take_id(members[0], payment.id, refusal) || !take_amount(members[1], payment.amount_cents, refusal))
    return std::nullopt;
  const std::optional<wall_time> requested_at = parse_time(members[2].string(), rounding::down);
  if (!requested_at) return std::nullopt;
  payment.requested_at = *requested_at;
  return payment;
}

std::optional<processor_health> parse_processor_health(std::string_view body) {
  constexpr double millis_max = 86'400'000;
  std::array members{json_member{"failing"}, json_member{"minResponseTime"}};
  if (read_members(body, members) != json_verdict::object) return std::nullopt;
  if (members[0].what != kind::boolean || members[1].what != kind::number) return std::nullopt;
  const std::string_view number = members[1].number;
  double millis = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), millis);
  if (read.ec != std::errc{} || !(millis >= 0 && millis <= millis_max)) return std::nullopt;
  return processor_health{members[0].truth, std::chrono::milliseconds{std::llround(millis)}};
}

namespace {

/// Cents of a sum as JSON writes it, an exponent included; nullopt if it is negative or beyond a hundred
/// million million.
std::optional<std::int64_t> parse_sum(std::string_view number) {
  constexpr double whole_max = 1e14;
  double about = 0;
  const char* const end = number.data() + number.size();
  const auto read = std::from_chars(number.data(), end, about);
  if (read.ec != std::errc{} || read.ptr != end || !(about >= 0 && about <= whole_max)) return std::nullopt;
  if (number.find_first_of("eE") != std::string_view::npos) return std::llround(about * 100);
  const std::size_t point = std::min(number.find('.'), number.size());
  std::int64_t whole = 0;
  std::from_chars(number.data(), number.data() + point, whole);
  const auto digit = [&](std::size_t i) { return point + i < number.size() ? number[point + i] - '0' : 0; };
  return whole * 100 + digit(1) * 10 + digit(2) + (digit(3) >= 5 ? 1 : 0);
}

} // namespace

std::optional<processor_total> parse_processor_total(std::string_view body) {
  std::array members{json_member{"totalRequests"}, json_member{"totalAmount"}};
  if (read_members(body, members) != json_verdict::object) return std::nullopt;
  if (members[0].what != kind::number || members[1].what != kind::number) return std::nullopt;
  processor_total total;
  const std::string_view count = members[0].number;
  const auto read = std::from_chars(count.data(), count.data() + count.size(), total.requests);
  const auto cents = parse_sum(members[1].number);
  if (read.ec != std::errc{} || read.ptr != count.data() + count.size() || !cents) return std::nullopt;
  total.amount_cents = *cents;
  return total;
}

} // namespace repasse
