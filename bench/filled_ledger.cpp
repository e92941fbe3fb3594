#include "bench/filled_ledger.hpp"

#include "storage/check.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace repasse {
namespace {

constexpr std::size_t batch = 1000;
constexpr wall_time first_time{std::chrono::milliseconds{1'752'580'000'000}};

wall_time time_of(std::size_t payment) { return first_time + std::chrono::milliseconds(payment); }

append_item append_of(std::size_t payment) {
  append_item item;
  std::memcpy(item.id.bytes.data(), &payment, sizeof payment);
  item.amount_cents = 1990;
  item.token = payment + 1;
  item.accepted_at = time_of(payment);
  item.processor = payment % 4 == 3 ? 1 : 0;
  return item;
}

settle_item settle_of(const append_item& appended) {
  settle_item item;
  item.id = appended.id;
  item.requested_at = appended.accepted_at;
  item.processed_at = appended.accepted_at;
  item.attempts = 1;
  item.processor = appended.processor;
  return item;
}

} // namespace

task<> fill(ledger& books, std::size_t payments) {
  const auto epoch = co_await books.open_epoch();
  REPASSE_CHECK(epoch.has_value());
  std::vector<append_item> appends;
  std::vector<settle_item> settles;
  for (std::size_t first = 0; first < payments; first += batch) {
    appends.clear();
    settles.clear();
    for (std::size_t i = first; i < std::min(first + batch, payments); ++i) {
      appends.push_back(append_of(i));
      settles.push_back(settle_of(appends.back()));
    }
    const ledger_status appended = co_await books.append(*epoch, appends);
    const ledger_status settled = co_await books.settle(settles);
    REPASSE_CHECK(appended == ledger_status::done && settled == ledger_status::done);
  }
  const ledger_status ended = co_await books.end_epoch(*epoch);
  REPASSE_CHECK(ended == ledger_status::done);
}

time_window random_window(std::size_t payments, std::mt19937_64& random) {
  std::uniform_int_distribution<std::size_t> any(0, payments - 1);
  const wall_time one = time_of(any(random));
  const wall_time other = time_of(any(random));
  return {std::min(one, other), std::max(one, other)};
}

} // namespace repasse
