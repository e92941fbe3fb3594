// Differences of each kind are planted in a processor's books and in ours, under load, and are mended or
// told; one of two instances compares, and what a killed one has begun another ends.
#define BOOST_TEST_MODULE reconciliation
#include "test/comes.hpp"
#include "test/end_to_end/payer.hpp"
#include "test/end_to_end/scraped_metrics.hpp"
#include "test/integration/postgres_server.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <set>
#include <string>
#include <thread>

namespace repasse {
namespace {

using namespace std::chrono_literals;

const std::string of_default = "(SELECT id FROM processors WHERE name = 'default')";
const std::string admin_token = "an-admin-token-of-32-characters!";

/// Two instances on one database, and the processors.
struct reconciled_house {
  reconciled_house() {
    for (std::size_t i = 0; i < 2; ++i)
      start(i);
    BOOST_REQUIRE(comes([&] { return is_ready(0) && is_ready(1); }, 30s));
  }

  [[nodiscard]] variables settings() const {
    return {{"DATABASE_URL", database.url()},
            {"REACTORS", "1"},
            {"ADMIN_TOKEN", admin_token},
            {"PROCESSOR_DEFAULT_URL", simulators[0].url()},
            {"PROCESSOR_FALLBACK_URL", simulators[1].url()},
            {"PROCESSOR_DEFAULT_ADMIN_TOKEN", "123"}};
  }
  void start(std::size_t i, const std::string& every = "1h") {
    variables how = settings();
    how["RECONCILE_EVERY"] = every;
    servers[i] = std::make_unique<server_process>(how);
  }
  [[nodiscard]] bool is_ready(std::size_t i) const {
    return servers[i]->caller().call("GET", "/readyz").status == 200U;
  }

  unsigned begin(std::size_t i) const {
    return servers[i]
        ->caller()
        .call("POST", "/admin/reconciliations", "", {{"X-Admin-Token", admin_token}})
        .status;
  }
  [[nodiscard]] boost::json::value runs(std::size_t i, const std::string& query = "") const {
    const http_reply told = servers[i]->caller().call("GET", "/admin/reconciliations" + query, "",
                                                      {{"X-Admin-Token", admin_token}});
    BOOST_REQUIRE_MESSAGE(told.status == 200U, told.body);
    return boost::json::parse(told.body);
  }
  /// Begins one, as soon as none is under way, and returns it once it has ended.
  boost::json::value reconcile(std::size_t i) const {
    const std::string before = latest(i);
    BOOST_REQUIRE(comes([&] { return begin(i) == 202U; }, 40s));
    BOOST_REQUIRE(comes([&] { return latest(i) != before && status(i) != "running"; }, 60s));
    return newest(i);
  }
  /// The newest run with default, whose summary may be read; null before the first.
  [[nodiscard]] boost::json::value newest(std::size_t i) const {
    const boost::json::value told = runs(i);
    for (const auto& one : told.at("reconciliations").as_array())
      if (one.at("processor").as_string() == "default") return one;
    return nullptr;
  }
  [[nodiscard]] std::string latest(std::size_t i) const {
    const boost::json::value one = newest(i);
    return one.is_null() ? ""
                         : boost::json::serialize(one.at("id")) + boost::json::serialize(one.at("startedAt"));
  }
  [[nodiscard]] std::string status(std::size_t i) const {
    const boost::json::value one = newest(i);
    return one.is_null() ? "" : std::string(one.at("status").as_string());
  }

  /// A processor takes it, whatever we know of it.
  void take(std::size_t number, std::string_view amount, wall_time time, std::size_t at = 0) const {
    const http_reply answer = simulators[at].caller().call(
        "POST", "/payments",
        R"({"correlationId":")" + requests::id_of(number) + R"(","amount":)" + std::string(amount) +
            R"(,"requestedAt":")" + to_string(time) + "\"}");
    BOOST_REQUIRE(answer.status == 200U);
  }
  /// Our row of one that default has, settled.
  void add_row(std::size_t number, std::int64_t cents, wall_time time) const {
    const std::string at = "timestamptz '" + to_string(time) + "'";
    database.sql("INSERT INTO payments VALUES ('" + requests::id_of(number) + "', " + std::to_string(cents) +
                 ", " + at + ", " + at + ", " + at + ", 0, 999999, 1, 1, 3, " + of_default + ")");
  }
  /// One more in our sums.
  void add_delta(std::int64_t cents, wall_time time) const {
    const std::int64_t millis = time.time_since_epoch().count();
    const std::string amount = std::to_string(cents);
    database.sql("INSERT INTO deltas (second, processor, requests, amount_cents, millis, cents) VALUES (" +
                 std::to_string(millis / 1000) + ", " + of_default + ", 1, " + amount + ", '{" +
                 std::to_string(millis % 1000) + "}', '{" + amount + "}')");
  }
  void settle(std::size_t number, std::int64_t cents, wall_time time) const {
    add_row(number, cents, time);
    add_delta(cents, time);
  }
  /// What was compared since the start is forgotten, as if the servers had been away for a minute.
  void forget_runs() const {
    BOOST_REQUIRE(comes([&] { return status(0) == "done"; }));
    database.sql("TRUNCATE reconciliation_runs");
  }
  [[nodiscard]] double figure(std::size_t i, const std::string& name) const {
    http_caller from = servers[i]->caller();
    return scraped_metrics::of(from)["repasse_reconciliation_" + name];
  }
  /// One in doubt there, of an owner whom nobody knows: nobody else takes care of it.
  void doubt(std::size_t number, std::int64_t cents, wall_time time) const {
    database.sql("INSERT INTO payments VALUES ('" + requests::id_of(number) + "', " + std::to_string(cents) +
                 ", timestamptz '" + to_string(time) + "', NULL, NULL, 0, 999999, 1, 1, 2, " + of_default +
                 ")");
  }

  /// Of that payment; null if there is none.
  [[nodiscard]] static boost::json::value finding_of(const boost::json::value& run, std::size_t number) {
    for (const auto& one : run.at("findings").as_array())
      if (one.at("correlationId").is_string() &&
          one.at("correlationId").as_string() == requests::id_of(number))
        return one;
    return nullptr;
  }
  /// Of no payment that is known, and of a window with this millisecond.
  [[nodiscard]] static boost::json::value finding_at(const boost::json::value& run, wall_time time) {
    for (const auto& one : run.at("findings").as_array())
      if (one.at("correlationId").is_null() && one.at("from").as_string() <= to_string(time) &&
          one.at("to").as_string() >= to_string(time))
        return one;
    return nullptr;
  }
  [[nodiscard]] static std::string words_of(const boost::json::value& finding) {
    if (finding.is_null()) return "none";
    return std::string(finding.at("kind").as_string()) + " " + std::string(finding.at("state").as_string());
  }
  [[nodiscard]] static std::string kind_of(const boost::json::value& run, std::size_t number) {
    return words_of(finding_of(run, number));
  }

  postgres_server database;
  std::array<simulator_process, 2> simulators;
  std::array<std::unique_ptr<server_process>, 2> servers;
};

wall_time ago(std::chrono::milliseconds age) {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()) - age;
}

/// Posts all the while; every payment is to be acknowledged, if need be when it is posted again: where
/// PostgreSQL stands still for half a second, 503 is right.
class posting {
public:
  explicit posting(const server_process& to)
      : thread_([this, caller = to.caller()](const std::stop_token& stop) mutable {
          for (std::size_t i = 1'000'000; !stop.stop_requested(); ++i) {
            const auto is_taken = [&] {
              return caller.call("POST", "/payments", requests::payment_body(i)).status == 202U;
            };
            if (!comes(is_taken, 10s)) ++refused;
            ++posted;
            std::this_thread::sleep_for(5ms);
          }
        }) {}

  std::atomic<std::size_t> posted = 0;
  std::atomic<std::size_t> refused = 0;

private:
  std::jthread thread_;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(reconciliation, reconciled_house)

BOOST_AUTO_TEST_CASE(differences_of_each_kind_are_mended_or_told_under_load) {
  forget_runs();
  posting load(*servers[0]);
  const wall_time time = ago(50s);
  for (std::size_t i = 100; i < 140; ++i) { // equal ones around
    take(i, "19.90", time + std::chrono::milliseconds(i));
    settle(i, 1990, time + std::chrono::milliseconds(i));
  }
  doubt(1, 1990, time);
  take(1, "19.90", time + 100ms);
  settle(2, 2990, time + 101ms);
  take(3, "3.90", time + 102ms);
  settle(4, 4990, time + 103ms);
  take(4, "50.00", time + 103ms);
  settle(5, 5990, time + 104ms);
  take(5, "59.90", time + 2104ms);
  const boost::json::value run = reconcile(1);
  BOOST_TEST_MESSAGE(boost::json::serialize(run));
  BOOST_TEST(run.at("status").as_string() == "done");
  BOOST_TEST(!run.at("matched").as_bool());
  BOOST_TEST(kind_of(run, 1) == "not-settled mended");
  BOOST_TEST(kind_of(run, 2) == "ours-not-theirs open");
  BOOST_TEST(kind_of(run, 4) == "other-amount open");
  BOOST_TEST(kind_of(run, 5) == "other-time open");
  const boost::json::value strange = finding_at(run, time + 102ms);
  BOOST_TEST(words_of(strange) == "theirs-not-ours open");
  BOOST_TEST(strange.at("from").as_string() == to_string(time + 102ms));
  BOOST_TEST(strange.at("to").as_string() == to_string(time + 102ms));
  BOOST_TEST(strange.at("theirs").at("totalRequests").as_int64() == 1);
  BOOST_TEST(run.at("findings").as_array().size() == 5U);
  payer client{servers[0]->caller()};
  const auto settled = [&] {
    return requests::member(client.get("/payments/" + requests::id_of(1)), "status") == "processed";
  };
  BOOST_TEST(comes(settled));
  BOOST_TEST((time_in(client.get("/payments/" + requests::id_of(1)), "requestedAt") == time + 100ms));
  const finished_run command = run_repasse({"reconcile"}, settings());
  BOOST_TEST(command.status == 1, command.errors);
  BOOST_TEST(command.output.find("ours-not-theirs  " + requests::id_of(2)) != command.output.npos,
             command.output);
  take(2, "29.90", time + 101ms); // now they have it
  reconcile(0);
  const boost::json::value told = runs(0);
  boost::json::value mended;
  for (const auto& one : told.at("reconciliations").as_array())
    if (!finding_of(one, 2).is_null()) mended = finding_of(one, 2);
  BOOST_TEST(words_of(mended) == "ours-not-theirs mended");
  const boost::json::array& history = mended.at("history").as_array();
  BOOST_REQUIRE(history.size() == 2U);
  BOOST_TEST(history[0].as_string().find("Z open: the processor does not have it") != std::string::npos);
  BOOST_TEST(history[1].as_string().find("Z mended: the books agree now") != std::string::npos);

  // Among payments of the load, once their time is over.
  const std::size_t posted = load.posted;
  BOOST_REQUIRE(comes([&] { return load.posted > posted + 300; }, 60s)); // the machine may be slow
  const wall_time amid = ago(2s);
  doubt(8, 1990, amid);
  take(8, "19.90", amid);
  take(9, "3.90", amid + 1ms);
  BOOST_REQUIRE(comes([&] { return amid < ago(37s); }, 60s));
  const boost::json::value loaded = reconcile(1);
  BOOST_TEST(kind_of(loaded, 8) == "not-settled mended");
  BOOST_TEST(words_of(finding_at(loaded, amid + 1ms)) == "theirs-not-ours open");
  BOOST_TEST(loaded.at("findings").as_array().size() == 2U);
  BOOST_TEST(loaded.at("ours").at("totalRequests").as_int64() > 100);
  BOOST_TEST(load.posted > 100U);
  BOOST_TEST(load.refused == 0U);
  const boost::json::value first = runs(0, "?limit=1");
  BOOST_TEST(first.at("reconciliations").as_array().size() == 1U);
  const std::string cursor(first.at("next").as_string());
  BOOST_TEST(runs(0, "?limit=1&cursor=" + cursor).at("reconciliations").at(0).at("id").as_int64() <
             first.at("reconciliations").at(0).at("id").as_int64());
}

BOOST_AUTO_TEST_CASE(sums_that_are_not_those_of_their_payments_are_findings) {
  forget_runs();
  const wall_time time = ago(50s);
  settle(31, 1990, time);
  take(31, "19.90", time);
  add_delta(500, time + 10ms);
  add_row(32, 700, time + 20ms);
  take(32, "7.00", time + 20ms);
  add_row(33, 800, time + 30ms);
  add_delta(900, time + 30ms);
  take(33, "8.00", time + 30ms);
  const boost::json::value run = reconcile(1);
  BOOST_TEST_MESSAGE(boost::json::serialize(run));
  BOOST_TEST(run.at("status").as_string() == "done");
  BOOST_TEST(!run.at("matched").as_bool());
  BOOST_TEST(run.at("findings").as_array().size() == 3U);
  BOOST_TEST(words_of(finding_at(run, time + 10ms)) == "ours-not-theirs open");
  BOOST_TEST(words_of(finding_at(run, time + 20ms)) == "theirs-not-ours open");
  BOOST_TEST(words_of(finding_at(run, time + 30ms)) == "other-amount open");
  const finished_run command = run_repasse({"reconcile"}, settings());
  BOOST_TEST(command.status == 1, command.errors);
  BOOST_TEST(command.output.find("other-amount     unknown payment") != command.output.npos, command.output);
  add_delta(700, time + 20ms);
  reconcile(0);
  boost::json::value again;
  const boost::json::value told = runs(0);
  for (const auto& one : told.at("reconciliations").as_array())
    if (one.at("id") == run.at("id")) again = one;
  BOOST_TEST(words_of(finding_at(again, time + 20ms)) == "theirs-not-ours mended");
  BOOST_TEST(words_of(finding_at(again, time + 30ms)) == "other-amount open");
}

BOOST_AUTO_TEST_CASE(what_will_never_be_mended_is_closed_by_hand_at_any_instance) {
  forget_runs();
  settle(51, 1990, ago(50s));
  const boost::json::value found = finding_of(reconcile(0), 51);
  BOOST_REQUIRE(words_of(found) == "ours-not-theirs open");
  const std::string path = "/admin/reconciliations/findings/" + boost::json::serialize(found.at("id"));
  const auto explain = [&](const std::string& at, const std::string& body) {
    return servers[1]->caller().call("POST", at, body,
                                     {{"X-Admin-Token", admin_token}, {"Content-Type", "application/json"}});
  };
  BOOST_TEST(explain(path, R"({"reason":""})").status == 422U);
  BOOST_TEST(explain(path + "0000", R"({"reason":"none"})").status == 404U);
  BOOST_TEST(servers[1]->caller().call("POST", path, R"({"reason":"none"})").status == 401U);
  BOOST_TEST(run_repasse({"reconcile"}, settings()).status == 1);
  const http_reply closed = explain(path, R"({"reason":"refunded by the bank"})");
  BOOST_REQUIRE_MESSAGE(closed.status == 200U, closed.body);
  const boost::json::value one = boost::json::parse(closed.body);
  BOOST_TEST(words_of(one) == "ours-not-theirs explained");
  BOOST_TEST(one.at("history").as_array().back().as_string().find(
                 "Z explained, ours 1 of 19.90, theirs 0 of 0.00: refunded by the bank") != std::string::npos,
             closed.body);
  BOOST_TEST(explain(path, R"({"reason":"again"})").status == 409U);
  BOOST_TEST(reconcile(0).at("matched").as_bool());
  bool is_shown = false;
  const boost::json::value told = runs(0);
  for (const auto& run : told.at("reconciliations").as_array())
    is_shown = is_shown || finding_of(run, 51) == one;
  BOOST_TEST(is_shown, boost::json::serialize(told));
  BOOST_TEST(run_repasse({"reconcile"}, settings()).status == 0);
}

BOOST_AUTO_TEST_CASE(a_new_process_shows_what_is_open_and_compares_by_itself_as_often_as_it_is_told) {
  forget_runs();
  settle(41, 1990, ago(50s));
  BOOST_TEST(kind_of(reconcile(0), 41) == "ours-not-theirs open");
  for (const auto& one : servers)
    one->end(SIGTERM);
  start(0, "0s");
  const auto shows = [&] {
    return figure(0, "findings_open") == 1 && figure(0, "until_timestamp_seconds") > 0;
  };
  BOOST_TEST(comes(shows, 30s));
  BOOST_TEST(figure(0, "period_seconds") == 0);
  BOOST_TEST(figure(0, "runs_total{status=\"done\"}") == 0);
  servers[0]->end(SIGTERM);
  start(0, "1s");
  std::set<std::string> begun;
  const auto is_thrice = [&] { return begun.insert(latest(0)).second && begun.size() == 4; };
  BOOST_TEST(comes(is_thrice, 60s));
  BOOST_TEST(figure(0, "runs_total{status=\"done\"}") >= 4);
  BOOST_TEST(figure(0, "findings_open") == 1);
}

BOOST_AUTO_TEST_CASE(a_turn_that_cannot_begin_is_a_failed_one_and_is_tried_again_soon) {
  BOOST_REQUIRE(comes([&] { return status(0) == "done"; }));
  const std::string before = latest(0);
  database.sql("ALTER TABLE reconciliation_runs RENAME TO hidden");
  BOOST_REQUIRE(comes([&] { return begin(0) == 202U; }, 40s));
  BOOST_TEST(comes([&] { return figure(0, "runs_total{status=\"failed\"}") >= 2; }));
  BOOST_TEST(servers[0]->log().find("reconciliation with default does not begin") != std::string::npos);
  database.sql("ALTER TABLE hidden RENAME TO reconciliation_runs");
  BOOST_TEST(latest(0) == before);
  BOOST_TEST(comes([&] { return latest(0) != before; }, 60s)); // once the turn has lapsed, within 15 s
}

BOOST_AUTO_TEST_CASE(without_a_token_what_is_in_doubt_is_asked_for_one_by_one) {
  const wall_time then = ago(50s);
  take(11, "5.00", then, 1);
  database.sql("INSERT INTO payments VALUES ('" + requests::id_of(11) + "', 500, timestamptz '" +
               to_string(then) + "', NULL, NULL, 0, 999999, 1, 1, 2, " +
               "(SELECT id FROM processors WHERE name = 'fallback'))");
  BOOST_REQUIRE(comes([&] { return begin(0) == 202U; }, 40s));
  const auto told = [&](std::size_t number) {
    return servers[1]->caller().call("GET", "/payments/" + requests::id_of(number)).body;
  };
  const auto is_processed = [&](std::size_t number) {
    return told(number).find(R"("status":"processed")") != std::string::npos;
  };
  BOOST_TEST(comes([&] { return is_processed(11); }, 30s), told(11));
  BOOST_TEST(told(11).find(to_string(then)) != std::string::npos, told(11));

  // The command too, where no processor has a token at all.
  take(12, "5.00", then);
  doubt(12, 500, then);
  variables without = settings();
  without.erase("PROCESSOR_DEFAULT_ADMIN_TOKEN");
  BOOST_TEST(comes([&] { return run_repasse({"reconcile"}, without).status == 0; }, 30s));
  BOOST_TEST(is_processed(12), told(12));
}

BOOST_AUTO_TEST_CASE(a_silent_processor_holds_up_no_payment_and_what_a_killed_instance_began_another_ends) {
  BOOST_REQUIRE(comes([&] { return status(0) == "done"; }, 20s));
  const finished_run equal = run_repasse({"reconcile"}, settings());
  BOOST_TEST(equal.status == 0, equal.output + equal.errors);
  simulators[0].signal(SIGSTOP);
  BOOST_REQUIRE(comes([&] { return begin(0) == 202U; }, 30s));
  BOOST_TEST(begin(0) == 409U);
  BOOST_TEST(begin(1) == 409U);
  BOOST_TEST(run_repasse({"reconcile"}, settings()).status == 1);
  payer client{servers[1]->caller()};
  BOOST_TEST(client.caller.call("POST", "/payments", requests::payment_body(7)).status == 202U);
  BOOST_REQUIRE(comes([&] { return status(1) == "running"; }));
  const boost::json::value begun = newest(1);
  servers[0]->end(SIGKILL);
  simulators[0].signal(SIGCONT);
  const auto is_ended = [&] {
    bool is_done = false;
    bool is_any_running = false;
    const boost::json::value told = runs(1);
    for (const auto& one : told.at("reconciliations").as_array()) {
      is_any_running = is_any_running || one.at("status").as_string() == "running";
      if (one.at("id") != begun.at("id")) continue;
      is_done = one.at("status").as_string() == "done";
      BOOST_TEST(one.at("from") == begun.at("from"));
      BOOST_TEST(one.at("to") == begun.at("to"));
    }
    return is_done && !is_any_running;
  };
  BOOST_TEST(comes(is_ended, 60s)); // once the turn has lapsed, within 15 s
}

BOOST_AUTO_TEST_CASE(a_wrong_token_and_a_dead_processor_end_the_run_with_an_error) {
  simulators[0].caller().call("PUT", "/admin/configurations/token", R"({"token":"other"})",
                              {{"X-Rinha-Token", "123"}});
  const boost::json::value refused = reconcile(0);
  BOOST_TEST(refused.at("status").as_string() == "failed");
  BOOST_TEST(refused.at("error").is_string());
  simulators[0].end(SIGKILL);
  BOOST_TEST(reconcile(1).at("status").as_string() == "failed");
  payer client{servers[0]->caller()};
  client.processed(9);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_CASE(the_command_says_what_it_needs) {
  BOOST_TEST(run_repasse({"reconcile"}, {}).status == 2);
  const finished_run away = run_repasse({"reconcile"}, {{"DATABASE_URL", "postgresql://a:b@127.0.0.1:1/a"},
                                                        {"DATABASE_CONN_TIMEOUT", "500ms"},
                                                        {"PROCESSOR_DEFAULT_ADMIN_TOKEN", "not-a-token"}});
  BOOST_TEST(away.status == 1);
  BOOST_TEST(away.errors.find("database does not answer") != away.errors.npos, away.errors);
  BOOST_TEST(away.errors.find("not-a-token") == away.errors.npos);
}

} // namespace repasse
