// What goes back to a client, and how it is written (RFC 9112). Used by endpoints and http_session.
#pragma once

#include "server/http_figures.hpp"
#include "storage/payment.hpp"

#include <string>
#include <string_view>

namespace repasse {

struct http_response {
  int status = 200;
  std::string_view content_type = "application/json"; ///< a literal; none is sent with an empty body
  std::string headers;                                ///< more fields, each ended by CR LF
  std::string body;
  bool is_stream = false; ///< `body` is its beginning: it has no length, and ends with the connection
  endpoint_kind kind = endpoint_kind::other; ///< that the endpoints' answers are counted by
};

/// How the connection goes on after a response.
enum class connection_fate : std::uint8_t {
  keep,        ///< HTTP/1.1's default
  keep_http10, ///< HTTP/1.0, which has to be told
  close
};

[[nodiscard]] std::string_view reason_phrase(int status);

/// problem+json (RFC 9457) with the status's own phrase as its title.
[[nodiscard]] http_response problem(int status, std::string_view detail);
/// 503 with Retry-After.
[[nodiscard]] http_response unavailable(std::string_view detail = "the ledger does not answer");

/// Appends head and body; `is_head` leaves the body out but not its length.
void write_response(std::string& to, const http_response& response, connection_fate fate, bool is_head,
                    wall_time now);

/// `Sun, 06 Nov 1994 08:49:37 GMT`: exactly http_date_bytes characters. Returns the end.
inline constexpr std::size_t http_date_bytes = 29;
char* write_http_date(char* to, wall_time time);

} // namespace repasse
