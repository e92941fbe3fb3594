// How the text of one value is read, and written again: pure functions without a variable's name.
// Used by the configuration's table alone. Each accepts exactly what it says: no blanks, signs or rests.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

/// Decimal digits only.
[[nodiscard]] std::optional<std::size_t> parse_whole(std::string_view text);

/// Numbers with units in falling order, each unit once: `1h30m`, `500ms`; units h, m, s, ms.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
[[nodiscard]] std::string duration_text(std::chrono::milliseconds duration);

/// `true`, `false`, `1`, `0`.
[[nodiscard]] std::optional<bool> parse_flag(std::string_view text);

/// A decimal from 0 to 1 with at most six decimals, in millionths.
[[nodiscard]] std::optional<std::int64_t> parse_fee_ppm(std::string_view text);
[[nodiscard]] std::string fee_text(std::int64_t fee_ppm);

/// `[a-z0-9][a-z0-9_-]*`, at most 64 characters.
[[nodiscard]] bool is_processor_name(std::string_view text);
/// The name as it stands in variables: `my-bank` is `MY_BANK`.
[[nodiscard]] std::string processor_name_in_variables(std::string_view name);

/// The parts of a list separated by commas, without the blanks around them.
[[nodiscard]] std::vector<std::string_view> parse_list(std::string_view text);

/// How much of a value may be repeated in an error.
enum class redaction : std::uint8_t {
  none,
  url,   ///< only the scheme, if the rest might hold a user, a password or a query
  secret ///< nothing
};

/// The value as an error may show it: on one line, printable, at most 200 characters.
[[nodiscard]] std::string shown(std::string_view value, redaction rule);

} // namespace repasse
