// A chart as SVG: what stands where, numbers as people read them, nothing that the page would take for
// markup.
#include "bench/svg_chart.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace repasse {
namespace {

std::size_t count_of(std::string_view in, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = in.find(what); at != in.npos; at = in.find(what, at + what.size()))
    ++count;
  return count;
}

chart_series rising(std::size_t points) {
  chart_series made{"rising", {}};
  for (std::size_t i = 0; i < points; ++i)
    made.points.push_back({static_cast<double>(i), static_cast<double>(i)});
  return made;
}

BOOST_AUTO_TEST_SUITE(svg_charts)

BOOST_AUTO_TEST_CASE(numbers_have_three_digits_or_all_before_the_point) {
  BOOST_TEST(readable(0) == "0");
  BOOST_TEST(readable(0.0451) == "0.045");
  BOOST_TEST(readable(0.1) == "0.1");
  BOOST_TEST(readable(1.5) == "1.5");
  BOOST_TEST(readable(12.34) == "12.3");
  BOOST_TEST(readable(100) == "100");
  BOOST_TEST(readable(1234) == "1,234");
  BOOST_TEST(readable(1234567.8) == "1,234,568");
  BOOST_TEST(readable(-1500) == "−1,500");
}

BOOST_AUTO_TEST_CASE(markup_in_names_is_text) {
  BOOST_TEST(html_escaped("<a b=\"c\">&") == "&lt;a b=&quot;c&quot;&gt;&amp;");
  const std::string svg = to_svg({.title = "<x>", .unit = "", .series = {{"<y>", {{0, 1}}}}}, {}, 1);
  BOOST_TEST(count_of(svg, "<x>") + count_of(svg, "<y>") == 0U);
}

BOOST_AUTO_TEST_CASE(axes_go_to_round_values_above_all_points) {
  const std::string svg = to_svg({.title = "", .unit = "", .series = {{"", {{0, 93}, {60, 7}}}}}, {}, 60);
  for (const char* tick : {">0<", ">50<", ">100<", ">0 s<", ">60<"})
    BOOST_TEST(svg.find(tick) != svg.npos, tick);
}

BOOST_AUTO_TEST_CASE(a_logarithmic_axis_has_powers_of_ten_and_room_for_zero) {
  const std::string svg = to_svg(
      {.title = "", .unit = "", .series = {{"", {{0, 0}, {1, 250}}}}, .logarithmic = true, .lowest = 0.1}, {},
      1);
  for (const char* tick : {">0.1<", ">1<", ">10<", ">100<", ">1,000<"})
    BOOST_TEST(svg.find(tick) != svg.npos, tick);
  BOOST_TEST(svg.find("nan") == svg.npos);
  BOOST_TEST(svg.find("inf") == svg.npos);
}

BOOST_AUTO_TEST_CASE(a_long_series_is_thinned_and_keeps_its_peak) {
  chart_series spiked = rising(86'400);
  spiked.points[40'000].value = 1e6;
  const std::string svg = to_svg({.title = "", .unit = "", .series = {spiked}}, {}, 86'400);
  BOOST_TEST(count_of(svg, "<title>") <= 300U);
  BOOST_TEST(svg.find("1,000,000") != svg.npos);
}

BOOST_AUTO_TEST_CASE(bands_are_labelled_where_there_is_room) {
  const chart drawn{.title = "", .unit = "", .series = {rising(60)}};
  const std::string svg =
      to_svg(drawn, {{0, 50, "0/0", 0}, {50, 51, "2000!/1000!", 2}, {51, 60, "1/1", 1}}, 60);
  BOOST_TEST(svg.find(">0/0<") != svg.npos);
  BOOST_TEST(svg.find(">2000!/1000!<") == svg.npos);
  BOOST_TEST(count_of(svg, "class=\"band") == 3U);
}

BOOST_AUTO_TEST_CASE(without_points_there_are_axes) {
  BOOST_TEST(count_of(to_svg({.title = "", .unit = "", .series = {}}, {}, 10), "<text") > 4U);
  BOOST_TEST(count_of(to_svg({.title = "", .unit = "", .series = {{"", {}}}}, {}, 10), "<text") > 4U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
