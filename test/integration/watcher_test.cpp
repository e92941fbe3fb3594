// Watchers at a real Redis: what one tells the others hear, and what is lost, or nonsense, does no harm.
#include "health/watcher.hpp"
#include "test/integration/heard_log.hpp"
#include "test/integration/redis_fixture.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using verdict = health_news::verdict;

health_report report(bool failing, wall_time when, std::chrono::milliseconds min_response_time = 100ms) {
  health_report made;
  made.failing = failing;
  made.min_response_time = min_response_time;
  made.heard_wall = when;
  return made;
}

/// One instance: a connection for commands, and a watcher that is run.
class instance {
public:
  struct heard {
    processor_index index;
    health_report report;
    steady_time at;
  };

  instance(loop& of, const redis_server& server, epoch_id epoch = 0)
      : loop_(of),
        commands(of, config_of(server.url())),
        names("repasse"),
        one(of.time, commands.link, names,
            {.processors = {"default", "fallback"}, .link = config_of(server.url())},
            {.heard =
                 [this](processor_index index, const health_report& said) {
                   all.push_back({index, said, loop_.time.now()});
                 },
             .show =
                 [epoch](std::string& json) {
                   json = R"({"instance":"test"})";
                   return epoch;
                 }}) {
    one.start();
  }
  ~instance() {
    one.stop();
    loop_.until([&] { return one.has_stopped(); });
  }
  instance(const instance&) = delete;
  instance& operator=(const instance&) = delete;

  void until_ready(std::uint64_t looks = 1) {
    loop_.until([&] { return one.hears() && one.counted().looks >= looks; });
    commands.until_connected();
  }
  void until_heard(std::size_t count) {
    loop_.until([&] { return all.size() >= count; });
  }
  [[nodiscard]] std::uint64_t messages(verdict what) const {
    return one.counted().messages[static_cast<std::size_t>(what)];
  }

private:
  loop& loop_;

public:
  std::vector<heard> all;
  kept_redis commands;
  redis_names names;
  watcher one;
};

void publish(const redis_server& server, const std::string& message) {
  server.cli({"PUBLISH", "repasse:processor:health:updates", message});
}

} // namespace

BOOST_AUTO_TEST_SUITE(watcher_test)

BOOST_AUTO_TEST_CASE(a_probe_is_heard_by_the_others_and_kept_for_30_s) {
  const redis_server& server = shared_redis();
  loop here;
  instance a(here, server);
  instance b(here, server);
  a.until_ready();
  b.until_ready();
  const wall_time when = here.time.wall();
  a.one.tell_probe(1, report(true, when));
  b.until_heard(1);
  BOOST_TEST(b.all[0].index == 1);
  BOOST_TEST(b.all[0].report.failing);
  BOOST_TEST((b.all[0].report.min_response_time == 100ms));
  BOOST_TEST((b.all[0].report.heard_wall == when));
  BOOST_TEST(server.cli({"GET", "repasse:processor:health:fallback"}) ==
             R"({"processor":"fallback","healthy":false,"minResponseTime":100,"timestamp":")" +
                 to_string(when) + R"("})");
  const int ttl = std::stoi(server.cli({"TTL", "repasse:processor:health:fallback"}));
  BOOST_TEST(ttl <= 30);
  BOOST_TEST(ttl >= 20);
  here.until([&] { return a.messages(verdict::stale) == 1; }); // its own echo
  BOOST_TEST(a.all.empty());
}

BOOST_AUTO_TEST_CASE(a_breakers_change_is_heard_within_10_ms_and_kept_nowhere) {
  const redis_server& server = shared_redis();
  loop here;
  instance a(here, server);
  instance b(here, server);
  a.until_ready();
  b.until_ready();
  std::vector<std::chrono::nanoseconds> took;
  for (std::size_t i = 0; i < 21; ++i) {
    const steady_time told = here.time.now();
    a.one.tell_change(0, report(i % 2 == 0, here.time.wall()));
    b.until_heard(i + 1);
    took.push_back(b.all.back().at - told);
    BOOST_TEST(b.all.back().report.failing == (i % 2 == 0));
  }
  std::ranges::nth_element(took, took.begin() + 10);
  BOOST_TEST((took[10] < 30ms)); // promised: 10; the machine may be busy
  BOOST_TEST(server.cli({"EXISTS", "repasse:processor:health:default"}) == "0");
}

BOOST_AUTO_TEST_CASE(a_new_instance_knows_within_100_ms_of_its_start) {
  const redis_server& server = shared_redis();
  loop here;
  instance a(here, server);
  a.until_ready();
  a.one.tell_probe(0, report(false, here.time.wall(), 7ms));
  a.one.tell_probe(1, report(true, here.time.wall()));
  here.until([&] { return a.messages(verdict::stale) == 2; });
  std::chrono::nanoseconds best = 1h;
  for (int i = 0; i < 5 && best >= 300ms; ++i) { // promised: 100; the machine may be busy
    const steady_time begun = here.time.now();
    instance b(here, server);
    b.until_heard(2);
    best = std::min(best, b.all[1].at - begun);
    for (const instance::heard& one : b.all)
      BOOST_TEST(one.report.failing == (one.index == 1));
  }
  BOOST_TEST((best < 300ms));
}

BOOST_AUTO_TEST_CASE(redis_restarted_empty_is_told_anew_and_heard_again) {
  redis_server server;
  loop here;
  const heard_log quiet;
  instance a(here, server);
  instance b(here, server);
  a.until_ready();
  b.until_ready();
  a.one.tell_probe(0, report(true, here.time.wall()));
  b.until_heard(1);
  server.cli({"FLUSHALL"});
  server.kill();
  here.until([&] { return !a.one.hears() && !b.one.hears(); });
  a.one.tell_probe(0, report(false, here.time.wall())); // lost, and no harm
  server.start();
  a.until_ready(2);
  b.until_ready(2);
  BOOST_TEST(b.all.size() == 1U); // nothing was there
  a.one.tell_probe(0, report(false, here.time.wall()));
  b.until_heard(2);
  BOOST_TEST(!b.all[1].report.failing);
  BOOST_TEST(server.cli({"EXISTS", "repasse:processor:health:default"}) == "1");
}

BOOST_AUTO_TEST_CASE(what_was_missed_is_found_in_the_keys) {
  redis_server server;
  loop here;
  const heard_log quiet;
  instance a(here, server);
  instance b(here, server);
  a.until_ready();
  b.until_ready();
  const std::string missed = health_message_json(
      {.processor = "fallback", .healthy = false, .min_response_time = 3ms, .timestamp = here.time.wall()});
  server.cli({"SET", "repasse:processor:health:fallback", missed, "EX", "30"}); // as if nobody had heard it
  server.cli({"CLIENT", "KILL", "TYPE", "pubsub"});
  a.until_heard(1);
  b.until_heard(1);
  BOOST_TEST((b.all[0].report.min_response_time == 3ms));
}

BOOST_AUTO_TEST_CASE(flushed_keys_are_written_by_the_next_probe) {
  const redis_server& server = shared_redis();
  loop here;
  instance a(here, server);
  instance b(here, server);
  a.until_ready();
  b.until_ready();
  a.one.tell_probe(0, report(true, here.time.wall()));
  b.until_heard(1);
  server.cli({"FLUSHALL"});
  a.one.tell_probe(0, report(true, here.time.wall()));
  b.until_heard(2);
  BOOST_TEST(server.cli({"EXISTS", "repasse:processor:health:default"}) == "1");
}

BOOST_AUTO_TEST_CASE(messages_that_are_nonsense_stale_or_foreign_are_counted_and_do_nothing) {
  const redis_server& server = shared_redis();
  loop here;
  const auto said = [](const std::string& processor, wall_time when) {
    return health_message_json(
        {.processor = processor, .healthy = false, .min_response_time = 1ms, .timestamp = when});
  };
  const wall_time now = here.time.wall();
  server.cli({"SET", "repasse:processor:health:default", std::string(60'000, ' ')});
  server.cli({"LPUSH", "repasse:processor:health:fallback", "a list"}); // GET is answered with an error
  instance a(here, server);
  a.until_ready();
  for (const std::string& each :
       {""s, "{"s, "\xff\xfe"s, std::string(60'000, '{'), said("default", now) + "x"})
    publish(server, each);
  publish(server, said("third", now));
  publish(server, said("default", now - 31s));
  publish(server, said("default", now + 1min));
  BOOST_TEST(a.all.empty());
  publish(server, said("default", now));
  a.until_heard(1);
  publish(server, said("default", now));
  here.until([&] { return a.messages(verdict::stale) == 2; });
  BOOST_TEST(a.messages(verdict::malformed) == 6U); // the key, too
  BOOST_TEST(a.messages(verdict::unknown) == 1U);
  BOOST_TEST(a.messages(verdict::from_future) == 1U);
  BOOST_TEST(a.messages(verdict::news) == 1U);
  BOOST_TEST(a.all.size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_instance_with_an_epoch_shows_itself_for_5_s) {
  const redis_server& server = shared_redis();
  loop here;
  instance a(here, server, 42);
  instance b(here, server);
  here.until([&] { return server.cli({"EXISTS", "repasse:instances:42"}) == "1"; });
  BOOST_TEST(server.cli({"GET", "repasse:instances:42"}) == R"({"instance":"test"})");
  const int ttl = std::stoi(server.cli({"TTL", "repasse:instances:42"}));
  BOOST_TEST(ttl <= 5);
  BOOST_TEST(ttl >= 1);
  server.cli({"DEL", "repasse:instances:42"});
  here.until([&] { return server.cli({"EXISTS", "repasse:instances:42"}) == "1"; });
  BOOST_TEST(server.cli({"KEYS", "*:*:*"}) == "repasse:instances:42"); // who has no epoch shows nothing
  BOOST_TEST(server.cli({"ZRANGE", "repasse:instances", "0", "-1"}) == "42");
  std::vector<std::string> crowd{"ZADD", "repasse:instances"};
  for (int i = 1000; i < 1300; ++i) // by a clock that is years behind
    crowd.insert(crowd.end(), 2, std::to_string(i));
  server.cli(crowd);
  server.cli({"DEL", "repasse:instances:42"});
  here.until([&] { return server.cli({"EXISTS", "repasse:instances:42"}) == "1"; });
  BOOST_TEST(server.cli({"ZCARD", "repasse:instances"}) == "256");
  BOOST_TEST(server.cli({"ZSCORE", "repasse:instances", "1299"}) == "1299");
  const int listed = std::stoi(server.cli({"TTL", "repasse:instances"}));
  BOOST_TEST((listed > 50 && listed <= 60));
  server.cli({"DEL", "repasse:instances"});
}

BOOST_AUTO_TEST_CASE(a_watcher_that_is_stopped_says_and_hears_nothing_more) {
  const redis_server& server = shared_redis();
  loop here;
  instance a(here, server);
  a.until_ready();
  a.one.stop();
  here.until([&] { return a.one.has_stopped(); });
  here.until([&] {
    return server.cli({"PUBSUB", "NUMSUB", "repasse:processor:health:updates"}).ends_with("\n0");
  });
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
