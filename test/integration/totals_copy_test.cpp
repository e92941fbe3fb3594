// The copy of the totals in Redis, with a real PostgreSQL: its books equal those that it was copied from, in
// every window, and it is not there rather than wrong.
#include "storage/totals_copy.hpp"
#include "test/integration/ledger_bench.hpp"
#include "test/integration/redis_fixture.hpp"

#include <csignal>
#include <random>

namespace repasse {
namespace {

using state = redis_connection::state;
const std::vector<std::string> processors{"default", "fallback", "third"};

/// One reactor's ledger, cache and copy.
class copier {
public:
  copier(loop& of, const std::string& url, const std::string& redis_url, std::uint32_t number)
      : here(of),
        books(of, url, number),
        redis(of, config_of(redis_url)),
        cache(of.time, books.get(), redis.link, names, {.processors = processors}),
        copy(of.time, books.get(), cache, redis.link, names, {.processors = processors, .read_limit = 10s}) {
    redis.until_connected();
  }
  void open() {
    const auto opened = here.await(cache.open_epoch());
    BOOST_REQUIRE(opened.has_value());
    epoch = *opened;
    BOOST_REQUIRE(beat());
  }
  bool beat() {
    const auto answer = here.await(cache.beat(epoch, {}));
    return answer && !answer->ended;
  }
  bool write() { return here.await(copy.copy()); }
  /// After some tries: another has folded.
  void written() {
    bool is_written = false;
    for (int i = 0; i < 3 && !is_written; ++i) {
      BOOST_REQUIRE(beat()); // the eldest is so for 2 s
      is_written = write();
    }
    BOOST_TEST(is_written);
  }
  std::optional<totals_copy::copied_summary> read(time_window window = {}) {
    return here.await(copy.read(window));
  }

  loop& here;
  ledger_bench books;
  redis_names names{"test"};
  kept_redis redis;
  cached_ledger cache;
  totals_copy copy;
  epoch_id epoch = 0;
};

task<bool> checked(totals_copy& of) {
  co_await of.check();
  co_return true;
}

struct two_copiers {
  two_copiers() {
    a.open();
    b.open();
  }
  void settle(std::uint64_t count, std::chrono::seconds age_max = 100s) {
    std::vector<append_item> items;
    std::vector<settle_item> witnesses;
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto processor = static_cast<processor_index>(random() % 3);
      items.push_back(posted(++number, processor, start, 1 + static_cast<std::int64_t>(random() % 100'000)));
      witnesses.push_back(witness(number, processor, any_time(age_max)));
    }
    a.books.append(a.epoch, items);
    BOOST_REQUIRE((here.await(a.cache.settle(witnesses)) == ledger_status::done));
  }
  wall_time any_time(std::chrono::seconds age_max) {
    const auto millis = static_cast<std::uint64_t>(std::chrono::milliseconds{age_max}.count());
    return here.time.wall() - std::chrono::milliseconds{random() % millis};
  }
  /// The books say the same of the window that the copy says it is of.
  void same(copier& by, time_window window = {}) {
    const auto copied = by.read(window);
    BOOST_REQUIRE(copied.has_value());
    const summary expected = a.books.summarize(copied->window);
    for (std::size_t i = 0; i < 3; ++i)
      BOOST_TEST(copied->sums[i] == expected[i], to_string(copied->window.from)
                                                     << " to " << to_string(copied->window.to));
    BOOST_TEST((copied->window.from >= window.from));
    BOOST_TEST((copied->window.to <= window.to));
  }

  postgres_server& server = ledger_server();
  redis_server& redis = shared_redis();
  loop here;
  copier a{here, server.url(), redis.url(), 0};
  copier b{here, server.url(), redis.url(), 1};
  std::mt19937_64 random{std::random_device{}()};
  std::uint64_t number = 0;
};

BOOST_FIXTURE_TEST_SUITE(totals_copy_test, two_copiers)

BOOST_AUTO_TEST_CASE(the_copy_equals_the_books_in_every_window) {
  BOOST_TEST(!a.read().has_value());
  for (int round = 0; round < 25; ++round) {
    settle(1 + random() % 30, std::array{3s, 3s, 100s, 6'000s}[random() % 4]);
    if (random() % 2 == 0) a.books.fold();
    a.written();
    same(b);
    for (int i = 0; i < 4; ++i) {
      time_window window{any_time(7'000s), any_time(7'000s)};
      if (window.to < window.from) std::swap(window.from, window.to);
      same(b, window);
    }
  }
  BOOST_TEST(a.copy.figures().whole == 1U);
  BOOST_TEST(a.copy.figures().copies == 25U);
  const auto told = b.read({here.time.wall() - 10'000ms, here.time.wall() - 5'000ms});
  BOOST_TEST((told->window.to - told->window.from >= 3'999ms));
  BOOST_TEST((told->as_of <= here.time.wall() + 250ms && told->as_of > here.time.wall() - 5s));
}

BOOST_AUTO_TEST_CASE(what_is_old_is_told_by_coarser_windows_and_late_settles_are_in) {
  for (const auto age : {100s, 10'000s, 400'000s, 8'000'000s})
    settle(60, age);
  a.books.fold();
  settle(60, 8'000'000s);
  a.written();
  const auto windows = [&] {
    same(b);
    for (const auto age : {10'000s, 400'000s, 8'000'000s})
      for (int i = 0; i < 10; ++i) {
        time_window window{any_time(age), any_time(age)};
        if (window.to < window.from) std::swap(window.from, window.to);
        same(b, window);
      }
  };
  windows();
  settle(5, 8'000'000s); // longer ago than seconds are kept
  a.books.fold();
  a.written();
  windows();
}

BOOST_AUTO_TEST_CASE(another_eldest_begins_anew_and_the_former_one_writes_no_more) {
  settle(20);
  a.written();
  BOOST_TEST(!b.write()); // not the eldest
  a.books.end(a.epoch);
  b.written();
  a.epoch = b.epoch;
  same(a);
  // a does not know yet that it is over: what it writes is refused.
  BOOST_TEST(!a.write());
  same(b);
  // One who folds beside the eldest is noticed.
  settle(20);
  a.books.fold();
  b.written();
  same(a);
}

BOOST_AUTO_TEST_CASE(an_emptied_or_restarted_redis_gets_all_of_it_again) {
  settle(50);
  a.written();
  redis.cli({"FLUSHALL"});
  BOOST_TEST(!b.read().has_value());
  settle(10);
  a.written();
  same(b);
  redis.cli({"DEL", a.names.totals()});
  redis.cli({"SET", a.names.totals(), "nonsense"});
  BOOST_TEST(!b.read().has_value());
  a.written();
  same(b);
  redis.kill();
  a.redis.until(state::away);
  BOOST_TEST(!b.read().has_value());
  BOOST_TEST(!a.write());
  redis.start();
  a.redis.until_connected();
  b.redis.until_connected();
  settle(10);
  a.written();
  same(b);
  for (const std::string& key : {std::string{"s:1:default"}, std::string{"layout"}, std::string{"copier"}})
    redis.cli({"HSET", a.names.totals(), key, "nonsense"});
  BOOST_TEST(!b.read().has_value());
  a.written(); // the copier is another: all is written anew
  same(b);
  BOOST_TEST(redis.cli({"KEYS", "test:totals:next*"}) == "");
}

BOOST_AUTO_TEST_CASE(nothing_of_before_a_purge_is_in_a_copy_after_it) {
  settle(50);
  a.written();
  BOOST_TEST((here.await(b.cache.purge()) == ledger_status::done));
  BOOST_TEST(!a.read().has_value());
  BOOST_TEST(!a.write()); // its epoch is over, though it does not know
  BOOST_TEST(!a.read().has_value());
  BOOST_TEST(!a.beat());
  a.open();
  settle(3);
  a.written();
  same(b);
  BOOST_TEST(b.read()->sums[0].requests + b.read()->sums[1].requests + b.read()->sums[2].requests == 3U);
}

BOOST_AUTO_TEST_CASE(without_postgres_it_is_read_by_all_and_by_who_has_just_begun) {
  settle(50);
  a.written();
  const auto before = b.read();
  server.kill();
  here.until([&] { return !a.books.get().health().is_up; });
  BOOST_TEST(!a.write());
  for (copier* const one : {&a, &b}) {
    const auto copied = one->read();
    BOOST_REQUIRE(copied.has_value());
    BOOST_TEST((copied->sums == before->sums));
    BOOST_TEST((copied->as_of == before->as_of));
  }
  server.start();
  a.books.until_up();
  here.until([&] { return a.beat(); });
  settle(5);
  a.written();
  same(b);
}

BOOST_AUTO_TEST_CASE(the_check_finds_and_mends_what_differs) {
  settle(50, 50s);
  a.written();
  here.await(checked(a.copy));
  BOOST_TEST(a.copy.figures().mismatches == 0U);
  redis.cli({"EVAL",
             "for i, f in ipairs(redis.call('HKEYS', KEYS[1])) do if string.sub(f, 2, 2) == ':' then "
             "redis.call('HSET', KEYS[1], f, '7 7') end end",
             "1", a.names.totals()});
  here.await(checked(a.copy));
  BOOST_TEST(a.copy.figures().mismatches == 1U);
  a.written();
  same(b);
  here.await(checked(a.copy));
  BOOST_TEST(a.copy.figures().mismatches == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
