// The session cache over real ledgers, with a real Redis: it passes the ledger's contract, and never says
// what the ledger does not, whatever happens to either.
#include "storage/cached_ledger.hpp"
#include "storage/memory_ledger.hpp"
#include "test/integration/ledger_server.hpp"
#include "test/integration/redis_fixture.hpp"

#include <csignal>
#include <map>
#include <random>

namespace repasse {
namespace {

using namespace std::chrono_literals;

const std::vector<std::string> names_in_order{"default", "fallback", "third"};

cached_ledger::config cache_config() {
  cached_ledger::config how;
  how.processors = names_in_order;
  how.read_limit = 10s; // the machine may be busy, and what is late is not read from Redis
  how.lease = 6s;
  return how;
}

/// A cache of one reactor over `below`; both live on one loop.
class cache_bench {
public:
  cache_bench(loop& of, ledger& below, const std::string& url = shared_redis().url(),
              const cached_ledger::config& how = cache_config())
      : here(of), redis(of, config_of(url)), cache(of.time, below, redis.link, names, how) {
    redis.until_connected();
    cache.start();
  }
  ~cache_bench() {
    cache.stop();
    here.until([this] { return cache.has_stopped(); });
  }
  cache_bench(const cache_bench&) = delete;
  cache_bench& operator=(const cache_bench&) = delete;

  template <typename T>
  T run(task<T> work) {
    return here.await(std::move(work));
  }

  loop& here;
  redis_names names{"test"};
  kept_redis redis;
  cached_ledger cache;
};

steady_time virtual_now{std::chrono::hours{1}};

class cached_memory_fixture {
public:
  ledger& get() { return bench_.cache; }
  template <typename T>
  T run(task<T> work) {
    return loop_.await(std::move(work));
  }
  void advance(std::chrono::milliseconds time) { virtual_now += time; }

private:
  loop loop_;
  memory_ledger below_{{.now = [] { return virtual_now; }}};
  cache_bench bench_{loop_, below_};
};

class cached_postgres_fixture {
public:
  ledger& get() { return bench_.cache; }
  template <typename T>
  T run(task<T> work) {
    return below_.run(std::move(work));
  }
  void advance(std::chrono::milliseconds time) { below_.advance(time); }

private:
  postgres_fixture below_;
  cache_bench bench_{below_.reactor(), below_.get()};
};

} // namespace

using ledgers_under_test = std::tuple<cached_memory_fixture, cached_postgres_fixture>;

} // namespace repasse

#include "test/ledger_contract.hpp"

namespace repasse::contract {
namespace {

using state = redis_connection::state;

settle_item witness(std::uint64_t number, wall_time requested_at = start + 1s) {
  return {.id = id_of(number),
          .requested_at = requested_at,
          .processed_at = requested_at + 5ms,
          .attempts = 1,
          .processor = first,
          .amount_cents = 1990};
}

/// A ledger that can be away.
class closable_ledger final : public ledger {
public:
  explicit closable_ledger(ledger& inner) : inner_(inner) {}
  task<ledger_status> append(epoch_id epoch, std::span<append_item> items) override {
    return inner_.append(epoch, items);
  }
  task<ledger_status> amend(epoch_id epoch, std::span<amend_item> items) override {
    return inner_.amend(epoch, items);
  }
  task<ledger_status> settle(std::span<settle_item> items) override { return inner_.settle(items); }
  task<std::optional<epoch_id>> open_epoch() override { return inner_.open_epoch(); }
  task<std::optional<beat_answer>> beat(epoch_id epoch, std::span<const probe> learned) override {
    if (is_away) co_return std::nullopt;
    co_return co_await inner_.beat(epoch, learned);
  }
  task<ledger_status> end_epoch(epoch_id epoch) override { return inner_.end_epoch(epoch); }
  task<ledger_status> release(epoch_id epoch, std::size_t rows_max, std::size_t& released) override {
    return inner_.release(epoch, rows_max, released);
  }
  task<ledger_status> adopt(epoch_id epoch, std::span<owned_row> rows, std::size_t& taken) override {
    return inner_.adopt(epoch, rows, taken);
  }
  task<ledger_status> unsettled(epoch_id epoch, std::uint64_t& position, std::span<owned_row> rows,
                                std::size_t& found) override {
    return inner_.unsettled(epoch, position, rows, found);
  }
  task<std::optional<std::optional<payment_record>>> find(payment_id id) override {
    ++finds;
    if (is_away) co_return std::nullopt;
    co_return co_await inner_.find(id);
  }
  task<std::optional<page>> read_page(page_query query) override { return inner_.read_page(query); }
  task<std::optional<summary>> summarize(time_window window) override { return inner_.summarize(window); }
  task<std::optional<std::vector<audit_entry>>> audit(payment_id id) override { return inner_.audit(id); }
  task<ledger_status> note(payment_id id, audit_entry entry) override {
    return inner_.note(id, std::move(entry));
  }
  task<ledger_status> declare(declaration& what) override { return inner_.declare(what); }
  task<std::optional<std::vector<declaration>>> declarations(std::span<const payment_id> ids) override {
    return inner_.declarations(ids);
  }
  task<ledger_status> purge() override { return inner_.purge(); }
  task<std::optional<books_edition>> edition() override {
    if (is_away) co_return std::nullopt;
    co_return co_await inner_.edition();
  }
  [[nodiscard]] ledger_health health() const override {
    ledger_health made = inner_.health();
    made.is_up = !is_away || !is_known_away;
    return made;
  }

  bool is_away = false;
  bool is_known_away = true; ///< health() says so
  int finds = 0;

private:
  ledger& inner_;
};

/// Two reactors on one memory ledger and one Redis.
struct two_reactors {
  two_reactors() {
    epoch = open(a);
    other_epoch = open(b);
  }
  epoch_id open(cache_bench& at) {
    const auto opened = at.run(at.cache.open_epoch());
    BOOST_REQUIRE(opened.has_value());
    beat(at, *opened);
    return *opened;
  }
  bool beat(cache_bench& at, epoch_id of) {
    const auto answer = at.run(at.cache.beat(of, {}));
    return answer && !answer->ended;
  }
  void post(std::uint64_t number) {
    append_item item{
        .id = id_of(number), .amount_cents = 1990, .token = number, .accepted_at = start, .processor = first};
    BOOST_REQUIRE(a.run(a.cache.append(epoch, std::span(&item, 1))) == ledger_status::done);
    BOOST_REQUIRE(item.answer == appended::fresh);
  }
  void settle(std::uint64_t number) {
    settle_item item = witness(number);
    BOOST_REQUIRE(a.run(a.cache.settle(std::span(&item, 1))) == ledger_status::done);
    BOOST_REQUIRE(item.answer == settled::settled);
  }
  std::string key(std::uint64_t number) { return a.names.payment(id_of(number)); }
  bool is_cached(std::uint64_t number) { return a.redis.ask({"EXISTS", key(number)}).as_number() == 1; }
  /// Settled, and in the cache.
  void cached(std::uint64_t number) {
    post(number);
    settle(number);
    here.until([&] { return is_cached(number); });
  }
  std::optional<payment_record> find(cache_bench& at, std::uint64_t number) {
    const auto found = at.run(at.cache.find(id_of(number)));
    BOOST_REQUIRE(found.has_value());
    return *found;
  }
  std::optional<payment_record> truth(std::uint64_t number) {
    return *here.await(memory.find(id_of(number)));
  }

  redis_server& server = shared_redis();
  loop here;
  memory_ledger memory{{}};
  closable_ledger below{memory};
  cache_bench a{here, below};
  cache_bench b{here, below, server.url()};
  epoch_id epoch = 0;
  epoch_id other_epoch = 0;
};

BOOST_FIXTURE_TEST_SUITE(session_cache, two_reactors)

BOOST_AUTO_TEST_CASE(a_settled_payment_is_read_from_redis_by_another_reactor_just_as_it_is) {
  cached(1);
  below.finds = 0;
  const auto found = find(b, 1);
  BOOST_TEST(below.finds == 0);
  BOOST_TEST((found == truth(1)));
  BOOST_TEST(b.cache.figures().hits == 1U);
  BOOST_TEST_MESSAGE(a.redis.ask({"GET", key(1)}).text);
}

BOOST_AUTO_TEST_CASE(a_rejected_payment_is_cached_when_that_is_committed) {
  post(1);
  amend_item item{.id = id_of(1),
                  .version = 1,
                  .attempts = 1,
                  .status = status::rejected,
                  .processor = first,
                  .amount_cents = 1990};
  BOOST_REQUIRE((a.run(a.cache.amend(epoch, std::span(&item, 1))) == ledger_status::done));
  here.until([&] { return is_cached(1); });
  below.finds = 0;
  BOOST_TEST((find(b, 1) == truth(1)));
  BOOST_TEST(below.finds == 0);
}

BOOST_AUTO_TEST_CASE(only_what_is_final_is_cached_and_a_miss_fills_it) {
  BOOST_TEST(!find(a, 1).has_value());
  post(1);
  BOOST_TEST(find(a, 1)->status == status::sending);
  BOOST_TEST(!is_cached(1));
  settle_item item = witness(1);
  item.amount_cents = 0; // not said, so not written
  BOOST_REQUIRE((a.run(a.cache.settle(std::span(&item, 1))) == ledger_status::done));
  BOOST_TEST(!is_cached(1));
  BOOST_TEST((find(a, 1) == truth(1)));
  here.until([&] { return is_cached(1); });
  below.finds = 0;
  BOOST_TEST((find(b, 1) == truth(1)));
  BOOST_TEST(below.finds == 0);
}

BOOST_AUTO_TEST_CASE(an_entry_lives_as_long_as_it_is_told_to) {
  cached_ledger::config how = cache_config();
  how.ttl = 3s;
  cache_bench brief(here, below, server.url(), how);
  open(brief);
  post(1);
  settle_item item = witness(1);
  BOOST_REQUIRE((brief.run(brief.cache.settle(std::span(&item, 1))) == ledger_status::done));
  const auto left = a.redis.ask({"PTTL", key(1)}).as_number();
  BOOST_TEST((left > 0 && left <= 3000));
  here.until([&] { return !is_cached(1); });
  BOOST_TEST((find(brief, 1) == truth(1)));
}

BOOST_AUTO_TEST_CASE(whatever_else_stands_there_is_a_miss) {
  cached(1);
  const std::string whole = a.redis.ask({"GET", key(1)}).text;
  std::vector<std::string> wrong{"",
                                 " ",
                                 "1",
                                 "{}",
                                 whole + " ",
                                 whole + " 1",
                                 " " + whole,
                                 "2" + whole.substr(1),
                                 std::string(100'000, '1'),
                                 std::string(3, '\0'),
                                 whole + '\0'};
  for (std::size_t length = 1; length < whole.size(); ++length)
    wrong.push_back(whole.substr(0, length));
  for (const auto& [from, to] : std::map<std::string, std::string>{{"processed", "accepted"},
                                                                   {"processed", "rejected"},
                                                                   {"default", "nobody"},
                                                                   {" 1990 ", " 0 "},
                                                                   {" 1990 ", " -5 "},
                                                                   {" 1990 ", " 01990 "},
                                                                   {" 1990 ", " 99999999999 "},
                                                                   {" 1990 ", " 1e3 "},
                                                                   {"processed", "Processed"},
                                                                   {" 1990 ", " +1990 "}}) {
    std::string changed = whole;
    changed.replace(changed.find(from), from.size(), to);
    wrong.push_back(changed);
  }
  for (const std::string& value : wrong) {
    a.redis.ask({"SET", key(1), value});
    below.finds = 0;
    const auto found = find(b, 1);
    BOOST_TEST(below.finds == 1, value.substr(0, 200));
    BOOST_TEST((found == truth(1)));
  }
  a.redis.ask({"DEL", key(1)});
  a.redis.ask({"LPUSH", key(1), "list"});
  BOOST_TEST((find(b, 1) == truth(1)));
  a.redis.ask({"DEL", a.names.edition()});
  a.redis.ask({"LPUSH", a.names.edition(), "list"});
  BOOST_TEST((find(b, 1) == truth(1)));
  BOOST_TEST(beat(a, epoch)); // writes the mark anew
  BOOST_TEST(beat(b, other_epoch));
  cached(2);
  below.finds = 0;
  BOOST_TEST((find(b, 2) == truth(2)));
  BOOST_TEST(below.finds == 0);
}

BOOST_AUTO_TEST_CASE(nothing_of_before_a_purge_is_seen_after_it) {
  cached(1);
  const std::string old = a.redis.ask({"GET", key(1)}).text;
  BOOST_TEST((a.run(a.cache.purge()) == ledger_status::done));
  here.until([&] { return !is_cached(1); });
  a.redis.ask({"SET", key(1), old}); // a late writer
  for (cache_bench* const one : {&a, &b}) {
    BOOST_TEST(!find(*one, 1).has_value());
    BOOST_TEST(!find(*one, 1).has_value());
  }
  BOOST_TEST(!beat(b, other_epoch));
  epoch = open(a);
  other_epoch = open(b);
  for (cache_bench* const one : {&a, &b})
    BOOST_TEST(!find(*one, 1).has_value());
  cached(1); // the same id anew
  below.finds = 0;
  BOOST_TEST((find(b, 1) == truth(1)));
  BOOST_TEST(below.finds == 0);
  // Also without the ledger, and to one that has just begun and knows nothing.
  a.redis.ask({"SET", key(3), old});
  below.is_away = true;
  cache_bench fresh(here, below, server.url());
  for (cache_bench* const one : {&a, &b, &fresh}) {
    BOOST_TEST(!one->run(one->cache.find(id_of(3))).has_value());
    const auto found = one->run(one->cache.look_up(id_of(1)));
    BOOST_TEST((found.is_copy && found.payment && *found.payment == truth(1)));
  }
}

BOOST_AUTO_TEST_CASE(a_purge_without_redis_is_over_when_all_know_of_it) {
  cached(1);
  server.kill();
  a.redis.until(state::away);
  b.redis.until(state::away);
  const steady_time begun = here.time.now();
  BOOST_TEST((a.run(a.cache.purge()) == ledger_status::done));
  BOOST_TEST((here.time.now() - begun >= 6s));
  server.start(); // with the old entries and the old mark
  a.redis.until_connected();
  b.redis.until_connected();
  BOOST_TEST(is_cached(1));
  BOOST_TEST(!find(b, 1).has_value());
  BOOST_TEST(!find(a, 1).has_value());
  BOOST_TEST(!beat(b, other_epoch));
  other_epoch = open(b);
  BOOST_TEST(is_cached(1));
  BOOST_TEST(!find(b, 1).has_value());
}

BOOST_AUTO_TEST_CASE(other_books_are_not_believed) {
  cached(1);
  memory_ledger others{{}};
  cache_bench c(here, others, server.url());
  const auto opened = c.run(c.cache.open_epoch());
  BOOST_REQUIRE(opened.has_value());
  BOOST_TEST(beat(c, *opened)); // the mark is theirs now
  BOOST_TEST(!find(c, 1).has_value());
  BOOST_TEST((find(a, 1) == truth(1)));
}

BOOST_AUTO_TEST_CASE(without_redis_or_with_one_that_is_stopped_the_ledger_answers_in_time) {
  cached_ledger::config how = cache_config();
  how.read_limit = 300ms;
  cache_bench c(here, below, server.url(), how);
  const epoch_id own = open(c);
  cached(1);
  const auto took = [&] {
    const steady_time begun = here.time.now();
    BOOST_TEST((find(c, 1) == truth(1)));
    return here.time.now() - begun;
  };
  server.signal(SIGSTOP);
  BOOST_TEST((took() < 5s));                // once its limit
  bool is_spared = false;                   // and then it is not asked for a while
  for (int i = 0; i < 4 && !is_spared; ++i) // the machine may be busy; after 2 s it is lost
    is_spared = took() < how.read_limit;
  BOOST_TEST(is_spared);
  server.signal(SIGCONT);
  here.until([&] {
    BOOST_TEST(beat(c, own));
    below.finds = 0;
    BOOST_TEST((find(c, 1) == truth(1)));
    return below.finds == 0;
  });
  server.kill();
  c.redis.until(state::away);
  BOOST_TEST((took() < 5s));
  post(2);
  settle(2);
  BOOST_TEST((find(a, 2) == truth(2)));
}

BOOST_AUTO_TEST_CASE(a_flush_empties_it_and_it_fills_again) {
  cached(1);
  server.cli({"FLUSHALL"});
  BOOST_TEST((find(b, 1) == truth(1)));
  BOOST_TEST(beat(b, other_epoch));
  here.until([&] { return is_cached(1); });
  below.finds = 0;
  BOOST_TEST((find(a, 1) == truth(1)));
  BOOST_TEST(below.finds == 0);
}

BOOST_AUTO_TEST_CASE(while_the_ledger_is_away_it_answers_for_it) {
  cached(1);
  post(2);
  below.is_away = true;
  for (const bool known : {true, false}) {
    below.is_known_away = known;
    const auto found = b.run(b.cache.look_up(id_of(1)));
    BOOST_TEST((found.payment && *found.payment == truth(1)));
    BOOST_TEST(!b.run(b.cache.find(id_of(2))).has_value());
  }
  below.is_known_away = true;
  BOOST_TEST(b.run(b.cache.look_up(id_of(1))).is_copy);
  below.is_away = false;
  BOOST_TEST(!b.run(b.cache.look_up(id_of(1))).is_copy);
}

BOOST_AUTO_TEST_CASE(it_can_be_invalidated_and_tells_what_it_holds) {
  for (std::uint64_t number = 1; number <= 20; ++number)
    cached(number);
  a.redis.ask({"SET", "somebody else's", "value"});
  auto content = a.run(a.cache.read_content());
  BOOST_REQUIRE(content.has_value());
  BOOST_TEST(content->payments == 20U);
  BOOST_TEST(content->is_counted);
  BOOST_TEST(content->memory_bytes > 20 * 100U);
  BOOST_TEST(content->redis_memory_bytes > content->memory_bytes);
  BOOST_TEST((a.run(a.cache.invalidate(id_of(7))) == std::optional<std::uint64_t>{1}));
  BOOST_TEST((a.run(a.cache.invalidate(id_of(7))) == std::optional<std::uint64_t>{0}));
  BOOST_TEST((a.run(a.cache.invalidate_all(never)) == std::optional<std::uint64_t>{19}));
  BOOST_TEST(a.run(a.cache.read_content())->payments == 0U);
  BOOST_TEST((a.redis.ask({"GET", "somebody else's"}).as_text() == "value"));
  server.cli({"EVAL", "for i = 1, 100000 do redis.call('SET', 'somebody:' .. i, '') end", "0"});
  cached(21);
  content = a.run(a.cache.read_content());
  BOOST_TEST(!content->is_counted);
  BOOST_TEST((a.run(a.cache.invalidate_all(never)) == std::optional<std::uint64_t>{1}));
  server.kill();
  a.redis.until(state::away);
  BOOST_TEST(!a.run(a.cache.read_content()).has_value());
  BOOST_TEST(!a.run(a.cache.invalidate(id_of(7))).has_value());
  BOOST_TEST(!a.run(a.cache.invalidate_all(never)).has_value());
}

BOOST_AUTO_TEST_CASE(the_check_finds_and_mends_what_differs) {
  for (std::uint64_t number = 1; number <= 4; ++number)
    cached(number);
  std::string lie = a.redis.ask({"GET", key(1)}).text;
  lie.replace(lie.find(" 1990 "), 6, " 1991 ");
  a.redis.ask({"SET", key(1), lie});
  a.redis.ask({"SET", key(2), "nonsense"});
  a.redis.ask({"SET", a.names.payments() + "nobody", "nonsense"});
  BOOST_TEST(find(b, 1)->amount_cents == 1991); // nothing but the check can see it
  here.await([](cached_ledger& of) -> task<bool> {
    co_await of.check();
    co_return true;
  }(a.cache));
  BOOST_TEST(a.cache.figures().checked == 3U);
  BOOST_TEST(a.cache.figures().mismatches == 1U);
  BOOST_TEST(a.cache.figures().malformed == 2U);
  BOOST_TEST(!is_cached(1));
  BOOST_TEST(is_cached(3));
  BOOST_TEST((find(b, 1) == truth(1)));
}

BOOST_AUTO_TEST_SUITE_END()

// The property: with writers, readers, invalidations and purges at once, no answer is of a payment that a
// purge had removed before the question. Payments are posted again and again, each time with another amount
// and other times.

class liars_trial {
public:
  liars_trial(unsigned seed, loop& of, const std::vector<ledger*>& below) : random_(seed), here_(of) {
    for (ledger* const one : below)
      caches_.push_back(std::make_unique<cache_bench>(of, *one));
    epochs_.resize(caches_.size());
  }

  void run(std::chrono::milliseconds time) {
    due_ = here_.time.now() + time;
    task_group all(here_.time);
    for (std::size_t i = 0; i < caches_.size(); ++i) {
      all.spawn(own(i));
      all.spawn(write(i)); // one, since a reactor has one batch under way
      all.spawn(read(i));
      all.spawn(read(i));
    }
    all.spawn(purge());
    all.spawn(invalidate());
    here_.until([&] { return all.running() == 0; });
    std::uint64_t hits = 0;
    for (const auto& one : caches_)
      hits += one->cache.figures().hits;
    BOOST_TEST_MESSAGE(reads_ << " reads, " << hits << " hits, " << settled_ << " settled, " << purges_ended_
                              << " purges");
    for (const std::string& lie : lies_)
      BOOST_ERROR(lie);
    BOOST_TEST(hits > 0U);
    BOOST_TEST(purges_ended_ > 1U);
  }

private:
  static constexpr std::uint64_t numbers = 40;

  /// One posting of a payment.
  struct life {
    payment_id id{};
    std::uint64_t purges_begun = 0; ///< when it was known to be in the books
  };

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  [[nodiscard]] bool is_over() const { return here_.time.now() >= due_; }
  task<> wait(std::chrono::milliseconds most) {
    event pause(here_.time);
    co_await pause.wait_for(std::chrono::milliseconds{below(static_cast<std::uint64_t>(most.count()) + 1)});
  }
  static wall_time accepted(std::int64_t amount) { return start + std::chrono::milliseconds{amount}; }
  static wall_time requested(std::int64_t amount) { return accepted(amount) + 1s; }

  /// As ownership does, though quicker.
  task<> own(std::size_t i) {
    cached_ledger& books = caches_[i]->cache;
    while (!is_over()) {
      if (epochs_[i] == 0) {
        const std::optional<epoch_id> opened = co_await books.open_epoch();
        epochs_[i] = opened.value_or(0);
      }
      const std::optional<beat_answer> answer = co_await books.beat(epochs_[i], {});
      if (answer && answer->ended)
        epochs_[i] = 0;
      else
        co_await wait(200ms);
    }
  }

  task<> write(std::size_t i) {
    cached_ledger& books = caches_[i]->cache;
    while (!is_over()) {
      co_await wait(3ms);
      if (epochs_[i] == 0) continue;
      const std::int64_t amount = ++amount_;
      append_item item{.id = id_of(below(numbers)),
                       .amount_cents = amount,
                       .token = static_cast<std::uint64_t>(amount),
                       .accepted_at = accepted(amount),
                       .processor = first};
      ledger_status status = co_await books.append(epochs_[i], std::span(&item, 1));
      if (status != ledger_status::done || item.answer != append_item::verdict::fresh) continue;
      lives_[amount] = {.id = item.id, .purges_begun = purges_begun_};
      co_await wait(2ms);
      settle_item settle = witness(0, requested(amount));
      settle.id = item.id;
      settle.amount_cents = amount;
      status = co_await books.settle(std::span(&settle, 1));
      if (status == ledger_status::done && settle.answer == settle_item::verdict::settled) ++settled_;
    }
  }

  task<> read(std::size_t i) {
    cached_ledger& books = caches_[i]->cache;
    while (!is_over()) {
      co_await wait(1ms);
      const payment_id id = id_of(below(numbers));
      const std::uint64_t ended = purges_ended_;
      const std::optional<std::optional<payment_record>> found = co_await books.find(id);
      ++reads_;
      if (!found || !*found) continue;
      const payment_record& told = **found;
      const auto one = lives_.find(told.amount_cents);
      if (one == lives_.end()) continue; // its append is not answered yet
      if (one->second.id != id) lies_.push_back(to_string(id) + " is shown as another");
      if (one->second.purges_begun < ended) lies_.push_back(to_string(id) + " is seen after its purge");
      const bool is_processed = told.status == payment_status::processed;
      if (told.accepted_at != accepted(told.amount_cents) ||
          (is_processed && told.requested_at != requested(told.amount_cents)))
        lies_.push_back(to_string(id) + " is shown with wrong times");
    }
  }

  task<> purge() {
    while (!is_over()) {
      co_await wait(600ms);
      cached_ledger& books = caches_[below(caches_.size())]->cache;
      ++purges_begun_;
      ledger_status status = ledger_status::unavailable;
      while (status != ledger_status::done)
        status = co_await books.purge();
      purges_ended_ = purges_begun_;
    }
  }

  task<> invalidate() {
    while (!is_over()) {
      co_await wait(20ms);
      cached_ledger& books = caches_[below(caches_.size())]->cache;
      if (below(10) == 0)
        co_await books.invalidate_all(never);
      else
        co_await books.invalidate(id_of(below(numbers)));
    }
  }

  std::mt19937_64 random_;
  loop& here_;
  steady_time due_{};
  std::vector<std::unique_ptr<cache_bench>> caches_;
  std::vector<epoch_id> epochs_;
  std::map<std::int64_t, life> lives_; ///< by amount
  std::int64_t amount_ = 0;
  std::uint64_t purges_begun_ = 0;
  std::uint64_t purges_ended_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t settled_ = 0;
  std::vector<std::string> lies_;
};

BOOST_AUTO_TEST_SUITE(session_cache_trial)

BOOST_AUTO_TEST_CASE(no_answer_is_older_than_a_purge_in_memory) {
  const unsigned seed = std::random_device{}();
  BOOST_TEST_CONTEXT("seed " << seed) {
    shared_redis();
    loop here;
    memory_ledger below{{}};
    liars_trial trial(seed, here, {&below, &below, &below});
    trial.run(4s);
  }
}

BOOST_AUTO_TEST_CASE(no_answer_is_older_than_a_purge_in_postgres) {
  const unsigned seed = std::random_device{}();
  BOOST_TEST_CONTEXT("seed " << seed) {
    shared_redis();
    const postgres_server& server = ledger_server();
    loop here;
    test_ledger one(here, server.url(), 0);
    test_ledger two(here, server.url(), 1);
    one.until_up();
    two.until_up();
    liars_trial trial(seed, here, {&one.get(), &two.get()});
    trial.run(5s);
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse::contract
