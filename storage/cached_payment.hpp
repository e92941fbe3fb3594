// A final payment as it stands in Redis: one line of words, readable in redis-cli, the same for all versions
// of the program that know its first word.
//   1 5f3a90c2d1e4b807 17 1990 processed default 1764301419123 1764301419130 1764301419135 1
// version, books, owner, cents, status, processor, acceptedAt, requestedAt and processedAt in milliseconds
// since 1970
// (`-` for none), attempts. Pure; for cached_ledger.
#pragma once

#include "storage/ledger.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace repasse {

/// Appends to `to`. The payment must be final, and its processor one of `processors`.
void write_cached_payment(std::string& to, const payment_record& payment, std::uint64_t books,
                          std::span<const std::string> processors);

struct cached_payment {
  payment_record payment; ///< without its id
  std::uint64_t books = 0;
};
/// Empty for whatever write_cached_payment() would not have written, to the letter.
[[nodiscard]] std::optional<cached_payment> read_cached_payment(std::string_view text,
                                                                std::span<const std::string> processors);

/// Which edition is current, as Redis has it: `1 5f3a90c2d1e4b807 17`.
[[nodiscard]] std::optional<books_edition> read_edition_mark(std::string_view text);
/// `5f3a90c2d1e4b807`
[[nodiscard]] std::string books_text(std::uint64_t books);

} // namespace repasse
