#include "test/simulation/doubtful_ledger.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <vector>

namespace repasse::simulation {
namespace {

/// The memory ledger never waits, so one run of a context is enough.
void run_now(task<ledger_status> work) {
  asio::io_context context(1);
  asio::co_spawn(context.get_executor(), std::move(work), asio::detached);
  context.run();
}

/// The statement that waited somewhere while its caller had given it up.
template <typename Item, typename Write>
void write_later(std::span<const Item> items, Write write) {
  world& outside = world::current();
  const std::chrono::nanoseconds late_max = outside.chance(0.5) ? 500ms : 20s;
  outside.after(outside.between(1ms, late_max), [kept = std::vector<Item>(items.begin(), items.end()),
                                                 write]() mutable { run_now(write(std::span<Item>{kept})); });
}

} // namespace

task<doubtful_ledger::fate> doubtful_ledger::draw() {
  world& outside = world::current();
  const bool away_at_once = weather_.is_away && (weather_.refuses || outside.chance(0.5));
  if (away_at_once) co_return fate::away;
  event pause(clock_);
  co_await pause.wait_for(outside.between(0ms, weather_.latency_max));
  if (weather_.is_away) co_return outside.chance(0.2) ? fate::doubt_done : fate::away;
  if (!outside.chance(weather_.doubt)) co_return fate::well;
  switch (outside.below(3)) {
  case 0:
    co_return fate::doubt_never;
  case 1:
    co_return fate::doubt_done;
  default:
    co_return fate::doubt_later;
  }
}

task<ledger_status> doubtful_ledger::append(epoch_id epoch, std::span<append_item> items) {
  const fate drawn = co_await draw();
  if (drawn == fate::away) co_return ledger_status::unavailable;
  if (drawn == fate::doubt_later) {
    write_later<append_item>(
        items, [&inner = inner_, epoch](std::span<append_item> kept) { return inner.append(epoch, kept); });
  }
  if (drawn == fate::doubt_never || drawn == fate::doubt_later) co_return ledger_status::in_doubt;
  const ledger_status status = co_await inner_.append(epoch, items);
  for (append_item& item : items)
    if (item.answer == append_item::verdict::conflict && world::current().chance(0.1))
      item.answer = append_item::verdict::unaudited;
  co_return drawn == fate::doubt_done ? ledger_status::in_doubt : status;
}

task<ledger_status> doubtful_ledger::amend(epoch_id epoch, std::span<amend_item> items) {
  const fate drawn = co_await draw();
  if (drawn == fate::away) co_return ledger_status::unavailable;
  if (drawn == fate::doubt_later) {
    write_later<amend_item>(
        items, [&inner = inner_, epoch](std::span<amend_item> kept) { return inner.amend(epoch, kept); });
  }
  if (drawn == fate::doubt_never || drawn == fate::doubt_later) co_return ledger_status::in_doubt;
  const ledger_status status = co_await inner_.amend(epoch, items);
  co_return drawn == fate::doubt_done ? ledger_status::in_doubt : status;
}

task<ledger_status> doubtful_ledger::settle(std::span<settle_item> items) {
  const fate drawn = co_await draw();
  if (drawn == fate::away) co_return ledger_status::unavailable;
  if (drawn == fate::doubt_later) {
    write_later<settle_item>(items,
                             [&inner = inner_](std::span<settle_item> kept) { return inner.settle(kept); });
  }
  if (drawn == fate::doubt_never || drawn == fate::doubt_later) co_return ledger_status::in_doubt;
  const ledger_status status = co_await inner_.settle(items);
  co_return drawn == fate::doubt_done ? ledger_status::in_doubt : status;
}

task<std::optional<epoch_id>> doubtful_ledger::open_epoch() {
  const fate drawn = co_await draw();
  if (drawn == fate::away || drawn == fate::doubt_never) co_return std::nullopt;
  const auto opened = co_await inner_.open_epoch();
  if (drawn != fate::well) co_return std::nullopt;
  co_return opened;
}

task<std::optional<beat_answer>> doubtful_ledger::beat(epoch_id epoch, std::span<const probe> learned) {
  const fate drawn = co_await draw();
  if (drawn == fate::away || drawn == fate::doubt_never) co_return std::nullopt;
  const auto answer = co_await inner_.beat(epoch, learned);
  if (drawn != fate::well) co_return std::nullopt;
  co_return answer;
}

task<ledger_status> doubtful_ledger::end_epoch(epoch_id epoch) {
  const fate drawn = co_await draw();
  if (drawn == fate::away) co_return ledger_status::unavailable;
  co_return co_await inner_.end_epoch(epoch);
}

task<ledger_status> doubtful_ledger::release(epoch_id epoch, std::size_t rows_max, std::size_t& released) {
  const fate drawn = co_await draw();
  if (drawn == fate::away) co_return ledger_status::unavailable;
  if (drawn == fate::doubt_never || drawn == fate::doubt_later) co_return ledger_status::in_doubt;
  const ledger_status status = co_await inner_.release(epoch, rows_max, released);
  co_return drawn == fate::doubt_done ? ledger_status::in_doubt : status;
}

task<ledger_status> doubtful_ledger::adopt(epoch_id epoch, std::span<owned_row> rows, std::size_t& taken) {
  const fate drawn = co_await draw();
  if (drawn == fate::away) co_return ledger_status::unavailable;
  if (drawn == fate::doubt_later) {
    const std::vector<owned_row> room(rows.size());
    write_later<owned_row>(room, [&inner = inner_, epoch](std::span<owned_row> kept) -> task<ledger_status> {
      static std::size_t nobody_sees = 0;
      return inner.adopt(epoch, kept, nobody_sees);
    });
  }
  if (drawn == fate::doubt_never || drawn == fate::doubt_later) co_return ledger_status::in_doubt;
  const ledger_status status = co_await inner_.adopt(epoch, rows, taken);
  co_return drawn == fate::doubt_done ? ledger_status::in_doubt : status;
}

task<ledger_status> doubtful_ledger::unsettled(epoch_id epoch, std::uint64_t& position,
                                               std::span<owned_row> rows, std::size_t& found) {
  const fate drawn = co_await draw();
  if (drawn != fate::well) co_return ledger_status::unavailable;
  co_return co_await inner_.unsettled(epoch, position, rows, found);
}

task<std::optional<std::optional<payment_record>>> doubtful_ledger::find(payment_id id) {
  co_return co_await inner_.find(id);
}

task<std::optional<page>> doubtful_ledger::read_page(page_query query) {
  co_return co_await inner_.read_page(query);
}

task<std::optional<summary>> doubtful_ledger::summarize(time_window window) {
  co_return co_await inner_.summarize(window);
}

task<std::optional<std::vector<audit_entry>>> doubtful_ledger::audit(payment_id id) {
  co_return co_await inner_.audit(id);
}

task<ledger_status> doubtful_ledger::note(payment_id id, audit_entry entry) {
  const fate drawn = co_await draw();
  if (drawn == fate::away) co_return ledger_status::unavailable;
  if (drawn == fate::doubt_never || drawn == fate::doubt_later) co_return ledger_status::in_doubt;
  const ledger_status status = co_await inner_.note(id, std::move(entry));
  co_return drawn == fate::doubt_done ? ledger_status::in_doubt : status;
}

task<ledger_status> doubtful_ledger::declare(declaration& what) {
  const fate drawn = co_await draw();
  if (drawn == fate::away) co_return ledger_status::unavailable;
  if (drawn == fate::doubt_never || drawn == fate::doubt_later) co_return ledger_status::in_doubt;
  const ledger_status status = co_await inner_.declare(what);
  co_return drawn == fate::doubt_done ? ledger_status::in_doubt : status;
}

task<std::optional<std::vector<declaration>>> doubtful_ledger::declarations(std::span<const payment_id> ids) {
  auto told = co_await inner_.declarations(ids);
  event pause(clock_);
  co_await pause.wait_for(weather_.latency_max); // nothing is drawn for it; meanwhile more may be declared
  if (weather_.is_away) told.reset();
  co_return told;
}

task<ledger_status> doubtful_ledger::purge() { co_return co_await inner_.purge(); }
task<std::optional<books_edition>> doubtful_ledger::edition() { co_return co_await inner_.edition(); }

} // namespace repasse::simulation
