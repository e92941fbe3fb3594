#include "test/simulation/restore.hpp"

#include "storage/check.hpp"
#include "test/simulation/run_now.hpp"

#include <algorithm>
#include <memory>

namespace repasse::simulation {
namespace {

using image = std::vector<payment_record>;

/// What is under way to a processor, or waits somewhere to be written, has come to its end by then.
constexpr std::chrono::nanoseconds landing = 60s;
/// The last instance may be asleep, or needed by Redis.
constexpr std::chrono::nanoseconds shutting_max = 60s;

/// Oldest first.
image image_of(ledger& books) {
  image rows;
  page_query query;
  query.limit = 1000;
  do {
    page found = run_now(books.read_page(query)).value();
    std::ranges::move(found.payments, std::back_inserter(rows));
    query.after = found.next;
  } while (query.after);
  std::ranges::reverse(rows);
  return rows;
}

void write(ledger& books, epoch_id epoch, const payment_record& row) {
  append_item added{.id = row.id,
                    .amount_cents = row.amount_cents,
                    .token = 1,
                    .accepted_at = row.accepted_at,
                    .processor = row.processor};
  REPASSE_CHECK(run_now(books.append(epoch, {&added, 1})) == ledger_status::done);
  if (row.status == payment_status::processed) {
    settle_item settled{.id = row.id,
                        .requested_at = *row.requested_at,
                        .processed_at = *row.processed_at,
                        .attempts = row.attempts,
                        .processor = row.processor};
    REPASSE_CHECK(run_now(books.settle({&settled, 1})) == ledger_status::done);
    return;
  }
  amend_item amended{
      .id = row.id, .version = 1, .attempts = row.attempts, .status = row.status, .processor = row.processor};
  REPASSE_CHECK(run_now(books.amend(epoch, {&amended, 1})) == ledger_status::done);
  REPASSE_CHECK(amended.applied);
}

/// Nobody's epoch owns them: they are to be taken over.
void replace(ledger& books, const image& rows) {
  REPASSE_CHECK(run_now(books.purge()) == ledger_status::done);
  const epoch_id epoch = run_now(books.open_epoch()).value();
  for (const payment_record& row : rows)
    write(books, epoch, row);
  REPASSE_CHECK(run_now(books.end_epoch(epoch)) == ledger_status::done);
}

void shut(world& outside, cluster& servers, const std::function<void()>& then) {
  if (servers.shut()) return outside.after(landing, then);
  outside.after(1s, [&outside, &servers, then] { shut(outside, servers, then); });
}

} // namespace

void schedule_restore(world& outside, cluster& servers, clients& posters, std::chrono::nanoseconds span) {
  const auto kept = std::make_shared<image>();
  const steady_time moment = world::now() + outside.between(1s, span - shutting_max - landing);
  outside.at(moment, [&servers, kept] { *kept = image_of(servers.books()); });
  outside.at(moment + outside.between(0s, 60s), [&outside, &servers, &posters, kept] {
    shut(outside, servers, [&servers, &posters, kept] {
      replace(servers.books(), *kept);
      servers.open_asking_first();
      posters.say_again();
    });
  });
}

} // namespace repasse::simulation
