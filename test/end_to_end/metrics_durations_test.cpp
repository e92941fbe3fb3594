// Histograms of times are in seconds, and count what they name: held against the clients' clock, the
// processors' delay, the statements that PostgreSQL logs, and a process that was stopped. metrics_test has
// those of payments to the bucket.
#define BOOST_TEST_MODULE metrics_durations
#include "test/end_to_end/observed_house.hpp"
#include "test/integration/postgres_server.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr double clients = 4; // of an observed_house, each with one post at a time
constexpr double reactors = 2;
constexpr std::size_t payments = 1'000;
constexpr auto delay = 20ms;

double seconds_since(std::chrono::steady_clock::time_point begun) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

double executions(const postgres_server& database, const std::string& statement) {
  const std::string log = database.log();
  const std::string part = "execute " + statement + ":";
  double count = 0;
  for (auto at = log.find(part); at != log.npos; at = log.find(part, at + 1))
    ++count;
  return count;
}

/// A histogram's samples, `labels` as they are written.
struct seen_times {
  const scraped_metrics& told;
  std::string name;
  std::string labels;

  [[nodiscard]] double count() const { return told[name + "_count" + in_braces(labels)]; }
  [[nodiscard]] double sum() const { return told[name + "_sum" + in_braces(labels)]; }
  /// `bound` as it is written.
  [[nodiscard]] double up_to(const std::string& bound) const {
    return told[name + "_bucket" + in_braces(labels + (labels.empty() ? "" : ",") + "le=\"" + bound + '"')];
  }

private:
  static std::string in_braces(const std::string& text) { return text.empty() ? "" : '{' + text + '}'; }
};

/// Somebody was busy with it all the while, and at most `at_once` were: a sum in another unit is a thousand
/// times off.
void check_sum(const seen_times& of, double busy_seconds, double all_seconds, double at_once) {
  BOOST_TEST(of.sum() > busy_seconds / 50, of.name + ' ' + of.labels);
  BOOST_TEST(of.sum() < all_seconds * at_once, of.name + ' ' + of.labels);
}

} // namespace

BOOST_AUTO_TEST_CASE(times_of_payments_batches_and_sends_are_what_others_see_of_them) {
  const postgres_server database({"log_statement = all"});
  observed_house house{{{"DATABASE_URL", database.url()}}};
  BOOST_REQUIRE(comes([&] { return house.stack.server.caller().call("GET", "/readyz").status == 200U; }));
  house.stack.configure("delay", R"({"delay":)" + std::to_string(delay.count()) + '}');
  const auto begun = std::chrono::steady_clock::now();
  house.post(0, payments);
  const double busy = seconds_since(begun);
  BOOST_TEST(house.settles());
  const double all = seconds_since(begun);
  BOOST_TEST(house.accepted == payments);
  const scraped_metrics told = house.scrape();

  const seen_times accepts{told, "repasse_accept_duration_seconds", ""};
  BOOST_TEST(accepts.count() == double(payments));
  check_sum(accepts, busy, busy, clients);
  for (const std::string call : {"append", "settle"}) {
    const seen_times calls{told, "repasse_ledger_call_duration_seconds", "call=\"" + call + '"'};
    BOOST_TEST(calls.count() == executions(database, call), call);
    check_sum(calls, busy, all, reactors);
    const seen_times batches{told, "repasse_ledger_batch_payments", "call=\"" + call + '"'};
    BOOST_TEST(batches.count() == calls.count(), call);
    BOOST_TEST(batches.sum() == double(payments), call);
  }
  check_sum({told, "repasse_database_transaction_duration_seconds", "use=\"append\""}, busy, all, reactors);
  double sends = 0;
  for (const std::string processor : server_stack::names) {
    const seen_times charges{told, "repasse_charge_duration_seconds", "processor=\"" + processor + '"'};
    BOOST_TEST(charges.up_to("0.01") == 0, processor);
    BOOST_TEST(charges.sum() >= charges.count() * std::chrono::duration<double>(delay).count(), processor);
    BOOST_TEST(charges.sum() <= charges.count() * all, processor);
    sends += charges.count();
  }
  BOOST_TEST(sends == double(payments));
}

BOOST_AUTO_TEST_CASE(a_loop_that_stood_still_for_a_second_is_seen_to_be_late_by_it) {
  const auto begun = std::chrono::steady_clock::now();
  const server_process server{{{"REACTORS", "1"}}};
  http_caller caller = server.caller();
  const auto late = [&](const scraped_metrics& told) {
    const seen_times lags{told, "repasse_reactor_lag_seconds", ""};
    return lags.count() - lags.up_to("0.5");
  };
  const scraped_metrics before = scraped_metrics::of(caller);
  server.signal(SIGSTOP);
  std::this_thread::sleep_for(1s);
  server.signal(SIGCONT);
  BOOST_TEST(comes([&] { return late(scraped_metrics::of(caller)) > late(before); }));
  const scraped_metrics told = scraped_metrics::of(caller);
  const double sum = seen_times{told, "repasse_reactor_lag_seconds", ""}.sum();
  BOOST_TEST(sum > 0.5);
  BOOST_TEST(sum < seconds_since(begun));
}

} // namespace repasse
