// Payments as JSON, both ways: what clients post and are shown, what processors answer.
// Used by the endpoints and by processor. Amounts are exact cents, never through a double.
#pragma once

#include "server/json_members.hpp"
#include "storage/ledger.hpp"

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace repasse {

/// The body of POST /payments.
struct posted_payment {
  payment_id id{};
  std::int64_t amount_cents = 0;
};

/// A body refused: 400 is not JSON as RFC 8259 has it (or repeats a member), 422 is not a payment.
struct json_refusal {
  int status = 400;
  std::string_view field;  ///< `correlationId`, `amount`, or empty when it is about the whole
  std::string_view detail; ///< one sentence, for problem+json
};

/// False, with `refusal` filled by these: for readers of a body.
bool refuse(json_refusal& refusal, int status, std::string_view field, std::string_view detail);
/// Whether the body was an object that could be read; else `refusal` says why.
[[nodiscard]] bool is_readable(json_verdict verdict, json_refusal& refusal);

/// True, and `payment` is filled, or false, and `refusal` is. Unknown members are ignored. Allocates only for
/// an object of more than 16 members.
[[nodiscard]] bool parse_posted_payment(std::string_view body, posted_payment& payment,
                                        json_refusal& refusal);

/// What a processor answers to GET /payments/{id}; `requested_at` is rounded down to the millisecond.
struct processor_payment {
  payment_id id{};
  std::int64_t amount_cents = 0;
  wall_time requested_at{};
};
[[nodiscard]] std::optional<processor_payment> parse_processor_payment(std::string_view body);

/// What a processor answers to GET /payments/service-health.
struct processor_health {
  bool failing = false;
  std::chrono::milliseconds min_response_time{0};
};
[[nodiscard]] std::optional<processor_health> parse_processor_health(std::string_view body);

/// What a processor answers to GET /admin/payments-summary: a sum of any size, exact where it has two
/// decimals, else rounded.
[[nodiscard]] std::optional<processor_total> parse_processor_total(std::string_view body);

// Writers append to `to`. `processors` are the configured names, in order.

/// The body of a processor's POST /payments.
void write_charge(std::string& to, const payment_id& id, std::int64_t amount_cents, wall_time requested_at);
/// One in doubt has two members more, `doubtAgeSeconds` and `doubtReason`; null where the audit trail has
/// lost them.
void write_payment(std::string& to, const payment_record& payment, std::span<const std::string> processors);
void write_page(std::string& to, const page& page, std::span<const std::string> processors);
/// The audit trail: the undisturbed life that `payment`'s own row tells, if there is one, and `entries`;
/// oldest first, what has no time yet last.
void write_audit(std::string& to, const payment_id& id, const std::optional<payment_record>& payment,
                 std::span<const audit_entry> entries, std::span<const std::string> processors);
void write_summary(std::string& to, const summary& totals, std::span<const std::string> processors);
/// RFC 9457; `title` is a status's reason phrase, `detail` any text.
void write_problem(std::string& to, int status, std::string_view title, std::string_view detail);
/// A JSON string with its quotes; what is not UTF-8 becomes U+FFFD.
void write_json_string(std::string& to, std::string_view text);

/// Opaque and url-safe; of no meaning to clients.
[[nodiscard]] std::string encode_cursor(const page_cursor& cursor);
[[nodiscard]] std::optional<page_cursor> decode_cursor(std::string_view text);

} // namespace repasse
