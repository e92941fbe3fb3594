#include "bench/svg_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace repasse {
namespace {

using out = std::back_insert_iterator<std::string>;

/// In the drawing's own units, which the page scales to the width there is.
constexpr double width = 520;
constexpr double height = 250;
constexpr double left = 58;
constexpr double right = 10;
constexpr double top = 24;
constexpr double bottom = 26;
constexpr double plot_width = width - left - right;
constexpr double plot_height = height - top - bottom;

constexpr std::size_t points_max = 300;

/// The first of 1, 2, 5 times a power of ten that divides `range` into at most `parts`.
double nice_step(double range, double parts) {
  const double least = range / parts;
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= least * 0.999) return factor * power;
  return 10 * power;
}

std::vector<chart_point> thinned(const std::vector<chart_point>& points) {
  const std::size_t step = (points.size() + points_max - 1) / points_max;
  if (step <= 1) return points;
  std::vector<chart_point> kept;
  for (std::size_t i = 0; i < points.size(); i += step) {
    const auto first = points.begin() + static_cast<std::ptrdiff_t>(i);
    const auto last = points.begin() + static_cast<std::ptrdiff_t>(std::min(i + step, points.size()));
    kept.push_back(*std::max_element(
        first, last, [](const chart_point& a, const chart_point& b) { return a.value < b.value; }));
  }
  return kept;
}

class drawing {
public:
  drawing(const chart& drawn, const std::vector<chart_band>& bands, double seconds);

  std::string draw();

private:
  [[nodiscard]] double x_of(double second) const {
    return left + plot_width * std::clamp(second / seconds_, 0.0, 1.0);
  }
  [[nodiscard]] double y_of(double value) const;
  void choose_value_axis();
  void draw_bands();
  void draw_axes();
  void draw_lines();
  void draw_series(std::size_t number);
  void draw_titles();
  void text(double x, double y, std::string_view anchor, std::string_view kind, std::string_view words);

  const chart& chart_;
  const std::vector<chart_band>& bands_;
  double seconds_;
  std::vector<std::vector<chart_point>> points_; ///< of each series
  std::vector<double> ticks_;
  double lowest_ = 0;
  double highest_ = 1;
  std::string svg_;
};

drawing::drawing(const chart& drawn, const std::vector<chart_band>& bands, double seconds)
    : chart_(drawn), bands_(bands), seconds_(seconds) {
  for (const chart_series& each : drawn.series)
    points_.push_back(thinned(each.points));
  choose_value_axis();
}

std::string drawing::draw() {
  fmt::format_to(out(svg_), R"(<svg viewBox="0 0 {} {}" role="img" aria-label="{}">)", width, height,
                 html_escaped(chart_.title));
  draw_bands();
  draw_axes();
  draw_lines();
  for (std::size_t i = 0; i < points_.size(); ++i)
    draw_series(i);
  draw_titles();
  return svg_ + "</svg>\n";
}

void drawing::choose_value_axis() {
  double highest = chart_.highest_at_least;
  for (const auto& series : points_)
    for (const chart_point& each : series)
      highest = std::max(highest, each.value);
  if (chart_.logarithmic) {
    lowest_ = chart_.lowest;
    highest_ = std::pow(10, std::ceil(std::log10(highest) - 1e-9));
    for (double tick = lowest_; tick <= highest_ * 1.001; tick *= 10)
      ticks_.push_back(tick);
    return;
  }
  const double step = nice_step(highest, 4);
  highest_ = std::ceil(highest / step - 1e-9) * step;
  for (int i = 0; i * step <= highest_ * 1.001; ++i)
    ticks_.push_back(i * step);
}

double drawing::y_of(double value) const {
  const double clamped = std::clamp(value, lowest_, highest_);
  const double share = chart_.logarithmic ? std::log(clamped / lowest_) / std::log(highest_ / lowest_)
                                          : (clamped - lowest_) / (highest_ - lowest_);
  return top + plot_height * (1 - share);
}

void drawing::draw_bands() {
  for (std::size_t i = 0; i < bands_.size(); ++i) {
    const chart_band& band = bands_[i];
    const double from = x_of(band.from);
    const double wide = x_of(band.to) - from;
    fmt::format_to(out(svg_), R"(<rect class="band g{} {}" x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>)",
                   band.grade, i % 2 == 0 ? "even" : "odd", from, top, wide, plot_height);
    const double room_for_a_letter = 6;
    if (wide > room_for_a_letter * static_cast<double>(band.label.size()))
      text(from + wide / 2, top - 8, "middle", "stage", band.label);
  }
}

void drawing::draw_axes() {
  constexpr double thousands = 10'000;
  for (const double tick : ticks_) {
    const double y = y_of(tick);
    fmt::format_to(out(svg_), R"(<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>)", left,
                   width - right, y, y);
    text(left - 7, y + 4, "end", "tick", tick < thousands ? readable(tick) : readable(tick / 1000) + "k");
  }
  const double step = nice_step(seconds_, 6);
  for (int i = 0; i * step <= seconds_ * 1.001; ++i)
    text(x_of(i * step), height - 8, i == 0 ? "start" : "middle", "tick",
         i == 0 ? "0 s" : readable(i * step));
}

void drawing::draw_lines() {
  for (const chart_line& each : chart_.lines) {
    if (each.value < lowest_ || each.value > highest_) continue;
    const double y = y_of(each.value);
    fmt::format_to(out(svg_), R"(<line class="limit" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>)", left,
                   width - right, y, y);
    text(width - right - 4, y - 5, "end", "limit-label", each.label);
  }
}

void drawing::draw_series(std::size_t number) {
  const std::vector<chart_point>& points = points_[number];
  if (points.empty()) return;
  std::string path;
  for (const chart_point& each : points)
    fmt::format_to(out(path), "{}{:.1f} {:.1f}", path.empty() ? 'M' : 'L', x_of(each.second),
                   y_of(each.value));
  const std::size_t colour = number % chart_colours;
  if (chart_.series[number].filled)
    fmt::format_to(out(svg_), R"(<path class="area c{}" d="{}L{:.1f} {:.1f}L{:.1f} {:.1f}Z"/>)", colour, path,
                   x_of(points.back().second), y_of(lowest_), x_of(points.front().second), y_of(lowest_));
  fmt::format_to(out(svg_), R"(<path class="line c{}" d="{}"/>)", colour, path);
}

/// A column for each point of the longest series; the others' points there have the same number, as all are
/// taken each second.
void drawing::draw_titles() {
  if (points_.empty()) return;
  const auto& longest = *std::ranges::max_element(points_, {}, &std::vector<chart_point>::size);
  const double wide = plot_width / static_cast<double>(std::max<std::size_t>(longest.size(), 1));
  for (std::size_t i = 0; i < longest.size(); ++i) {
    std::string words = fmt::format("{:.0f} s", longest[i].second);
    for (std::size_t s = 0; s < points_.size(); ++s)
      if (i < points_[s].size())
        fmt::format_to(out(words), "\n{}: {} {}", chart_.series[s].name, readable(points_[s][i].value),
                       chart_.unit);
    fmt::format_to(
        out(svg_),
        R"(<rect class="column" x="{:.1f}" y="{}" width="{:.1f}" height="{}"><title>{}</title></rect>)",
        std::max(left, x_of(longest[i].second) - wide / 2), top, wide, plot_height, html_escaped(words));
  }
}

void drawing::text(double x, double y, std::string_view anchor, std::string_view kind,
                   std::string_view words) {
  fmt::format_to(out(svg_), R"(<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>)", kind, x,
                 y, anchor, html_escaped(words));
}

} // namespace

std::string to_svg(const chart& drawn, const std::vector<chart_band>& bands, double seconds) {
  return drawing(drawn, bands, seconds).draw();
}

std::string html_escaped(std::string_view text) {
  std::string made;
  for (const char each : text) {
    switch (each) {
    case '&':
      made += "&amp;";
      break;
    case '<':
      made += "&lt;";
      break;
    case '>':
      made += "&gt;";
      break;
    case '"':
      made += "&quot;";
      break;
    default:
      made += each;
    }
  }
  return made;
}

std::string readable(double value) {
  const double size = std::abs(value);
  std::string digits = fmt::format("{:.{}f}", size, size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3);
  const std::size_t point = digits.find('.');
  const std::string_view whole = std::string_view(digits).substr(0, point);
  std::string_view rest = point == digits.npos ? "" : std::string_view(digits).substr(point);
  while (rest.ends_with('0') || rest == ".")
    rest.remove_suffix(1);
  std::string made = value < 0 && size >= 0.0005 ? "−" : "";
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (i > 0 && (whole.size() - i) % 3 == 0) made += ',';
    made += whole[i];
  }
  return made.append(rest);
}

} // namespace repasse
