// Two instances write to the same payments at the same time: no deadlock, each payment is new once and
// settled once, and the books are equal.
#include "test/integration/ledger_bench.hpp"

#include <algorithm>
#include <random>

namespace repasse {
namespace {

constexpr std::uint64_t ids = 3'000;
constexpr std::size_t batch_max = 150;

constexpr processor_index processor_of(std::uint64_t number) {
  return static_cast<processor_index>(number % 3);
}

/// What both instances have been told, together.
struct told {
  struct payment {
    int fresh = 0;
    int settled = 0;
    std::int64_t amount_cents = 0;
    epoch_id owner = 0;
    std::uint32_t version = 0;
    bool is_chosen = false;
    wall_time requested_at{};
  };
  std::vector<payment> payments{ids};
  std::uint64_t known = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t amended = 0;
  std::uint64_t settled_twice = 0;
  int failures = 0;
};

std::vector<std::uint64_t> some_of(std::minstd_rand& random) {
  std::uniform_int_distribution<std::uint64_t> any(0, ids - 1);
  std::vector<std::uint64_t> numbers(1 + random() % batch_max);
  for (std::uint64_t& each : numbers)
    each = any(random);
  return numbers; // some of them twice
}

task<bool> append_at_random(postgres_ledger& to, epoch_id epoch, told& all, unsigned seed, int batches) {
  std::minstd_rand random(seed);
  std::uint64_t token = seed * 1'000'000U;
  for (int i = 0; i < batches; ++i) {
    std::vector<append_item> items;
    const std::vector<std::uint64_t> numbers = some_of(random);
    for (const std::uint64_t number : numbers) {
      items.push_back(posted(number, random() % 2 == 0 ? no_processor : processor_of(number), start,
                             random() % 10 == 0 ? 5 : 1'000 + static_cast<std::int64_t>(number)));
      items.back().token = ++token;
    }
    const ledger_status status = co_await to.append(epoch, items);
    if (status != ledger_status::done) ++all.failures;
    for (std::size_t k = 0; k < items.size(); ++k) {
      told::payment& one = all.payments[numbers[k]];
      if (items[k].answer == appended::known) ++all.known;
      if (items[k].answer == appended::conflict) ++all.conflicts;
      if (items[k].answer != appended::fresh) continue;
      ++one.fresh;
      one.amount_cents = items[k].amount_cents;
      one.owner = epoch;
      one.version = 1;
      one.is_chosen = items[k].processor != no_processor;
    }
  }
  co_return true;
}

task<bool> amend_at_random(postgres_ledger& to, clock& time, epoch_id epoch, told& all, unsigned seed,
                           int batches) {
  std::minstd_rand random(seed);
  event pause(time);
  for (int i = 0; i < batches; ++i) {
    std::vector<amend_item> items;
    std::vector<std::uint64_t> numbers;
    for (const std::uint64_t number : some_of(random)) {
      const told::payment& one = all.payments[number];
      if (one.owner != epoch || std::find(numbers.begin(), numbers.end(), number) != numbers.end()) continue;
      numbers.push_back(number);
      items.push_back({.id = id_of(number),
                       .version = one.version,
                       .status = payment_status::sending,
                       .processor = processor_of(number)});
    }
    if (items.empty()) { // nothing is its own yet
      co_await pause.wait_for(1ms);
      continue;
    }
    const ledger_status status = co_await to.amend(epoch, items);
    if (status != ledger_status::done) ++all.failures;
    for (std::size_t k = 0; k < items.size(); ++k) {
      told::payment& one = all.payments[numbers[k]];
      if (!items[k].applied) continue; // it has been settled
      ++one.version;
      ++all.amended;
      one.is_chosen = true;
    }
  }
  co_return true;
}

/// Only what an append has answered: nobody sends before, and a row that is settled before its append is read
/// back is not known for fresh any more.
task<bool> settle_at_random(postgres_ledger& to, clock& time, told& all, unsigned seed, int batches) {
  std::minstd_rand random(seed);
  event pause(time);
  for (int i = 0; i < batches; ++i) {
    std::vector<std::uint64_t> numbers = some_of(random);
    std::erase_if(numbers, [&](std::uint64_t number) { return all.payments[number].fresh == 0; });
    if (numbers.empty()) {
      co_await pause.wait_for(1ms);
      continue;
    }
    std::vector<settle_item> items;
    for (const std::uint64_t number : numbers) {
      const bool is_wrong = random() % 20 == 0;
      const auto processor = static_cast<processor_index>((number + (is_wrong ? 1 : 0)) % 3);
      items.push_back(witness(number, processor, start + std::chrono::milliseconds{random() % 5'000}));
    }
    const ledger_status status = co_await to.settle(items);
    if (status != ledger_status::done) ++all.failures;
    for (std::size_t k = 0; k < items.size(); ++k) {
      told::payment& one = all.payments[numbers[k]];
      if (items[k].answer == settled::known) ++all.settled_twice;
      if (items[k].answer != settled::settled) continue;
      if (items[k].processor != processor_of(numbers[k])) ++all.failures;
      ++one.settled;
      one.requested_at = items[k].requested_at;
    }
  }
  co_return true;
}

task<bool> fold_again_and_again(postgres_ledger& to, clock& time, int times) {
  event pause(time);
  for (int i = 0; i < times; ++i) {
    static_cast<void>(co_await to.fold());
    co_await pause.wait_for(10ms);
  }
  co_return true;
}

BOOST_AUTO_TEST_SUITE(ledger_writers)

BOOST_AUTO_TEST_CASE(two_instances_write_the_same_payments_without_a_deadlock_and_once) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench a(reactor, server.url());
  ledger_bench b(reactor, server.url(), 1);
  told all;
  std::vector<loop::started<bool>> work;
  unsigned seed = 1;
  for (ledger_bench* const one : {&a, &b}) {
    const epoch_id epoch = one->open();
    work.push_back(reactor.start(append_at_random(one->get(), epoch, all, ++seed, 40)));
    work.push_back(reactor.start(amend_at_random(one->get(), reactor.time, epoch, all, ++seed, 40)));
    work.push_back(reactor.start(settle_at_random(one->get(), reactor.time, all, ++seed, 40)));
    work.push_back(reactor.start(fold_again_and_again(one->get(), reactor.time, 30)));
  }
  for (const auto& one : work)
    reactor.await(one);
  BOOST_TEST(all.failures == 0);

  // The rest is settled by one, with processors that the rows name.
  summary expected{};
  for (std::uint64_t number = 0; number < ids; ++number) {
    told::payment& one = all.payments[number];
    BOOST_REQUIRE_LE(one.fresh, 1);
    BOOST_REQUIRE_LE(one.settled, one.fresh);
    if (one.fresh == 1 && one.is_chosen && one.settled == 0) {
      one.requested_at = start;
      BOOST_REQUIRE_EQUAL(a.settle(witness(number, processor_of(number), start)), settled::settled);
      one.settled = 1;
    }
    if (one.settled == 0) continue;
    processor_total& total = expected[processor_of(number)];
    ++total.requests;
    total.amount_cents += one.amount_cents;
  }
  for (ledger_bench* const one : {&a, &b}) {
    const summary sums = one->summarize();
    for (std::size_t i = 0; i < 3; ++i)
      BOOST_TEST(sums[i] == expected[i]);
    one->fold();
  }
  BOOST_TEST(a.summarize()[0] == expected[0]);

  const auto rows = static_cast<std::uint64_t>(std::count_if(all.payments.begin(), all.payments.end(),
                                                             [](const auto& one) { return one.fresh == 1; }));
  BOOST_TEST(server.sql("SELECT count(*) FROM payments") == std::to_string(rows));
  std::uint64_t versions = 0;
  for (const told::payment& one : all.payments)
    versions += one.version;
  BOOST_TEST(server.sql("SELECT sum(version) FROM payments") == std::to_string(versions));
  BOOST_TEST(server.log().find("deadlock detected") == std::string::npos);
  BOOST_TEST(all.known > 0U);
  BOOST_TEST(all.conflicts > 0U);
  BOOST_TEST(all.amended > 0U);
  BOOST_TEST(all.settled_twice > 0U);
  BOOST_TEST_MESSAGE(rows << " payments, known " << all.known << ", conflicts " << all.conflicts
                          << ", amended " << all.amended << ", settled again " << all.settled_twice);
}

task<bool> live_through_purges(ledger_bench& one, clock& time, unsigned seed, const bool& is_over) {
  std::minstd_rand random(seed);
  event pause(time);
  postgres_ledger& to = one.get();
  std::uint64_t number = seed * 1'000'000U;
  epoch_id epoch = 0;
  while (!is_over) {
    if (epoch == 0) {
      const std::optional<epoch_id> opened = co_await to.open_epoch();
      epoch = opened.value_or(0);
      continue;
    }
    const auto beaten = co_await to.beat(epoch, {});
    std::vector<append_item> items;
    std::vector<settle_item> witnesses;
    for (int i = 0; i < 50; ++i) {
      items.push_back(posted(++number, 0));
      witnesses.push_back(witness(number, 0, start + std::chrono::milliseconds{random() % 100'000}));
    }
    const ledger_status status = co_await to.append(epoch, items);
    static_cast<void>(co_await to.settle(witnesses));
    static_cast<void>(co_await to.fold());
    const auto sums = co_await to.summarize({});
    if (!beaten || beaten->ended || status == ledger_status::epoch_ended || !sums) epoch = 0;
  }
  co_return true;
}

BOOST_AUTO_TEST_CASE(a_purge_amid_everything_leaves_empty_books_and_new_epochs) {
  const postgres_server& server = ledger_server();
  loop reactor;
  ledger_bench a(reactor, server.url());
  ledger_bench b(reactor, server.url(), 1);
  ledger_bench purger(reactor, server.url(), 2);
  const std::size_t log_before = server.log().size();
  bool is_over = false;
  std::vector<loop::started<bool>> work;
  work.push_back(reactor.start(live_through_purges(a, reactor.time, 1, is_over)));
  work.push_back(reactor.start(live_through_purges(b, reactor.time, 2, is_over)));
  for (int i = 0; i < 25; ++i) {
    const steady_time go_on = reactor.time.now() + 40ms;
    reactor.until([&] { return reactor.time.now() > go_on; });
    BOOST_TEST((purger.run(purger.get().purge()) == ledger_status::done));
  }
  is_over = true;
  for (const auto& one : work)
    reactor.await(one);
  BOOST_TEST((purger.run(purger.get().purge()) == ledger_status::done));
  a.fold();
  b.fold();
  BOOST_TEST(a.summarize()[0] == (processor_total{}));
  BOOST_TEST(server.sql("SELECT (SELECT count(*) FROM payments) + (SELECT count(*) FROM deltas)"
                        " + (SELECT count(*) FROM totals) + (SELECT count(*) FROM milliseconds)"
                        " + (SELECT count(*) FROM epochs WHERE NOT marked OR NOT swept)") == "0");
  const epoch_id epoch = a.open();
  a.append(epoch, {posted(1, 0)});
  BOOST_TEST(a.settle(witness(1, 0)) == settled::settled);
  BOOST_TEST(b.summarize()[0] == (processor_total{1, 1990}));
  BOOST_TEST(server.log().find("deadlock detected", log_before) == std::string::npos,
             server.log().substr(log_before));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
