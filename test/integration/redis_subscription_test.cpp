// redis_subscription against a real Redis: what is published is heard, and a loss is told.
#include "test/integration/cutting_proxy.hpp"
#include "test/integration/heard_log.hpp"
#include "test/integration/redis_fixture.hpp"

#include <csignal>
#include <memory>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

/// A subscription that is run, and all that it tells.
class listener {
public:
  listener(loop& of, redis_connection::config how, std::string channel)
      : loop_(of),
        all_(of.time),
        link(std::make_unique<redis_subscription>(
            of.time, std::move(how), std::move(channel),
            redis_subscription::calls{&listener::hear, &listener::note, this})) {
    all_.spawn(link->run());
  }
  ~listener() {
    link.reset();
    loop_.until([&] { return all_.running() == 0; });
  }
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;

private:
  static void hear(void* who, std::string_view message) {
    auto& self = *static_cast<listener*>(who);
    self.messages.emplace_back(message);
    if (message == "the end") self.link.reset();
  }
  static void note(void* who) { ++static_cast<listener*>(who)->subscribed; }

  loop& loop_;
  task_group all_;

public:
  std::vector<std::string> messages;
  int subscribed = 0;
  std::unique_ptr<redis_subscription> link;
};

BOOST_AUTO_TEST_SUITE(redis_subscription_test)

BOOST_AUTO_TEST_CASE(what_is_published_is_heard_in_order_and_whole) {
  loop here;
  const std::string channel = "repasse:\r\n updates"s;
  kept_redis speaker(here, config_of(shared_redis().url()));
  speaker.until_connected();
  listener ear(here, config_of(shared_redis().url()), channel);
  here.until([&] { return ear.subscribed == 1; });
  BOOST_TEST(ear.link->is_subscribed());
  const std::vector<std::string> said{"one", "", "\0\r\n"s, std::string(100'000, 'x'), "subscribe"};
  for (const std::string& each : said)
    BOOST_TEST(speaker.ask({"PUBLISH", channel, each}).as_number().value() == 1);
  speaker.ask({"PUBLISH", "another channel", "not for us"});
  speaker.ask({"PUBLISH", channel, "last"});
  here.until([&] { return ear.messages.size() == said.size() + 1; });
  for (std::size_t i = 0; i < said.size(); ++i)
    BOOST_TEST((ear.messages[i] == said[i]));
}

BOOST_AUTO_TEST_CASE(a_subscription_is_made_again_after_each_loss_and_says_so) {
  redis_server server;
  loop here;
  heard_log quiet;
  kept_redis speaker(here, config_of(server.url()));
  listener ear(here, config_of(server.url()), "news");
  for (int i = 1; i <= 3; ++i) {
    here.until([&] { return ear.subscribed == i; });
    speaker.until_connected();
    BOOST_TEST(speaker.ask({"PUBLISH", "news", std::to_string(i)}).as_number().value() == 1);
    here.until([&] { return ear.messages.size() == static_cast<std::size_t>(i); });
    if (i == 2)
      server.cli({"CLIENT", "KILL", "TYPE", "pubsub"});
    else if (i == 1)
      server.kill(), server.start();
  }
  BOOST_TEST(ear.messages.back() == "3");
}

BOOST_AUTO_TEST_CASE(a_quiet_channel_is_not_taken_for_a_lost_one_and_a_silent_server_is) {
  loop here;
  heard_log log;
  cutting_proxy proxy(here.time, shared_redis().port());
  redis_connection::config how = config_of(redis_server::url(proxy.port()));
  how.silence = how.connect_limit = 1s;
  listener ear(here, how, "news");
  here.until([&] { return ear.subscribed == 1; });
  here.holds_within(3s, [] { return false; });
  BOOST_TEST(ear.subscribed == 1);
  BOOST_TEST(ear.messages.empty());
  proxy.fall_silent();
  here.until([&] { return !ear.link->is_subscribed(); });
  proxy.go_on();
  here.until([&] { return ear.subscribed == 2; });
  BOOST_TEST(log.count("the server is silent") == 1U);
}

BOOST_AUTO_TEST_CASE(a_cut_after_any_byte_of_the_greeting_only_delays_it) {
  loop here;
  heard_log quiet;
  cutting_proxy proxy(here.time, shared_redis().port());
  const redis_connection::config how = config_of(redis_server::url(proxy.port()));
  std::size_t size = 0;
  for (std::size_t bytes = 0; bytes <= size; ++bytes) {
    if (bytes > 0) proxy.cut_after(cutting_proxy::way::to_client, bytes - 1);
    listener ear(here, how, "news");
    here.until([&] { return ear.subscribed > 0; });
    if (bytes == 0) size = proxy.passed(cutting_proxy::way::to_client);
  }
  BOOST_TEST(size > 30U);
}

BOOST_AUTO_TEST_CASE(a_channel_that_is_forbidden_is_told) {
  redis_server server({"user default off", "user ear on >sesame &other +subscribe +ping +client"});
  loop here;
  heard_log log;
  listener ear(here, config_of("redis://ear:sesame@127.0.0.1:" + std::to_string(server.port())), "news");
  here.until([&] { return log.count("SUBSCRIBE: NOPERM") > 0; });
  BOOST_TEST(!ear.link->is_subscribed());
  BOOST_TEST(ear.subscribed == 0);
}

BOOST_AUTO_TEST_CASE(who_hears_a_message_may_end_the_subscription) {
  loop here;
  kept_redis speaker(here, config_of(shared_redis().url()));
  speaker.until_connected();
  listener ear(here, config_of(shared_redis().url()), "news");
  here.until([&] { return ear.subscribed == 1; });
  redis_batch work;
  for (const char* each : {"first", "the end", "too late"})
    work.add({"PUBLISH", "news", each});
  BOOST_REQUIRE((speaker.exec(work) == redis_verdict::done));
  here.until([&] { return ear.link == nullptr; });
  here.holds_within(20ms, [] { return false; });
  BOOST_TEST(ear.messages.size() == 2U);
}

BOOST_AUTO_TEST_CASE(stop_ends_it) {
  loop here;
  listener ear(here, config_of(shared_redis().url()), "news");
  here.until([&] { return ear.subscribed == 1; });
  ear.link->stop();
  BOOST_TEST(!ear.link->is_subscribed());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
