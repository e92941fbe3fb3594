// Owners that are stopped at every step of a payment, taken over, and woken later, while processors are slow,
// fail and recover: what they still believe, and the answers that wait in their sockets, change nothing. All
// of it at once: a takeover takes its seconds.
#define BOOST_TEST_MODULE stopped_owner
#include "test/end_to_end/held_writes.hpp"
#include "test/end_to_end/loaded_house.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using std::this_thread::sleep_for;

constexpr auto patience = 30s; // for what nobody has promised a time
constexpr auto takeover_max = 3 * 7s;
constexpr std::size_t taker = 1;

/// An instance, stopped at one step again and again, and its clients, who try the taker, too.
struct owner {
  owner(const house& all, std::string at, std::uint64_t seed)
      : step(std::move(at)), server(all.settings()), ports{server.port(), all.ports[taker].load()} {
    BOOST_REQUIRE(comes([this] { return server.caller().call("GET", "/readyz").status == 200; }, patience));
    load.emplace(ports, payers::config{.threads = 4, .rate = 40, .seed = seed});
  }
  [[nodiscard]] pid_t id() const { return server.id(); }
  [[nodiscard]] std::size_t epochs_lost() const {
    const std::string log = server.log();
    std::size_t count = 0;
    for (auto at = log.find(ended); at != log.npos; at = log.find(ended, at + 1))
      ++count;
    return count;
  }
  static constexpr std::string_view ended = "was ended by another";

  std::string step;
  server_process server;
  instance_ports ports;
  std::optional<payers> load;
};

class stopped_owners {
public:
  stopped_owners() {
    all.start(taker);
    BOOST_REQUIRE(all.becomes_ready(taker, patience));
    writes.emplace(all.database);
    for (const char* step : {"choice", "another choice", "doubt", "sent", "append", "settle"})
      owners.push_back(std::make_unique<owner>(all, step, owners.size() + 1));
  }

  /// Each stands where its step says, and is stopped there.
  void stop_all(std::chrono::milliseconds slow, bool lets_go) {
    for (const auto& one : owners) {
      BOOST_TEST_CONTEXT(one->step) {
        prepare(*one, slow);
        BOOST_TEST(comes([&] { return has_reached(*one); }, patience));
        one->server.signal(SIGSTOP);
        if (lets_go) writes->let_go(one->id());
        for (std::size_t p = 0; p < 2; ++p)
          all.make(p, mood::well);
      }
    }
  }

  void see_takeover(bool lets_go) const {
    for (const auto& one : owners)
      BOOST_TEST_CONTEXT(one->step) {
        BOOST_TEST(comes([&] { return count_of(*one, "epochs WHERE NOT marked") == 0; }, takeover_max));
        if (lets_go) writes->let_go(one->id());
      }
    for (const auto& one : owners)
      BOOST_TEST_CONTEXT(one->step) {
        BOOST_TEST(comes([&] { return all.left_by(one->id()) == 0; }, takeover_max));
      }
  }

  void wake_all() const {
    std::vector<std::size_t> lost;
    for (const auto& one : owners)
      lost.push_back(one->epochs_lost());
    for (const auto& one : owners)
      one->server.signal(SIGCONT);
    for (std::size_t i = 0; i < owners.size(); ++i) {
      const server_process& server = owners[i]->server;
      BOOST_TEST_CONTEXT(owners[i]->step) {
        BOOST_TEST(comes([&] { return owners[i]->epochs_lost() > lost[i]; }, patience));
        BOOST_TEST(comes([&] { return server.caller().call("GET", "/readyz").status == 200; }, patience));
      }
    }
  }

  void agree() {
    std::vector<posted_entry> posted;
    for (const auto& one : owners) {
      one->load->stop();
      for (const std::string& finding : one->load->findings())
        BOOST_ERROR(finding);
      const std::vector<posted_entry> more = one->load->posted();
      posted.insert(posted.end(), more.begin(), more.end());
      BOOST_TEST(one->server.log().find(" critical ") == std::string::npos, one->server.log());
    }
    BOOST_TEST(std::ranges::all_of(posted, &posted_entry::acknowledged));
    const audit_report report = all.audit(posted, taker);
    BOOST_TEST_MESSAGE(report.to_text() << ", taken over: " << all.taken_over());
    BOOST_TEST(report.ok(), report.to_text());
    BOOST_TEST(all.taken_over() > 0U);
    for (const std::string& line : all.alarms())
      BOOST_ERROR(line);
  }

  house all;

private:
  void prepare(const owner& one, std::chrono::milliseconds slow) {
    const auto make_both = [this](mood how) {
      for (std::size_t p = 0; p < 2; ++p)
        all.make(p, how);
    };
    if (one.step == "choice") {
      make_both(mood::failing);
      const auto waiting = [&] {
        return count_of(one, "payments p JOIN epochs ON owner = epoch WHERE status = 0");
      };
      BOOST_TEST(comes([&] { return waiting() > 5; }, patience));
    }
    if (one.step == "another choice") make_both(mood::failing);
    if (one.step == "doubt") make_both(mood::dropping);
    if (one.step == "sent")
      for (const simulator_process& processor : all.processors)
        processor.caller().call("PUT", "/admin/configurations/delay",
                                R"({"delay":)" + std::to_string(slow.count()) + "}",
                                {{"X-Rinha-Token", "123"}});
    else
      writes->hold(one.id(), one.step);
    if (one.step == "choice") make_both(mood::well);
  }

  [[nodiscard]] bool has_reached(const owner& one) const {
    if (one.step != "sent") return writes->is_reached(one.id());
    return count_of(one, "payments p JOIN epochs ON owner = epoch WHERE status = 1 "
                         "AND accepted_at < clock_timestamp() - interval '200 ms'") > 5;
  }

  /// Of rows that belong to it: `what` is a FROM with a WHERE.
  [[nodiscard]] std::size_t count_of(const owner& one, const std::string& what) const {
    return std::stoul(all.database.sql("SELECT count(*) FROM " + what +
                                       " AND instance LIKE '%:" + std::to_string(one.id()) + "'"));
  }

  std::optional<held_writes> writes;
  std::vector<std::unique_ptr<owner>> owners;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(stopped_owner, stopped_owners)

BOOST_AUTO_TEST_CASE(whatever_the_step_its_payments_are_processed_once) {
  // What stands still is committed before the takeover, and what is at a processor is taken.
  stop_all(1200ms, true);
  all.make(0, mood::slow_and_failing);
  see_takeover(false);
  all.make(0, mood::slow); // recovering
  wake_all();
  all.make(0, mood::well);
  sleep_for(500ms);
  // Both come after the owner is known to be gone.
  stop_all(9s, false);
  all.make(0, mood::failing);
  see_takeover(true);
  wake_all();
  all.make(0, mood::well);
  agree();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
