// traceparent: what is taken over from a client, and what is not.
#include "server/trace_context.hpp"

#include <boost/test/unit_test.hpp>

namespace repasse {
namespace {

const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string parent = "00f067aa0ba902b7";

std::string text(std::string_view version, std::string_view flags, std::string_view more = "") {
  return std::string{version} + "-" + trace + "-" + parent + "-" + std::string{flags} + std::string{more};
}

} // namespace

BOOST_AUTO_TEST_SUITE(traceparent)

BOOST_AUTO_TEST_CASE(the_specification_s_example_is_read) {
  const auto read = parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  BOOST_TEST_REQUIRE(read.has_value());
  BOOST_TEST(to_string(read->trace) == trace);
  BOOST_TEST(span_text(read->parent) == parent);
  BOOST_TEST(read->is_sampled);
}

BOOST_AUTO_TEST_CASE(only_the_last_flag_says_that_it_is_sampled) {
  for (const std::string_view flags : {"01", "03", "ff"})
    BOOST_TEST(parse_traceparent(text("00", flags))->is_sampled);
  for (const std::string_view flags : {"00", "02", "fe"})
    BOOST_TEST(!parse_traceparent(text("00", flags))->is_sampled);
}

BOOST_AUTO_TEST_CASE(a_later_version_is_read_as_far_as_it_begins_alike) {
  for (const std::string& one : {text("01", "01"), text("01", "01", "-"),
                                 text("cc", "01", "-what-the-future-brings"), text("fe", "01")})
    BOOST_TEST(parse_traceparent(one).has_value(), one);
  BOOST_TEST(!parse_traceparent(text("01", "01", ".what")).has_value());
  BOOST_TEST(!parse_traceparent(text("01", "01", "0")).has_value());
}

BOOST_AUTO_TEST_CASE(what_is_malformed_is_none) {
  const std::string whole = text("00", "01");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    BOOST_TEST(!parse_traceparent(whole.substr(0, i)).has_value(), i);
    for (const char wrong : {'g', 'A', ' ', '_', '\0', '\xff'}) {
      std::string one = whole;
      one[i] = wrong;
      BOOST_TEST(!parse_traceparent(one).has_value(), one);
    }
  }
  const std::string zero_trace = "00-00000000000000000000000000000000-" + parent + "-01";
  const std::string zero_parent = "00-" + trace + "-0000000000000000-01";
  const std::vector<std::string> all = {"",
                                        text("ff", "01"),
                                        text("ff", "01", "-more"),
                                        text("00", "01", "-more"),
                                        text("00", "01", "-"),
                                        text("00", "01", " "),
                                        " " + whole,
                                        zero_trace,
                                        zero_parent,
                                        "00-" + trace + "-" + parent + "-1",
                                        "0-" + trace + "-" + parent + "-01x"};
  for (const std::string& one : all)
    BOOST_TEST(!parse_traceparent(one).has_value(), one);
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_again) {
  for (const std::string_view flags : {"00", "01"}) {
    std::string written;
    write_traceparent(written, *parse_traceparent(text("00", flags)));
    BOOST_TEST(written == text("00", flags));
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
