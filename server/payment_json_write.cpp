#include "server/payment_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace repasse {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd"; // U+FFFD

void append_number(std::string& to, std::uint64_t number) {
  char text[20];
  to.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

void append_amount(std::string& to, std::int64_t cents) {
  char text[24];
  to.append(text, write_amount(text, cents));
}

void append_id(std::string& to, const payment_id& id) {
  char text[36];
  to.append(text, write_payment_id(text, id));
}

/// A string, or null.
void append_time(std::string& to, const std::optional<wall_time>& time) {
  if (!time) {
    to.append("null");
    return;
  }
  char text[24];
  to.push_back('"');
  to.append(text, write_time(text, *time));
  to.push_back('"');
}

void append_doubt(std::string& to, const std::optional<payment_doubt>& doubt) {
  to.append(R"(,"doubtAgeSeconds":)");
  if (doubt)
    to.append(fmt::format("{}.{:03}", doubt->age.count() / 1000, doubt->age.count() % 1000));
  else
    to.append("null");
  to.append(R"(,"doubtReason":)");
  if (doubt && !doubt->reason.empty())
    write_json_string(to, doubt->reason);
  else
    to.append("null");
}

struct audit_line {
  std::optional<wall_time> at;
  std::string_view event;
  std::string by;
  std::string detail;
};

/// The undisturbed life, which the row tells.
void append_life(std::vector<audit_line>& lines, const payment_record& payment,
                 std::span<const std::string> processors) {
  char text[24];
  lines.push_back({payment.accepted_at, "accepted", {}, {text, write_amount(text, payment.amount_cents)}});
  if (payment.processor >= processors.size()) return;
  const std::string& processor = processors[payment.processor];
  const bool is_settled = payment.status == payment_status::processed;
  // A row that names a processor counts as sent to it.
  lines.push_back({payment.requested_at, "sent", {}, "to " + processor});
  if (!is_settled) return;
  lines.push_back({payment.processed_at,
                   "settled",
                   {},
                   "taken by " + processor + ", attempts: " + std::to_string(payment.attempts)});
}

/// Of the first thing that came of the last send, by the trail; the end of time if nothing has yet.
wall_time outcome_of_last_send(std::span<const audit_entry> entries) {
  wall_time found = wall_time::max();
  for (const audit_entry& one : entries)
    if (one.what == "not taken" || one.what == "sent elsewhere")
      found = wall_time::max();
    else if (one.what == "in doubt" || one.what == "rejected")
      found = std::min(found, one.at);
  return found;
}

bool is_continuation(char c) { return (static_cast<std::uint8_t>(c) & 0xc0) == 0x80; }

/// How many bytes the well-formed UTF-8 sequence at the front of `text` has (RFC 3629); 0 if it is none.
std::size_t utf8_sequence_bytes(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < bytes) return 0;
  for (std::size_t i = 1; i < bytes; ++i)
    if (!is_continuation(text[i])) return 0;
  // Overlong forms, surrogates, beyond U+10FFFF.
  const std::uint8_t second = byte(1);
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
  return bytes;
}

void append_escaped(std::string& to, char c) {
  static constexpr char hex[] = "0123456789abcdef";
  const auto code = static_cast<std::uint8_t>(c);
  if (c == '"' || c == '\\') {
    to.push_back('\\');
    to.push_back(c);
  } else if (code < 0x20 || code == 0x7f) {
    to.append("\\u00");
    to.push_back(hex[code >> 4]);
    to.push_back(hex[code & 0xf]);
  } else {
    to.push_back(c);
  }
}

} // namespace

void write_charge(std::string& to, const payment_id& id, std::int64_t amount_cents, wall_time requested_at) {
  to.append(R"({"correlationId":")");
  append_id(to, id);
  to.append(R"(","amount":)");
  append_amount(to, amount_cents);
  to.append(R"(,"requestedAt":)");
  append_time(to, requested_at);
  to.push_back('}');
}

void write_payment(std::string& to, const payment_record& payment, std::span<const std::string> processors) {
  to.append(R"({"correlationId":")");
  append_id(to, payment.id);
  to.append(R"(","amount":)");
  append_amount(to, payment.amount_cents);
  to.append(R"(,"status":")").append(to_string(payment.status));
  to.append(R"(","processor":)");
  if (payment.processor < processors.size())
    write_json_string(to, processors[payment.processor]);
  else
    to.append("null");
  to.append(R"(,"requestedAt":)");
  append_time(to, payment.requested_at);
  to.append(R"(,"acceptedAt":)");
  append_time(to, payment.accepted_at);
  to.append(R"(,"processedAt":)");
  append_time(to, payment.processed_at);
  to.append(R"(,"attempts":)");
  append_number(to, payment.attempts);
  if (payment.status == payment_status::unknown) append_doubt(to, payment.doubt);
  to.push_back('}');
}

void write_page(std::string& to, const page& page, std::span<const std::string> processors) {
  to.append(R"({"payments":[)");
  for (const payment_record& payment : page.payments) {
    if (&payment != &page.payments.front()) to.push_back(',');
    write_payment(to, payment, processors);
  }
  to.append(R"(],"next":)");
  if (page.next)
    write_json_string(to, encode_cursor(*page.next));
  else
    to.append("null");
  to.push_back('}');
}

void write_audit(std::string& to, const payment_id& id, const std::optional<payment_record>& payment,
                 std::span<const audit_entry> entries, std::span<const std::string> processors) {
  std::vector<audit_line> lines;
  if (payment) append_life(lines, *payment, processors);
  for (const audit_entry& entry : entries)
    lines.push_back({entry.at, entry.what,
                     entry.by == 0 ? "administrator" : "epoch " + std::to_string(entry.by), entry.detail});
  const wall_time outcome = outcome_of_last_send(entries); // a send without a time stands before it
  std::ranges::stable_sort(lines, {}, [&](const audit_line& line) { return line.at.value_or(outcome); });
  to.append(R"({"correlationId":")");
  append_id(to, id);
  to.append(R"(","entries":[)");
  for (const audit_line& line : lines) {
    if (&line != &lines.front()) to.push_back(',');
    to.append(R"({"at":)");
    append_time(to, line.at);
    to.append(R"(,"event":)");
    write_json_string(to, line.event);
    to.append(R"(,"by":)");
    if (line.by.empty())
      to.append("null");
    else
      write_json_string(to, line.by);
    to.append(R"(,"detail":)");
    write_json_string(to, line.detail);
    to.push_back('}');
  }
  to.append("]}");
}

void write_summary(std::string& to, const summary& totals, std::span<const std::string> processors) {
  to.push_back('{');
  for (std::size_t i = 0; i < processors.size(); ++i) {
    if (i != 0) to.push_back(',');
    write_json_string(to, processors[i]);
    to.append(R"(:{"totalRequests":)");
    append_number(to, totals[i].requests);
    to.append(R"(,"totalAmount":)");
    append_amount(to, totals[i].amount_cents);
    to.push_back('}');
  }
  to.push_back('}');
}

void write_problem(std::string& to, int status, std::string_view title, std::string_view detail) {
  to.append(R"({"type":"about:blank","title":)");
  write_json_string(to, title);
  to.append(R"(,"status":)");
  append_number(to, static_cast<std::uint64_t>(status));
  to.append(R"(,"detail":)");
  write_json_string(to, detail);
  to.push_back('}');
}

void write_json_string(std::string& to, std::string_view text) {
  to.push_back('"');
  while (!text.empty()) {
    const std::size_t bytes = utf8_sequence_bytes(text);
    if (bytes == 1)
      append_escaped(to, text.front());
    else
      to.append(bytes == 0 ? replacement : text.substr(0, bytes));
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  to.push_back('"');
}

// The time in milliseconds and the id, each in big-endian hexadecimal, behind each other.
std::string encode_cursor(const page_cursor& cursor) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string text;
  text.reserve(48);
  const auto millis = static_cast<std::uint64_t>(cursor.accepted_at.time_since_epoch().count());
  for (int shift = 60; shift >= 0; shift -= 4)
    text.push_back(hex[(millis >> shift) & 0xf]);
  for (const std::uint8_t byte : cursor.id.bytes) {
    text.push_back(hex[byte >> 4]);
    text.push_back(hex[byte & 0xf]);
  }
  return text;
}

std::optional<page_cursor> decode_cursor(std::string_view text) {
  constexpr std::size_t number_digits = 16;
  if (text.size() != 3 * number_digits) return std::nullopt;
  std::array<std::uint64_t, 3> numbers{};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::string_view part = text.substr(i * number_digits, number_digits);
    const auto read = std::from_chars(part.data(), part.data() + part.size(), numbers[i], 16);
    if (read.ec != std::errc{} || read.ptr != part.data() + part.size()) return std::nullopt;
  }
  page_cursor cursor;
  cursor.accepted_at = wall_time{std::chrono::milliseconds{static_cast<std::int64_t>(numbers[0])}};
  for (std::size_t i = 0; i < 16; ++i)
    cursor.id.bytes[i] = static_cast<std::uint8_t>(numbers[1 + i / 8] >> (56 - 8 * (i % 8)));
  return cursor;
}

} // namespace repasse
