#include "bench/filled_ledger.hpp"

#include "bench/child_process.hpp"
#include "storage/check.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace repasse {
namespace {

constexpr std::size_t batch = 1000;
constexpr std::uint32_t room_besides = 1000;
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

filled_ledger::filled_ledger(std::size_t payments)
    : payments_(payments), books_({.payments_max = static_cast<std::uint32_t>(payments) + room_besides}) {
  const std::size_t before = resident_bytes_of(::getpid());
  run_to_end(fill());
  resident_bytes_ = resident_bytes_of(::getpid()) - before;
}

task<> filled_ledger::fill() {
  const auto epoch = co_await books_.open_epoch();
  REPASSE_CHECK(epoch.has_value());
  std::vector<append_item> appends;
  std::vector<settle_item> settles;
  for (std::size_t first = 0; first < payments_; first += batch) {
    appends.clear();
    settles.clear();
    for (std::size_t i = first; i < std::min(first + batch, payments_); ++i) {
      appends.push_back(append_of(i));
      settles.push_back(settle_of(appends.back()));
    }
    const ledger_status appended = co_await books_.append(*epoch, appends);
    const ledger_status settled = co_await books_.settle(settles);
    REPASSE_CHECK(appended == ledger_status::done && settled == ledger_status::done);
  }
  co_await books_.end_epoch(*epoch);
}

time_window filled_ledger::random_window(std::mt19937_64& random) const {
  std::uniform_int_distribution<std::size_t> any(0, payments_ - 1);
  const wall_time one = time_of(any(random));
  const wall_time other = time_of(any(random));
  return {std::min(one, other), std::max(one, other)};
}

void run_to_end(task<> work) {
  asio::io_context context(1);
  asio::co_spawn(context, std::move(work), asio::detached);
  context.run();
}

} // namespace repasse
