// Reads the small JSON objects that processors and repasse exchange, without allocation: the simulator
// reads requests with it, the audit reads answers. The whole text is checked against RFC 8259's grammar;
// values are handed out as the text that they are, so that amounts never pass through a double.
#pragma once

#include <boost/container/static_vector.hpp>

#include <cstddef>
#include <optional>
#include <string_view>

namespace repasse {

class flat_json {
public:
  struct member {
    std::string_view name;
    std::string_view value; ///< its text, quotes included
  };
  static constexpr std::size_t members_max = 64;

  /// nullopt if `text` is not one JSON object, has more members than that, or is nested deeper than 8.
  /// What is read points into `text`.
  [[nodiscard]] static std::optional<flat_json> read(std::string_view text);

  /// The first member of that name, as text; null counts as missing. Names with escapes are not found.
  [[nodiscard]] std::optional<std::string_view> text_of(std::string_view name) const;
  /// The same, nullopt too if it is of another type. A string that has escapes counts as another type.
  [[nodiscard]] std::optional<std::string_view> string(std::string_view name) const;
  [[nodiscard]] std::optional<std::string_view> number(std::string_view name) const;
  [[nodiscard]] std::optional<bool> boolean(std::string_view name) const;
  [[nodiscard]] std::optional<flat_json> object(std::string_view name) const;
  /// A number that is a whole one without point and exponent, and not negative.
  [[nodiscard]] std::optional<std::size_t> count(std::string_view name) const;

private:
  boost::container::static_vector<member, members_max> members_;
};

} // namespace repasse
