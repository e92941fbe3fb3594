// The JSON of POST /admin/payments/{correlationId}/resolve, both ways, and what POST
// /admin/reconciliations/findings/{id} takes, since both want a reason.
#pragma once

#include "server/overseer.hpp"
#include "server/payment_json.hpp"

#include <span>
#include <string>
#include <string_view>

namespace repasse {

/// What an administrator wants of a payment in doubt: to have it asked about, or `what` declared of it.
struct posted_resolution {
  bool declares = false;
  declaration what;
};

/// True, and `resolution` is filled but for its id, or false, and `refusal` is. No time of the future is
/// taken for one of the past. Unknown members are ignored.
[[nodiscard]] bool parse_resolution(std::string_view body, wall_time now, posted_resolution& resolution,
                                    json_refusal& refusal);

/// The same of a reason alone, in one line of at most declaration::reason_bytes_max.
[[nodiscard]] bool parse_explanation(std::string_view body, std::string& reason, json_refusal& refusal);

/// What came of it: `declared` if it is still to be carried out, what the processor says, the payment.
void write_oversight(std::string& to, const oversight& seen, const posted_resolution& wanted,
                     std::span<const std::string> processors);

} // namespace repasse
