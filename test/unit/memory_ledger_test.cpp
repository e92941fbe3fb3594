// The memory ledger passes the ledger's contract, and keeps right books under several threads;
// reconciliations in memory pass that of findings.
#define BOOST_TEST_MODULE repasse_contract

#include "storage/memory_ledger.hpp"
#include "storage/memory_reconciliations.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <exception>
#include <thread>

namespace repasse {
namespace {

steady_time virtual_now{std::chrono::hours{1}};

template <typename T>
T run_to_end(asio::io_context& context, task<T> work) {
  std::optional<T> result;
  asio::co_spawn(context.get_executor(), std::move(work),
                 [&result](const std::exception_ptr& thrown, T value) {
                   if (thrown) std::rethrow_exception(thrown);
                   result = std::move(value);
                 });
  context.restart();
  context.run();
  return std::move(result.value());
}

/// A memory ledger whose clock moves only when told to.
class memory_fixture {
public:
  ledger& get() { return ledger_; }
  template <typename T>
  T run(task<T> work) {
    return run_to_end(context_, std::move(work));
  }
  void advance(std::chrono::milliseconds time) { virtual_now += time; }

private:
  asio::io_context context_{1};
  memory_ledger ledger_{{.now = [] { return virtual_now; }}};
};

class memory_findings {
public:
  reconciliations& store() { return store_; }
  template <typename T>
  T run(task<T> work) {
    return run_to_end(context_, std::move(work));
  }

private:
  asio::io_context context_{1};
  memory_reconciliations store_;
};

} // namespace

using ledgers_under_test = std::tuple<memory_fixture>;
using findings_under_test = std::tuple<memory_findings>;

} // namespace repasse

#include "test/contract/findings.hpp"
#include "test/ledger_contract.hpp"

namespace repasse::contract {
namespace {

BOOST_AUTO_TEST_SUITE(memory_ledger_alone)

/// A ledger of few payments.
class small_fixture {
public:
  ledger& get() { return ledger_; }
  template <typename T>
  T run(task<T> work) {
    return run_to_end(context_, std::move(work));
  }

private:
  asio::io_context context_{1};
  memory_ledger ledger_{{.payments_max = 3}};
};

BOOST_AUTO_TEST_CASE(refuses_only_fresh_payments_when_full) {
  bench<small_fixture> books;
  const epoch_id epoch = books.open();
  for (const std::uint64_t number : {1, 2, 3})
    books.post(epoch, number, first);
  BOOST_TEST(books.append(epoch, books.item(4)) == appended::full);
  append_item again = books.item(1, first);
  again.token = 9;
  BOOST_TEST(books.append(epoch, again) == appended::known);
  again.amount_cents = 1;
  BOOST_TEST(books.append(epoch, again) == appended::conflict);
  BOOST_TEST(books.settle(1, first) == settled::settled);
  BOOST_TEST(books.append(epoch, books.item(4)) == appended::full);
  BOOST_TEST(!books.find(4).has_value());
  books.purge();
  BOOST_TEST(books.append(books.open(), books.item(4)) == appended::fresh);
}

BOOST_AUTO_TEST_CASE(a_wall_clock_that_steps_back_does_not_disorder_the_pages) {
  bench<memory_fixture> books;
  const epoch_id epoch = books.open();
  for (const std::uint64_t number : {1, 2, 3}) {
    append_item item = books.item(number);
    item.accepted_at = start + (number == 2 ? 1s : 5s);
    BOOST_TEST(books.append(epoch, item) == appended::fresh);
  }
  const page all = books.read_page({});
  BOOST_REQUIRE(all.payments.size() == 3U);
  for (const payment_record& each : all.payments)
    BOOST_TEST(each.accepted_at >= start + 1s);
  BOOST_TEST(std::is_sorted(all.payments.begin(), all.payments.end(), [](const auto& a, const auto& b) {
    return std::tie(a.accepted_at, a.id) > std::tie(b.accepted_at, b.id);
  }));
}

/// Ids of which most are settled, so that scans must look at many rows to find one.
void post_many(bench<memory_fixture>& books, epoch_id epoch, std::uint64_t numbers,
               std::uint64_t open_every) {
  std::vector<append_item> items;
  std::vector<settle_item> settles;
  for (std::uint64_t number = 0; number < numbers; ++number) {
    items.push_back(books.item(number, first));
    if (number % open_every == 0) continue;
    settles.push_back(
        {.id = id_of(number), .requested_at = start, .processed_at = start, .processor = first});
  }
  BOOST_REQUIRE(books.append_all(epoch, items) == ledger_status::done);
  BOOST_REQUIRE(books.run(books.get().settle(settles)) == ledger_status::done);
}

BOOST_AUTO_TEST_CASE(long_scans_find_every_row_of_many_slabs) {
  bench<memory_fixture> books;
  const epoch_id epoch = books.open();
  constexpr std::uint64_t numbers = 50'000;
  post_many(books, epoch, numbers, 7'000);
  BOOST_TEST(books.unsettled(epoch, 3).size() == 8U);
  page_query query;
  query.status = status::sending;
  query.limit = 5;
  const page newest = books.read_page(query);
  BOOST_TEST(newest.payments.size() == 5U);
  BOOST_TEST(newest.next.has_value());
  query.after = newest.next;
  const page rest = books.read_page(query);
  BOOST_TEST(rest.payments.size() == 3U);
  BOOST_TEST(!rest.next.has_value());
}

task<> read_while_purged(ledger& books, std::optional<page>& read) {
  page_query query;
  query.status = status::rejected;
  read = co_await books.read_page(query);
}

task<> purge_now(ledger& books) {
  const ledger_status purged = co_await books.purge();
  BOOST_TEST(purged == ledger_status::done);
}

BOOST_AUTO_TEST_CASE(a_purge_in_the_middle_of_a_long_scan_ends_it) {
  bench<memory_fixture> books;
  post_many(books, books.open(), 50'000, 1'000);
  asio::io_context context(1);
  std::optional<page> read;
  const auto ended = [](const std::exception_ptr& thrown) { BOOST_TEST(!thrown); };
  asio::co_spawn(context.get_executor(), read_while_purged(books.get(), read), ended);
  asio::co_spawn(context.get_executor(), purge_now(books.get()), ended);
  context.run();
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST(read->payments.empty());
  BOOST_TEST(!read->next.has_value());
}

/// What one thread did: appends and settles the same ids as all others, in an order of its own.
struct tally {
  std::uint64_t fresh = 0;
  std::uint64_t settled = 0;
};

constexpr std::uint64_t shared_numbers = 4'000;
constexpr std::size_t batch_size = 16;

task<> post_and_settle(ledger& books, std::uint64_t seed, tally& own) {
  const std::optional<epoch_id> epoch = co_await books.open_epoch();
  page_query newest;
  newest.limit = 3;
  for (std::uint64_t begin = 0; begin < shared_numbers; begin += batch_size) {
    std::array<append_item, batch_size> items;
    std::array<settle_item, batch_size> settles;
    for (std::size_t i = 0; i < batch_size; ++i) {
      const std::uint64_t number = (begin * (2 * seed + 1) + i * (seed + 1)) % shared_numbers;
      items[i] = bench<memory_fixture>::item(number, first);
      items[i].token = seed * shared_numbers + number;
      settles[i] = {.id = items[i].id, .requested_at = start, .processed_at = start, .processor = first};
    }
    if (co_await books.append(*epoch, items) != ledger_status::done) co_return;
    for (const append_item& each : items)
      own.fresh += each.answer == appended::fresh ? 1 : 0;
    if (co_await books.settle(settles) != ledger_status::done) co_return;
    for (const settle_item& each : settles)
      own.settled += each.answer == settled::settled ? 1 : 0;
    const auto sums = co_await books.summarize({start, start});
    if (!sums || sums->at(first).requests < own.settled) std::terminate();
    const auto read = co_await books.read_page(newest);
    if (!read) std::terminate();
  }
}

BOOST_AUTO_TEST_CASE(threads_on_the_same_ids_leave_right_books) {
  bench<memory_fixture> books;
  std::array<tally, 4> tallies;
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 0; seed < tallies.size(); ++seed)
    threads.emplace_back([&books, seed, &own = tallies[seed]] {
      asio::io_context context(1);
      asio::co_spawn(context.get_executor(), post_and_settle(books.get(), seed, own),
                     [](const std::exception_ptr& thrown) {
                       if (thrown) std::terminate();
                     });
      context.run();
    });
  for (std::thread& each : threads)
    each.join();

  tally all;
  for (const tally& each : tallies) {
    all.fresh += each.fresh;
    all.settled += each.settled;
  }
  std::uint64_t found = 0;
  for (std::uint64_t number = 0; number < shared_numbers; ++number) {
    const auto payment = books.find(number);
    if (!payment) continue;
    ++found;
    BOOST_TEST(payment->status == status::processed);
  }
  BOOST_TEST(found > shared_numbers / 2);
  BOOST_TEST(all.fresh == found);
  BOOST_TEST(all.settled == found);
  BOOST_TEST(books.summarize()[first] == (processor_total{found, static_cast<std::int64_t>(found) * 1990}));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse::contract
