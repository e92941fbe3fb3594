#include "storage/memory_ledger.hpp"

#include "storage/check.hpp"
#include "storage/page_scan.hpp"
#include "storage/planted.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <random>
#include <utility>

namespace repasse {

namespace {

constexpr row_number scan_rows_max = 4096;   // looked at under one lock: some tens of microseconds
constexpr epoch_id nobody = 0;               // owns what was released; never opened, so ended
constexpr std::size_t notes_max = 100'000;   // of the audit trail
constexpr std::size_t fetched_together = 32; // items whose memory is asked for at once

bool names_one(processor_index processor) { return processor < processors_max; }

/// What an amend has written, or would write.
bool is_as_wished(const payment_row& row, const amend_item& item) {
  return row.status == item.status && row.processor == item.processor && row.attempts == item.attempts;
}

} // namespace

memory_ledger::memory_ledger(config settings) : config_(settings) {
  REPASSE_CHECK(config_.payments_max <= payments_limit);
  std::random_device random;
  edition_.books = (std::uint64_t{random()} << 32 | random()) | 1;
}

task<ledger_status> memory_ledger::append(epoch_id epoch, std::span<append_item> items) {
  const std::lock_guard lock(mutex_);
  if (epochs_.ended(epoch)) co_return ledger_status::epoch_ended;
  for_each(items, [this, epoch](append_item& item, std::uint64_t hash) {
    item.answer = append_one(epoch, item, hash);
  });
  co_return ledger_status::done;
}

task<ledger_status> memory_ledger::amend(epoch_id epoch, std::span<amend_item> items) {
  const std::lock_guard lock(mutex_);
  if (epochs_.ended(epoch)) co_return ledger_status::epoch_ended;
  for_each(items, [this, epoch](amend_item& item, std::uint64_t hash) {
    item.applied = amend_one(epoch, item, find_row(hash, item.id));
  });
  co_return ledger_status::done;
}

task<ledger_status> memory_ledger::settle(std::span<settle_item> items) {
  const std::lock_guard lock(mutex_);
  for_each(items, [this](settle_item& item, std::uint64_t hash) {
    item.answer = settle_one(item, find_row(hash, item.id));
  });
  co_return ledger_status::done;
}

row_number memory_ledger::find_row(std::uint64_t hash, const payment_id& id) const {
  return books_.index.find(hash, [this, &id](row_number number) { return books_.rows[number].id == id; });
}

/// Calls `apply(item, hash)` for each item in order; those of a group wait for memory together, not in turn.
template <typename Item, typename Apply>
void memory_ledger::for_each(std::span<Item> items, Apply apply) {
  std::array<std::uint64_t, fetched_together> hashes;
  while (!items.empty()) {
    const std::span<Item> group = items.first(std::min(items.size(), hashes.size()));
    for (std::size_t i = 0; i < group.size(); ++i) {
      hashes[i] = hash_of(group[i].id);
      books_.index.prefetch(hashes[i]);
    }
    for (std::size_t i = 0; i < group.size(); ++i) {
      const row_number likely = books_.index.find(hashes[i], [](row_number) { return true; });
      if (likely != no_row) __builtin_prefetch(&books_.rows[likely]);
    }
    for (std::size_t i = 0; i < group.size(); ++i)
      apply(group[i], hashes[i]);
    items = items.subspan(group.size());
  }
}

append_item::verdict memory_ledger::append_one(epoch_id epoch, const append_item& item, std::uint64_t hash) {
  using enum append_item::verdict;
  if (const row_number number = find_row(hash, item.id); number != no_row) {
    const payment_row& row = books_.rows[number];
    if (row.amount_cents != item.amount_cents) return conflict;
    const bool untouched = row.owner == epoch && row.version == 1 && row.processor == item.processor;
    if (!untouched || is_final(row.status)) return known;
    return row.open.token == item.token || is_planted(planted::ignore_token) ? fresh : known;
  }
  if (books_.rows.size() >= config_.payments_max) return full;
  payment_row row;
  row.id = item.id;
  row.amount_cents = item.amount_cents;
  row.accepted_at = item.accepted_at;
  row.open.token = item.token;
  row.owner = epoch;
  row.status = names_one(item.processor) ? payment_status::sending : payment_status::accepted;
  row.processor = item.processor;
  books_.index.insert(hash, books_.rows.size());
  books_.rows.push_back(row);
  return fresh;
}

bool memory_ledger::amend_one(epoch_id epoch, amend_item& item, row_number number) {
  REPASSE_CHECK(item.status != payment_status::processed);
  REPASSE_CHECK(names_one(item.processor) == (item.status != payment_status::accepted));
  if (number == no_row) return false;
  const payment_row& row = books_.rows[number];
  if (row.owner != epoch) return false;
  item.accepted_at = row.accepted_at;
  const bool any_version = is_planted(planted::amend_without_version);
  if (row.version == item.version + 1 && !any_version) return is_as_wished(row, item);
  if (is_final(row.status) || (row.version != item.version && !any_version)) return false;
  if (item.status != payment_status::unknown) books_.doubts.erase(number);
  if (item.status == payment_status::unknown && row.status != payment_status::unknown)
    begin_doubt(number, std::string{item.reason});
  books_.rows.update(number, [&item](payment_row& changed) {
    ++changed.version;
    changed.status = item.status;
    changed.processor = item.processor;
    changed.attempts = item.attempts;
  });
  return true;
}

settle_item::verdict memory_ledger::settle_one(settle_item& item, row_number number) {
  using enum settle_item::verdict;
  REPASSE_CHECK(names_one(item.processor));
  if (number == no_row) return missing;
  const payment_row& row = books_.rows[number];
  if (row.processor != item.processor || row.status == payment_status::rejected) return mismatch;
  if (row.status == payment_status::processed) {
    if (is_planted(planted::settle_twice))
      books_.totals[item.processor].add(item.requested_at, row.amount_cents);
    return known;
  }
  if (row.status == payment_status::unknown) books_.doubts.erase(number);
  books_.rows.update(number, [&item](payment_row& changed) {
    ++changed.version;
    changed.status = payment_status::processed;
    changed.attempts = std::max(changed.attempts, item.attempts);
    changed.settled = {.requested_at = item.requested_at, .processed_at = item.processed_at};
  });
  books_.totals[item.processor].add(item.requested_at, row.amount_cents);
  item.attempts = row.attempts;
  item.accepted_at = row.accepted_at;
  item.owner = row.owner;
  return settled;
}

task<std::optional<epoch_id>> memory_ledger::open_epoch() {
  const std::lock_guard lock(mutex_);
  co_return epochs_.open(config_.now());
}

task<std::optional<beat_answer>> memory_ledger::beat(epoch_id epoch, std::span<const probe> learned) {
  const std::lock_guard lock(mutex_);
  const steady_time now = config_.now();
  beat_answer answer = epochs_.beat(epoch, now);
  if (answer.ended) co_return answer;
  keep_probes(epoch, learned, now);
  answer.probes = known_probes(now);
  co_return answer;
}

void memory_ledger::keep_probes(epoch_id from, std::span<const probe> learned, steady_time now) {
  for (const probe& one : learned) {
    const auto known =
        std::ranges::find(probes_, one.processor, [](const kept_probe& kept) { return kept.what.processor; });
    kept_probe fresh{one, now - one.age};
    fresh.what.from = from;
    if (known == probes_.end())
      probes_.push_back(fresh);
    else if (known->answered < fresh.answered)
      *known = fresh;
  }
}

std::vector<probe> memory_ledger::known_probes(steady_time now) const {
  std::vector<probe> known;
  for (const kept_probe& one : probes_) {
    if (now - one.answered > probe_age_max) continue;
    known.push_back(one.what);
    known.back().age = std::chrono::duration_cast<std::chrono::milliseconds>(now - one.answered);
  }
  return known;
}

task<ledger_status> memory_ledger::end_epoch(epoch_id epoch) {
  const std::lock_guard lock(mutex_);
  epochs_.mark(epoch);
  co_return ledger_status::done;
}

task<ledger_status> memory_ledger::release(epoch_id epoch, std::size_t rows_max, std::size_t& released) {
  const std::lock_guard lock(mutex_);
  released = 0;
  if (epochs_.ended(epoch)) co_return ledger_status::epoch_ended;
  while (released < rows_max) {
    const row_number number = books_.rows.last_open(epoch);
    if (number == no_row || names_one(books_.rows[number].processor)) break;
    hand_to(nobody, number);
    ++released;
  }
  co_return ledger_status::done;
}

task<ledger_status> memory_ledger::adopt(epoch_id epoch, std::span<owned_row> rows, std::size_t& taken) {
  const std::lock_guard lock(mutex_);
  taken = 0;
  if (epochs_.ended(epoch)) co_return ledger_status::epoch_ended;
  const steady_time now = config_.now();
  if (!epochs_.steady(epoch, now)) co_return ledger_status::done;
  epochs_.mark_silent(now);
  for (const bool named : {true, false}) {
    for (epoch_id owner = nobody; owner <= epochs_.last(); ++owner) {
      if (!epochs_.to_sweep(owner, now)) continue;
      while (taken < rows.size()) {
        const row_number number = books_.rows.first_open(owner);
        if (number == no_row || names_one(books_.rows[number].processor) != named) break;
        hand_to(epoch, number);
        rows[taken] = owned_row_of(books_.rows[number]);
        rows[taken++].former = owner;
      }
      if (books_.rows.first_open(owner) == no_row) epochs_.sweep(owner);
    }
  }
  co_return ledger_status::done;
}

void memory_ledger::hand_to(epoch_id owner, row_number number) {
  const payment_row& before = books_.rows[number];
  if (names_one(before.processor) && before.status != payment_status::unknown)
    begin_doubt(number, "taken over from epoch " + std::to_string(before.owner));
  books_.rows.update(number, [owner](payment_row& row) {
    ++row.version;
    row.owner = owner;
    if (names_one(row.processor)) row.status = payment_status::unknown;
  });
}

void memory_ledger::begin_doubt(row_number number, std::string reason) {
  books_.doubts[number] = {config_.now(), std::move(reason)};
}

void memory_ledger::add_doubt(row_number number, payment_record& to) const {
  const auto found = books_.doubts.find(number);
  if (found == books_.doubts.end()) return;
  const auto& [since, reason] = found->second;
  to.doubt = {std::chrono::duration_cast<std::chrono::milliseconds>(config_.now() - since), reason};
}

task<ledger_status> memory_ledger::unsettled(epoch_id epoch, std::uint64_t& position,
                                             std::span<owned_row> rows, std::size_t& found) {
  found = 0;
  const executor reactor = co_await asio::this_coro::executor;
  while (!collect_unsettled(epoch, position, rows, found))
    co_await asio::post(reactor, asio::use_awaitable_t<executor>());
  co_return ledger_status::done;
}

bool memory_ledger::collect_unsettled(epoch_id epoch, std::uint64_t& position, std::span<owned_row> rows,
                                      std::size_t& found) {
  const std::lock_guard lock(mutex_);
  const payment_rows& all = books_.rows;
  std::uint64_t looked_at = 0;
  if (all.first_open(epoch) == no_row) position = all.size();
  while (position < all.size()) {
    if (found == rows.size()) return true;
    if (looked_at++ == scan_rows_max) return false;
    const auto number = static_cast<row_number>(position);
    if (all.open_beside(number) == 0) {
      position = (position / payment_rows::slab_rows + 1) * payment_rows::slab_rows;
      continue;
    }
    const payment_row& row = all[number];
    if (row.owner == epoch && !is_final(row.status)) rows[found++] = owned_row_of(row);
    ++position;
  }
  position = 0;
  return true;
}

task<std::optional<std::optional<payment_record>>> memory_ledger::find(payment_id id) {
  const std::lock_guard lock(mutex_);
  const row_number number = find_row(hash_of(id), id);
  std::optional<payment_record> found;
  if (number != no_row) {
    found = record_of(books_.rows[number]);
    add_doubt(number, *found);
  }
  co_return std::optional(found);
}

task<std::optional<page>> memory_ledger::read_page(page_query query) {
  const executor reactor = co_await asio::this_coro::executor;
  page_scan scan(query);
  const std::uint64_t purges = purges_;
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (purges_ != purges) co_return page{};
      const bool complete = scan.step(books_.rows, scan_rows_max);
      if (complete) {
        page found = scan.take_page();
        for (payment_record& one : found.payments)
          if (one.status == payment_status::unknown) add_doubt(find_row(hash_of(one.id), one.id), one);
        co_return found;
      }
    }
    co_await asio::post(reactor, asio::use_awaitable_t<executor>());
  }
}

task<std::optional<summary>> memory_ledger::summarize(time_window window) {
  const std::lock_guard lock(mutex_);
  summary sums{};
  for (std::size_t i = 0; i < sums.size(); ++i)
    sums[i] = books_.totals[i].sum(window);
  co_return sums;
}

task<std::optional<std::vector<audit_entry>>> memory_ledger::audit(payment_id id) {
  const std::lock_guard lock(mutex_);
  std::vector<audit_entry> entries;
  const auto found = books_.notes.find(id);
  if (found != books_.notes.end())
    for (const kept_note& one : found->second)
      entries.push_back(one.entry);
  co_return entries;
}

task<ledger_status> memory_ledger::note(payment_id id, audit_entry entry) {
  const std::lock_guard lock(mutex_);
  co_return keep_note(id, std::move(entry)) ? ledger_status::done : ledger_status::unavailable;
}

bool memory_ledger::keep_note(payment_id id, audit_entry entry) {
  if (books_.notes_kept == notes_max) return false;
  ++books_.notes_kept;
  books_.notes[id].push_back({config_.now(), std::move(entry)});
  return true;
}

/// There is no processor that only other instances know.
task<ledger_status> memory_ledger::declare(declaration& what) {
  const std::lock_guard lock(mutex_);
  what.answer = declaration::verdict::refused;
  const row_number number = find_row(hash_of(what.id), what.id);
  if (number == no_row || books_.rows[number].status != payment_status::unknown)
    co_return ledger_status::done;
  audit_entry entry{.at = what.declared_at, .by = 0, .what = event_of(what), .detail = detail_of(what)};
  if (!keep_note(what.id, std::move(entry))) co_return ledger_status::unavailable;
  what.answer = declaration::verdict::noted;
  co_return ledger_status::done;
}

task<std::optional<std::vector<declaration>>> memory_ledger::declarations(std::span<const payment_id> ids) {
  const std::lock_guard lock(mutex_);
  const steady_time now = config_.now();
  std::vector<declaration> found;
  for (const payment_id& id : ids) {
    const auto notes = books_.notes.find(id);
    if (notes == books_.notes.end()) continue;
    declaration last{.id = id};
    bool stands = false;
    for (const kept_note& one : notes->second) {
      if (read_declaration(one.entry.what, one.entry.detail, last)) {
        stands = true;
        last.age = std::chrono::duration_cast<std::chrono::milliseconds>(now - one.since);
      } else if (one.entry.what == set_aside_event && last.outcome == payment_status::processed) {
        stands = false;
      }
    }
    if (stands) found.push_back(std::move(last));
  }
  co_return found;
}

task<ledger_status> memory_ledger::purge() {
  books forgotten; // its memory is freed when the lock is no longer held
  const std::lock_guard lock(mutex_);
  std::swap(books_, forgotten);
  epochs_.mark_all();
  edition_.purged = epochs_.last();
  ++purges_;
  co_return ledger_status::done;
}

task<std::optional<books_edition>> memory_ledger::edition() {
  const std::lock_guard lock(mutex_);
  co_return edition_;
}

} // namespace repasse
