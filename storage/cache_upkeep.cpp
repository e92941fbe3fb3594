// What keeps the session cache in order, beside payments: statistics, invalidation, the periodic check.
// Everything goes in steps of some hundred keys (SCAN), so that Redis serves others in between.
#include "storage/cached_ledger.hpp"
#include "storage/redis_keys.hpp"

#include <charconv>
#include <utility>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// Of one step.
constexpr std::chrono::nanoseconds step_limit = 1s;
/// Keys that statistics look at: 64 steps of less than a millisecond each.
constexpr std::size_t count_steps_max = 64;
constexpr std::size_t sample_max = 32;
constexpr std::size_t checked_max = 32;
constexpr std::chrono::nanoseconds sweep_limit = 10min;

std::uint64_t number_in(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

} // namespace

task<std::optional<cached_ledger::content>> cached_ledger::read_content() {
  content made;
  std::string cursor = "0";
  std::vector<std::string> sample;
  std::size_t steps = 0;
  do {
    const auto step = co_await next_keys(redis_, clock_, names_.payments(), cursor);
    if (!step) co_return std::nullopt;
    cursor = step->cursor;
    for (const std::string& key : step->keys) {
      ++made.payments;
      if (sample.size() < sample_max) sample.push_back(key);
    }
  } while (++steps < count_steps_max && cursor != "0");
  made.is_counted = cursor == "0";
  redis_batch work;
  work.add({"DBSIZE"});
  work.add({"INFO", "memory"});
  for (const std::string& key : sample)
    work.add({"MEMORY", "USAGE", key});
  const redis_verdict verdict = co_await redis_.exec(work, clock_.now() + step_limit);
  if (verdict != redis_verdict::done) co_return std::nullopt;
  if (!made.is_counted) {
    const auto all = static_cast<std::uint64_t>(work.reply(0).as_number().value_or(0));
    made.payments = all * made.payments / (steps * redis_key_step_size);
  }
  constexpr std::string_view used = "used_memory:";
  const std::string& info = work.reply(1).text;
  if (const std::size_t at = info.find(used); at != std::string::npos)
    made.redis_memory_bytes = number_in(std::string_view{info}.substr(at + used.size()));
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < sample.size(); ++i)
    bytes += static_cast<std::uint64_t>(work.reply(2 + i).as_number().value_or(0));
  if (!sample.empty()) made.memory_bytes = bytes * made.payments / sample.size();
  co_return made;
}

task<std::optional<std::uint64_t>> cached_ledger::invalidate(payment_id id) {
  const std::string key = names_.payment(id);
  redis_batch work;
  work.add({"UNLINK", key});
  const redis_verdict verdict = co_await redis_.exec(work, clock_.now() + step_limit);
  if (verdict != redis_verdict::done || !work.reply(0).as_number()) co_return std::nullopt;
  co_return static_cast<std::uint64_t>(*work.reply(0).as_number());
}

task<std::optional<std::uint64_t>> cached_ledger::invalidate_all(steady_time due) {
  return remove_keys(redis_, clock_, names_.payments(), due);
}

/// After a purge, for the room alone: nobody believes what it removes.
task<> cached_ledger::sweep() {
  co_await invalidate_all(clock_.now() + sweep_limit);
  sweeping_ = false;
}

task<> cached_ledger::check_while_eldest() {
  while (!stopped_) {
    co_await stopping_.wait_for(config_.check_period);
    if (stopped_) co_return;
    if (eldest()) {
      co_await check();
      content_ = co_await read_content();
    } else {
      content_.reset();
    }
  }
}

task<> cached_ledger::check() {
  if (!edition_) co_return;
  auto step = co_await next_keys(redis_, clock_, names_.payments(), check_cursor_);
  if (!step) co_return;
  check_cursor_ = step->cursor; // the next check goes on from there
  if (step->keys.size() > checked_max) step->keys.resize(checked_max);
  redis_batch work;
  for (const std::string& key : step->keys) {
    work.clear();
    work.add({"GET", key});
    redis_verdict verdict = co_await redis_.exec(work, clock_.now() + step_limit);
    if (verdict != redis_verdict::done) co_return;
    if (work.reply(0).is_nil()) continue; // its time was over
    const std::optional<payment_id> id =
        parse_payment_id(std::string_view{key}.substr(names_.payments().size()));
    auto entry = read_cached_payment(work.reply(0).as_text().value_or(""), config_.processors);
    if (!id || !entry) {
      ++figures_.malformed;
    } else {
      entry->payment.id = *id;
      if (entry->books == edition_->books && entry->payment.owner > edition_->purged) {
        const auto found = co_await below_.find(*id);
        const auto now_current = co_await below_.edition();
        if (!found || !now_current) co_return;
        ++figures_.checked;
        if (*found == entry->payment) continue;
        // One that was purged meanwhile is no lie.
        if (entry->payment.owner > now_current->purged) ++figures_.mismatches;
      }
    }
    work.clear();
    work.add({"UNLINK", key});
    verdict = co_await redis_.exec(work, clock_.now() + step_limit);
    if (verdict != redis_verdict::done) co_return;
  }
}

} // namespace repasse
