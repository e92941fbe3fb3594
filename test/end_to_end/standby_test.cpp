// PostgreSQL with a standby: pages that are read there, how far it is behind as Prometheus is told, a standby
// where a primary should be, and one that takes the primary's place under load.
#define BOOST_TEST_MODULE standby
#include "test/end_to_end/loaded_house.hpp"
#include "test/end_to_end/payer.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace repasse {
namespace {

using namespace requests;
using namespace std::chrono_literals;

constexpr auto patience = 15s;         // for what nobody has promised a time
constexpr auto takeover_max = 3 * 7s;  // and then all its payments are settled
constexpr auto ready_max = 20s;        // as well; it comes with a start of PostgreSQL
constexpr int connections_max = 3 * 9; // three reactors have nine

std::size_t count_of(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

/// What Prometheus' exporter asks for the lag of a replica: the first block `query: |` of a file in YAML.
std::string lag_query() {
  std::ifstream file(REPASSE_POSTGRES_QUERIES);
  std::string text;
  bool is_within = false;
  for (std::string line; std::getline(file, line);) {
    is_within = is_within && line.starts_with("    ");
    if (is_within) text += line + "\n";
    if (!is_within && !text.empty()) break;
    is_within = is_within || line == "  query: |";
  }
  return text;
}

/// An instance whose pages may come from a standby, which logs every statement.
struct running_with_replica {
  running_with_replica() {
    for (std::size_t p = 0; p < 2; ++p)
      all.make(p, mood::well);
    all.start(0, {{"DATABASE_REPLICA_URL", standby.url()}});
    BOOST_REQUIRE(all.becomes_ready(0, patience));
  }

  house& all = shared_house();
  postgres_server standby{postgres_server::standby_of{all.database}, {"log_statement = all"}};
};

struct house_with_replica : running_with_replica, payer {
  house_with_replica() : payer{all.server(0).caller()} {}

  std::string page() { return get("/payments"); }
  [[nodiscard]] std::size_t statements(std::string_view name) const {
    return count_of(standby.log(), "execute " + std::string(name) + ":");
  }
  bool reads_at_standby() {
    const std::size_t before = statements("page");
    page();
    return statements("page") > before;
  }
  [[nodiscard]] bool is_known_at_standby(std::size_t number) const {
    return standby.sql("SELECT count(*) FROM payments WHERE correlation_id = '" + id_of(number) + "'") == "1";
  }
  bool shows(std::size_t number) { return page().find(id_of(number)) != std::string::npos; }
};

} // namespace

BOOST_AUTO_TEST_SUITE(standby)

BOOST_AUTO_TEST_CASE(pages_are_read_at_a_standby_while_it_is_not_far_behind) {
  house_with_replica here;
  const auto at_standby = [&] { return here.reads_at_standby(); };
  const auto at_primary = [&] { return !here.reads_at_standby(); };
  here.processed(1);
  BOOST_TEST(comes(at_standby, patience));
  BOOST_TEST(comes([&] { return here.shows(1); }, patience));

  here.standby.configure("recovery_min_apply_delay = '2s'\n"); // and a beat is up to 1 s old
  here.standby.reload();
  const std::string is_behind = "SELECT clock_timestamp() - pg_last_xact_replay_timestamp() > interval '2 s'";
  BOOST_TEST(comes([&] { return here.standby.sql(is_behind) == "t" && at_standby(); }, patience));
  here.standby.configure("recovery_min_apply_delay = 0\n");
  here.standby.reload();

  here.standby.sql("SELECT pg_wal_replay_pause()");
  here.processed(2);
  BOOST_TEST(comes(at_primary, patience));
  BOOST_TEST(here.shows(2));
  BOOST_TEST(!here.is_known_at_standby(2));
  here.standby.sql("SELECT pg_wal_replay_resume()");
  BOOST_TEST(comes(at_standby, patience));

  here.standby.kill();
  BOOST_TEST(comes(at_primary, patience)); // a backend may live a little longer
  here.processed(3);
  BOOST_TEST(here.shows(3));
  here.standby.start();
  BOOST_TEST(comes(at_standby, patience));
  {
    const silent_postgres hangs(here.standby);
    here.processed(4);
    BOOST_TEST(here.shows(4));
    BOOST_TEST(at_primary());
  }
  BOOST_TEST(comes(at_standby, patience));

  here.standby.promote(); // by mistake: it hears of no beat any more
  BOOST_TEST(comes(at_primary, patience));
  here.processed(5);
  BOOST_TEST(here.shows(5));
  BOOST_TEST(here.all.server(0).caller().call("GET", "/readyz").status == 200U);
  // Never a summary or a single payment.
  here.get("/payments-summary");
  for (const char* name : {"find", "summary"})
    BOOST_TEST(here.statements(name) == 0U);
  BOOST_TEST(here.all.end(0, SIGTERM) == 0);
}

BOOST_AUTO_TEST_CASE(a_standby_that_is_cut_off_is_told_to_be_behind) {
  running_with_replica here;
  const auto lag = [query = lag_query()](const postgres_server& of) { return std::stod(of.sql(query)); };
  constexpr double connected_max = 3; // a beat is up to 1 s old
  BOOST_TEST(lag(here.all.database) == 0);
  std::this_thread::sleep_for(4s); // nobody posts, and yet
  BOOST_TEST(comes([&] { return lag(here.standby) < connected_max; }, patience));
  here.standby.sql("ALTER SYSTEM SET primary_conninfo = ''");
  here.standby.reload(); // it has no WAL receiver any more
  BOOST_TEST(comes([&] { return lag(here.standby) > connected_max; }, patience));
  BOOST_TEST(here.standby.sql("SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()") == "t");
  here.standby.restart();
  BOOST_TEST(comes([&] { return lag(here.standby) > connected_max; }, patience));
  BOOST_TEST(here.all.end(0, SIGTERM) == 0);
}

BOOST_AUTO_TEST_CASE(a_standby_in_place_of_the_primary_is_told_and_waited_for) {
  const postgres_server alone(postgres_server::standby_of{shared_house().database});
  server_process server{{{"DATABASE_URL", alone.url()}, {"REACTORS", "1"}}};
  const auto log_tells = [&] { return server.log().find("session is read-only") != std::string::npos; };
  BOOST_TEST(comes(log_tells, patience), server.log());
  const auto readiness = [&] { return server.caller().call("GET", "/readyz"); };
  BOOST_TEST(
      comes([&] { return readiness().body.find("session is read-only") != std::string::npos; }, patience));
  BOOST_TEST(readiness().status == 503U);
  BOOST_TEST(readiness().body.starts_with("database: away"), readiness().body);
  detail_of(server.caller().call("POST", "/payments", payment_body(1)), 503);
  BOOST_TEST(server.log().find(postgres_server::password) == std::string::npos);
  alone.promote();
  BOOST_TEST(comes([&] { return readiness().status == 200U; }, ready_max));
  BOOST_TEST(server.caller().call("POST", "/payments", payment_body(6)).status == 202U);
  BOOST_TEST(count_of(server.log(), "\n") < 20U, server.log());
}

// The last one: the house has no primary any more.
BOOST_AUTO_TEST_CASE(a_synchronous_standby_is_lost_comes_back_and_takes_the_primarys_place) {
  house& all = shared_house();
  postgres_server standby(postgres_server::standby_of{all.database});
  all.database.configure("synchronous_standby_names = '*'\n");
  all.database.reload();
  BOOST_REQUIRE(comes(
      [&] { return all.database.sql("SELECT sync_state FROM pg_stat_replication") == "sync"; }, patience));
  std::string both = all.database.url();
  both.insert(both.rfind('/'), "," + address_of(standby.port()));
  for (std::size_t i = 0; i < 2; ++i)
    all.start(i, {{"DATABASE_URL", both}});
  loaded_house under_load;
  for (std::size_t number = 1; number <= 5; ++number) // of the first case, if it ran
    under_load.also_posted({*parse_payment_id(id_of(number)), 1990, false});
  const auto readiness = [&](std::size_t i) { return all.server(i).caller().call("GET", "/readyz").status; };
  const auto become_ready = [&] {
    for (std::size_t i = 0; i < 2; ++i)
      BOOST_TEST(all.becomes_ready(i, ready_max));
  };

  under_load.until_busy();
  standby.kill(); // without it no commit comes back
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(comes([&] { return readiness(i) == 503U; }, ready_max));
  std::this_thread::sleep_for(6s); // what is tried meanwhile may not fill the server up
  const std::string connections =
      all.database.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'repasse %'");
  BOOST_TEST(std::stoi(connections) < connections_max, connections);
  standby.start();
  become_ready();

  under_load.until_busy();
  all.database.kill();
  standby.promote();
  become_ready();
  // Its numbers go on: a takeover there is like any other.
  const pid_t killed = under_load.kill(0).process;
  const auto left = [&] {
    return standby.sql("SELECT count(*) FROM payments p JOIN epochs e ON e.epoch = p.owner "
                       "WHERE p.status < 3 AND e.instance LIKE '%:" +
                       std::to_string(killed) + "'");
  };
  BOOST_TEST(left() != "0");
  BOOST_TEST(comes([&] { return left() == "0"; }, takeover_max));
  under_load.agree(1);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
