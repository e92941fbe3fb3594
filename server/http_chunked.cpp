#include "server/http_chunked.hpp"

#include "server/http_syntax.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

namespace repasse {
namespace {

/// `*( BWS ";" BWS name [ BWS "=" BWS value ] )`
bool are_extensions(std::string_view rest) {
  while (!rest.empty()) {
    skip_blanks(rest);
    if (!rest.starts_with(';')) return false;
    rest.remove_prefix(1);
    skip_blanks(rest);
    if (take_token(rest).empty()) return false;
    std::string_view value = rest;
    skip_blanks(value);
    if (!value.starts_with('=')) continue;
    value.remove_prefix(1);
    skip_blanks(value);
    rest = value;
    if (!take_token_or_quoted(rest, value)) return false;
  }
  return true;
}

/// The size that a chunk's line, without its CRLF, gives.
std::optional<std::uint64_t> parse_chunk_line(std::string_view line) {
  constexpr std::size_t digits_max = 16;
  std::uint64_t size = 0;
  std::size_t digits = 0;
  for (; digits < line.size() && hex_value(line[digits]) >= 0; ++digits) {
    if (digits == digits_max) return std::nullopt;
    size = size * 16 + static_cast<std::uint64_t>(hex_value(line[digits]));
  }
  if (digits == 0 || !are_extensions(line.substr(digits))) return std::nullopt;
  return size;
}

} // namespace

chunked_body::state chunked_body::decode(std::span<char> bytes, std::size_t body_bytes_max) {
  const std::span<char> visible = bytes.first(std::min(bytes.size(), chunked_bytes_max));
  step done = step::more;
  while (done == step::more)
    done = in_trailers_ ? check_trailer_line(visible) : decode_chunk(visible, body_bytes_max);
  switch (done) {
  case step::complete:
    return state::complete;
  case step::malformed:
    return state::malformed;
  case step::too_large:
    return state::too_large;
  case step::more:
  case step::incomplete:
    break;
  }
  return bytes.size() < chunked_bytes_max ? state::need_more : state::too_large;
}

chunked_body::step chunked_body::decode_chunk(std::span<char> bytes, std::size_t body_bytes_max) {
  const char* const line = bytes.data() + position_;
  const char* const last = bytes.data() + bytes.size();
  const char* const line_last = line + std::min<std::ptrdiff_t>(last - line, chunk_line_bytes_max);
  const char* const eol = find_control(line, line_last);
  if (eol == line_last)
    return line_last - line < std::ptrdiff_t{chunk_line_bytes_max} ? step::incomplete : step::malformed;
  if (*eol != '\r') return step::malformed;
  if (eol + 1 == last) return step::incomplete;
  if (eol[1] != '\n') return step::malformed;

  const std::optional<std::uint64_t> size = parse_chunk_line({line, eol});
  if (!size) return step::malformed;
  if (*size > body_bytes_max - body_bytes_) return step::too_large;
  const char* const data = eol + 2;
  if (*size == 0) {
    in_trailers_ = true;
    position_ = static_cast<std::uint32_t>(data - bytes.data());
    return step::more;
  }
  const char* const data_last =
      data + std::min<std::ptrdiff_t>(last - data, static_cast<std::ptrdiff_t>(*size));
  if (last - data_last < 1) return step::incomplete;
  if (*data_last != '\r') return step::malformed;
  if (last - data_last < 2) return step::incomplete;
  if (data_last[1] != '\n') return step::malformed;
  std::memmove(bytes.data() + body_bytes_, data, *size);
  body_bytes_ += static_cast<std::uint32_t>(*size);
  position_ = static_cast<std::uint32_t>(data_last + 2 - bytes.data());
  return step::more;
}

chunked_body::step chunked_body::check_trailer_line(std::span<const char> bytes) {
  const checked_line line = check_field_line({bytes.data() + position_, bytes.size() - position_});
  position_ += line.bytes;
  switch (line.what) {
  case checked_line::kind::line:
    return step::more;
  case checked_line::kind::empty:
    return step::complete;
  case checked_line::kind::incomplete:
    return step::incomplete;
  case checked_line::kind::malformed:
    break;
  }
  return step::malformed;
}

} // namespace repasse
