// redis_connection and what may be lost: servers, bytes, connections, callers. Its verdicts must never lie.
#include "test/integration/cutting_proxy.hpp"
#include "test/integration/heard_log.hpp"
#include "test/integration/redis_fixture.hpp"

#include <boost/asio/write.hpp>

#include <array>
#include <csignal>
#include <map>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using state = redis_connection::state;
using way = cutting_proxy::way;

redis_connection::config through(const cutting_proxy& proxy) {
  return config_of(redis_server::url(proxy.port()));
}

/// Answers each connection with the same bytes, whatever it is asked.
class false_server {
public:
  false_server(clock& time, std::string answer)
      : answer_(std::move(answer)),
        acceptor_(time.get_executor(), {asio::ip::address_v4::loopback(), 0}),
        tasks_(time) {
    tasks_.spawn(serve());
  }
  ~false_server() {
    acceptor_.close();
    if (peer_) peer_->close();
    while (tasks_.running() > 0)
      static_cast<asio::io_context&>(acceptor_.get_executor().context()).run_one();
  }

  [[nodiscard]] std::string url() const { return redis_server::url(acceptor_.local_endpoint().port()); }

private:
  using tcp = asio::ip::tcp;

  task<> serve() {
    for (;;) {
      boost::system::error_code error;
      auto token = asio::redirect_error(asio::use_awaitable_t<executor>{}, error);
      peer_.emplace(acceptor_.get_executor());
      co_await acceptor_.async_accept(*peer_, token);
      if (error) co_return;
      std::array<char, 4096> ignored;
      const auto room = asio::buffer(ignored);
      co_await peer_->async_read_some(room, token);
      const auto bytes = asio::buffer(answer_);
      co_await asio::async_write(*peer_, bytes, token);
      while (!error)
        co_await peer_->async_read_some(room, token);
    }
  }

  std::string answer_;
  asio::basic_socket_acceptor<tcp, executor> acceptor_;
  std::optional<asio::basic_stream_socket<tcp, executor>> peer_;
  task_group tasks_;
};

BOOST_AUTO_TEST_SUITE(redis_loss_test)

BOOST_AUTO_TEST_CASE(a_cut_after_any_byte_of_a_command_makes_no_verdict_lie) {
  shared_redis();
  loop here;
  heard_log quiet;
  cutting_proxy proxy(here.time, shared_redis().port());
  kept_redis cache(here, through(proxy));
  kept_redis truth(here, config_of(shared_redis().url()));
  truth.until_connected();
  int id = 0;
  const auto set_two = [&] {
    redis_batch work;
    work.add({"SET", "first:" + std::to_string(++id), "1"});
    work.add({"SET", "second:" + std::to_string(id), "1"});
    cache.until_connected();
    return cache.exec(work);
  };
  const auto has = [&](const char* which) {
    return truth.ask({"EXISTS", which + std::to_string(id)}).number == 1;
  };
  cache.until_connected();
  const std::array<std::size_t, 2> before{proxy.passed(way::to_server), proxy.passed(way::to_client)};
  BOOST_REQUIRE((set_two() == redis_verdict::done));
  const std::array<std::size_t, 2> size{proxy.passed(way::to_server) - before[0],
                                        proxy.passed(way::to_client) - before[1]};
  BOOST_TEST(size[0] > 60U);
  BOOST_TEST(size[1] == 10U);
  std::map<redis_verdict, std::size_t> seen;
  for (const way where : {way::to_server, way::to_client}) {
    for (std::size_t bytes = 0; bytes < size[static_cast<std::size_t>(where)]; ++bytes) {
      cache.until_connected();
      proxy.cut_after(where, bytes);
      const redis_verdict verdict = set_two();
      ++seen[verdict];
      if (verdict == redis_verdict::done) BOOST_TEST((has("first:") && has("second:")));
      if (verdict == redis_verdict::unavailable) BOOST_TEST((!has("first:") && !has("second:")));
    }
  }
  BOOST_TEST(seen[redis_verdict::in_doubt] > size[0]);
  cache.until_connected();
  BOOST_TEST(cache.link.figures().reconnects >= seen[redis_verdict::in_doubt]);
  BOOST_TEST(cache.link.figures().lost >= seen[redis_verdict::in_doubt]);
}

BOOST_AUTO_TEST_CASE(a_cut_after_any_byte_of_the_greeting_only_delays_it) {
  loop here;
  heard_log quiet;
  cutting_proxy proxy(here.time, shared_redis().port());
  redis_connection::config how = through(proxy);
  how.where.db = 3;
  std::array<std::size_t, 2> size{};
  {
    kept_redis cache(here, how);
    cache.until_connected();
    size = {proxy.passed(way::to_server), proxy.passed(way::to_client)};
  }
  for (const way where : {way::to_server, way::to_client}) {
    for (std::size_t bytes = 0; bytes < size[static_cast<std::size_t>(where)]; ++bytes) {
      proxy.cut_after(where, bytes);
      kept_redis cache(here, how);
      cache.until_connected();
      BOOST_TEST((cache.ask({"PING"}).as_text() == "PONG"));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_server_killed_in_mid_flight_leaves_doubt_and_comes_back) {
  redis_server server;
  loop here;
  heard_log log;
  kept_redis cache(here, config_of(server.url()));
  cache.until_connected();
  cache.ask({"SET", "a", "1"});
  redis_batch work;
  work.add({"DEBUG", "SLEEP", "5"});
  work.add({"SET", "b", "1"});
  const auto running = here.start(cache.link.exec(work, here.time.now() + 10s));
  here.holds_within(50ms, [] { return false; });
  BOOST_TEST(cache.link.figures().in_flight == 2U);
  server.kill();
  const steady_time killed = here.time.now();
  BOOST_TEST((here.await(running) == redis_verdict::in_doubt));
  BOOST_TEST((here.time.now() - killed < 5s));
  BOOST_TEST(cache.link.figures().lost == 2U);
  redis_batch next;
  next.add({"PING"});
  BOOST_TEST((cache.exec(next) == redis_verdict::unavailable));
  cache.until(state::away);
  BOOST_TEST(cache.link.trouble().find("Connection refused") != std::string::npos, cache.link.trouble());
  server.start();
  const steady_time started = here.time.now();
  cache.until_connected();
  BOOST_TEST((here.time.now() - started < 5s));
  BOOST_TEST((cache.ask({"GET", "a"}).as_text() == "1")); // it was synced before it was answered
  BOOST_TEST(cache.ask({"GET", "b"}).is_nil());
  BOOST_TEST(cache.link.generation() == 2U);
  BOOST_TEST(cache.link.figures().reconnects == 1U);
  BOOST_TEST(log.count("connection lost") == 1U);
  BOOST_TEST(log.count("cannot connect") == 1U);
  BOOST_TEST(log.count("connected to") == 1U);
}

BOOST_AUTO_TEST_CASE(a_server_away_at_the_start_is_found_later) {
  redis_server server;
  server.stop();
  loop here;
  heard_log quiet;
  kept_redis cache(here, config_of(server.url()));
  cache.until(state::away);
  redis_batch work;
  work.add({"SET", "a", "1"});
  const steady_time before = here.time.now();
  BOOST_TEST((cache.exec(work, 30s) == redis_verdict::unavailable));
  BOOST_TEST((here.time.now() - before < 5s));
  cache.link.send(work);
  BOOST_TEST(cache.link.figures().dropped == 1U);
  server.start();
  cache.until_connected();
  BOOST_TEST(cache.ask({"GET", "a"}).is_nil());
}

BOOST_AUTO_TEST_CASE(a_stopped_server_costs_a_command_its_time_and_the_next_ones_nothing) {
  redis_server server;
  loop here;
  heard_log quiet;
  redis_connection::config how = config_of(server.url());
  how.connect_limit = 200ms;
  how.silence = 20s;
  kept_redis cache(here, how);
  cache.until_connected();
  server.signal(SIGSTOP);
  redis_batch work;
  work.add({"INCR", "a"});
  const steady_time before = here.time.now();
  BOOST_TEST((cache.exec(work, 100ms) == redis_verdict::in_doubt));
  BOOST_TEST((here.time.now() - before >= 100ms));
  BOOST_TEST((here.time.now() - before < 5s));
  for (int i = 0; i < 10; ++i) {
    const steady_time again = here.time.now();
    BOOST_TEST((cache.exec(work, 30s) == redis_verdict::unavailable));
    BOOST_TEST((here.time.now() - again < 5s));
    here.holds_within(50ms, [] { return false; }); // also while it tries to connect
  }
  BOOST_TEST((cache.link.now_in() == state::away));
  BOOST_TEST(cache.link.trouble().find("no answer in time") != std::string::npos, cache.link.trouble());
  server.signal(SIGCONT);
  cache.until_connected();
  BOOST_TEST((cache.ask({"GET", "a"}).as_text() == "1")); // the doubt was right
}

BOOST_AUTO_TEST_CASE(an_idle_connection_to_a_silent_server_is_lost) {
  loop here;
  heard_log log;
  cutting_proxy proxy(here.time, shared_redis().port());
  redis_connection::config how = through(proxy);
  how.silence = how.connect_limit = 1s;
  kept_redis cache(here, how);
  cache.until_connected();
  here.holds_within(3s, [] { return false; });
  BOOST_TEST(cache.link.figures().reconnects == 0U); // it answers its PINGs
  proxy.fall_silent();
  const steady_time silent = here.time.now();
  here.until([&] { return cache.link.now_in() != state::connected; });
  BOOST_TEST((here.time.now() - silent < 10s));
  BOOST_TEST(log.count("the server is silent") == 1U);
  proxy.go_on();
  cache.until_connected();
}

BOOST_AUTO_TEST_CASE(what_nobody_waits_for_does_not_keep_a_silent_server_alive) {
  loop here;
  heard_log quiet;
  cutting_proxy proxy(here.time, shared_redis().port());
  redis_connection::config how = through(proxy);
  how.silence = how.connect_limit = 1s;
  kept_redis cache(here, how);
  cache.until_connected();
  proxy.fall_silent();
  redis_batch work;
  work.add({"INCR", "a"});
  const steady_time silent = here.time.now();
  const bool is_lost = here.holds_within(10s, [&] {
    cache.link.send(work);
    return cache.link.now_in() != state::connected;
  });
  BOOST_TEST(is_lost);
  BOOST_TEST((here.time.now() - silent >= 1s));
  BOOST_TEST(cache.link.figures().lost > 0U);
  proxy.go_on();
}

BOOST_AUTO_TEST_CASE(a_restart_loses_no_command_that_comes_later) {
  redis_server server;
  loop here;
  heard_log quiet;
  kept_redis cache(here, config_of(server.url()));
  for (int i = 1; i <= 3; ++i) {
    cache.until_connected();
    BOOST_TEST(cache.ask({"INCR", "a"}).as_number().value() == i);
    server.restart();
    here.until([&] { return cache.link.now_in() != state::connected; });
  }
  cache.until_connected();
  BOOST_TEST(cache.link.generation() == 4U);
}

BOOST_AUTO_TEST_CASE(a_replica_that_refuses_to_write_is_left) {
  loop here;
  heard_log log;
  redis_server& server = shared_redis();
  kept_redis cache(here, config_of(server.url()));
  cache.until_connected();
  server.cli({"REPLICAOF", "127.0.0.1", "1"});
  here.holds_within(20ms, [] { return false; });
  cache.until_connected();
  redis_batch work;
  work.add({"SET", "a", "1"});
  work.add({"GET", "a"});
  BOOST_REQUIRE((cache.exec(work) == redis_verdict::done));
  BOOST_TEST(work.reply(0).text.starts_with("READONLY"));
  BOOST_TEST(work.reply(1).is_nil());
  here.until([&] { return log.count("it is a replica, and read-only") == 1; });
  server.cli({"REPLICAOF", "NO", "ONE"});
  cache.until_connected();
  BOOST_TEST((cache.ask({"SET", "a", "1"}).as_text() == "OK"));
}

BOOST_AUTO_TEST_CASE(a_server_that_loads_its_data_is_not_there_yet) {
  loop here;
  heard_log quiet;
  false_server server(here.time, "+OK\r\n-LOADING Redis is loading the dataset in memory\r\n");
  kept_redis cache(here, config_of(server.url()));
  cache.until(state::away);
  BOOST_TEST(cache.link.trouble().find("PING was refused: LOADING") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(nonsense_ends_the_connection_and_nothing_else) {
  loop here;
  heard_log quiet;
  for (const std::string& answer :
       {"HTTP/1.1 400 Bad Request\r\n\r\n"s, "+OK\r\n+PONG\r\n+and more\r\n"s, "+OK\r\n+PONG\r\n:5\r\n"s,
        "+OK\r\n+PONG\r\n$-1\r\n"s, "+OK\r\n+PONG\r\n*1\r\n+x\r\n"s, "*2000000000\r\n"s, "$5\r\nab\r\n"s,
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"s,
        "-ERR max number of clients\r\n"s, "$999999999999999999999\r\n"s, "\0\0\0\0"s}) {
    false_server server(here.time, answer);
    redis_connection::config how = config_of(server.url());
    how.connect_limit = 100ms;
    kept_redis cache(here, how);
    here.until([&] { return cache.link.now_in() == state::away || cache.link.figures().reconnects > 1; });
    BOOST_TEST(cache.link.trouble().find('\n') == std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_black_hole_stalls_nothing) {
  loop here;
  heard_log quiet;
  // Its queue is full, and nobody accepts: what knocks is not answered.
  using tcp = asio::ip::tcp;
  asio::basic_socket_acceptor<tcp, executor> hole(here.time.get_executor(), tcp::v4());
  hole.bind({asio::ip::address_v4::loopback(), 0});
  hole.listen(0);
  std::vector<asio::basic_stream_socket<tcp, executor>> queue;
  for (int i = 0; i < 4; ++i) {
    queue.emplace_back(here.time.get_executor());
    queue.back().async_connect(hole.local_endpoint(), [](const boost::system::error_code&) {});
  }
  here.holds_within(20ms, [] { return false; });
  redis_connection::config how = config_of(redis_server::url(hole.local_endpoint().port()));
  how.connect_limit = 3s;
  const steady_time before = here.time.now();
  kept_redis cache(here, how);
  here.turn();
  BOOST_TEST((here.time.now() - before < 3s));
  cache.until(state::away);
  BOOST_TEST((here.time.now() - before >= 3s));
  BOOST_TEST((here.time.now() - before < 30s));
  BOOST_TEST(cache.link.trouble().ends_with(": no answer in time"));
}

BOOST_AUTO_TEST_CASE(a_name_without_an_address_stalls_nothing) {
  loop here;
  heard_log quiet;
  redis_connection::config how = config_of("redis://no-such-host.invalid");
  how.connect_limit = 3s;
  const steady_time before = here.time.now();
  kept_redis cache(here, how);
  here.turn();
  BOOST_TEST((here.time.now() - before < 3s));
  cache.until(state::away);
  BOOST_TEST((here.time.now() - before < 30s));
  BOOST_TEST(cache.link.trouble().find("no-such-host.invalid does not resolve: ") == 0U,
             cache.link.trouble());
}

BOOST_AUTO_TEST_CASE(a_socket_file_that_is_not_there_is_waited_for) {
  redis_server server;
  server.stop();
  loop here;
  heard_log quiet;
  kept_redis cache(here, config_of(server.file_url()));
  cache.until(state::away);
  BOOST_TEST(cache.link.trouble().find("No such file") != std::string::npos, cache.link.trouble());
  server.start();
  cache.until_connected();
  server.kill();
  here.until([&] { return cache.link.now_in() != state::connected; });
}

BOOST_AUTO_TEST_CASE(attempts_are_spread_while_the_server_is_away) {
  loop here;
  heard_log quiet;
  cutting_proxy proxy(here.time, 1); // accepts, and has no server behind
  redis_connection::config how = through(proxy);
  how.pause_min = 20ms;
  how.pause_max = 100ms;
  kept_redis cache(here, how);
  here.holds_within(700ms, [] { return false; });
  BOOST_TEST(proxy.accepted() >= 6U); // after 0, 20, 60, 140, 240, …
  BOOST_TEST(proxy.accepted() <= 12U);
}

BOOST_AUTO_TEST_CASE(stop_ends_what_is_under_way_in_doubt) {
  loop here;
  kept_redis cache(here, config_of(shared_redis().url()));
  cache.until_connected();
  redis_batch work;
  work.add({"DEBUG", "SLEEP", "0.1"});
  const auto running = here.start(cache.link.exec(work, here.time.now() + 5s));
  here.turn();
  cache.link.stop();
  BOOST_TEST((here.await(running) == redis_verdict::in_doubt));
}

BOOST_AUTO_TEST_CASE(a_connection_may_be_destroyed_at_any_moment) {
  heard_log quiet;
  redis_server& server = shared_redis();
  for (int turns = 0; turns < 12; ++turns) {
    loop here;
    auto cache = std::make_unique<redis_connection>(here.time, config_of(server.url()));
    here.start(cache->run());
    redis_batch work;
    work.add({"PING"});
    if (turns >= 6) here.until([&] { return cache->now_in() == state::connected; });
    const auto running = here.start(cache->exec(work, here.time.now() + 5s));
    for (int i = 0; i < turns % 6; ++i)
      here.context.poll_one();
    cache.reset();
    if (turns % 2 == 0) BOOST_TEST((here.await(running) != redis_verdict::done || turns % 6 >= 2));
  }
}

BOOST_AUTO_TEST_CASE(a_caller_may_vanish_at_any_moment) {
  heard_log quiet;
  redis_server& server = shared_redis();
  auto here = std::make_unique<loop>();
  redis_connection cache(here->time, config_of(server.url()));
  here->start(cache.run());
  here->until([&] { return cache.now_in() == state::connected; });
  redis_batch work;
  work.add({"DEBUG", "SLEEP", "0.05"});
  const auto running = here->start(cache.exec(work, here->time.now() + 5s));
  here->turn();
  here->time.abandon(); // destroys the caller, and run()
  here->turn();
  here->holds_within(100ms, [] { return false; }); // the reply comes, and is dropped
  BOOST_TEST(!running.has_ended());
  BOOST_TEST(cache.figures().in_flight == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
