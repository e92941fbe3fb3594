#include "server/reconciler.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// How often the eldest looks whether it is time.
constexpr std::chrono::nanoseconds look_period_max = 5s;
/// Before the first payment that was settled with a processor another may be open that it has taken.
constexpr std::chrono::milliseconds before_first = 1min;

} // namespace

void reconciliation_figures::add(const reconciliation_figures& other) {
  done += other.done;
  failed += other.failed;
  mended += other.mended;
  if (!other.last_end || (last_end && *other.last_end < *last_end)) return;
  open = other.open;
  last_end = other.last_end;
  last_took = other.last_took;
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

void reconciler::start(std::function<bool()> is_eldest) {
  if (config_.every.count() > 0) tasks_.spawn(live(std::move(is_eldest)));
}

task<> reconciler::live(std::function<bool()> is_eldest) {
  event pause(clock_);
  for (;;) {
    co_await pause.wait_for(std::min<std::chrono::nanoseconds>(look_period_max, config_.every));
    if (!is_eldest()) continue;
    const begun how = co_await take(config_.every);
    if (how == begun::yes) co_await take_turn_through();
  }
}

task<reconciler::begun> reconciler::begin() {
  const begun how = co_await take(0ms);
  if (how == begun::yes) tasks_.spawn(take_turn_through());
  co_return how;
}

task<reconciler::begun> reconciler::run() {
  const begun how = co_await take(0ms);
  if (how == begun::yes) co_await take_turn_through();
  co_return how;
}

task<reconciler::begun> reconciler::take(std::chrono::milliseconds period) {
  const auto taken = co_await store_.take_turn(config_.holder, period);
  if (!taken) co_return begun::unavailable;
  if (*taken) turn_kept_ = clock_.now();
  co_return *taken ? begun::yes : begun::under_way;
}

task<> reconciler::take_turn_through() {
  const steady_time from = clock_.now();
  bool ours = true;
  for (std::size_t i = 0; i < processors_.size() && ours; ++i)
    ours = co_await reconcile(static_cast<processor_index>(i));
  if (!ours) co_return; // another goes on, or begins anew
  const auto open = co_await store_.count_open();
  if (open) figures_.open = open;
  figures_.last_end = clock_.wall();
  figures_.last_took = clock_.now() - from;
  static_cast<void>(co_await store_.end_turn(config_.holder));
}

/// False once the turn is lost. A window that was not compared to its end is compared first, then all since.
task<bool> reconciler::reconcile(processor_index at) {
  for (bool again = true; again;) {
    const wall_time end = std::chrono::floor<std::chrono::seconds>(clock_.wall() - config_.margin) - 1ms;
    const auto cut = co_await store_.unfinished(at);
    const auto until = co_await store_.reconciled_until(at);
    if (!cut || !until) co_return true;
    again = cut->has_value();
    reconciliation_run run;
    run.processor = at;
    if (*cut) {
      run.window = **cut;
    } else if (*until) {
      run.window = {**until + 1ms, end};
    } else {
      const auto first = co_await first_requested(at, end);
      if (!first) co_return true;
      run.window = {*first, end};
    }
    // With no window to compare, what is open is looked at again all the same.
    if (run.window.from > run.window.to) {
      if (!*until) co_return true;
      run.window = {**until, **until};
    }
    const auto id = co_await store_.begin_run(at, run.window);
    if (!id) co_return true;
    run.id = *id;
    comparison::calls calls;
    calls.settle = settle_;
    calls.keep_turn = [this] { return keep_turn(); };
    comparison one(clock_, ledger_, store_, *processors_[at], std::move(run), std::move(calls), config_.one);
    run = co_await one.compare();
    figures_.mended += one.mended();
    if (one.has_lost_turn()) co_return false;
    ++(run.error.empty() ? figures_.done : figures_.failed);
    const bool kept = co_await store_.end_run(run);
    const std::string& name = processors_[at]->settings().name;
    if (!run.error.empty())
      spdlog::error("reconciliation with {}: {}", name, run.error);
    else if (!run.matched)
      spdlog::error("reconciliation with {}: {} findings are open", name, one.left_open());
    else
      spdlog::info("reconciliation with {}: {} payments, the books are equal", name, run.ours.requests);
    again = again && kept && run.error.empty();
  }
  co_return true;
}

/// By halving: of which processor anything was settled up to when. Empty: the ledger does not answer.
task<std::optional<wall_time>> reconciler::first_requested(processor_index at, wall_time end) {
  wall_time low{std::chrono::sys_days{std::chrono::year{2020} / 1 / 1}};
  wall_time high = end;
  while (low < high) {
    const wall_time middle = low + (high - low) / 2;
    const auto until = co_await ledger_.summarize({wall_time::min(), middle});
    if (!until) co_return std::nullopt;
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

} // namespace repasse
