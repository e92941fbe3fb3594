// The log: its bound, the form of its lines whatever they hold, and a reader who stops reading.
#include "server/json_members.hpp"
#include "server/log_sink.hpp"

#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr auto error_level = static_cast<std::size_t>(spdlog::level::err);
constexpr auto warn_level = static_cast<std::size_t>(spdlog::level::warn);

/// A log whose lines go into a pipe, or a socket, that nobody reads unless asked.
class piped_log {
public:
  enum class kind : std::uint8_t { pipe, socket };

  explicit piped_log(log_format format, log_level level = log_level::debug, kind of = kind::pipe) {
    if (of == kind::pipe)
      BOOST_REQUIRE(::pipe2(ends_.data(), O_CLOEXEC) == 0);
    else
      BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_.data()) == 0);
    sink = std::make_shared<log_sink>(ends_[1], level, format);
    log = std::make_unique<spdlog::logger>("test", sink);
    log->set_level(spdlog::level::debug);
    traces = std::make_unique<spdlog::logger>("trace", sink);
  }
  ~piped_log() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }

  [[nodiscard]] std::string read() {
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    std::string text;
    std::array<char, 65536> bytes{};
    ssize_t size = 0;
    while ((size = ::read(ends_[0], bytes.data(), bytes.size())) > 0)
      text.append(bytes.data(), static_cast<std::size_t>(size));
    return text;
  }
  [[nodiscard]] std::vector<std::string> lines() {
    std::istringstream text{read()};
    std::vector<std::string> all;
    for (std::string line; std::getline(text, line);)
      all.push_back(line);
    return all;
  }

  std::shared_ptr<log_sink> sink;
  std::unique_ptr<spdlog::logger> log;
  std::unique_ptr<spdlog::logger> traces;

private:
  std::array<int, 2> ends_{};
};

/// How many of `lines` a second for `seconds` are admitted.
std::size_t admitted(log_bound& bound, std::size_t level, std::string_view text, std::size_t lines,
                     std::chrono::seconds seconds, steady_time from = steady_time{1h}) {
  std::size_t count = 0;
  const auto all = lines * static_cast<std::size_t>(seconds.count());
  for (std::size_t i = 0; i < all; ++i)
    if (bound.admits(level, text, from + seconds * i / all)) ++count;
  return count;
}

bool is_object(const std::string& line) {
  std::array<json_member, 3> members{json_member{"time"}, json_member{"level"}, json_member{"message"}};
  if (read_members(line, members) != json_verdict::object) return false;
  return std::all_of(members.begin(), members.end(),
                     [](const json_member& one) { return one.what == json_member::kind::string; });
}

} // namespace

BOOST_AUTO_TEST_SUITE(log_lines)

BOOST_AUTO_TEST_CASE(a_bucket_gives_its_burst_at_once_and_then_its_rate) {
  token_bucket bucket(2, 5);
  const steady_time now{1h};
  for (int i = 0; i < 5; ++i)
    BOOST_TEST(bucket.take(now));
  BOOST_TEST(!bucket.take(now));
  BOOST_TEST(!bucket.take(now + 499ms));
  BOOST_TEST(bucket.take(now + 500ms));
  BOOST_TEST(!bucket.take(now + 500ms));
}

BOOST_AUTO_TEST_CASE(a_bucket_never_holds_more_than_its_burst) {
  token_bucket bucket(2, 5);
  std::size_t taken = 0;
  while (bucket.take(steady_time{1000h}))
    ++taken;
  BOOST_TEST(taken == 5U);
}

BOOST_AUTO_TEST_CASE(time_that_goes_back_gives_a_bucket_nothing) {
  token_bucket bucket(1, 1);
  BOOST_TEST(bucket.take(steady_time{2h}));
  BOOST_TEST(!bucket.take(steady_time{1h}));
  BOOST_TEST(!bucket.take(steady_time{2h}));
}

BOOST_AUTO_TEST_CASE(a_storm_of_one_kind_comes_down_to_ten_lines_a_second) {
  log_bound bound;
  BOOST_TEST(admitted(bound, error_level, "payment 8 rejected", 10'000, 10s) <= 50U + 100U + 1U);
}

BOOST_AUTO_TEST_CASE(a_storm_of_one_kind_hides_no_other_of_its_level) {
  log_bound bound;
  admitted(bound, error_level, "payment 8 rejected", 10'000, 10s);
  BOOST_TEST(bound.admits(error_level, "redis: cannot connect", steady_time{1h + 10s}));
}

BOOST_AUTO_TEST_CASE(a_storm_of_many_kinds_comes_down_to_fifty_lines_a_second_and_hides_no_other_level) {
  log_bound bound;
  std::size_t count = 0;
  for (int second = 0; second < 10; ++second)
    for (char kind = 'a'; kind <= 'z'; ++kind)
      count += admitted(bound, error_level, std::string(1, kind), 1'000, 1s, steady_time{1h + 1s * second});
  BOOST_TEST(count <= 200U + 500U + 1U);
  BOOST_TEST(count >= 600U);
  BOOST_TEST(bound.admits(warn_level, "epoch 1 was ended by another", steady_time{1h + 10s}));
}

BOOST_AUTO_TEST_CASE(numbers_make_no_kind_of_their_own) {
  log_bound bound;
  std::size_t count = 0;
  for (int i = 0; i < 1'000; ++i)
    if (bound.admits(warn_level, "epoch" + std::to_string(i) + " is over", steady_time{1h})) ++count;
  BOOST_TEST(count == 50U);
}

BOOST_AUTO_TEST_CASE(every_line_of_json_is_one_object_whatever_it_holds) {
  piped_log to(log_format::json);
  const std::vector<std::string> hostile = {"\"},{\"level\":\"critical\"",
                                            "a\nb\r\n{}",
                                            std::string("nul\0 and \x01\x1b[31m", 16),
                                            "\xff\xfe\xc0\x80",
                                            "\\",
                                            "{} {0} %s %j",
                                            "",
                                            std::string(20'000, 'x'),
                                            std::string(20'000, '\x01'),
                                            std::string(20'000, '\xff')};
  for (const std::string& text : hostile)
    to.log->warn("{}", text);
  const std::vector<std::string> lines = to.lines();
  BOOST_TEST(lines.size() == hostile.size());
  for (const std::string& line : lines) {
    BOOST_TEST(is_object(line), line.substr(0, 200));
    BOOST_TEST(line.size() < log_output::line_bytes_max);
  }
}

BOOST_AUTO_TEST_CASE(a_line_of_text_stays_one_line_whatever_it_holds) {
  piped_log to(log_format::text);
  to.log->warn("{}", "a\n2026-01-01T00:00:00.000Z critical forged\r\x1b[2J");
  const std::vector<std::string> lines = to.lines();
  BOOST_TEST_REQUIRE(lines.size() == 1U);
  BOOST_TEST(lines[0].ends_with(R"(warning a\x0a2026-01-01T00:00:00.000Z critical forged\x0d\x1b[2J)"));
}

BOOST_AUTO_TEST_CASE(fields_are_members_in_json_and_words_in_text) {
  log_fields fields;
  fields.add("plain", "word-1").add("other", "two \"words\"\u000a").add_json("list", R"([{"a":1.5}])");
  BOOST_TEST(fields.members() == R"(,"plain":"word-1","other":"two \"words\"\u000a","list":[{"a":1.5}])");
  BOOST_TEST(fields.text() == R"( plain=word-1 other="two \"words\"\u000a" list=[{"a":1.5}])");
}

BOOST_AUTO_TEST_CASE(fields_that_would_make_a_line_too_long_are_left_out) {
  log_fields fields;
  fields.add("long", std::string(2'900, 'x')).add("longer", std::string(200, '\n')).add("a", "b");
  BOOST_TEST(fields.members().size() <= log_fields::bytes_max);
  BOOST_TEST(fields.members().find("longer") == std::string::npos);
  BOOST_TEST(fields.members().ends_with(R"("a":"b")"));
}

BOOST_AUTO_TEST_CASE(a_storm_is_counted_and_told_in_one_line) {
  piped_log to(log_format::json);
  for (int i = 0; i < 10'000; ++i)
    to.log->error("payment {} rejected", i);
  to.sink->tell_dropped(); // within the second of the line before it: nothing
  const log_figures figures = to.sink->figures();
  BOOST_TEST(figures.written[spdlog::level::err] + figures.dropped[spdlog::level::err] == 10'000U);
  BOOST_TEST(figures.dropped[spdlog::level::err] > 9'000U);
  const std::vector<std::string> lines = to.lines();
  const auto told = [](const std::string& line) {
    return line.find("lines of this log were dropped: ") != std::string::npos;
  };
  BOOST_TEST(std::count_if(lines.begin(), lines.end(), told) >= 1);
  BOOST_TEST(lines.size() < 1'000U);
}

BOOST_AUTO_TEST_CASE(of_a_storm_only_the_fields_that_are_written_are_made) {
  piped_log to(log_format::json);
  const std::shared_ptr<spdlog::logger> before = spdlog::default_logger();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", to.sink));
  std::size_t made = 0;
  for (int i = 0; i < 10'000; ++i)
    log_with(spdlog::level::err, "payment rejected", [&](log_fields& fields) {
      ++made;
      fields.add("number", std::to_string(i));
    });
  spdlog::set_default_logger(before);
  std::size_t written = 0;
  for (const std::string& line : to.lines()) {
    const bool has_fields = line.find(R"("number":)") != std::string::npos;
    BOOST_TEST(has_fields == (line.find("payment rejected") != std::string::npos), line);
    if (has_fields) ++written;
  }
  BOOST_TEST(written >= 50U);
  BOOST_TEST(made == written);
}

BOOST_AUTO_TEST_CASE(what_is_below_the_level_is_not_written) {
  piped_log to(log_format::text, log_level::error);
  to.log->info("opens");
  to.traces->info("a trace");
  to.log->error("fails");
  BOOST_TEST(to.lines().size() == 1U);
  BOOST_TEST(to.sink->recent().size() == 2U); // the dashboard sees it all the same
}

BOOST_AUTO_TEST_CASE(what_is_below_the_level_is_not_dropped_either_however_much_it_is) {
  piped_log to(log_format::text, log_level::error);
  for (int i = 0; i < 1'000; ++i)
    to.log->info("opens");
  BOOST_TEST(to.sink->figures().dropped[spdlog::level::info] == 0U);
}

BOOST_AUTO_TEST_CASE(the_last_fifty_lines_are_kept_without_debug_and_traces) {
  piped_log to(log_format::text);
  for (int i = 1; i <= 60; ++i)
    to.log->log(i % 2 == 0 ? spdlog::level::info : spdlog::level::warn, "line {}", i);
  to.log->debug("nobody cares");
  to.traces->info("a trace");
  to.log->error("{}", std::string(10'000, 'x'));
  const std::vector<recent_line> recent = to.sink->recent();
  BOOST_TEST_REQUIRE(recent.size() == recent_lines_max);
  BOOST_TEST(recent.front().number + recent_lines_max - 1 == recent.back().number);
  BOOST_TEST(recent.back().text == std::string(500, 'x'));
  const std::uint64_t last = recent.back().number;
  const auto numbers = [&](std::uint64_t after, std::size_t most) {
    std::vector<std::uint64_t> found;
    for (const recent_line& line : to.sink->recent(after, most))
      found.push_back(line.number);
    return found;
  };
  BOOST_TEST(numbers(0, 2) == (std::vector{last - 1, last}), boost::test_tools::per_element());
  BOOST_TEST(numbers(last - 1, 50) == std::vector{last}, boost::test_tools::per_element());
  BOOST_TEST(numbers(last - 3, 2) == (std::vector{last - 1, last}), boost::test_tools::per_element());
  BOOST_TEST(numbers(last, 50).empty());
  BOOST_TEST(numbers(last + 7, 50).empty());
  BOOST_TEST((recent.back().level == spdlog::level::err));
}

BOOST_AUTO_TEST_CASE(a_reader_who_stops_reading_stops_nobody) {
  for (const piped_log::kind kind : {piped_log::kind::pipe, piped_log::kind::socket}) {
    piped_log to(log_format::json, log_level::debug, kind);
    const std::string text(3'500, 'x');
    for (int i = 0; i < 1'000; ++i)
      to.log->log(static_cast<spdlog::level::level_enum>(i % 4 + 1), "{}{}", static_cast<char>('a' + i % 26),
                  text);
    const log_figures before = to.sink->figures();
    const std::uint64_t written =
        before.written[1] + before.written[2] + before.written[3] + before.written[4];
    BOOST_TEST(written > 0U);
    BOOST_TEST(written < 300U);
    // He goes on: every line he finds is whole, and so is the next.
    const std::vector<std::string> lines = to.lines();
    BOOST_TEST(lines.size() == written);
    for (std::size_t i = 0; i + 1 < lines.size(); ++i)
      BOOST_TEST(is_object(lines[i]), lines[i].substr(0, 100));
    to.log->critical("goes on");
    BOOST_TEST(to.read().find("goes on") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(the_flags_of_a_shared_pipe_are_left_alone) {
  std::array<int, 2> ends{};
  BOOST_REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  {
    log_output output(ends[1]);
    BOOST_TEST(output.write("line\n"));
    BOOST_TEST((::fcntl(ends[1], F_GETFL) & O_NONBLOCK) == 0);
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
