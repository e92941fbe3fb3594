// Two instances that share what they know of the processors, by Redis and by the beats, with all of it real
// programs: who asks, how often, and who hears of it when one of them, or Redis, is gone.
#define BOOST_TEST_MODULE shared_health
#include "bench/flat_json.hpp"
#include "test/comes.hpp"
#include "test/end_to_end/payer.hpp"
#include "test/integration/postgres_server.hpp"
#include "test/integration/redis_server.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <thread>

namespace repasse {
namespace {

using namespace requests;
using namespace std::chrono_literals;
using std::this_thread::sleep_for;
using time_point = std::chrono::steady_clock::time_point;

const std::array<std::string, 2> names{"default", "fallback"};

time_point now() { return std::chrono::steady_clock::now(); }

postgres_server& server_with_empty_schema() {
  static postgres_server server;
  if (!server.is_running()) server.start();
  server.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION repasse");
  return server;
}

/// One instance of the house.
class instance {
public:
  explicit instance(const variables& settings) : server(settings), caller_(server.caller()) {}

  /// What `/processors` says of one.
  [[nodiscard]] std::string shown(std::size_t processor) {
    const std::string body = caller_.call("GET", "/processors").body;
    const std::size_t begin = body.find(R"({"name":")" + names[processor]);
    if (begin == body.npos) return {};
    return body.substr(begin, body.find(R"({"name":)", begin + 1) - begin);
  }
  [[nodiscard]] bool shows(std::size_t processor, std::string_view part) {
    return shown(processor).find(part) != std::string::npos;
  }
  [[nodiscard]] bool knows_both() { return shows(0, R"("health":{)") && shows(1, R"("health":{)"); }
  [[nodiscard]] bool has_database() {
    return caller_.call("GET", "/readyz").body.starts_with("database: up");
  }
  [[nodiscard]] bool is_ready() { return caller_.call("GET", "/readyz").status == 200U; }
  void post(std::size_t number) {
    BOOST_TEST(comes([&] { return caller_.call("POST", "/payments", payment_body(number)).status == 202U; }));
  }
  [[nodiscard]] std::string status_of(std::size_t number) {
    return member(caller_.call("GET", "/payments/" + id_of(number)).body, "status");
  }

  server_process server;

private:
  http_caller caller_;
};

/// All but the instances.
struct house {
  explicit house(variables unusual = {}) : settings(std::move(unusual)) {
    settings.try_emplace("DATABASE_URL", database.url());
    settings.try_emplace("REDIS_URL", redis.url());
    settings.try_emplace("PROCESSOR_DEFAULT_URL", "http://" + address_of(processors[0].port()));
    settings.try_emplace("PROCESSOR_FALLBACK_URL", "http://" + address_of(processors[1].port()));
  }

  std::unique_ptr<instance> start(const std::string& reactors = "1") {
    variables own = settings;
    own.insert_or_assign("REACTORS", reactors);
    auto one = std::make_unique<instance>(own);
    BOOST_REQUIRE(comes([&] { return one->has_database(); })); // it is ready by Redis before
    epochs += std::stoul(reactors);
    const auto have_begun = [&] {
      return std::stoul(database.sql("SELECT coalesce(max(epoch), 0) FROM epochs")) >= epochs;
    };
    BOOST_REQUIRE(comes(have_begun)); // so that they are numbered as the instances are started
    return one;
  }
  void configure(std::size_t processor, const std::string& name, std::string_view body) const {
    http_caller caller = processors[processor].caller();
    caller.call("PUT", "/admin/configurations/" + name, body, {{"X-Rinha-Token", "123"}});
  }
  /// A member of what the simulator says of its health calls.
  [[nodiscard]] std::size_t health_calls(std::size_t processor, std::string_view which) const {
    const http_reply answer =
        processors[processor].caller().call("GET", "/admin/health-calls", "", {{"X-Rinha-Token", "123"}});
    return flat_json::read(answer.body).value().count(which).value();
  }
  [[nodiscard]] bool is_asked_more_than(const std::array<std::size_t, 2>& before) const {
    return health_calls(0, "asked") > before[0] && health_calls(1, "asked") > before[1];
  }
  [[nodiscard]] std::array<std::size_t, 2> asked() const {
    return {health_calls(0, "asked"), health_calls(1, "asked")};
  }
  void expect_no_early_calls() const {
    for (std::size_t p = 0; p < 2; ++p)
      BOOST_TEST(health_calls(p, "early") == 0U);
  }

  postgres_server& database = server_with_empty_schema();
  redis_server redis;
  std::array<simulator_process, 2> processors{simulator_process(), simulator_process()};
  variables settings;
  std::size_t epochs = 0; ///< of those that were started
};

} // namespace

BOOST_AUTO_TEST_SUITE(by_redis)

BOOST_AUTO_TEST_CASE(a_new_instance_knows_at_once_what_the_eldest_has_asked) {
  house all;
  all.configure(1, "hostile", R"({"health":{"failing":true,"minResponseTime":77}})");
  const auto a = all.start();
  BOOST_REQUIRE(comes([&] { return a->knows_both(); }, 18s));
  BOOST_TEST(a->shows(1, R"("health":{"failing":true,"minResponseTime":77,)"));
  BOOST_TEST(a->shows(0, R"("from":"epoch 1"})"), a->shown(0));
  variables settings = all.settings;
  settings.emplace("REACTORS", "1");
  instance b(settings);
  BOOST_TEST(comes([&] { return b.knows_both(); }, 4s)); // a probe comes each 5.2 s
  BOOST_TEST(b.shows(0, R"("health":{"failing":false,"minResponseTime":0,)"), b.shown(0));
  BOOST_TEST(b.shows(1, R"("health":{"failing":true,"minResponseTime":77,)"), b.shown(1));
  BOOST_REQUIRE(comes([&] { return b.is_ready(); }));
  for (const auto* key : {"repasse:processor:health:default", "repasse:processor:health:fallback",
                          "repasse:instances:1", "repasse:instances:2"})
    BOOST_TEST(comes([&] { return all.redis.cli({"EXISTS", key}) == "1"; }), key);
  const std::string shown = all.redis.cli({"GET", "repasse:instances:1"});
  BOOST_TEST(shown.find(R"(,"epoch":1,"reactor":0,"held":0,"waiting":0,"accepted":0,"settled":0,)") !=
                 shown.npos,
             shown);
  all.expect_no_early_calls();
}

BOOST_AUTO_TEST_CASE(a_breaker_that_opens_and_closes_here_is_seen_there) {
  house all;
  for (std::size_t p = 0; p < 2; ++p) // so that nobody hears of it from the processors
    all.configure(p, "hostile", R"({"health":{"failing":false,"minResponseTime":1}})");
  const auto a = all.start();
  const auto b = all.start();
  BOOST_REQUIRE(comes([&] { return a->knows_both() && b->knows_both(); }, 18s));
  all.configure(0, "failure", R"({"failure":true})");
  for (std::size_t number = 1; number <= 4; ++number)
    a->post(number);
  BOOST_TEST(comes([&] { return !a->shows(0, R"("breaker":"closed")"); }, 18s), a->shown(0));
  std::string told;
  const auto is_told = [&] {
    told = b->shown(0);
    return !told.empty() && told.find(R"("breaker":"closed")") == told.npos;
  };
  BOOST_TEST(comes(is_told, 18s), told);
  if (told.find(R"("breaker":"open")") != told.npos) { // else the next probe has told otherwise already
    BOOST_TEST(told.find(R"("health":{"failing":true,"minResponseTime":1,)") != told.npos, told);
    BOOST_TEST(told.find(R"("from":"redis"})") != told.npos, told);
  }
  BOOST_TEST(b->shows(1, R"("breaker":"closed")"), b->shown(1));
  all.configure(0, "failure", R"({"failure":false})");
  b->post(10); // one trial of its own is enough
  BOOST_TEST(comes([&] { return b->shows(0, R"("breaker":"closed")"); }, 18s), b->shown(0));
}

BOOST_AUTO_TEST_CASE(a_recovery_that_another_has_published_wakes_what_waits) {
  house all;
  for (std::size_t p = 0; p < 2; ++p) // slow and failing: left alone for 30 s
    all.configure(p, "hostile", R"({"health":{"failing":true,"minResponseTime":2000}})");
  const auto b = all.start();
  BOOST_REQUIRE(
      comes([&] { return b->shows(0, R"("breaker":"open")") && b->shows(1, R"("breaker":"open")"); }, 18s));
  b->post(1);
  sleep_for(1s);
  BOOST_TEST(b->status_of(1) == "accepted");
  const auto is_woken = [&] { // told again each time: a probe may have said something newer in between
    all.redis.cli(
        {"PUBLISH", "repasse:processor:health:updates",
         R"({"processor":"fallback","healthy":true,"minResponseTime":1,"timestamp":")" +
             to_string(std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now())) +
             R"("})"});
    return b->status_of(1) == "processed";
  };
  BOOST_TEST(comes(is_woken), b->shown(1)); // unheard, it would take 30 s
  BOOST_TEST(b->shows(0, R"("breaker":"open")"));
}

BOOST_AUTO_TEST_CASE(nonsense_on_the_channel_does_nothing) {
  house all;
  const auto a = all.start();
  BOOST_REQUIRE(comes([&] { return a->knows_both(); }, 18s));
  for (
      const std::string& text :
      {std::string("{}"), std::string(100'000, '['), std::string("\xff\r\n"),
       std::string(
           R"({"processor":"default","healthy":false,"minResponseTime":1,"timestamp":"2999-01-01T00:00:00Z"})"),
       std::string(
           R"({"processor":"default","healthy":false,"minResponseTime":1,"timestamp":"2020-01-01T00:00:00Z"})")})
    all.redis.cli({"PUBLISH", "repasse:processor:health:updates", text});
  sleep_for(100ms);
  BOOST_TEST(a->shows(0, R"("breaker":"closed","health":{"failing":false)"), a->shown(0));
  BOOST_TEST(a->server.end(SIGTERM) == 0);
}

BOOST_AUTO_TEST_CASE(switched_off_it_leaves_no_trace_and_the_beats_carry_health) {
  house all{variables{{"USE_REDIS_HEALTH_MONITORING", "false"}}};
  const auto a = all.start();
  const auto b = all.start();
  BOOST_TEST(comes([&] { return b->knows_both(); }, 12s));
  BOOST_TEST(b->shows(0, R"("from":"epoch 1"})"), b->shown(0));
  BOOST_TEST(all.redis.cli({"KEYS", "repasse:processor:*"}).empty());
  BOOST_TEST(all.redis.cli({"KEYS", "repasse:instances:*"}).empty());
  BOOST_TEST(all.redis.cli({"PUBSUB", "CHANNELS"}).empty());
  BOOST_TEST(a->is_ready());
  all.expect_no_early_calls();
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(without_someone)

BOOST_AUTO_TEST_CASE(with_redis_gone_health_comes_by_the_beats) {
  house all;
  const auto a = all.start();
  const auto b = all.start();
  BOOST_REQUIRE(comes([&] { return a->knows_both() && b->knows_both(); }, 18s));
  all.redis.kill();
  all.configure(0, "hostile", R"({"health":{"failing":true,"minResponseTime":33}})");
  BOOST_TEST(comes([&] { return a->shows(0, R"("minResponseTime":33,)"); }, 18s));
  const time_point asked = now();
  BOOST_TEST(comes([&] { return b->shows(0, R"("failing":true,"minResponseTime":33,)"); }, 12s));
  BOOST_TEST_MESSAGE("heard by a beat after " << (now() - asked) / 1ms << " ms");
  BOOST_TEST(b->shows(0, R"("from":"epoch 1"})"), b->shown(0));
  BOOST_TEST(a->is_ready()); // a lost Redis makes nothing unready
  all.expect_no_early_calls();
}

/// Kills or stops the eldest just after it has asked; the other asks within 11 s (thrice that on a busy
/// machine), and not too early.
void lose_the_eldest(int signal) {
  house all;
  const auto a = all.start("2"); // epochs 1 and 2
  const auto b = all.start();
  const auto first = all.asked();
  BOOST_REQUIRE(comes([&] { return all.is_asked_more_than(first); }, 18s));
  a->server.signal(signal);
  const time_point lost = now();
  const auto before = all.asked();
  const auto shows_own = [&](std::size_t processor) { return b->shows(processor, R"("from":"epoch 3"})"); };
  BOOST_TEST(comes([&] { return shows_own(0) && shows_own(1); }, 33s), b->shown(0) + b->shown(1));
  BOOST_TEST_MESSAGE("asked by the other after " << (now() - lost) / 1ms << " ms");
  BOOST_TEST(all.is_asked_more_than(before));
  if (signal == SIGSTOP) {
    a->server.signal(SIGCONT); // it still believes to be the eldest, until it looks
    BOOST_TEST(comes([&] { return a->shows(0, R"("from":"redis"})"); }), a->shown(0));
    sleep_for(1s);
  }
  all.expect_no_early_calls();
}

BOOST_AUTO_TEST_CASE(the_eldest_killed_the_next_one_asks_within_11_s) { lose_the_eldest(SIGKILL); }
BOOST_AUTO_TEST_CASE(the_eldest_stopped_the_next_one_asks_within_11_s) { lose_the_eldest(SIGSTOP); }

BOOST_AUTO_TEST_CASE(while_postgresql_is_away_nobody_asks) {
  house all;
  const auto a = all.start();
  const auto b = all.start();
  BOOST_REQUIRE(comes([&] { return a->knows_both() && b->knows_both(); }, 18s));
  all.database.stop();
  sleep_for(3s); // the eldest's last beat is as old, at least
  const auto before = all.asked();
  sleep_for(5500ms);
  BOOST_TEST((all.asked() == before));
  all.database.start();
  BOOST_TEST(comes([&] { return all.is_asked_more_than(before); }));
  all.expect_no_early_calls();
}

BOOST_AUTO_TEST_CASE(the_eldest_restarted_at_once_keeps_its_own_distance) {
  house all;
  auto a = all.start();
  BOOST_REQUIRE(comes([&] { return a->knows_both(); }, 18s));
  const auto are_carried = [&] { // by a beat
    return all.database.sql("SELECT count(*) FROM processors WHERE probed_at IS NOT NULL") == "2";
  };
  BOOST_REQUIRE(comes(are_carried));
  all.redis.kill();
  a->server.end(SIGTERM);
  a = all.start();
  BOOST_TEST(comes([&] { return a->knows_both(); }, 4s)); // by its first beat
  BOOST_TEST(comes([&] { return all.is_asked_more_than({1, 1}); }, 18s));
  all.expect_no_early_calls();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
