// What instances tell each other of processors: to the byte, and whatever else may come.
#include "health/health_message.hpp"

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using verdict = health_news::verdict;

constexpr steady_time now{1h};
const wall_time noon = *parse_time("2025-07-15T12:00:00.000Z", rounding::down);
const std::vector<std::string> names{"default", "fallback"};

std::string said(const std::string& processor, bool healthy, wall_time when) {
  return health_message_json(
      {.processor = processor, .healthy = healthy, .min_response_time = 100ms, .timestamp = when});
}

/// One who hears, at noon.
class ear {
public:
  verdict hear(std::string_view text, wall_time wall = noon) {
    return news.judge(text, now, wall, index, report);
  }

  health_news news{names};
  processor_index index = no_processor;
  health_report report;
};

std::string with(std::string text, std::string_view part, std::string_view other) {
  return text.replace(text.find(part), part.size(), other);
}

} // namespace

BOOST_AUTO_TEST_SUITE(health_message_test)

BOOST_AUTO_TEST_CASE(a_message_is_written_to_the_byte_and_read_back) {
  const health_message one{
      .processor = "default", .healthy = true, .min_response_time = 120ms, .timestamp = noon + 7ms};
  const std::string text = health_message_json(one);
  BOOST_TEST(
      text ==
      R"({"processor":"default","healthy":true,"minResponseTime":120,"timestamp":"2025-07-15T12:00:00.007Z"})");
  const auto read = parse_health_message(text);
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST(read->processor == one.processor);
  BOOST_TEST(read->healthy == one.healthy);
  BOOST_TEST((read->min_response_time == one.min_response_time));
  BOOST_TEST((read->timestamp == one.timestamp));
}

BOOST_AUTO_TEST_CASE(members_stand_in_any_order_beside_others) {
  const auto read = parse_health_message(
      R"( {"by":["x",{"y":1}],"timestamp":"2025-07-15T14:00:00+02:00","minResponseTime":0,"healthy":false,"processor":"\u0064efault"} )");
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST(read->processor == "default");
  BOOST_TEST((read->timestamp == noon));
}

BOOST_AUTO_TEST_CASE(whatever_is_no_such_object_is_malformed) {
  const std::string good = said("default", true, noon);
  std::vector<std::string> bad{"",
                               "null",
                               "[]",
                               "{}",
                               "12",
                               "\0\xff\r\n"s,
                               good + good,
                               good + "x",
                               good.substr(1),
                               good + std::string(health_message_bytes_max, ' '),
                               std::string(100'000, '['),
                               std::string(500, '['),
                               with(good, "true", "1"),
                               with(good, "true", "\"true\""),
                               with(good, "100", "100.5"),
                               with(good, "100", "1e2"),
                               with(good, "100", "-1"),
                               with(good, "100", "86400001"),
                               with(good, "100", "99999999999999999999"),
                               with(good, "100", "\"100\""),
                               with(good, "100", "null"),
                               with(good, "2025-07-15", "2025-02-30"),
                               with(good, "\"2025-07-15T12:00:00.000Z\"", "1752580800"),
                               with(good, "\"default\"", "null"),
                               with(good, "default", "\xff")};
  for (const auto* name : {"processor", "healthy", "minResponseTime", "timestamp"})
    bad.push_back(with(good, name, "other"));
  for (std::size_t size = 0; size < good.size(); ++size)
    bad.push_back(good.substr(0, size));
  for (const std::string& text : bad) {
    BOOST_TEST(!parse_health_message(text).has_value(), text.substr(0, 200));
    BOOST_TEST((ear{}.hear(text) == verdict::malformed));
  }
}

BOOST_AUTO_TEST_CASE(bytes_changed_at_random_are_never_taken_for_another_processor) {
  std::minstd_rand random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = said("default", true, noon);
    for (int change = 0; change < 1 + i % 3; ++change)
      text[random() % text.size()] = static_cast<char>(random() % 256);
    ear one;
    if (one.hear(text) == verdict::news) BOOST_TEST(one.index == 0);
  }
}

BOOST_AUTO_TEST_CASE(news_is_told_in_the_times_of_this_host) {
  ear one;
  BOOST_TEST((one.hear(said("fallback", false, noon - 2s)) == verdict::news));
  BOOST_TEST(one.index == 1);
  BOOST_TEST(one.report.failing);
  BOOST_TEST((one.report.min_response_time == 100ms));
  BOOST_TEST((one.report.heard == now - 2s));
  BOOST_TEST((one.report.heard_wall == noon - 2s));
  BOOST_TEST(one.report.from == 0U);
  BOOST_TEST((one.hear(said("default", true, noon + 5s)) == verdict::news));
  BOOST_TEST((one.report.heard == now)); // not in the future
  BOOST_TEST((one.report.heard_wall == noon));
}

BOOST_AUTO_TEST_CASE(what_is_not_later_than_the_last_one_of_that_processor_is_stale) {
  ear one;
  BOOST_TEST((one.hear(said("default", true, noon)) == verdict::news));
  BOOST_TEST((one.hear(said("default", true, noon)) == verdict::stale));
  BOOST_TEST((one.hear(said("default", false, noon - 1ms)) == verdict::stale));
  BOOST_TEST((one.hear(said("fallback", true, noon - 1s)) == verdict::news));
  BOOST_TEST((one.hear(said("default", false, noon + 1ms)) == verdict::news));
}

BOOST_AUTO_TEST_CASE(what_was_said_30_s_ago_is_stale_and_what_will_be_said_is_from_the_future) {
  ear one;
  BOOST_TEST((one.hear(said("default", true, noon - 30'001ms)) == verdict::stale));
  BOOST_TEST((one.hear(said("default", true, noon - 30s)) == verdict::news));
  BOOST_TEST((one.hear(said("default", true, noon + 5'001ms)) == verdict::from_future));
  BOOST_TEST(
      (one.hear(said("default", true, wall_time{std::chrono::sys_days{std::chrono::year{9999} / 1 / 1}})) ==
       verdict::from_future));
  BOOST_TEST((one.hear(said("default", true, noon)) == verdict::news)); // it has silenced nobody
}

BOOST_AUTO_TEST_CASE(processors_not_configured_here_are_unknown) {
  ear one;
  for (const auto* name : {"", "Default", "default ", "third", "processor"})
    BOOST_TEST((one.hear(said(name, true, noon)) == verdict::unknown));
  BOOST_TEST((one.hear(said("default\0"s, true, noon)) == verdict::unknown));
}

BOOST_AUTO_TEST_CASE(an_own_message_is_stale_when_it_comes_back) {
  ear one;
  BOOST_TEST((one.news.stamp(0, noon) == noon));
  BOOST_TEST((one.hear(said("default", true, noon)) == verdict::stale));
  BOOST_TEST((one.news.stamp(0, noon) == noon + 1ms)); // no two are the same
}

BOOST_AUTO_TEST_CASE(a_clock_that_is_behind_makes_no_message_stale) {
  ear one;
  BOOST_TEST((one.hear(said("default", true, noon + 3s)) == verdict::news)); // told by a clock that is ahead
  const wall_time stamp = one.news.stamp(0, noon + 1s);
  ear another;
  BOOST_TEST((another.hear(said("default", true, noon + 3s)) == verdict::news));
  BOOST_TEST((another.hear(said("default", false, stamp), noon + 1s) == verdict::news));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
