// The chunked transfer coding (RFC 9112 section 7.1), decoded in place. For http_parser only.
// Extensions and trailers are checked, then ignored: nothing in a trailer may change a request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace repasse {

/// A chunked body as sent, with sizes, extensions and trailers; beyond: 413.
inline constexpr std::size_t chunked_bytes_max = 32 * 1024;
/// The line with a chunk's size and extensions.
inline constexpr std::size_t chunk_line_bytes_max = 256;

/// How far one body has been decoded: the decoded bytes are moved together at its front, so that what is
/// parsed again after more has come continues behind them.
class chunked_body {
public:
  enum class state : std::uint8_t { need_more, complete, malformed, too_large };

  /// `bytes` begins with the body's first byte, as the last call left it. At most `body_bytes_max` decoded.
  state decode(std::span<char> bytes, std::size_t body_bytes_max);

  [[nodiscard]] std::size_t body_bytes() const { return body_bytes_; }
  /// After `complete`: where the body's framing ends.
  [[nodiscard]] std::size_t consumed() const { return position_; }

private:
  enum class step : std::uint8_t { more, incomplete, complete, malformed, too_large };

  step decode_chunk(std::span<char> bytes, std::size_t body_bytes_max);
  step check_trailer_line(std::span<const char> bytes);

  std::uint32_t position_ = 0; ///< of the next chunk or trailer line
  std::uint32_t body_bytes_ = 0;
  bool in_trailers_ = false;
};

} // namespace repasse
