// The vocabulary that every folder shares: what a payment is, in plain values.
// Money is integer cents, ids are 16 bytes, wall time is whole milliseconds; nothing here allocates
// unless it says so, and nothing throws.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace repasse {

/// Milliseconds since 1970-01-01T00:00:00Z: the resolution of `requestedAt` and of every window.
using wall_time = std::chrono::sys_time<std::chrono::milliseconds>;

/// The largest amount of one payment: 99,999,999.99.
inline constexpr std::int64_t amount_cents_max = 9'999'999'999;

/// A client's `correlationId`: any UUID of RFC 9562's text form (8-4-4-4-12), of any version.
struct payment_id {
  std::array<std::uint8_t, 16> bytes{};

  friend auto operator<=>(const payment_id&, const payment_id&) = default;
};

/// Accepts hexadecimal digits of either case; nullopt for anything that is not 36 characters of a UUID.
[[nodiscard]] std::optional<payment_id> parse_payment_id(std::string_view text);

/// Writes the lower-case text form: exactly 36 characters at `to`, no terminator. Returns to + 36.
char* write_payment_id(char* to, const payment_id& id);
[[nodiscard]] std::string to_string(const payment_id& id);

/// Drawn at the start of the process.
extern const std::array<std::uint64_t, 2> id_hash_key;

/// For tables in memory. Keyed by a secret of this process: who chooses the ids cannot make them meet.
[[nodiscard]] inline std::uint64_t hash_of(const payment_id& id) {
  __extension__ using wide = unsigned __int128;
  const auto fold = [](std::uint64_t a, std::uint64_t b) {
    const wide product = static_cast<wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::memcpy(&low, id.bytes.data(), 8);
  std::memcpy(&high, id.bytes.data() + 8, 8);
  return fold(fold(low ^ id_hash_key[0], high ^ id_hash_key[1]), 0x9e3779b97f4a7c15);
}

/// Of the trace that a request belongs to (W3C Trace Context); all zero: of none.
struct trace_id {
  std::array<std::uint8_t, 16> bytes{};

  [[nodiscard]] bool exists() const { return *this != trace_id{}; }
  friend auto operator<=>(const trace_id&, const trace_id&) = default;
};

/// Position of a processor in the configured order, which breaks ties in fee.
using processor_index = std::uint8_t;
inline constexpr processor_index no_processor = 0xff;
inline constexpr std::size_t processors_max = 64;

/// One life of one reactor, the owner of its payments. 0 is no epoch.
using epoch_id = std::uint32_t;

enum class payment_status : std::uint8_t { accepted, sending, unknown, processed, rejected };
inline constexpr std::size_t payment_status_count = 5;

[[nodiscard]] std::string_view to_string(payment_status status);
[[nodiscard]] std::optional<payment_status> parse_payment_status(std::string_view text);

/// Final: it never changes again.
[[nodiscard]] constexpr bool is_final(payment_status status) {
  return status == payment_status::processed || status == payment_status::rejected;
}

/// Reads a JSON number's text (RFC 8259 section 6) as exact cents, never through a double:
/// `19.9`, `1990e-2`, `19.900` are 1990.
struct amount_text {
  enum class verdict { ok, not_positive, too_many_decimals, too_large };
  verdict what = verdict::ok;
  std::int64_t cents = 0;
};
[[nodiscard]] amount_text parse_amount(std::string_view number);

/// Writes `19.90`: at most 24 characters (any sum of cents fits). Returns the end.
char* write_amount(char* to, std::int64_t cents);

/// Which bound a fraction finer than a millisecond is rounded to.
enum class rounding { down, up };

/// Reads ISO 8601 `2025-07-15T12:34:56[.0-9 digits][Z|±hh:mm|±hhmm|±hh]`; no zone means UTC. The year has
/// four digits, a date alone is midnight, a space may stand for the T, seconds may be left out.
/// nullopt for anything else, February 30 included; a leap second 60 is the next minute's first.
[[nodiscard]] std::optional<wall_time> parse_time(std::string_view text, rounding round);

/// Writes `2025-07-15T12:34:56.000Z`: exactly 24 characters. Returns to + 24.
char* write_time(char* to, wall_time time);
[[nodiscard]] std::string to_string(wall_time time);

} // namespace repasse
