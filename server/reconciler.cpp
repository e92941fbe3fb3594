#include "server/reconciler.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// How often the eldest looks whether it is time.
constexpr std::chrono::nanoseconds look_period_max = 5s;
/// How often it counts what is open.
constexpr std::chrono::nanoseconds count_period = 1min;
/// Before the first payment that was settled with a processor another may be open that it has taken.
constexpr std::chrono::milliseconds before_first = 1min;

} // namespace

void reconciliation_figures::add(const reconciliation_figures& other) {
  done += other.done;
  failed += other.failed;
  mended += other.mended;
  if (other.open) open = other.open;
  if (other.until) until = std::max(until.value_or(wall_time::min()), *other.until);
}

reconciler::reconciler(clock& time, ledger& books, reconciliations& store,
                       std::span<const std::unique_ptr<processor>> processors, settler settle,
                       const config& settings)
    : clock_(time),
      ledger_(books),
      store_(store),
      processors_(processors),
      settle_(std::move(settle)),
      config_(settings),
      tasks_(time) {}

std::int64_t reconciler::draw_holder() {
  std::random_device drawn;
  return static_cast<std::int64_t>((std::uint64_t{drawn()} << 31U) | drawn() % 0x7fff'ffffU) & INT64_MAX;
}

void reconciler::start(std::function<bool()> is_eldest) { tasks_.spawn(live(std::move(is_eldest))); }

task<> reconciler::live(std::function<bool()> is_eldest) {
  event pause(clock_);
  const bool by_itself = config_.every.count() > 0;
  const auto look_period =
      by_itself ? std::min<std::chrono::nanoseconds>(look_period_max, config_.every) : look_period_max;
  for (;;) {
    co_await pause.wait_for(look_period);
    if (!is_eldest()) { // another counts
      figures_.open.reset();
      looked_.reset();
      continue;
    }
    if (!looked_ || clock_.now() - *looked_ >= count_period) co_await look_at_store();
    if (!by_itself) continue;
    const begun how = co_await take(config_.every);
    if (how == begun::yes) co_await take_turn_in_background();
  }
}

task<reconciler::begun> reconciler::begin() {
  const begun how = co_await take(0ms);
  if (how == begun::yes) tasks_.spawn(take_turn_in_background());
  co_return how;
}

task<reconciler::begun> reconciler::run() {
  const begun how = co_await take(0ms);
  if (how != begun::yes) co_return how;
  const bool is_through = co_await take_turn_through();
  co_return is_through ? begun::yes : begun::unavailable;
}

task<reconciler::begun> reconciler::take(std::chrono::milliseconds period) {
  const auto taken = co_await store_.take_turn(config_.holder, period);
  if (!taken) co_return begun::unavailable;
  if (*taken) turn_kept_ = clock_.now();
  co_return *taken ? begun::yes : begun::under_way;
}

task<> reconciler::take_turn_in_background() { static_cast<void>(co_await take_turn_through()); }

/// False if it was lost, or a processor was not compared at all: then the turn is not ended, and what is due
/// is tried again as soon as it has lapsed, not a period later.
task<bool> reconciler::take_turn_through() {
  bool is_through = true;
  for (std::size_t i = 0; i < processors_.size(); ++i) {
    const ended how = co_await reconcile(static_cast<processor_index>(i));
    if (how == ended::turn_lost) co_return false; // another goes on, or begins anew
    is_through = is_through && how == ended::compared;
  }
  looked_.reset();
  if (is_through) static_cast<void>(co_await store_.end_turn(config_.holder));
  co_return is_through;
}

/// A window that was not compared to its end comes first, then all since.
task<reconciler::ended> reconciler::reconcile(processor_index at) {
  for (bool again = true; again;) {
    const auto next = co_await find_next(at);
    std::optional<std::int64_t> id;
    if (next) id = co_await store_.begin_run(at, next->window);
    if (!id) {
      ++figures_.failed;
      spdlog::error("reconciliation with {} does not begin: the ledger does not answer",
                    processors_[at]->settings().name);
      co_return ended::not_begun;
    }
    reconciliation_run run;
    run.id = *id;
    run.processor = at;
    run.window = next->window;
    comparison::calls calls;
    calls.settle = settle_;
    calls.keep_turn = [this] { return keep_turn(); };
    comparison one(clock_, ledger_, store_, *processors_[at], std::move(run), std::move(calls), config_.one);
    run = co_await one.compare();
    figures_.mended += one.mended();
    if (one.has_lost_turn()) {
      spdlog::warn("reconciliation with {}: the turn was lost", processors_[at]->settings().name);
      co_return ended::turn_lost;
    }
    const bool kept = co_await store_.end_run(run);
    if (!kept) run.error = "its end could not be written";
    ++(run.error.empty() ? figures_.done : figures_.failed);
    tell(run, one.left_open());
    again = next->is_repeated && run.error.empty();
  }
  co_return ended::compared;
}

/// Empty: the ledger does not answer.
task<std::optional<reconciler::next_run>> reconciler::find_next(processor_index at) {
  const wall_time end = std::chrono::floor<std::chrono::seconds>(clock_.wall() - config_.margin) - 1ms;
  const auto cut = co_await store_.unfinished(at);
  if (!cut) co_return std::nullopt;
  if (*cut) co_return next_run{**cut, true};
  const auto until = co_await store_.reconciled_until(at);
  if (!until) co_return std::nullopt;
  if (!*until) {
    const auto first = co_await first_requested(at, end);
    if (!first) co_return std::nullopt;
    co_return next_run{{*first, end}};
  }
  if (**until < end) co_return next_run{{**until + 1ms, end}};
  co_return next_run{{**until, **until}}; // nothing new, but what is open is looked at again
}

/// By halving: of which processor anything was settled up to when. Empty: the ledger does not answer.
task<std::optional<wall_time>> reconciler::first_requested(processor_index at, wall_time end) {
  wall_time low{std::chrono::sys_days{std::chrono::year{2020} / 1 / 1}};
  wall_time high = end;
  while (low < high) {
    const wall_time middle = low + (high - low) / 2;
    const auto until = co_await ledger_.summarize({wall_time::min(), middle});
    if (!until) co_return std::nullopt;
    const bool ours = co_await keep_turn();
    if (!ours) co_return std::nullopt;
    if ((*until)[at].requests > 0)
      high = middle;
    else
      low = middle + 1ms;
  }
  co_return low - before_first;
}

task<bool> reconciler::keep_turn() {
  if (clock_.now() - turn_kept_ < turn_limit / 5) co_return true;
  const steady_time asked = clock_.now();
  const bool kept = co_await store_.keep_turn(config_.holder);
  if (kept) turn_kept_ = asked;
  co_return kept;
}

/// What the store does not tell now is as it was.
task<> reconciler::look_at_store() {
  looked_ = clock_.now();
  const auto open = co_await store_.count_open();
  if (open) figures_.open = open;
  wall_time all = wall_time::max();
  for (std::size_t i = 0; i < processors_.size(); ++i) {
    const auto until = co_await store_.reconciled_until(static_cast<processor_index>(i));
    if (!until) co_return;
    all = std::min(all, until->value_or(wall_time::min()));
  }
  figures_.until = all > wall_time::min() ? std::optional(all) : std::nullopt;
}

void reconciler::tell(const reconciliation_run& run, std::size_t left_open) const {
  const std::string& name = processors_[run.processor]->settings().name;
  if (!run.error.empty())
    spdlog::error("reconciliation with {}: {}", name, run.error);
  else if (!run.matched)
    spdlog::error("reconciliation with {}: {} findings are open", name, left_open);
  else
    spdlog::info("reconciliation with {}: {} payments, the books are equal", name, run.ours.requests);
}

} // namespace repasse
