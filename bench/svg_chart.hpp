// A chart of lines over time as SVG that needs no script: axes, background bands, a title for each moment
// that a pointer rests on. Used by the reference load's page, whose style sheet gives it its colours.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

struct chart_point {
  double second;
  double value;
};

struct chart_series {
  std::string name;
  std::vector<chart_point> points; ///< by second
  bool filled = false;             ///< down to the axis
};

struct chart_band {
  double from; ///< seconds
  double to;
  std::string label;
  std::size_t grade; ///< 0: calm, 1, 2: the colour of trouble
};

struct chart_line {
  double value;
  std::string label;
};

struct chart {
  std::string title;
  std::string unit; ///< of the values, as it stands beside them
  std::vector<chart_series> series;
  bool logarithmic = false; ///< by powers of ten; what is lower than `lowest` is drawn there
  double lowest = 0;
  double highest_at_least = 1;
  std::vector<chart_line> lines = {}; ///< across, dashed, if they are within the axis
};

inline constexpr std::size_t chart_colours = 8; ///< classes c0 to c7; series beyond begin anew

/// All charts of one page share their seconds and bands. A long series is thinned to the maxima of equal
/// steps.
[[nodiscard]] std::string to_svg(const chart& drawn, const std::vector<chart_band>& bands, double seconds);

/// For text and attribute values.
[[nodiscard]] std::string html_escaped(std::string_view text);

/// As people read it, with three digits or all before the point: `1,234`, `12.3`, `0.045`.
[[nodiscard]] std::string readable(double value);

} // namespace repasse
