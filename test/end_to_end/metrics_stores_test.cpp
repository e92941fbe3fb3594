// What /metrics says where PostgreSQL and Redis are: all that the document names, and the truth about
// payments that Redis took in.
#define BOOST_TEST_MODULE metrics_stores
#include "test/end_to_end/observed_house.hpp"
#include "test/integration/postgres_server.hpp"
#include "test/integration/redis_server.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

namespace repasse {
namespace {

using namespace std::chrono_literals;

struct stored_house {
  stored_house() {
    const auto is_well = [&] {
      const scraped_metrics told = house.scrape();
      return told["repasse_intake_open"] == 1 && told["repasse_epoch{reactor=\"0\"}"] > 0 &&
             told["repasse_epoch{reactor=\"1\"}"] > 0;
    };
    BOOST_REQUIRE(comes(is_well));
  }

  [[nodiscard]] bool settles_all() const {
    const auto settled = [&] { return house.scrape().sum("repasse_payments_settled_total"); };
    return comes([&] { return settled() == double(house.accepted); }, 60s);
  }

  postgres_server database;
  redis_server redis;
  observed_house house{{{"DATABASE_URL", database.url()},
                        {"DATABASE_REPLICA_URL", database.url()},
                        {"REDIS_URL", redis.url()}}};
};

/// Of what the document shows as code, all that is named as our metrics are.
std::vector<std::string> documented() {
  std::ifstream file(REPASSE_METRICS_DOCUMENT);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> names;
  for (std::size_t at = text.find("`repasse_"); at != text.npos; at = text.find("`repasse_", at + 1)) {
    const std::string name = text.substr(at + 1, text.find('`', at + 1) - at - 1);
    if (name.find(' ') == name.npos) names.push_back(name);
  }
  return names;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(stores, stored_house)

BOOST_AUTO_TEST_CASE(a_live_scrape_has_all_that_the_document_names) {
  house.post(0, 20);
  BOOST_TEST(settles_all());
  // What comes with the first health call and the first copy.
  BOOST_TEST(comes([&] { return house.scrape().has("repasse_processor_failing{processor=\"default\"}"); }));
  BOOST_TEST(comes([&] { return house.scrape().has("repasse_totals_lag_seconds"); }));
  BOOST_TEST(comes([&] { return house.scrape().sum("repasse_epoch_is_eldest") == 1; }));
  BOOST_TEST(comes([&] { return house.scrape()["repasse_cache_written_total"] == 20; }));
  const scraped_metrics told = house.scrape();
  for (const std::string& name : documented()) {
    const bool comes_after_a_minute =
        name == "repasse_cache_payments" || name == "repasse_cache_memory_bytes";
    const bool is_there = told.text().find("# TYPE " + name + " ") != std::string::npos;
    BOOST_TEST((is_there || comes_after_a_minute), name);
  }
  BOOST_TEST(promtool_findings(told.text()) == "");
  BOOST_TEST(told["repasse_redis_up"] == 1);
  BOOST_TEST(told["repasse_redis_hears"] == 1);
  BOOST_TEST(told.sum("repasse_database_connections{") == 8);
  BOOST_TEST(told["repasse_redis_call_duration_seconds_count"] > 0);
  BOOST_TEST_MESSAGE("CPU of a scrape: " << 1e3 * told["repasse_scrape_duration_seconds_sum"] /
                                                told["repasse_scrape_duration_seconds_count"]
                                         << " ms");
}

BOOST_AUTO_TEST_CASE(what_redis_takes_in_is_counted_once_and_its_age_is_shown) {
  house.post(0, 50);
  BOOST_TEST(settles_all());
  database.kill();
  BOOST_TEST(comes([&] { return house.scrape()["repasse_ledger_up{kind=\"postgresql\"}"] == 0; }));
  house.post(50, 200);
  house.post(50, 30); // again
  const double taken_in = house.scrape()["repasse_payments_posted_total{outcome=\"taken_in\"}"];
  BOOST_TEST(taken_in > 0);
  const auto is_shown = [&] { // within a second
    const scraped_metrics told = house.scrape();
    return told["repasse_intake_entries"] == taken_in && told["repasse_intake_lag_seconds"] > 0.5;
  };
  BOOST_TEST(comes(is_shown));
  const scraped_metrics away = house.scrape();
  BOOST_TEST(away["repasse_intake_remembered"] >= taken_in);
  BOOST_TEST(away["repasse_intake_taken_total"] == taken_in);
  compare_posts(house, away);
  database.start();
  BOOST_TEST(settles_all());
  BOOST_TEST(comes([&] { return house.scrape()["repasse_intake_entries"] == 0; }));
  const scraped_metrics told = house.scrape();
  BOOST_TEST(told.gone_back_since(away).empty());
  compare_posts(house, told);
  compare_rows(house, told);
  BOOST_TEST(told["repasse_intake_lag_seconds"] == 0);
  BOOST_TEST(told["repasse_payments_imported_total"] <= taken_in);
  BOOST_TEST(told["repasse_payments_imported_total"] + told["repasse_intake_known_total"] >= taken_in);
  BOOST_TEST(told.sum("repasse_database_reconnects_total") > 0);
}

BOOST_AUTO_TEST_CASE(a_database_that_is_reached_and_takes_nothing_is_said_to_be_away) {
  database.sql(
      "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no space left' "
      "USING ERRCODE = 'disk_full'; END $$; CREATE TRIGGER full_disk BEFORE INSERT ON payments "
      "FOR EACH STATEMENT EXECUTE FUNCTION fill()");
  std::size_t next = 0;
  const auto is_said = [&] {
    house.post(next, 4);
    next += 4;
    const http_reply ready = house.stack.server.caller().call("GET", "/readyz");
    return ready.status == 200U && ready.body.find("database: away") != std::string::npos &&
           house.scrape()["repasse_ledger_up{kind=\"postgresql\"}"] == 0;
  };
  BOOST_TEST(comes(is_said, 30s));
  int said = 0; // and that a beat is taken makes no difference
  for (int look = 0; look < 20; ++look) {
    std::this_thread::sleep_for(100ms);
    said += is_said() ? 1 : 0;
  }
  BOOST_TEST(said > 5);
  database.sql("DROP TRIGGER full_disk ON payments");
  BOOST_TEST(comes([&] { return house.scrape()["repasse_ledger_up{kind=\"postgresql\"}"] == 1; }));
  BOOST_TEST(settles_all());
  BOOST_TEST(house.refused == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
