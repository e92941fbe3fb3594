#include "server/resolution_json.hpp"

#include "server/json_members.hpp"

#include <algorithm>

namespace repasse {
namespace {

using kind = json_member::kind;

bool take_action(const json_member& member, bool& declares, json_refusal& refusal) {
  declares = member.string() == "declare";
  if (declares || member.string() == "ask") return true;
  return refuse(refusal, 422, "action", "action must be ask or declare");
}

bool take_outcome(const json_member& member, payment_status& outcome, json_refusal& refusal) {
  const std::optional<payment_status> named = parse_payment_status(member.string());
  if (!named || !is_final(*named))
    return refuse(refusal, 422, "outcome", "outcome must be processed or rejected");
  outcome = *named;
  return true;
}

bool take_time(const json_member& member, wall_time now, wall_time& time, json_refusal& refusal) {
  const std::optional<wall_time> read = parse_time(member.string(), rounding::down);
  if (!read)
    return refuse(refusal, 422, "requestedAt",
                  "requestedAt must be the ISO 8601 time that the processor has booked the payment at");
  if (*read > now || *read < wall_time{})
    return refuse(refusal, 422, "requestedAt", "requestedAt must lie between 1970 and now");
  time = *read;
  return true;
}

bool take_reason(const json_member& member, const std::string& text, json_refusal& refusal) {
  if (member.what != kind::string || text.empty())
    return refuse(refusal, 422, "reason", "reason must say why, for the record");
  if (text.size() > declaration::reason_bytes_max)
    return refuse(refusal, 422, "reason", "reason must not be longer than 500 bytes of UTF-8");
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::ranges::any_of(text, is_control))
    return refuse(refusal, 422, "reason", "reason must not hold control characters");
  return true;
}

std::string_view name_of(holding::verdict said) {
  switch (said) {
  case holding::verdict::same_amount:
    return "taken";
  case holding::verdict::other_amount:
    return "other amount";
  case holding::verdict::missing:
    return "missing";
  case holding::verdict::silent:
    break;
  }
  return "nothing";
}

} // namespace

bool parse_resolution(std::string_view body, wall_time now, posted_resolution& resolution,
                      json_refusal& refusal) {
  std::array members{json_member{"action"}, json_member{"outcome"}, json_member{"requestedAt"},
                     json_member{"reason"}};
  declaration& what = resolution.what;
  members[3].whole = &what.reason;
  const json_verdict verdict = read_members(body, members);
  if (!is_readable(verdict, refusal) || !take_action(members[0], resolution.declares, refusal)) return false;
  if (!resolution.declares) return true;
  if (!take_outcome(members[1], what.outcome, refusal)) return false;
  const bool has_time = what.outcome == payment_status::processed;
  if (has_time && !take_time(members[2], now, what.requested_at, refusal)) return false;
  return take_reason(members[3], what.reason, refusal);
}

bool parse_explanation(std::string_view body, std::string& reason, json_refusal& refusal) {
  reason.clear();
  std::array members{json_member{"reason"}};
  members[0].whole = &reason;
  const json_verdict verdict = read_members(body, members);
  return is_readable(verdict, refusal) && take_reason(members[0], reason, refusal);
}

void write_oversight(std::string& to, const oversight& seen, const posted_resolution& wanted,
                     std::span<const std::string> processors) {
  to.push_back('{');
  if (seen.what == oversight::verdict::noted)
    to.append(R"("declared":")").append(to_string(wanted.what.outcome)).append(R"(",)");
  to.append(R"("processorSays":)");
  if (seen.said)
    write_json_string(to, name_of(*seen.said));
  else
    to.append("null");
  to.append(R"(,"payment":)");
  write_payment(to, seen.payment, processors);
  to.push_back('}');
}

} // namespace repasse
