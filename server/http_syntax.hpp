// The lexical rules of RFC 9110 and 9112 that more than one reader of a request needs, checked on the raw
// bytes: Beast 1.81 is more lenient than they are. Nothing here allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace repasse {

/// What stands at the front of some bytes that must be a line.
struct checked_line {
  enum class kind : std::uint8_t { line, empty, incomplete, malformed };
  kind what = kind::incomplete;
  std::uint16_t error_status = 0; ///< if malformed
  std::uint32_t bytes = 0;        ///< of the line with its CRLF, if it is whole
  const char* error_reason = "";
};

/// RFC 9112 section 3, of a version that we speak.
[[nodiscard]] checked_line check_request_line(std::string_view bytes, std::size_t target_bytes_max);
/// RFC 9112 section 5, without obs-fold. `empty` is the line that ends a section.
[[nodiscard]] checked_line check_field_line(std::string_view bytes);

/// `uri-host [ ":" port ]` (RFC 9110 section 7.2), which may be empty.
[[nodiscard]] bool is_valid_host(std::string_view host);

/// The first control character other than a tab, or the end.
[[nodiscard]] const char* find_control(const char* first, const char* last);

[[nodiscard]] bool equals_ignoring_case(std::string_view text, std::string_view lower_case);

/// Takes a token off the front of `rest`; empty if there is none.
std::string_view take_token(std::string_view& rest);
/// Takes a token or quoted string off the front of `rest`; false if there is neither. `value` is as sent,
/// quotes left out, escapes left in.
bool take_token_or_quoted(std::string_view& rest, std::string_view& value);
void skip_blanks(std::string_view& rest);

/// -1 if it is none.
[[nodiscard]] int hex_value(char c);

} // namespace repasse
