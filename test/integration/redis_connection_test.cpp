// redis_connection against a real Redis: what it brings back, and how it gets in.
#include "test/integration/heard_log.hpp"
#include "test/integration/redis_fixture.hpp"

#include <algorithm>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using state = redis_connection::state;
using kind = redis_reply::kind;

BOOST_AUTO_TEST_SUITE(redis_connection_test)

BOOST_AUTO_TEST_CASE(values_of_any_bytes_come_back_as_they_were) {
  loop here;
  kept_redis cache(here, config_of(shared_redis().url()));
  cache.until_connected();
  std::string every;
  for (int byte = 0; byte < 256; ++byte)
    every.push_back(static_cast<char>(byte));
  for (const std::string& value :
       {""s, "\0"s, "\r\n"s, "$5\r\nhello\r\n"s, "%s %b"s, every, std::string(1'000'000, 'x')}) {
    BOOST_TEST((cache.ask({"SET", every, value}).as_text() == "OK"));
    const redis_reply reply = cache.ask({"GET", every});
    BOOST_TEST((reply.what == kind::text && reply.text == value));
  }
}

BOOST_AUTO_TEST_CASE(replies_have_their_kinds) {
  loop here;
  kept_redis cache(here, config_of(shared_redis().url()));
  cache.until_connected();
  redis_batch work;
  work.add({"GET", "nothing"});
  work.add({"INCRBY", "count", "-9223372036854775808"});
  work.add({"LPOP", "count"});
  work.add({"EVAL", "return {1, {'two', {}}, false, redis.error_reply('mine')}", "0"});
  work.add({"NO-SUCH-COMMAND"});
  work.add({"KEYS", "*"});
  BOOST_REQUIRE((cache.exec(work) == redis_verdict::done));
  BOOST_TEST(work.reply(0).is_nil());
  BOOST_TEST((work.reply(1).as_number() == INT64_MIN));
  BOOST_TEST(work.reply(2).is_error());
  BOOST_TEST(work.reply(2).text.starts_with("WRONGTYPE"));
  const std::vector<redis_reply>& list = work.reply(3).list;
  BOOST_REQUIRE(list.size() == 4U);
  BOOST_TEST((list[0].as_number() == 1));
  BOOST_TEST((list[1].what == kind::list && list[1].list[1].what == kind::list));
  BOOST_TEST(list[2].is_nil());
  BOOST_TEST(list[3].is_error());
  BOOST_TEST(work.reply(4).text.starts_with("ERR unknown command"));
  BOOST_TEST(work.reply(5).list.size() == 1U); // an error ends nothing

  work.clear(); // what was there is forgotten, not mixed in
  work.add({"PING"});
  BOOST_REQUIRE((cache.exec(work) == redis_verdict::done));
  BOOST_TEST((work.reply(0).as_text() == "PONG"));
  BOOST_TEST(work.reply(0).list.empty());
  BOOST_TEST(cache.link.figures().commands == 7U);
  BOOST_TEST(cache.link.figures().in_flight == 0U);
  BOOST_TEST(cache.link.last_latency().count() > 0);
}

BOOST_AUTO_TEST_CASE(commands_of_one_turn_are_few_writes_and_keep_their_order) {
  loop here;
  kept_redis cache(here, config_of(shared_redis().url()));
  cache.until_connected();
  const std::uint64_t before = cache.link.figures().writes;
  std::vector<std::unique_ptr<redis_batch>> work;
  std::vector<loop::started<redis_verdict>> all;
  for (int i = 0; i < 10'000; ++i) {
    work.push_back(std::make_unique<redis_batch>());
    work.back()->add({"INCR", "count"});
    all.push_back(here.start(cache.link.exec(*work.back(), here.time.now() + 10s)));
  }
  for (const auto& one : all)
    BOOST_REQUIRE((here.await(one) == redis_verdict::done));
  for (int i = 0; i < 10'000; ++i)
    BOOST_REQUIRE((work[static_cast<std::size_t>(i)]->reply(0).as_number() == i + 1));
  BOOST_TEST(cache.link.figures().writes - before < 10U);
}

BOOST_AUTO_TEST_CASE(a_turn_is_one_write_though_it_has_many_callers) {
  loop here;
  kept_redis cache(here, config_of(shared_redis().url()));
  cache.until_connected();
  const std::uint64_t before = cache.link.figures().writes;
  std::array<redis_batch, 5> work;
  std::vector<loop::started<redis_verdict>> all;
  for (redis_batch& each : work) {
    each.add({"PING"});
    all.push_back(here.start(cache.link.exec(each, here.time.now() + 5s)));
  }
  for (const auto& one : all)
    BOOST_TEST((here.await(one) == redis_verdict::done));
  BOOST_TEST(cache.link.figures().writes - before == 1U);
}

BOOST_AUTO_TEST_CASE(one_command_more_than_are_allowed_is_unavailable) {
  loop here;
  redis_connection::config how = config_of(shared_redis().url());
  how.in_flight_max = 2;
  how.where.db = 1; // getting in takes three
  kept_redis cache(here, how);
  cache.until_connected();
  redis_batch two;
  two.add({"PING"});
  two.add({"DEBUG", "SLEEP", "0.05"});
  redis_batch one;
  one.add({"PING"});
  const auto first = here.start(cache.link.exec(two, here.time.now() + 5s));
  const auto second = here.start(cache.link.exec(one, here.time.now() + 5s));
  BOOST_TEST((here.await(second) == redis_verdict::unavailable));
  BOOST_TEST((here.await(first) == redis_verdict::done));
  redis_batch four;
  for (int i = 0; i < 4; ++i)
    four.add({"SET", "never", "sent"});
  BOOST_TEST((cache.exec(four) == redis_verdict::unavailable));
  cache.link.send(four);
  BOOST_TEST(cache.link.figures().dropped == 4U);
  BOOST_TEST(cache.ask({"GET", "never"}).is_nil());
}

BOOST_AUTO_TEST_CASE(what_is_only_sent_arrives_in_order) {
  loop here;
  kept_redis cache(here, config_of(shared_redis().url()));
  redis_batch work;
  work.add({"SET", "a", "1"});
  cache.link.send(work); // nobody is there yet
  BOOST_TEST(cache.link.figures().dropped == 1U);
  cache.until_connected();
  work.clear();
  work.add({"INCR", "a"});
  for (int i = 0; i < 100; ++i)
    cache.link.send(work);
  BOOST_TEST((cache.ask({"GET", "a"}).as_text() == "100"));
}

BOOST_AUTO_TEST_CASE(a_time_that_is_over_sends_nothing) {
  loop here;
  kept_redis cache(here, config_of(shared_redis().url()));
  cache.until_connected();
  redis_batch work;
  work.add({"SET", "late", "1"});
  BOOST_TEST((cache.exec(work, 0ns) == redis_verdict::unavailable));
  BOOST_TEST(cache.ask({"EXISTS", "late"}).as_number().value() == 0);
}

BOOST_AUTO_TEST_CASE(it_gets_in_by_every_form_of_the_url) {
  redis_server server({"requirepass sesame", "user alice on >w%:/ord@ ~* &* +@all"});
  loop here;
  const std::string port = std::to_string(server.port());
  struct form {
    std::string url;
    std::string password;
    std::uint32_t db;
    std::string user;
    std::string in_db;
  };
  for (const form& each : {form{"redis://:sesame@127.0.0.1:" + port, "", 0, "default", "0"},
                           form{"redis://127.0.0.1:" + port + "/", "sesame", 3, "default", "3"},
                           form{"redis://default@localhost:" + port + "/7", "sesame", 3, "default", "7"},
                           form{"redis://alice:w%25%3A%2ford%40@127.0.0.1:" + port, "other", 0, "alice", "0"},
                           form{server.file_url() + "?db=2", "sesame", 0, "default", "2"}}) {
    redis_connection::config how = config_of(each.url);
    how.where.password = each.password;
    how.where.db = each.db;
    kept_redis cache(here, how);
    cache.until_connected();
    BOOST_TEST((cache.ask({"ACL", "WHOAMI"}).as_text() == each.user));
    const std::string info = cache.ask({"CLIENT", "INFO"}).text;
    BOOST_TEST(info.find(" name=repasse-test ") != std::string::npos, info);
    BOOST_TEST(info.find(" db=" + each.in_db + " ") != std::string::npos, info);
    BOOST_TEST(cache.link.generation() == 1U);
    BOOST_TEST(cache.link.trouble().empty());
    BOOST_TEST(!cache.link.is_sentinel());
  }
}

BOOST_AUTO_TEST_CASE(who_is_not_let_in_is_told_why_and_no_secret) {
  redis_server server({"requirepass sesame", "databases 4"});
  loop here;
  heard_log log;
  const std::string port = std::to_string(server.port());
  struct refusal {
    std::string url;
    std::string part;
  };
  for (const refusal& each :
       {refusal{"redis://:Hu5h@127.0.0.1:" + port, "AUTH was refused: WRONGPASS"},
        refusal{"redis://Hu5h:Hu5h@127.0.0.1:" + port, "AUTH was refused: WRONGPASS"},
        refusal{"redis://127.0.0.1:" + port, "refused: NOAUTH"},
        refusal{"redis://:sesame@127.0.0.1:" + port + "/4", "SELECT was refused: ERR"}}) {
    const std::size_t before = log.count(each.part);
    kept_redis cache(here, config_of(each.url));
    cache.until(state::away);
    BOOST_TEST(cache.link.trouble().find(each.part) != std::string::npos, cache.link.trouble());
    redis_batch work;
    work.add({"PING"});
    BOOST_TEST((cache.exec(work) == redis_verdict::unavailable));
    here.holds_within(100ms, [] { return false; });
    BOOST_TEST(log.count(each.part) == before + 1); // said once, tried often
  }
  BOOST_TEST(log.count("Hu5h") == 0U);
  BOOST_TEST(log.count("sesame") == 0U);
}

BOOST_AUTO_TEST_CASE(a_user_with_few_rights_gets_in) {
  redis_server server({"user default off", "user cache on >sesame ~cache:* +get +set"});
  loop here;
  kept_redis cache(here, config_of("redis://cache:sesame@127.0.0.1:" + std::to_string(server.port())));
  cache.until_connected();
  BOOST_TEST((cache.ask({"SET", "cache:1", "x"}).as_text() == "OK"));
  BOOST_TEST(cache.ask({"SET", "other", "x"}).text.starts_with("NOPERM"));
}

BOOST_AUTO_TEST_CASE(changes_of_state_are_told) {
  loop here;
  heard_log log;
  kept_redis cache(here, config_of(shared_redis().url()));
  BOOST_TEST((cache.link.now_in() == state::connecting));
  BOOST_TEST(!cache.link.trouble().empty());
  BOOST_TEST(here.await(cache.link.changed().wait_for(5s)));
  BOOST_TEST((cache.link.now_in() == state::connected));
  BOOST_TEST((here.time.now() - cache.link.since() < 10s));
  BOOST_TEST(cache.link.figures().connected == 1U);
  cache.link.stop();
  BOOST_TEST(here.await(cache.link.changed().wait_for(5s)));
  BOOST_TEST((cache.link.now_in() == state::stopped));
  BOOST_TEST(cache.link.figures().connected == 0U);
  redis_batch work;
  work.add({"PING"});
  BOOST_TEST((cache.exec(work) == redis_verdict::unavailable));
  BOOST_TEST(log.count("") == 0U); // nothing has gone wrong
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
