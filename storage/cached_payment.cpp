#include "storage/cached_payment.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace repasse {
namespace {

constexpr std::size_t books_digits = 16;

template <typename Number>
void append_number(std::string& to, Number number) {
  std::array<char, 20> digits;
  to.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
}

void append_books(std::string& to, std::uint64_t books) {
  static constexpr char hex[] = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4)
    to.push_back(hex[(books >> shift) & 0xf]);
}

void append_time(std::string& to, const std::optional<wall_time>& time) {
  to.push_back(' ');
  if (time)
    append_number(to, time->time_since_epoch().count());
  else
    to.push_back('-');
}

/// Words with one space between them; `is_well` falls with the first that is not as asked for.
struct word_reader {
  std::string_view rest;
  bool is_well = true;

  std::string_view word() {
    const char* const first = rest.data();
    const char* const last = first + rest.size();
    const char* const end = std::find(first, last, ' ');
    const std::string_view made{first, static_cast<std::size_t>(end - first)};
    if (made.empty()) is_well = false;
    const char* const next = end == last ? last : end + 1;
    rest = {next, static_cast<std::size_t>(last - next)};
    return made;
  }
  template <typename Number>
  Number number(int base = 10) {
    const std::string_view text = word();
    Number value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size()) is_well = false;
    return value;
  }
  std::uint64_t books() {
    const std::size_t before = rest.size();
    const auto value = number<std::uint64_t>(16);
    if (before != rest.size() + books_digits + 1) is_well = false;
    return value;
  }
  std::optional<wall_time> time() {
    if (rest.starts_with("- ")) {
      word();
      return std::nullopt;
    }
    return wall_time{std::chrono::milliseconds{number<std::int64_t>()}};
  }
};

} // namespace

void write_cached_payment(std::string& to, const payment_record& payment, std::uint64_t books,
                          std::span<const std::string> processors) {
  to.append("1 ");
  append_books(to, books);
  to.push_back(' ');
  append_number(to, payment.owner);
  to.push_back(' ');
  append_number(to, payment.amount_cents);
  to.append(payment.status == payment_status::processed ? " processed " : " rejected ");
  to.append(processors[payment.processor]);
  append_time(to, payment.accepted_at);
  append_time(to, payment.requested_at);
  append_time(to, payment.processed_at);
  to.push_back(' ');
  append_number(to, payment.attempts);
}

std::optional<cached_payment> read_cached_payment(std::string_view text,
                                                  std::span<const std::string> processors) {
  word_reader from{text};
  cached_payment read;
  payment_record& payment = read.payment;
  if (from.word() != "1") return std::nullopt;
  read.books = from.books();
  payment.owner = from.number<epoch_id>();
  payment.amount_cents = from.number<std::int64_t>();
  const std::optional<payment_status> status = parse_payment_status(from.word());
  const std::string_view name = from.word();
  const auto accepted_at = from.time();
  payment.requested_at = from.time();
  payment.processed_at = from.time();
  payment.attempts = from.number<std::uint16_t>();
  if (!from.is_well || !status || !is_final(*status) || !accepted_at) return std::nullopt;
  const auto found = std::find(processors.begin(), processors.end(), name);
  if (found == processors.end()) return std::nullopt;
  payment.status = *status;
  payment.processor = static_cast<processor_index>(found - processors.begin());
  payment.accepted_at = *accepted_at;
  const bool is_processed = *status == payment_status::processed;
  if (payment.requested_at.has_value() != is_processed || payment.processed_at.has_value() != is_processed)
    return std::nullopt;
  if (read.books == 0 || payment.owner == 0) return std::nullopt;
  if (payment.amount_cents < 1 || payment.amount_cents > amount_cents_max) return std::nullopt;
  std::string same; // whatever is odd in a way that was not thought of
  write_cached_payment(same, payment, read.books, processors);
  if (same != text) return std::nullopt;
  return read;
}

std::optional<books_edition> read_edition_mark(std::string_view text) {
  word_reader from{text};
  if (from.word() != "1") return std::nullopt;
  books_edition read;
  read.books = from.books();
  read.purged = from.number<epoch_id>();
  if (!from.is_well || !from.rest.empty() || read.books == 0) return std::nullopt;
  return read;
}

std::string books_text(std::uint64_t books) {
  std::string made;
  append_books(made, books);
  return made;
}

} // namespace repasse
