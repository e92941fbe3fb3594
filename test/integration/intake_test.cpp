// The intake against a real Redis: what it says is true, it is open only while that can be so, and nothing
// that was taken in leaves it before it was forgotten.
#include "storage/intake.hpp"
#include "test/integration/redis_fixture.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using verdict = intake_item::verdict;

payment_id id_of(std::uint64_t number) {
  payment_id id;
  for (std::size_t i = 0; i < 8; ++i)
    id.bytes[15 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  return id;
}

/// As one reactor has it.
class taker {
public:
  taker(loop& of, const redis_server& server, const std::string& consumer = "one",
        std::size_t payments_max = 1000, const std::string& prefix = "repasse")
      : loop_(of),
        redis_(of, config_of(server.url())),
        names_(prefix),
        all_(of.time),
        books(std::make_unique<intake>(
            of.time, redis_.link, names_,
            intake::config{
                .payments_max = payments_max, .consumer = consumer, .take_limit = 10s, .find_limit = 10s})) {
    books->start();
  }
  ~taker() {
    books->stop();
    loop_.await(settle());
  }
  taker(const taker&) = delete;
  taker& operator=(const taker&) = delete;

  void until_open() {
    loop_.until([&] { return books->is_open(); });
  }
  void until_closed() {
    loop_.until([&] { return !books->is_open(); });
  }
  verdict take(std::uint64_t number, std::int64_t amount_cents = 1990) {
    std::vector<intake_item> items{{.id = id_of(number), .amount_cents = amount_cents, .accepted_at = at}};
    take(items);
    return items[0].answer;
  }
  void take(std::vector<intake_item>& items) { loop_.await(taken(items)); }
  std::vector<taken_payment> next(std::size_t count = 100) { return loop_.await(books->next(count)); }
  void forget(const std::vector<taken_payment>& payments) { loop_.await(forgotten(payments)); }
  kept_redis& redis() { return redis_; }

private:
  task<bool> taken(std::vector<intake_item>& items) {
    co_await books->take_in(items);
    co_return true;
  }
  task<bool> forgotten(std::vector<taken_payment> payments) {
    co_await books->forget(std::move(payments));
    co_return true;
  }
  /// Until its watch has seen the end.
  task<bool> settle() {
    event pause(loop_.time);
    co_await pause.wait_for(20ms);
    co_return true;
  }

  loop& loop_;
  kept_redis redis_;
  redis_names names_;
  task_group all_;

public:
  std::unique_ptr<intake> books;
  const wall_time at{std::chrono::milliseconds{1'752'580'000'123}};
};

std::vector<std::uint64_t> numbers(const std::vector<taken_payment>& payments) {
  std::vector<std::uint64_t> made;
  for (const taken_payment& one : payments)
    made.push_back(one.id.bytes[15]);
  return made;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

BOOST_AUTO_TEST_SUITE(intake_test)

BOOST_AUTO_TEST_CASE(a_payment_is_taken_then_known_and_a_conflict_with_another_amount) {
  redis_server& server = shared_redis();
  loop here;
  taker one(here, server);
  taker two(here, server, "two");
  one.until_open();
  two.until_open();
  BOOST_TEST((one.take(1) == verdict::taken));
  BOOST_TEST((one.take(1) == verdict::known));
  BOOST_TEST((two.take(1) == verdict::known));
  BOOST_TEST((two.take(1, 1991) == verdict::conflict));
  std::vector<intake_item> twice{{.id = id_of(2), .amount_cents = 5, .accepted_at = one.at},
                                 {.id = id_of(2), .amount_cents = 5, .accepted_at = one.at},
                                 {.id = id_of(2), .amount_cents = 6, .accepted_at = one.at}};
  one.take(twice);
  BOOST_TEST((twice[0].answer == verdict::taken));
  BOOST_TEST((twice[1].answer == verdict::known));
  BOOST_TEST((twice[2].answer == verdict::conflict));
  BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "2");
  const auto found = here.await(two.books->find(id_of(1)));
  BOOST_REQUIRE((found && *found));
  BOOST_TEST((*found)->amount_cents == 1990);
  BOOST_TEST(((*found)->accepted_at == one.at));
  const auto missing = here.await(two.books->find(id_of(3)));
  BOOST_TEST((missing && !*missing));
}

BOOST_AUTO_TEST_CASE(what_the_session_cache_holds_is_known) {
  redis_server& server = shared_redis();
  loop here;
  taker one(here, server);
  one.until_open();
  const std::string key = "repasse:payment:correlation:" + to_string(id_of(1));
  server.cli({"SET", key,
              "1 5f3a90c2d1e4b807 17 1990 processed default 1764301419123 1764301419130 1764301419135 1"});
  server.cli({"SET", "repasse:payment:edition", "1 5f3a90c2d1e4b807 16"});
  BOOST_TEST((one.take(1) == verdict::known));
  BOOST_TEST((one.take(1, 5) == verdict::conflict));
  server.cli({"SET", "repasse:payment:edition", "1 5f3a90c2d1e4b807 17"}); // it was purged
  BOOST_TEST((one.take(1, 5) == verdict::taken));
}

BOOST_AUTO_TEST_CASE(the_stream_is_bounded) {
  redis_server& server = shared_redis();
  loop here;
  taker one(here, server, "one", 2);
  one.until_open();
  BOOST_TEST((one.take(1) == verdict::taken));
  std::vector<intake_item> more{{.id = id_of(2), .amount_cents = 5}, {.id = id_of(3), .amount_cents = 5}};
  one.take(more);
  BOOST_TEST((more[0].answer == verdict::taken));
  BOOST_TEST((more[1].answer == verdict::full));
  BOOST_TEST(!one.books->is_open());
  one.forget(one.next(1));
  one.until_open();
  BOOST_TEST((one.take(2, 5) == verdict::known));
  BOOST_TEST((one.take(3, 5) == verdict::taken));
}

BOOST_AUTO_TEST_CASE(it_is_closed_where_a_202_would_not_be_true_and_opens_when_it_would) {
  redis_server& server = shared_redis();
  struct setting {
    const char* name;
    const char* bad;
    const char* good;
    const char* said;
  };
  for (const setting& one : {setting{"appendfsync", "everysec", "always", "appendfsync always"},
                             setting{"appendonly", "no", "yes", "appendonly yes"},
                             setting{"maxmemory-policy", "allkeys-lru", "noeviction", "may evict"}}) {
    server.cli({"CONFIG", "SET", one.name, one.bad});
    loop here;
    taker each(here, server);
    here.until([&] { return has(each.books->trouble(), one.said); });
    BOOST_TEST((each.take(1) == verdict::unavailable));
    server.cli({"CONFIG", "SET", one.name, one.good});
    each.until_open();
    BOOST_TEST(each.books->trouble().empty());
  }
  server.cli({"REPLICAOF", "127.0.0.1", "1"});
  loop here;
  taker replica(here, server);
  here.until([&] { return has(replica.books->trouble(), "replica"); });
  server.cli({"REPLICAOF", "NO", "ONE"});
  replica.until_open();
}

BOOST_AUTO_TEST_CASE(how_many_wait_is_known_also_where_nothing_may_be_taken_in) {
  redis_server& server = shared_redis();
  server.cli({"CONFIG", "SET", "appendfsync", "everysec"});
  server.cli({"XADD", "repasse:intake", "*", "amount", "1990"});
  loop here;
  taker closed(here, server);
  here.until([&] { return closed.books->figures().entries == 1U; });
  server.cli({"DEL", "repasse:intake"});
  here.until([&] { return closed.books->figures().entries == 0U; });
  BOOST_TEST(!closed.books->is_open());
  server.cli({"CONFIG", "SET", "appendfsync", "always"});
}

BOOST_AUTO_TEST_CASE(a_redis_that_is_full_takes_nothing_and_takes_again_when_it_is_not) {
  redis_server& server = shared_redis();
  loop here;
  taker one(here, server);
  one.until_open();
  server.cli({"CONFIG", "SET", "maxmemory", "1"});
  BOOST_TEST((one.take(1) == verdict::unavailable));
  BOOST_TEST(has(one.books->trouble(), "OOM"), one.books->trouble());
  BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "0");
  server.cli({"CONFIG", "SET", "maxmemory", "0"});
  one.until_open();
  BOOST_TEST((one.take(1) == verdict::taken));
}

BOOST_AUTO_TEST_CASE(what_is_forgotten_leaves_nothing_and_nothing_else_leaves) {
  redis_server& server = shared_redis();
  loop here;
  taker one(here, server);
  one.until_open();
  for (std::uint64_t number = 1; number <= 3; ++number)
    one.take(number);
  std::vector<taken_payment> out = one.next(2);
  BOOST_TEST(numbers(out) == (std::vector<std::uint64_t>{1, 2}), boost::test_tools::per_element());
  BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "3");
  one.books->put_back(std::span{out}.last(1));
  one.forget({out[0]});
  BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "2");
  BOOST_TEST(server.cli({"EXISTS", "repasse:intake:" + to_string(id_of(1))}) == "0");
  out = one.next();
  BOOST_TEST(numbers(out) == (std::vector<std::uint64_t>{2, 3}), boost::test_tools::per_element());
  one.forget(out);
  BOOST_TEST(server.cli({"KEYS", "repasse:*"}) == "repasse:intake");
  BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "0");
  BOOST_TEST(one.next().empty());
  BOOST_TEST(one.books->figures().imported == 3U);
}

BOOST_AUTO_TEST_CASE(what_another_took_in_is_imported_from_the_stream_and_claimed_once_its_reader_is_dead) {
  redis_server& server = shared_redis();
  loop here;
  taker reader(here, server, "reader");
  {
    taker dead(here, server, "dead");
    dead.until_open();
    for (std::uint64_t number = 1; number <= 4; ++number)
      dead.take(number);
  }
  server.cli({"XREADGROUP", "GROUP", "repasse", "dead", "COUNT", "2", "STREAMS", "repasse:intake", ">"});
  reader.until_open();
  std::vector<taken_payment> out = reader.next();
  BOOST_TEST(numbers(out) == (std::vector<std::uint64_t>{3, 4}), boost::test_tools::per_element());
  reader.forget(out);
  out.clear();
  const steady_time begun = here.time.now();
  here.until([&] {
    out = reader.next();
    return !out.empty();
  });
  BOOST_TEST((here.time.now() - begun > 3s));
  BOOST_TEST(numbers(out) == (std::vector<std::uint64_t>{1, 2}), boost::test_tools::per_element());
  BOOST_TEST(out[0].amount_cents == 1990);
  BOOST_TEST((out[0].accepted_at == reader.at));
  reader.forget(out);
  BOOST_TEST(server.cli({"XPENDING", "repasse:intake", "repasse"}).starts_with("0"));
}

BOOST_AUTO_TEST_CASE(an_entry_that_is_no_payment_stays_and_holds_up_nobody) {
  redis_server& server = shared_redis();
  loop here;
  taker one(here, server);
  one.until_open();
  for (const std::vector<std::string>& fields : {std::vector<std::string>{"what", "ever"},
                                                 {"id", "x", "amount", "5", "at", "1"},
                                                 {"id", to_string(id_of(1)), "amount", "-5", "at", "1"},
                                                 {"id", to_string(id_of(1)), "amount", "5"}}) {
    std::vector<std::string> words{"XADD", "repasse:intake", "*"};
    words.insert(words.end(), fields.begin(), fields.end());
    server.cli(words);
  }
  server.cli({"XADD", "repasse:intake", "*", "id", to_string(id_of(7)), "amount", "5", "at", "17"});
  BOOST_TEST(numbers(one.next()) == std::vector<std::uint64_t>{7}, boost::test_tools::per_element());
  BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "5");
}

BOOST_AUTO_TEST_CASE(what_redis_has_lost_is_taken_in_again) {
  redis_server& server = shared_redis();
  for (const bool restarts : {false, true}) {
    shared_redis();
    loop here;
    taker one(here, server);
    taker two(here, server, "two");
    one.until_open();
    two.until_open();
    for (std::uint64_t number = 1; number <= 300; ++number)
      one.take(number);
    two.take(1000);
    server.cli({"FLUSHALL"});
    if (restarts) server.restart();
    two.until_open();
    here.until([&] { return two.take(2000) != verdict::unavailable; }); // before they may have noticed
    here.until([&] { return one.books->figures().lost == 300U && two.books->figures().lost == 1U; });
    BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "302");
    const std::vector<taken_payment> out = one.next(1000);
    BOOST_TEST(out.size() == 300U);
    one.forget(out);
    BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "2");
  }
}

BOOST_AUTO_TEST_CASE(a_second_life_of_the_same_name_notices_a_loss_too) {
  redis_server& server = shared_redis();
  loop here;
  {
    taker former(here, server);
    former.until_open();
  }
  taker one(here, server);
  one.until_open();
  one.take(1);
  server.cli({"FLUSHALL"});
  here.until([&] { return one.books->figures().lost == 1U; });
  BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "1");
}

BOOST_AUTO_TEST_CASE(a_read_right_after_a_loss_does_not_hide_it) {
  redis_server& server = shared_redis();
  loop here;
  taker one(here, server);
  one.until_open();
  one.take(1);
  server.cli({"FLUSHALL"}); // before it has looked, another makes the group anew, and a read makes its reader
  server.cli({"XGROUP", "CREATE", "repasse:intake", "repasse", "0", "MKSTREAM"});
  server.cli({"XADD", "repasse:intake", "*", "id", to_string(id_of(2)), "amount", "5", "at", "1"});
  server.cli({"XREADGROUP", "GROUP", "repasse", "one", "STREAMS", "repasse:intake", ">"});
  here.until([&] { return one.books->figures().lost == 1U; });
  BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "2");
}

BOOST_AUTO_TEST_CASE(what_redis_lost_while_it_was_being_imported_is_taken_in_again_when_put_back) {
  redis_server& server = shared_redis();
  loop here;
  taker one(here, server);
  one.until_open();
  one.take(1);
  const std::vector<taken_payment> out = one.next();
  one.take(2);
  server.cli({"FLUSHALL"});
  here.until([&] { return one.books->figures().lost == 1U; });
  one.books->put_back(out);
  here.until([&] { return one.books->figures().lost == 2U; });
  BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "2");
}

BOOST_AUTO_TEST_CASE(a_reconnection_that_lost_nothing_takes_in_nothing_again) {
  redis_server& server = shared_redis();
  loop here;
  taker one(here, server);
  one.until_open();
  for (std::uint64_t number = 1; number <= 3; ++number)
    one.take(number);
  server.kill();
  one.until_closed();
  BOOST_TEST((one.take(4) == verdict::unavailable));
  server.start();
  one.until_open();
  BOOST_TEST((one.take(3) == verdict::known));
  BOOST_TEST((one.take(4) == verdict::taken));
  BOOST_TEST(one.books->figures().lost == 0U);
  BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "4");
}

/// The file ends in the first command of that name of the last transaction.
void tear_within(redis_server& server, const std::string& command) {
  server.kill();
  for (const auto& file : std::filesystem::directory_iterator(server.folder() / "appendonlydir")) {
    if (!file.path().string().ends_with(".incr.aof")) continue;
    std::ifstream in(file.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const std::size_t last = text.rfind("MULTI");
    BOOST_REQUIRE(last != std::string::npos);
    std::filesystem::resize_file(file.path(), text.find(command, last));
  }
  server.start();
}

BOOST_AUTO_TEST_CASE(what_a_torn_file_brings_back_is_imported) {
  for (const std::string torn : {"SET", "XADD"}) {
    redis_server& server = shared_redis();
    loop here;
    {
      taker former(here, server, "former");
      former.until_open();
      former.take(1);
    }
    tear_within(server, torn);
    taker one(here, server);
    one.until_open();
    BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "0");
    one.take(2);
    one.forget(one.next());
    server.cli({"XADD", "repasse:intake", "*", "id", to_string(id_of(3)), "amount", "5", "at", "17"});
    one.forget(one.next()); // the group is past the torn one
    server.restart();
    here.until([&] { return one.take(1) != verdict::unavailable; });
    std::vector<std::uint64_t> imported;
    here.until([&] {
      const std::vector<taken_payment> out = one.next();
      std::ranges::copy(numbers(out), std::back_inserter(imported));
      one.forget(out);
      return server.cli({"XLEN", "repasse:intake"}) == "0";
    });
    BOOST_TEST(server.cli({"KEYS", "repasse:*"}) == "repasse:intake", torn);
    BOOST_TEST(std::ranges::count(imported, 1U) > 0, torn);
  }
}

BOOST_AUTO_TEST_CASE(a_purge_leaves_nothing) {
  redis_server& server = shared_redis();
  loop here;
  taker one(here, server);
  one.until_open();
  for (std::uint64_t number = 1; number <= 30; ++number)
    one.take(number);
  server.cli({"SET", "repasse:payment:correlation:x", "5"});
  BOOST_TEST(here.await(one.books->purge()));
  one.books->forget_remembered();
  BOOST_TEST(one.next().empty());
  BOOST_TEST((one.take(1, 7) == verdict::taken));
  BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "1");
  BOOST_TEST(server.cli({"EXISTS", "repasse:payment:correlation:x"}) == "1");
}

BOOST_AUTO_TEST_CASE(a_purge_that_redis_refuses_is_none) {
  redis_server& server = shared_redis();
  loop here;
  taker one(here, server);
  one.until_open();
  one.take(1);
  server.cli({"CONFIG", "SET", "min-replicas-to-write", "1"});
  BOOST_TEST(!here.await(one.books->purge()));
  server.cli({"CONFIG", "SET", "min-replicas-to-write", "0"});
  BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "1");
  BOOST_TEST(here.await(one.books->purge()));
  BOOST_TEST(server.cli({"KEYS", "repasse:*"}) == "repasse:intake");
  BOOST_TEST(server.cli({"XLEN", "repasse:intake"}) == "0");
}

BOOST_AUTO_TEST_CASE(names_may_stand_alone_and_share_a_slot) {
  redis_server& server = shared_redis();
  for (const std::string prefix : {"", "{repasse}"}) {
    loop here;
    taker one(here, server, "one", 1000, prefix);
    one.until_open();
    BOOST_TEST((one.take(1) == verdict::taken));
    const std::string root = prefix.empty() ? "" : prefix + ":";
    BOOST_TEST(server.cli({"XLEN", root + "intake"}) == "1");
    BOOST_TEST(server.cli({"EXISTS", root + "intake:" + to_string(id_of(1))}) == "1");
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
