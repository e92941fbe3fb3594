#include "storage/cached_ledger.hpp"

#include <algorithm>
#include <utility>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// How long nobody asks a Redis that was silent.
constexpr std::chrono::nanoseconds silent_pause = 250ms;
/// How long a purge waits for Redis to note it.
constexpr std::chrono::nanoseconds note_limit = 500ms;

/// Never lowered; another value is replaced, whatever it is.
constexpr std::string_view raise_mark = R"(
local have = redis.pcall('GET', KEYS[1])
local books, purged = string.match(type(have) == 'string' and have or '', '^1 (%x+) (%d+)$')
if books ~= ARGV[1] or tonumber(purged) < tonumber(ARGV[2]) then
  redis.call('SET', KEYS[1], '1 ' .. ARGV[1] .. ' ' .. ARGV[2])
end
return 1)";

} // namespace

void cache_figures::add(const cache_figures& other) {
  hits += other.hits;
  misses += other.misses;
  written += other.written;
  checked += other.checked;
  mismatches += other.mismatches;
  malformed += other.malformed;
}

cached_ledger::cached_ledger(clock& time, ledger& below, redis_connection& redis, const redis_names& names,
                             config settings)
    : clock_(time),
      below_(below),
      redis_(redis),
      names_(names),
      config_(std::move(settings)),
      ttl_text_(std::to_string(config_.ttl.count())),
      mark_key_(names.edition()),
      key_(names.payments()),
      key_root_(key_.size()),
      stopping_(time),
      tasks_(time) {
  key_.resize(key_root_ + 36);
}

void cached_ledger::start() { tasks_.spawn(check_while_eldest()); }

void cached_ledger::stop() {
  stopped_ = true;
  stopping_.notify();
}

// Reads.

task<std::optional<std::optional<payment_record>>> cached_ledger::find(payment_id id) {
  found_payment found = co_await look_up(id);
  co_return found.payment;
}

task<cached_ledger::found_payment> cached_ledger::look_up(payment_id id) {
  const bool is_away = !below_.health().is_up;
  const steady_time asked = clock_.now();
  std::optional<payment_record> cached = co_await read(id, is_away);
  const std::chrono::nanoseconds took = clock_.now() - asked;
  if (!cached) {
    ++figures_.misses;
    const std::optional<std::optional<payment_record>> found = co_await below_.find(id);
    if (found && *found) {
      entries_.clear();
      add_entry(entries_, **found);
      send_entries();
    }
    if (found || is_away) co_return found_payment{.payment = found, .asked_redis = took};
    cached = co_await read(id, true); // it went away just now
    if (!cached) co_return found_payment{.payment = {}, .asked_redis = took};
    co_return found_payment{.payment = std::optional(cached), .is_copy = true, .asked_redis = took};
  }
  ++figures_.hits;
  co_return found_payment{.payment = std::optional(cached), .is_copy = is_away, .asked_redis = took};
}

task<std::optional<payment_record>> cached_ledger::read(payment_id id, bool is_copy) {
  if (clock_.now() < read_again_at_) co_return std::nullopt;
  const std::string key = names_.payment(id);
  redis_batch work;
  work.add({"MGET", key, mark_key_});
  const redis_verdict verdict =
      co_await redis_.exec(work, clock_.now() + config_.read_limit, redis_connection::late::abandon);
  if (verdict == redis_verdict::in_doubt) read_again_at_ = clock_.now() + silent_pause;
  if (verdict != redis_verdict::done || work.reply(0).list.size() != 2) co_return std::nullopt;
  const std::vector<redis_reply>& told = work.reply(0).list;
  auto entry = read_cached_payment(told[0].as_text().value_or(""), config_.processors);
  const auto mark = read_edition_mark(told[1].as_text().value_or(""));
  if (!entry || !believes(entry->books, entry->payment.owner, mark, is_copy)) co_return std::nullopt;
  entry->payment.id = id;
  co_return entry->payment;
}

bool cached_ledger::believes(std::uint64_t books, epoch_id owner, const std::optional<books_edition>& mark,
                             bool is_copy) const {
  if (!mark || books != mark->books || owner <= mark->purged) return false;
  if (edition_ && (books != edition_->books || owner <= edition_->purged)) return false;
  return is_copy || (edition_ && is_leased());
}

/// The edition was current a moment ago, and who changes it knows of this moment.
bool cached_ledger::is_leased() const {
  return confirmed_ > redis_.since() && clock_.now() < confirmed_ + config_.lease;
}

// Writes.

task<ledger_status> cached_ledger::settle(std::span<settle_item> items) {
  const ledger_status status = co_await below_.settle(items);
  if (status != ledger_status::done) co_return status;
  entries_.clear();
  for (const settle_item& item : items) {
    if (item.answer != settle_item::verdict::settled) continue;
    const payment_record settled = {.id = item.id,
                                    .amount_cents = item.amount_cents,
                                    .status = payment_status::processed,
                                    .processor = item.processor,
                                    .accepted_at = item.accepted_at,
                                    .requested_at = item.requested_at,
                                    .processed_at = item.processed_at,
                                    .attempts = item.attempts,
                                    .owner = item.owner};
    if (item.trace.exists() && config_.written)
      tasks_.spawn(write_traced(settled));
    else
      add_entry(entries_, settled);
  }
  send_entries();
  co_return status;
}

/// By itself, and waits for the reply, which is told.
task<> cached_ledger::write_traced(payment_record payment) {
  redis_batch work;
  add_entry(work, payment);
  const steady_time begun = clock_.now();
  bool stored = work.size() > 0;
  if (stored) {
    ++figures_.written;
    const redis_verdict verdict =
        co_await redis_.exec(work, begun + config_.read_limit, redis_connection::late::abandon);
    stored = verdict == redis_verdict::done && !work.reply(0).is_error();
  }
  config_.written(payment.id, clock_.now() - begun, stored);
}

task<ledger_status> cached_ledger::amend(epoch_id epoch, std::span<amend_item> items) {
  const ledger_status status = co_await below_.amend(epoch, items);
  if (status != ledger_status::done) co_return status;
  entries_.clear();
  for (const amend_item& item : items)
    if (item.applied && item.status == payment_status::rejected)
      add_entry(entries_, {.id = item.id,
                           .amount_cents = item.amount_cents,
                           .status = item.status,
                           .processor = item.processor,
                           .accepted_at = item.accepted_at,
                           .requested_at = {},
                           .processed_at = {},
                           .attempts = item.attempts,
                           .owner = epoch});
  send_entries();
  co_return status;
}

/// If it is final and whole.
void cached_ledger::add_entry(redis_batch& to, const payment_record& payment) {
  if (!edition_ || !is_final(payment.status) || payment.owner == 0 || payment.amount_cents == 0) return;
  if (payment.processor >= config_.processors.size()) return;
  write_payment_id(key_.data() + key_root_, payment.id);
  value_.clear();
  write_cached_payment(value_, payment, edition_->books, config_.processors);
  to.add({"SET", key_, value_, "PX", ttl_text_});
}

void cached_ledger::send_entries() {
  if (entries_.size() == 0) return;
  figures_.written += entries_.size();
  redis_.send(entries_);
}

// Which edition is current.

task<std::optional<epoch_id>> cached_ledger::open_epoch() {
  const std::optional<epoch_id> epoch = co_await below_.open_epoch();
  if (epoch) co_await learn_edition(*epoch);
  co_return epoch;
}

task<std::optional<beat_answer>> cached_ledger::beat(epoch_id epoch, std::span<const probe> learned) {
  const steady_time sent = clock_.now();
  const std::optional<beat_answer> answer = co_await below_.beat(epoch, learned);
  if (!answer) co_return answer;
  if (answer->ended) {
    confirmed_ = {};
    eldest_until_ = {};
    co_return answer;
  }
  if (epoch_ != epoch) co_await learn_edition(epoch);
  if (epoch_ == epoch) {
    confirmed_ = std::max(confirmed_, sent);
    eldest_until_ = answer->eldest ? sent + config_.lease : steady_time{};
    tell_edition();
  }
  co_return answer;
}

task<> cached_ledger::learn_edition(epoch_id epoch) {
  epoch_ = 0;
  const std::optional<books_edition> told = co_await below_.edition();
  if (!told) co_return;
  adopt_edition(*told);
  epoch_ = epoch;
}

void cached_ledger::adopt_edition(const books_edition& told) {
  if (edition_ && edition_->books == told.books)
    edition_->purged = std::max(edition_->purged, told.purged);
  else
    edition_ = told;
}

std::optional<cached_ledger::eldest_rights> cached_ledger::eldest() const {
  if (epoch_ == 0 || clock_.now() >= eldest_until_) return std::nullopt;
  return eldest_rights{epoch_, *edition_};
}

void cached_ledger::add_mark(redis_batch& to) const {
  const std::string books = books_text(edition_->books);
  const std::string purged = std::to_string(edition_->purged);
  to.add({"EVAL", raise_mark, "1", mark_key_, books, purged});
}

/// Only right after a beat: so long as nobody knows better, no purge has come since.
void cached_ledger::tell_edition() {
  mark_.clear();
  add_mark(mark_);
  redis_.send(mark_);
}

task<ledger_status> cached_ledger::purge() {
  const ledger_status status = co_await below_.purge();
  if (status != ledger_status::done) co_return status;
  confirmed_ = {};
  eldest_until_ = {};
  if (edition_) edition_->purged = std::max(edition_->purged, std::exchange(epoch_, 0));
  const std::optional<books_edition> told = co_await below_.edition();
  bool is_noted = false;
  if (told) {
    adopt_edition(*told);
    redis_batch work;
    add_mark(work);
    const std::string totals = names_.totals();
    work.add({"UNLINK", totals});
    const redis_verdict verdict = co_await redis_.exec(work, clock_.now() + note_limit);
    is_noted = verdict == redis_verdict::done && !work.reply(0).is_error();
  }
  if (!is_noted) {
    event pause(clock_);
    co_await pause.wait_for(config_.lease);
  }
  if (!std::exchange(sweeping_, true)) tasks_.spawn(sweep());
  co_return status;
}

// What passes through.

task<ledger_status> cached_ledger::append(epoch_id epoch, std::span<append_item> items) {
  return below_.append(epoch, items);
}
task<ledger_status> cached_ledger::end_epoch(epoch_id epoch) { return below_.end_epoch(epoch); }
task<ledger_status> cached_ledger::release(epoch_id epoch, std::size_t rows_max, std::size_t& released) {
  return below_.release(epoch, rows_max, released);
}
task<ledger_status> cached_ledger::adopt(epoch_id epoch, std::span<owned_row> rows, std::size_t& taken) {
  return below_.adopt(epoch, rows, taken);
}
task<ledger_status> cached_ledger::unsettled(epoch_id epoch, std::uint64_t& position,
                                             std::span<owned_row> rows, std::size_t& found) {
  return below_.unsettled(epoch, position, rows, found);
}
task<std::optional<page>> cached_ledger::read_page(page_query query) { return below_.read_page(query); }
task<std::optional<summary>> cached_ledger::summarize(time_window window) { return below_.summarize(window); }
task<std::optional<std::vector<audit_entry>>> cached_ledger::audit(payment_id id) { return below_.audit(id); }
task<ledger_status> cached_ledger::note(payment_id id, audit_entry entry) {
  return below_.note(id, std::move(entry));
}
task<ledger_status> cached_ledger::declare(declaration& what) { return below_.declare(what); }
task<std::optional<std::vector<declaration>>> cached_ledger::declarations(std::span<const payment_id> ids) {
  return below_.declarations(ids);
}
task<std::optional<books_edition>> cached_ledger::edition() { return below_.edition(); }

} // namespace repasse
