// Two instances on one PostgreSQL, the clock of one of them minutes off. It says so, and everything is
// exactly once all the same: takeover is judged by PostgreSQL's clock, leases by the monotonic one.
#define BOOST_TEST_MODULE skewed_clock
#include "test/end_to_end/loaded_house.hpp"

#include <boost/test/unit_test.hpp>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr auto takeover_max = 3 * 7s;
constexpr auto told_max = 3 * 2s; // each beat compares; libfaketime looks once a second

/// How far a wall clock is off: `+300s`. The monotonic one is right.
class skew {
public:
  explicit skew(const std::string& by) { set(by); }
  ~skew() { std::filesystem::remove(file_); }
  skew(const skew&) = delete;
  skew& operator=(const skew&) = delete;

  /// For a process that runs: within a second.
  void set(const std::string& by) const {
    const std::string fresh = file_ + ".fresh";
    std::ofstream(fresh) << by << '\n';
    std::filesystem::rename(fresh, file_);
  }
  void start(std::size_t instance) const {
    BOOST_REQUIRE_MESSAGE(std::filesystem::exists(REPASSE_FAKETIME), "Debian's package faketime is needed");
    // One reactor: with two a process has stood still at its start, in two of some hundred runs, and only
    // here.
    shared_house().start(instance, {{"REACTORS", "1"},
                                    {"LD_PRELOAD", REPASSE_FAKETIME},
                                    {"FAKETIME_TIMESTAMP_FILE", file_},
                                    {"FAKETIME_CACHE_DURATION", "1"},
                                    {"FAKETIME_DONT_FAKE_MONOTONIC", "1"}});
  }

private:
  std::string file_ = std::filesystem::temp_directory_path() / ("repasse-skew-" + std::to_string(::getpid()));
};

/// What libfaketime leaves behind in a process that is killed.
void sweep_up_after(pid_t process) {
  for (const char* name : {"faketime_shm_", "sem.faketime_sem_"})
    std::filesystem::remove("/dev/shm/" + (name + std::to_string(process)));
}

std::string readiness(const house& all, std::size_t instance) {
  return all.server(instance).caller().call("GET", "/readyz").body;
}

/// Both say what is so, and only one of them; it serves all the same.
void check_alarm(const house& all, std::size_t skewed, const std::string& where) {
  const auto tells = [&](const std::string& text) {
    const std::size_t at = text.find("this clock is ");
    return at != text.npos && text.find(" ms " + where + " the database's", at) != text.npos;
  };
  BOOST_TEST(comes([&] { return tells(readiness(all, skewed)); }, told_max), readiness(all, skewed));
  BOOST_TEST(comes([&] { return tells(all.server(skewed).log()); }, told_max), all.server(skewed).log());
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(all.becomes_ready(i, 20s));
  BOOST_TEST(readiness(all, 1 - skewed).find("clock") == std::string::npos);
  BOOST_TEST(all.server(1 - skewed).log().find("clock") == std::string::npos);
}

/// Its payments go to the other, whose clock says something else.
void kill_and_see_takeover(loaded_house& under_load, std::size_t instance) {
  const house& all = under_load.all;
  const loaded_house::killed gone = under_load.kill(instance);
  sweep_up_after(gone.process);
  BOOST_TEST(all.left_by(gone.process) > 0U);
  BOOST_TEST(all.takeover_after(gone.process, gone.at, takeover_max).has_value());
  BOOST_TEST(comes([&] { return all.left_by(gone.process) == 0U; }, takeover_max));
}

} // namespace

BOOST_AUTO_TEST_SUITE(skewed_clock)

BOOST_AUTO_TEST_CASE(one_that_is_ahead_and_then_set_back_is_taken_over) {
  const skew wrong("+300s");
  wrong.start(0);
  loaded_house under_load;
  check_alarm(under_load.all, 0, "ahead of");
  wrong.set("-300s"); // what it accepts from here on is older than what its beats have said
  check_alarm(under_load.all, 0, "behind");
  kill_and_see_takeover(under_load, 0);
  under_load.agree(1);
}

BOOST_AUTO_TEST_CASE(one_that_is_behind_takes_over_and_is_taken_over) {
  const skew wrong("-300s");
  wrong.start(0);
  loaded_house under_load;
  check_alarm(under_load.all, 0, "behind");
  kill_and_see_takeover(under_load, 1);
  under_load.all.start(1);
  BOOST_REQUIRE(under_load.all.becomes_ready(1, 20s));
  kill_and_see_takeover(under_load, 0);
  under_load.agree(1);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
