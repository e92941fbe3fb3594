// redis_connection behind real sentinels: it finds the master, and finds it again.
#include "test/integration/heard_log.hpp"
#include "test/integration/redis_fixture.hpp"

namespace repasse {
namespace {

using namespace std::chrono_literals;
using state = redis_connection::state;

std::string place_of(const redis_server& server) { return "127.0.0.1:" + std::to_string(server.port()); }

/// A master, its replica, and a sentinel that alone decides.
struct house {
  house() {
    wait_for(replica, "INFO", "master_link_status:up");
    const std::string of = " pay ";
    sentinel = std::make_unique<redis_server>(
        std::vector<std::string>{"sentinel monitor pay 127.0.0.1 " + std::to_string(master.port()) + " 1",
                                 "sentinel auth-pass pay sesame", "sentinel down-after-milliseconds pay 300",
                                 "sentinel failover-timeout pay 1000"},
        redis_server::role::sentinel);
    // It would otherwise leave a master that was replaced alone for 8 s.
    sentinel->cli({"SENTINEL", "DEBUG", "PUBLISH-PERIOD", "100", "INFO-PERIOD", "200"});
    for (int i = 0; i < 2'000 && sentinel->cli({"SENTINEL", "replicas", "pay"}).empty(); ++i)
      ::usleep(5'000);
  }
  static void wait_for(const redis_server& where, const char* command, const char* text) {
    for (int i = 0; i < 2'000; ++i) {
      if (where.cli({"--no-auth-warning", "-a", "sesame", command}).find(text) != std::string::npos) return;
      ::usleep(5'000);
    }
    BOOST_FAIL(text);
  }
  [[nodiscard]] std::string url(const std::string& hosts) const {
    return "redis-sentinel://:sesame@" + hosts + "/pay";
  }

  redis_server master{{"requirepass sesame", "masterauth sesame", "repl-diskless-sync-delay 0"}};
  redis_server replica{{"requirepass sesame", "masterauth sesame", "repl-diskless-sync-delay 0",
                        "replicaof 127.0.0.1 " + std::to_string(master.port())}};
  std::unique_ptr<redis_server> sentinel;
};

BOOST_AUTO_TEST_SUITE(redis_sentinel_test)

BOOST_AUTO_TEST_CASE(the_master_is_found_and_found_again) {
  house all;
  loop here;
  heard_log log;
  // The first sentinel is not there; the second, a plain Redis, knows nothing.
  const std::string hosts = "127.0.0.1:1," + place_of(shared_redis()) + "," + place_of(*all.sentinel);
  kept_redis cache(here, config_of(all.url(hosts)));
  cache.until_connected();
  BOOST_TEST(cache.link.is_sentinel());
  const auto port_of_server = [&] {
    const std::string info = cache.ask({"INFO", "server"}).text;
    const std::size_t at = info.find("tcp_port:") + 9;
    return info.substr(at, info.find('\r', at) - at);
  };
  BOOST_TEST(port_of_server() == std::to_string(all.master.port()));
  BOOST_TEST((cache.ask({"SET", "a", "1"}).as_text() == "OK"));

  // The master becomes a replica while it lives: its own word, READONLY, or a closed connection tells us.
  here.until([&] { return all.sentinel->cli({"SENTINEL", "FAILOVER", "pay"}) == "OK"; }); // knows the replica
  const auto writes = [&] {
    redis_batch work;
    work.add({"INCR", "a"});
    return cache.exec(work, 500ms) == redis_verdict::done && !work.reply(0).is_error();
  };
  here.until([&] { return cache.link.generation() > 1 && cache.link.now_in() == state::connected; });
  BOOST_TEST(writes());
  BOOST_TEST(port_of_server() == std::to_string(all.replica.port()));
  house::wait_for(all.master, "ROLE", "connected"); // a replica in its turn

  // The master dies, and the sentinel notices by itself.
  const std::uint64_t before = cache.link.generation();
  all.replica.kill();
  here.until([&] { return cache.link.now_in() != state::connected; });
  here.until([&] { return cache.link.generation() > before && cache.link.now_in() == state::connected; });
  BOOST_TEST(writes());
  BOOST_TEST(port_of_server() == std::to_string(all.master.port()));
  BOOST_TEST(log.count("sesame") == 0U);
}

BOOST_AUTO_TEST_CASE(a_server_that_calls_itself_a_replica_is_not_believed_to_be_the_master) {
  redis_server replica({"replicaof 127.0.0.1 1"});
  // A sentinel that is told wrongly, and has no time to find out.
  redis_server sentinel({"sentinel monitor pay 127.0.0.1 " + std::to_string(replica.port()) + " 9",
                         "sentinel down-after-milliseconds pay 60000"},
                        redis_server::role::sentinel);
  loop here;
  heard_log quiet;
  kept_redis cache(here, config_of("redis-sentinel://" + place_of(sentinel) + "/pay"));
  cache.until(state::away);
  BOOST_TEST(cache.link.trouble().find("it is no master, but slave") != std::string::npos,
             cache.link.trouble());
  BOOST_TEST(cache.link.generation() == 0U);

  kept_redis other(here, config_of("redis-sentinel://" + place_of(sentinel) + "/nobody"));
  other.until(state::away);
  BOOST_TEST(other.link.trouble().find("knows no such master") != std::string::npos, other.link.trouble());
}

BOOST_AUTO_TEST_CASE(a_sentinel_may_want_the_password_too) {
  redis_server master({"requirepass sesame"});
  redis_server sentinel({"sentinel monitor pay 127.0.0.1 " + std::to_string(master.port()) + " 1",
                         "sentinel auth-pass pay sesame", "requirepass sesame"},
                        redis_server::role::sentinel);
  loop here;
  heard_log quiet;
  kept_redis cache(here, config_of("redis-sentinel://:sesame@" + place_of(sentinel) + "/pay/2"));
  cache.until_connected();
  BOOST_TEST(cache.ask({"CLIENT", "INFO"}).text.find(" db=2 ") != std::string::npos);
  kept_redis other(here, config_of("redis-sentinel://:Hu5h@" + place_of(sentinel) + "/pay"));
  other.until(state::away);
  BOOST_TEST(other.link.trouble().find("Hu5h") == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
