// Reads a few members of one JSON object (RFC 8259, strictly) as text, without a tree: amounts must never
// pass through a double. Used by readers of what clients and processors send.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace repasse {

/// A member that a reader looks for at the top level, and what stood there.
struct json_member {
  enum class kind : std::uint8_t { absent, null, boolean, number, string, other };
  static constexpr std::size_t string_bytes_max = 48;

  std::string_view name;
  std::string_view number{}; ///< as sent, a view into the text that was read
  kind what = kind::absent;
  bool truth = false;
  std::uint8_t string_bytes = 0;
  bool is_cut = false;          ///< the string is longer than fits
  std::string* whole = nullptr; ///< takes a string however long, too
  std::array<char, string_bytes_max> characters;

  explicit json_member(std::string_view member_name) : name(member_name) {}
  /// Decoded; empty if it was cut: no member that we read is so long.
  [[nodiscard]] std::string_view string() const {
    return is_cut ? std::string_view{} : std::string_view{characters.data(), string_bytes};
  }
};

enum class [[nodiscard]] json_verdict : std::uint8_t{
    object,
    other_value,      ///< JSON, but no object
    number_too_large, ///< an exponent that no number type has; the members before it are there
    repeated_member,  ///< at any depth
    malformed         ///< not JSON, or nested deeper than 32
};

/// Fills `wanted`, and checks and ignores the rest. Allocates only for an object of more than 16 members.
json_verdict read_members(std::string_view text, std::span<json_member> wanted);

} // namespace repasse
