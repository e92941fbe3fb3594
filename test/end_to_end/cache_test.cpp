// Two instances with one PostgreSQL and one Redis: payments read from Redis by both, what is answered while
// PostgreSQL is away, the administrator's part, and the flags.
#define BOOST_TEST_MODULE cache
#include "test/chaos/house.hpp"
#include "test/comes.hpp"
#include "test/end_to_end/requests.hpp"
#include "test/integration/redis_server.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>

namespace repasse {
namespace {

using namespace requests;
using namespace std::chrono_literals;

const std::string admin_token = "an-admin-token-of-32-characters!";

/// Of this binary: each case begins its instances anew, with no payments and no keys.
struct cached_house {
  explicit cached_house(const variables& unusual = {}) {
    if (!all.database.is_running()) all.database.start();
    redis.cli({"FLUSHALL"});
    variables settings = unusual;
    settings.try_emplace("REDIS_URL", redis.url());
    settings.try_emplace("ADMIN_TOKEN", admin_token);
    settings.try_emplace("ALLOW_PURGE", "true");
    for (std::size_t i = 0; i < 2; ++i) {
      all.start(i, settings);
      BOOST_REQUIRE(all.becomes_ready(i, 10s));
    }
    BOOST_REQUIRE(call(0, "POST", "/purge-payments").status == 200U);
  }
  ~cached_house() {
    for (std::size_t i = 0; i < 2; ++i)
      if (all.runs(i)) all.end(i, SIGTERM);
  }
  cached_house(const cached_house&) = delete;
  cached_house& operator=(const cached_house&) = delete;

  http_reply call(std::size_t instance, const std::string& method, const std::string& target,
                  const std::string& body = {}) {
    http_caller caller("127.0.0.1", all.ports[instance]);
    if (body.empty()) return caller.call(method, target, body, {{"X-Admin-Token", admin_token}});
    return caller.call(method, target, body);
  }
  http_reply get(std::size_t instance, std::size_t number) {
    return call(instance, "GET", "/payments/" + id_of(number));
  }
  std::string key(std::size_t number) { return "repasse:payment:correlation:" + id_of(number); }
  bool is_cached(std::size_t number) { return redis.cli({"EXISTS", key(number)}) == "1"; }
  std::string settled(std::size_t number) {
    BOOST_TEST(comes([&] { return call(0, "POST", "/payments", payment_body(number)).status == 202U; }));
    BOOST_TEST(comes([&] { return member(get(1, number).body, "status") == "processed"; }));
    return get(1, number).body;
  }
  std::uint64_t stat(std::size_t instance, const std::string& name) {
    const std::string body = call(instance, "GET", "/admin/cache/stats").body;
    const std::size_t at = body.find("\"" + name + "\":");
    BOOST_REQUIRE_MESSAGE(at != std::string::npos, body);
    return std::strtoull(body.c_str() + at + name.size() + 3, nullptr, 10);
  }

  static house& shared_house() {
    static house shared;
    return shared;
  }
  static redis_server& shared_redis() {
    static redis_server shared;
    return shared;
  }
  /// Of both its reactors: whichever is asked answers so.
  bool answers_from(std::size_t instance, std::size_t number, const std::string& source) {
    for (int look = 0; look < 20; ++look)
      if (get(instance, number).header("Repasse-Source") != source) return false;
    return true;
  }
  bool database_is(std::size_t instance, const std::string& state) {
    return call(instance, "GET", "/readyz").body.find("database: " + state) != std::string::npos;
  }

  house& all = shared_house();
  redis_server& redis = shared_redis();
};

} // namespace

BOOST_AUTO_TEST_SUITE(cache)

BOOST_AUTO_TEST_CASE(two_instances_share_what_is_final_and_it_answers_while_postgres_is_away) {
  cached_house house;
  const std::string shown = house.settled(1);
  BOOST_TEST(comes([&] { return house.is_cached(1); }));
  BOOST_TEST(!house.is_cached(2));
  const std::uint64_t hits = house.stat(1, "hits");
  const http_reply cached = house.get(1, 1);
  BOOST_TEST(cached.body == shown);
  BOOST_TEST(cached.header("Repasse-Source").empty());
  BOOST_TEST(comes([&] { // it believes the cache from its first beat on
    house.get(1, 1);
    return house.stat(1, "hits") > hits;
  }));
  const auto second = [](const http_reply& reply, const char* name) {
    return std::string(member(reply.body, name)).substr(0, 19);
  };
  const std::string totals = house.call(1, "GET", "/payments-summary").body;
  const auto is_copied = [&] {
    return house.redis.cli({"HVALS", "repasse:totals"}).find("1 1990") != std::string::npos;
  };
  BOOST_TEST(comes(is_copied));
  std::this_thread::sleep_for(2'500ms); // the copy is at most about a second old

  house.all.database.kill();
  for (std::size_t i = 0; i < 2; ++i) {
    BOOST_TEST(comes([&] { return house.database_is(i, "away"); }));
    BOOST_TEST(comes([&] { return house.answers_from(i, 1, "redis"); }));
    const http_reply copy = house.get(i, 1);
    BOOST_TEST(copy.status == 200U);
    BOOST_TEST(copy.body == shown);
    BOOST_TEST(copy.header("Repasse-Source") == "redis");
    BOOST_TEST(house.get(i, 2).status == 503U);
    const http_reply sums = house.call(i, "GET", "/payments-summary");
    BOOST_TEST(sums.status == 200U, sums.body);
    BOOST_TEST(sums.body == totals);
    BOOST_TEST(sums.header("Repasse-Source") == "redis");
    BOOST_TEST(parse_time(sums.header("Repasse-As-Of"), rounding::down).has_value());
    const std::string at = second(copy, "requestedAt");
    const http_reply window =
        house.call(i, "GET", "/payments-summary?from=" + at + ".000Z&to=" + at + ".999Z");
    BOOST_TEST(window.body == totals);
    BOOST_TEST(window.header("Repasse-Window") == at + ".000Z/" + at + ".999Z");
    const http_reply inner =
        house.call(i, "GET", "/payments-summary?from=" + at + ".001Z&to=" + at + ".999Z");
    BOOST_TEST(inner.body != totals);
  }
  BOOST_TEST(house.call(0, "POST", "/purge-payments").status == 503U);
  house.all.database.start();
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(comes([&] { return house.database_is(i, "up"); }));
  BOOST_TEST(comes([&] { return house.answers_from(0, 1, ""); }));
  BOOST_TEST(house.get(0, 1).body == shown);
  BOOST_TEST(house.call(0, "POST", "/purge-payments").status == 200U);
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(house.get(i, 1).status == 404U);
}

BOOST_AUTO_TEST_CASE(the_administrator_sees_and_empties_it) {
  cached_house house;
  for (std::size_t number = 1; number <= 3; ++number)
    house.settled(number);
  BOOST_TEST(comes([&] { return house.stat(0, "cachedPayments") == 3U; }));
  BOOST_TEST(house.stat(0, "memoryBytes") > 300U);
  BOOST_TEST_MESSAGE(house.call(0, "GET", "/admin/cache/stats").body);
  const std::string all = "/admin/cache/invalidate/payments";
  BOOST_TEST(house.call(0, "POST", all + "/" + id_of(2)).body == R"({"invalidated":1})");
  BOOST_TEST(house.call(0, "POST", all + "/" + id_of(2)).body == R"({"invalidated":0})");
  BOOST_TEST(!house.is_cached(2));
  BOOST_TEST(house.call(0, "POST", all).body == R"({"invalidated":2})");
  BOOST_TEST(house.get(0, 1).status == 200U);
  BOOST_TEST(comes([&] { return house.is_cached(1); })); // filled by the miss
  detail_of(house.call(0, "POST", all + "/no-uuid"), 404);
  const http_reply wrong = house.call(0, "GET", all);
  detail_of(wrong, 405);
  BOOST_TEST(wrong.header("Allow") == "POST");
  detail_of(house.call(0, "GET", all + "/" + id_of(2)), 405);
  detail_of(house.call(0, "POST", "/admin/cache/stats"), 405);
  http_caller nobody("127.0.0.1", house.all.ports[0]);
  detail_of(nobody.call("GET", "/admin/cache/stats"), 401);
  house.redis.kill();
  BOOST_TEST(comes([&] {
    return house.call(0, "GET", "/admin/cache/stats").body.find("\"available\":false") != std::string::npos;
  }));
  const http_reply away = house.call(0, "POST", all);
  detail_of(away, 503);
  BOOST_TEST(!away.header("Retry-After").empty());
  BOOST_TEST(house.get(0, 1).status == 200U);
  house.redis.start();
}

BOOST_AUTO_TEST_CASE(without_its_flag_it_leaves_no_trace) {
  cached_house house(variables{{"USE_REDIS_SESSION_CACHE", "false"}});
  house.settled(1);
  std::this_thread::sleep_for(1'500ms);
  BOOST_TEST(house.redis.cli({"KEYS", "repasse:payment:*"}) == "");
  BOOST_TEST(house.redis.cli({"KEYS", "repasse:totals*"}) == "");
  BOOST_TEST(house.call(0, "GET", "/admin/cache/stats").body == R"({"enabled":false})");
  detail_of(house.call(0, "POST", "/admin/cache/invalidate/payments"), 404);
  detail_of(house.call(0, "POST", "/admin/cache/invalidate/payments/" + id_of(1)), 404);
  house.all.database.kill();
  BOOST_TEST(comes([&] { return house.database_is(0, "away"); }));
  BOOST_TEST(house.call(0, "GET", "/payments-summary").status == 503U);
  house.all.database.start();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
