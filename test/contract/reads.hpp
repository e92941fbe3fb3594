// The part of the ledger's contract about windows and pages; test/ledger_contract.hpp includes it.
#pragma once

#include <algorithm>
#include <random>

namespace repasse::contract {

BOOST_AUTO_TEST_SUITE(ledger_reads)

BOOST_AUTO_TEST_CASE_TEMPLATE(both_bounds_of_a_window_are_inclusive_to_the_millisecond, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  books.post(books.open(), 1, first);
  const wall_time at = start + 1h + 2min + 3s + 4ms;
  BOOST_TEST(books.settle(1, first, at) == settled::settled);
  const auto requests = [&books](wall_time from, wall_time to) {
    return books.summarize({from, to})[first].requests;
  };
  BOOST_TEST(requests(at, at) == 1U);
  BOOST_TEST(requests(at - 1ms, at) == 1U);
  BOOST_TEST(requests(at, at + 1ms) == 1U);
  BOOST_TEST(requests(at + 1ms, at + 1h) == 0U);
  BOOST_TEST(requests(at - 1h, at - 1ms) == 0U);
  BOOST_TEST(requests(at + 1ms, at - 1ms) == 0U);
  BOOST_TEST(requests(wall_time::min(), at) == 1U);
  BOOST_TEST(requests(at, wall_time::max()) == 1U);
  BOOST_TEST(requests(wall_time::min(), at - 1ms) == 0U);
  BOOST_TEST(requests(at + 1ms, wall_time::max()) == 0U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(windows_reach_the_ends_of_time, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  const wall_time year_0{std::chrono::sys_days{std::chrono::year{0} / 1 / 1}};
  const wall_time year_9999 = wall_time{std::chrono::sys_days{std::chrono::year{9999} / 12 / 31}} + 24h - 1ms;
  books.post(epoch, 1, first);
  books.post(epoch, 2, first);
  BOOST_TEST(books.settle(1, first, year_9999) == settled::settled);
  BOOST_TEST(books.settle(2, first, year_0) == settled::settled);
  BOOST_TEST(books.summarize()[first].requests == 2U);
  BOOST_TEST(books.summarize({year_0, year_9999})[first].requests == 2U);
  BOOST_TEST(books.summarize({year_0, year_9999 - 1ms})[first].requests == 1U);
  BOOST_TEST(books.summarize({year_0 + 1ms, year_9999})[first].requests == 1U);
}

/// Settled payments at random times: mostly close together, some far away, many in one millisecond.
struct booked {
  wall_time at;
  std::int64_t amount_cents = 0;
  processor_index processor = no_processor;
};

template <typename Books>
std::vector<booked> book_at_random(Books& books, std::mt19937_64& random) {
  const epoch_id epoch = books.open();
  std::vector<booked> all;
  for (std::uint64_t number = 0; number < 5'000;) {
    std::vector<append_item> items;
    std::vector<settle_item> settles;
    for (int i = 0; i < 500; ++i, ++number) {
      const std::uint64_t range_ms = random() % 20 == 0 ? 86'400'000 : random() % 4 == 0 ? 3 : 4'000;
      const booked payment{start + std::chrono::milliseconds{random() % range_ms},
                           static_cast<std::int64_t>(1 + random() % 100'000),
                           static_cast<processor_index>(random() % 3)};
      all.push_back(payment);
      items.push_back(books.item(number, payment.processor));
      items.back().amount_cents = payment.amount_cents;
      settles.push_back({.id = id_of(number),
                         .requested_at = payment.at,
                         .processed_at = payment.at,
                         .processor = payment.processor});
    }
    BOOST_REQUIRE(books.append_all(epoch, items) == ledger_status::done);
    BOOST_REQUIRE(books.run(books.get().settle(settles)) == ledger_status::done);
  }
  return all;
}

BOOST_AUTO_TEST_CASE_TEMPLATE(random_windows_sum_what_was_booked_in_them, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  std::mt19937_64 random(1);
  const std::vector<booked> all = book_at_random(books, random);
  for (int i = 0; i < 1'000; ++i) {
    const wall_time from = all[random() % all.size()].at + std::chrono::milliseconds{random() % 3} - 1ms;
    const wall_time to = i % 2 == 0 ? all[random() % all.size()].at
                                    : from + std::chrono::milliseconds{random() % (i % 3 == 0 ? 10 : 5'000)};
    summary expected{};
    for (const booked& payment : all) {
      if (payment.at < from || payment.at > to) continue;
      ++expected[payment.processor].requests;
      expected[payment.processor].amount_cents += payment.amount_cents;
    }
    BOOST_TEST_REQUIRE((books.summarize({from, to}) == expected));
  }
}

/// Payments of every status, some hundred in one millisecond, newest first.
template <typename Books>
std::vector<payment_record> post_at_random(Books& books, std::mt19937_64& random) {
  const epoch_id epoch = books.open();
  wall_time at = start;
  for (std::uint64_t number = 0; number < 600; ++number) {
    if (number < 200 || number > 400) at += std::chrono::milliseconds{random() % 3};
    append_item item = books.item(number, static_cast<processor_index>(random() % 2));
    if (random() % 4 == 0) item.processor = no_processor;
    item.accepted_at = at;
    BOOST_REQUIRE_EQUAL(books.append(epoch, item), appended::fresh);
    if (item.processor == no_processor) continue;
    const auto outcome = static_cast<status>(1 + random() % 4);
    if (outcome == status::processed)
      BOOST_REQUIRE_EQUAL(books.settle(number, item.processor), settled::settled);
    else
      BOOST_REQUIRE(
          books.amend(epoch, {.id = item.id, .version = 1, .status = outcome, .processor = item.processor}));
  }
  std::vector<payment_record> all;
  for (std::uint64_t number = 0; number < 600; ++number)
    all.push_back(books.get_payment(number));
  std::sort(all.begin(), all.end(), [](const payment_record& a, const payment_record& b) {
    return std::tie(a.accepted_at, a.id) > std::tie(b.accepted_at, b.id);
  });
  return all;
}

inline page_query random_query(const std::vector<payment_record>& all, std::mt19937_64& random) {
  page_query query;
  if (random() % 2 == 0) query.status = static_cast<status>(random() % payment_status_count);
  if (random() % 3 == 0) query.processor = static_cast<processor_index>(random() % 2);
  if (random() % 2 == 0) query.accepted.from = all[random() % all.size()].accepted_at;
  if (random() % 2 == 0) query.accepted.to = all[random() % all.size()].accepted_at;
  query.limit = 1 + random() % (random() % 2 == 0 ? 10 : 700);
  return query;
}

inline std::vector<payment_id> ids_that_match(const std::vector<payment_record>& all,
                                              const page_query& query) {
  std::vector<payment_id> ids;
  for (const payment_record& each : all) {
    if (query.status && each.status != *query.status) continue;
    if (query.processor && each.processor != *query.processor) continue;
    if (each.accepted_at < query.accepted.from || each.accepted_at > query.accepted.to) continue;
    ids.push_back(each.id);
  }
  return ids;
}

BOOST_AUTO_TEST_CASE_TEMPLATE(pages_give_each_match_once_newest_first, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  std::mt19937_64 random(2);
  const std::vector<payment_record> all = post_at_random(books, random);
  for (int i = 0; i < 200; ++i) {
    page_query query = random_query(all, random);
    const std::vector<payment_id> expected = ids_that_match(all, query);
    std::vector<payment_id> seen;
    for (bool more = true; more;) {
      const page read = books.read_page(query);
      more = read.next.has_value();
      BOOST_TEST_REQUIRE((!more || read.payments.size() == query.limit));
      BOOST_TEST_REQUIRE((!read.payments.empty() || seen.empty()));
      for (const payment_record& each : read.payments)
        seen.push_back(each.id);
      query.after = read.next;
    }
    BOOST_TEST_REQUIRE((seen == expected));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_cursor_goes_on_where_it_stood_while_payments_arrive, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  for (std::uint64_t number = 0; number < 50; ++number)
    books.post(epoch, number);
  page_query query;
  query.limit = 7;
  std::vector<payment_id> seen;
  for (std::uint64_t number = 50;; ++number) {
    const page read = books.read_page(query);
    for (const payment_record& each : read.payments)
      seen.push_back(each.id);
    if (!read.next) break;
    query.after = read.next;
    append_item newer = books.item(number);
    newer.accepted_at = start + 1ms;
    BOOST_TEST(books.append(epoch, newer) == appended::fresh);
  }
  BOOST_TEST(seen.size() == 50U);
  BOOST_TEST(std::is_sorted(seen.rbegin(), seen.rend()));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_page_shows_whole_records, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  books.post(books.open(), 1, second);
  BOOST_TEST(books.settle(1, second, start + 3ms) == settled::settled);
  const page read = books.read_page({});
  BOOST_REQUIRE(read.payments.size() == 1U);
  BOOST_TEST(!read.next.has_value());
  BOOST_TEST(read.payments[0].status == status::processed);
  BOOST_TEST(read.payments[0].processor == second);
  BOOST_TEST(read.payments[0].amount_cents == 1990);
  BOOST_TEST(read.payments[0].requested_at.value() == start + 3ms);
  BOOST_TEST(read.payments[0].processed_at.value() == start + 8ms);
  BOOST_TEST(read.payments[0].attempts == 1);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse::contract
