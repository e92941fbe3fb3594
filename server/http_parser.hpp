// Turns the bytes of one connection into requests, strictly by RFC 9112: whatever two readers could
// understand differently is refused, since one of them may be a proxy before us.
// Used by http_session. It never allocates, and never looks at what a request means.
#pragma once

#include "server/http_chunked.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace repasse {

/// The header section with its request line, and the empty lines before it; beyond: 431.
inline constexpr std::size_t header_bytes_max = 8 * 1024;
/// The request target; beyond: 414.
inline constexpr std::size_t target_bytes_max = 4 * 1024;
/// The body, as decoded; beyond: 413.
inline constexpr std::size_t body_bytes_max = 16 * 1024;
/// Everything of one request, as sent: what a connection must be able to hold.
inline constexpr std::size_t request_bytes_max = header_bytes_max + chunked_bytes_max;

/// Views into the bytes that were parsed: valid as long as these stay where they are.
struct http_request {
  std::string_view method; ///< any token, as sent
  std::string_view target; ///< as sent; parse_target() reads it
  std::string_view content_type;
  std::string_view admin_token; ///< X-Admin-Token
  std::string_view traceparent;
  std::string_view header; ///< the request line and all fields, for find_field()
  std::string_view body;   ///< without its chunk framing
  int version = 11;        ///< 10 or 11
  bool keep_alive = true;
  bool is_head = false;
};

/// One per connection, for all its requests, one after the other. It holds how far the current request has
/// been read, so that a slow sender costs no repeated work.
class http_parser {
public:
  enum class state : std::uint8_t {
    need_more,
    need_more_continue, ///< once a request: the client waits for "100 Continue" before it sends the body
    complete,
    failed ///< answer with error_status() and close: what follows cannot be told apart from the body
  };

  /// Parses the one request at the front of `bytes`: everything received since the end of the last, as the
  /// last call left it, and maybe more (a chunked body is joined in place). `request` is filled on
  /// `complete`; the next call then begins the next request, at consumed().
  state parse(std::span<char> bytes, http_request& request);

  /// After `complete`: how many bytes the request took.
  [[nodiscard]] std::size_t consumed() const { return message_bytes_; }

  /// After `failed`: 400, 413, 414, 417, 431 or 505, and why, in a few words.
  [[nodiscard]] int error_status() const { return error_status_; }
  [[nodiscard]] const char* error_reason() const { return error_reason_; }

private:
  enum class stage : std::uint8_t { request_line, fields, body, chunked, done, failed };
  /// Two empty lines before a request are forgiven (RFC 9112 section 2.2).
  static constexpr std::uint8_t leading_bytes_max = 4;

  state check_header(std::span<const char> bytes);
  bool read_header(std::span<const char> bytes, http_request& request);
  state read_body(std::span<char> bytes);
  state fail(int status, const char* reason);

  const char* error_reason_ = "";
  std::uint32_t checked_bytes_ = 0; ///< whole lines of the header section that are well-formed
  std::uint32_t header_bytes_ = 0;  ///< once it has ended, with the empty lines before it
  std::uint32_t body_bytes_ = 0;
  std::uint32_t message_bytes_ = 0;
  chunked_body chunks_;
  std::uint16_t error_status_ = 0;
  std::uint8_t leading_bytes_ = 0;
  stage stage_ = stage::request_line;
  bool expects_continue_ = false;
};

/// The value of the first field of this name in a header section that has been parsed; empty if there is
/// none. For fields that few requests have.
[[nodiscard]] std::string_view find_field(std::string_view header, std::string_view lower_case_name);

/// Whether a Content-Type names JSON: `application/json`, in any case, with any parameters except a charset
/// other than UTF-8.
[[nodiscard]] bool is_json(std::string_view content_type);

} // namespace repasse
