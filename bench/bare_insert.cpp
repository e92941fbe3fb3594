// The program `bare-insert`: the yardstick for payments in PostgreSQL. Commits batches of rows like ours into
// `bare_payments`, which is there and has their columns and the primary key, and nothing else; one after the
// other over one connection.
//   bare-insert URL ROWS SECONDS [MILLIS]      a batch each MILLIS milliseconds; 0, the default: without a
//   pause
// Prints the rows, and the latencies of a commit.
#include "bench/open_loop.hpp"
#include "storage/pg_connection.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <random>

namespace repasse {
namespace {

constexpr pg_statement<pg_nothing(std::span<const payment_id>, std::span<const std::int64_t>, wall_time)>
    insert{"bare_insert", R"(
INSERT INTO bare_payments (correlation_id, amount_cents, accepted_at, token, owner, version, attempts, status, processor)
SELECT w.id, w.amount, $3, 1, 1, 1, 0, 1, 1 FROM unnest($1::uuid[], $2::bigint[]) AS w (id, amount))"};

struct measured {
  bool is_right = true;
  std::uint64_t rows = 0;
  std::vector<std::uint32_t> micros;
};

task<> insert_batches(clock& time, std::string url, std::size_t rows, std::chrono::seconds span,
                      std::chrono::milliseconds every, measured& to) {
  pg_connection::config how;
  how.url = url;
  how.application_name = "bare-insert";
  how.statements = {&insert.prototype()};
  pg_connection link(time, how);
  task_group running(time);
  running.spawn(link.run());
  std::mt19937_64 random(std::random_device{}());
  std::vector<payment_id> ids(rows);
  const std::vector<std::int64_t> amounts(rows, 1990);
  event pause(time);
  pg_transaction work;
  while (link.now_in() != pg_connection::state::connected)
    co_await pause.wait_for(std::chrono::milliseconds{1});
  const steady_time end = time.now() + span;
  for (steady_time next = time.now(); time.now() < end; next += every) {
    if (every.count() > 0) co_await pause.wait_until(next);
    for (payment_id& id : ids)
      for (std::uint8_t& byte : id.bytes)
        byte = static_cast<std::uint8_t>(random());
    work.clear();
    work.add(insert, ids, amounts, time.wall());
    const steady_time sent = time.now();
    const pg_verdict verdict = co_await link.commit(work, sent + std::chrono::seconds{5});
    if (verdict != pg_verdict::done) to.is_right = false;
    to.rows += rows;
    to.micros.push_back(static_cast<std::uint32_t>((time.now() - sent) / std::chrono::microseconds{1}));
  }
  link.stop();
  co_await running.join_until(time.now() + std::chrono::seconds{1});
}

int measure(int count, char** arguments) {
  if (count < 4 || count > 5) {
    std::fputs("usage: bare-insert URL ROWS SECONDS [MILLIS]\n", stderr);
    return 2;
  }
  measured found;
  asio::io_context context(1);
  {
    clock time(context);
    const auto every = std::chrono::milliseconds{count == 5 ? std::strtol(arguments[4], nullptr, 10) : 0};
    asio::co_spawn(context.get_executor(),
                   insert_batches(time, arguments[1], std::strtoul(arguments[2], nullptr, 10),
                                  std::chrono::seconds{std::strtol(arguments[3], nullptr, 10)}, every, found),
                   asio::detached);
    context.run();
  }
  if (!found.is_right || found.micros.empty()) {
    std::fputs("bare-insert: the database did not do as asked\n", stderr);
    return 1;
  }
  fmt::print(R"({{"rows":{},"p50":{},"p99":{}}})"
             "\n",
             found.rows, percentile(found.micros, 0.5), percentile(found.micros, 0.99));
  return 0;
}

} // namespace
} // namespace repasse

int main(int count, char** arguments) { return repasse::measure(count, arguments); }
