// What Redis answered to one command, as C++ values. For everyone who uses redis_connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

struct redis_reply {
  enum class kind : std::uint8_t { nil, integer, text, error, list };

  kind what = kind::nil;
  std::int64_t number = 0;       ///< of an integer
  std::string text;              ///< of a text (a status too), or the words of an error
  std::vector<redis_reply> list; ///< of a list; depth is bounded by what we ask for

  [[nodiscard]] bool is_error() const { return what == kind::error; }
  [[nodiscard]] bool is_nil() const { return what == kind::nil; }
  /// Empty if it is no text.
  [[nodiscard]] std::optional<std::string_view> as_text() const {
    if (what != kind::text) return std::nullopt;
    return std::string_view{text};
  }
  /// Empty if it is no integer.
  [[nodiscard]] std::optional<std::int64_t> as_number() const {
    if (what != kind::integer) return std::nullopt;
    return number;
  }
};

} // namespace repasse
