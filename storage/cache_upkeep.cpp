// What keeps the session cache in order, beside payments: statistics, invalidation, the periodic check.
// Everything goes in steps of some hundred keys (SCAN), so that Redis serves others in between.
#include "storage/cached_ledger.hpp"

#include <charconv>
#include <utility>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view scan_step = "512";
constexpr std::uint64_t scan_step_keys = 512;
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

/// Cursor and keys; null if it is no answer to SCAN.
const std::vector<redis_reply>* scanned(const redis_reply& reply) {
  const bool is_well = reply.list.size() == 2 && reply.list[0].as_text();
  return is_well ? &reply.list[1].list : nullptr;
}

} // namespace

/// Of the keys of all entries: what is special in a pattern is not in a prefix.
std::string cached_ledger::pattern() const {
  std::string made;
  for (const char one : names_.payments()) {
    if (one == '*' || one == '?' || one == '[' || one == ']' || one == '\\') made.push_back('\\');
    made.push_back(one);
  }
  return made + '*';
}

task<std::optional<cached_ledger::content>> cached_ledger::read_content() {
  const std::string match = pattern();
  content made;
  std::string cursor = "0";
  std::vector<std::string> sample;
  std::size_t steps = 0;
  redis_batch work;
  do {
    work.clear();
    work.add({"SCAN", cursor, "MATCH", match, "COUNT", scan_step});
    const redis_verdict verdict = co_await redis_.exec(work, clock_.now() + step_limit);
    if (verdict != redis_verdict::done || scanned(work.reply(0)) == nullptr) co_return std::nullopt;
    cursor = work.reply(0).list[0].text;
    for (const redis_reply& key : *scanned(work.reply(0))) {
      ++made.payments;
      if (sample.size() < sample_max) sample.push_back(key.text);
    }
  } while (++steps < count_steps_max && cursor != "0");
  made.is_counted = cursor == "0";
  work.clear();
  work.add({"DBSIZE"});
  work.add({"INFO", "memory"});
  for (const std::string& key : sample)
    work.add({"MEMORY", "USAGE", key});
  const redis_verdict verdict = co_await redis_.exec(work, clock_.now() + step_limit);
  if (verdict != redis_verdict::done) co_return std::nullopt;
  if (!made.is_counted) {
    const auto all = static_cast<std::uint64_t>(work.reply(0).as_number().value_or(0));
    made.payments = all * made.payments / (steps * scan_step_keys);
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
  const std::string match = pattern();
  std::string cursor = "0";
  std::uint64_t gone = 0;
  redis_batch work;
  do {
    work.clear();
    work.add({"SCAN", cursor, "MATCH", match, "COUNT", scan_step});
    redis_verdict verdict = co_await redis_.exec(work, clock_.now() + step_limit);
    if (verdict != redis_verdict::done || scanned(work.reply(0)) == nullptr) co_return std::nullopt;
    cursor = work.reply(0).list[0].text;
    std::vector<std::string> keys;
    for (const redis_reply& key : *scanned(work.reply(0)))
      keys.push_back(key.text);
    if (keys.empty()) continue;
    std::vector<std::string_view> words{"UNLINK"};
    words.insert(words.end(), keys.begin(), keys.end());
    work.clear();
    work.add(words);
    verdict = co_await redis_.exec(work, clock_.now() + step_limit);
    if (verdict != redis_verdict::done) co_return std::nullopt;
    gone += static_cast<std::uint64_t>(work.reply(0).as_number().value_or(0));
  } while (cursor != "0" && clock_.now() < due && !stopped_);
  if (cursor != "0") co_return std::nullopt;
  co_return gone;
}

/// After a purge, for the room alone: nobody believes what it removes.
task<> cached_ledger::sweep() {
  co_await invalidate_all(clock_.now() + sweep_limit);
  sweeping_ = false;
}

task<> cached_ledger::check_while_eldest() {
  while (!stopped_) {
    co_await stopping_.wait_for(config_.check_period);
    if (!stopped_ && eldest()) co_await check();
  }
}

task<> cached_ledger::check() {
  if (!edition_) co_return;
  const std::string match = pattern();
  redis_batch work;
  work.add({"SCAN", check_cursor_, "MATCH", match, "COUNT", scan_step});
  redis_verdict verdict = co_await redis_.exec(work, clock_.now() + step_limit);
  if (verdict != redis_verdict::done || scanned(work.reply(0)) == nullptr) co_return;
  check_cursor_ = work.reply(0).list[0].text; // the next check goes on from there
  std::vector<std::string> keys;
  for (const redis_reply& key : *scanned(work.reply(0)))
    if (keys.size() < checked_max) keys.push_back(key.text);
  for (const std::string& key : keys) {
    work.clear();
    work.add({"GET", key});
    verdict = co_await redis_.exec(work, clock_.now() + step_limit);
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
