// Finds the next request in what a client has sent: strict framing, no allocation. For the simulator and
// the fakes of tests, whose clients are repasse and test programs; repasse has a parser of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace repasse {

enum class scan_verdict : std::uint8_t { incomplete, complete, refused };

/// Points into the scanned bytes.
struct scanned_request {
  scan_verdict what = scan_verdict::incomplete;
  unsigned refusal_status = 0; ///< if refused; the connection is of no more use
  std::size_t size_bytes = 0;  ///< of the whole request, if complete
  std::string_view method;
  std::string_view target;
  std::string_view body;
  std::string_view content_type;
  std::string_view token; ///< `X-Rinha-Token`
  bool keep_alive = true;
};

inline constexpr std::size_t header_section_bytes_max = 8192;
inline constexpr std::size_t request_body_bytes_max = 4096;

/// Bodies come with `Content-Length` only: `Transfer-Encoding` is refused with 411.
[[nodiscard]] scanned_request scan_request(std::string_view received);

[[nodiscard]] bool equal_in_any_case(std::string_view a, std::string_view b);

} // namespace repasse
