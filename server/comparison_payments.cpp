// What a run asks the processor and the ledger for single payments, and makes of the answers.
#include "server/comparison.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// A payment is sent this long after it was accepted, or much later; the first is tried first.
constexpr std::array<std::chrono::milliseconds, 5> ages{2s, 30s, 10min, 3h, 72h};
/// Clocks of instances differ, and a row is stamped before its payment is sent.
constexpr std::chrono::milliseconds skew = 2s;
/// What is open is looked for this far back.
constexpr std::chrono::milliseconds open_age = 24h;
/// Of a processor without a summary, what was accepted so long before the window is looked at once more: it
/// may have come into doubt, or out of it, since.
constexpr std::chrono::milliseconds doubted_age = 10min;

constexpr std::array open_statuses{payment_status::unknown, payment_status::sending};

bool is_within(wall_time time, const time_window& window) { return time >= window.from && time <= window.to; }

bool has_it(const holding& held) {
  return held.what == holding::verdict::same_amount || held.what == holding::verdict::other_amount;
}

void add(std::map<wall_time, processor_total>& to, wall_time time, std::int64_t cents) {
  processor_total& sum = to[time];
  ++sum.requests;
  sum.amount_cents += cents;
}

} // namespace

/// Of a processor whose summary nobody may read: it is asked for what is in doubt, and for what took more
/// than one send; all else has the processor's own answer.
task<bool> comparison::compare_by_id() {
  const auto ours = co_await ledger_.summarize(run_.window);
  if (!ours) co_return fail(no_ledger);
  run_.ours = (*ours)[run_.processor];
  const bool goes_on = co_await ask_for_doubted();
  if (goes_on || !trouble_.empty()) co_return goes_on;
  reconciliation_finding left{.processor = run_.processor,
                              .kind = finding_kind::not_settled,
                              .window = {run_.window.from - doubted_age, asked_to_}};
  co_return co_await write(std::move(left), "too many in doubt to ask for each");
}

/// Newest first.
task<bool> comparison::ask_for_doubted() {
  page_query query;
  query.processor = run_.processor;
  query.accepted = {run_.window.from - doubted_age, run_.window.to};
  query.limit = 1000;
  for (;;) {
    bool goes_on = co_await rest();
    if (!goes_on) co_return false;
    const auto read = co_await ledger_.read_page(query);
    if (!read) co_return fail(no_ledger);
    for (const payment_record& row : read->payments) {
      const bool was_doubted =
          row.status == payment_status::processed ? row.attempts > 1 : !is_final(row.status);
      if (!was_doubted) continue;
      asked_to_ = row.accepted_at;
      goes_on = co_await ask_about(row);
      if (!goes_on) co_return false;
    }
    if (!read->next) co_return true;
    query.after = read->next;
  }
}

/// Asks for each of ours that were settled within the part, and tells what the processor has otherwise.
task<bool> comparison::look_at_ours(bisection::part part) {
  if (part.ours.requests == 0 || part.ours.requests > rows_max) co_return true;
  const auto rows = co_await settled_within(part);
  if (!rows) co_return false;
  for (const payment_record& row : *rows) {
    const bool goes_on = co_await ask_about(row);
    if (!goes_on) co_return false;
  }
  co_return true;
}

/// Looks for what the processor has within the part beyond those that it was asked about: first among what
/// is open and names it, then among all that was accepted shortly before.
task<bool> comparison::look_for_theirs(bisection::part part) {
  for (const payment_status status : open_statuses) {
    page_query open;
    open.status = status;
    open.processor = run_.processor;
    open.accepted = {part.window.from - open_age, part.window.to + skew};
    const bool goes_on = co_await ask_among(part, open);
    if (!goes_on) co_return false;
  }
  page_query all;
  all.accepted = {part.window.from - ages[0], part.window.to + skew};
  co_return co_await ask_among(part, all);
}

task<bool> comparison::ask_among(const bisection::part& part, page_query query) {
  if (of_theirs(part).requests <= 0) co_return true;
  const auto rows = co_await rows_of(std::move(query), rows_max);
  if (!rows) co_return false;
  for (const payment_record& row : *rows) {
    if (of_theirs(part).requests <= 0) break;
    const bool goes_on = co_await ask_about(row);
    if (!goes_on) co_return false;
  }
  co_return true;
}

/// What was open when it was asked for may be settled by now.
task<bool> comparison::look_at_open(time_window window) {
  for (auto one = open_.lower_bound(window.from); one != open_.end() && one->first <= window.to;) {
    const auto row = co_await ledger_.find(one->second);
    if (!row) co_return fail(no_ledger);
    const bool is_open = !*row || !is_settled_here(**row);
    if (!is_open) add(ours_, (*row)->requested_at.value_or(one->first), (*row)->amount_cents);
    one = is_open ? std::next(one) : open_.erase(one);
  }
  co_return true;
}

/// Asks the processor for one of our payments, once, and acts on what it says.
task<bool> comparison::ask_about(payment_record row) {
  if (asked_.contains(row.id)) co_return true;
  const bool may = co_await may_ask();
  if (!may) co_return false;
  const holding held = co_await processor_.ask(row.id, row.amount_cents);
  if (held.what == holding::verdict::silent)
    co_return fail("the processor does not answer for payment " + to_string(row.id));
  asked_.insert(row.id);
  if (has_it(held) && !is_settled_here(row)) { // it was read some time ago
    const auto now = co_await ledger_.find(row.id);
    if (!now) co_return fail(no_ledger);
    if (!*now) co_return true; // purged
    row = **now;
  }
  const bool is_here = is_settled_here(row);
  if (is_here) add(ours_, row.requested_at.value_or(row.accepted_at), row.amount_cents);
  if (has_it(held)) add(theirs_, held.requested_at, held.amount_cents);
  if (has_it(held) && !is_here) open_.emplace(held.requested_at, row.id);
  if (is_here) co_return co_await judge_settled(std::move(row), held);
  if (has_it(held)) co_return co_await judge_open(std::move(row), held);
  co_return true;
}

task<bool> comparison::judge_settled(payment_record row, holding held) {
  const wall_time ours_at = row.requested_at.value_or(row.accepted_at);
  reconciliation_finding finding{.processor = run_.processor,
                                 .payment = row.id,
                                 .window = {ours_at, ours_at},
                                 .ours = {1, row.amount_cents},
                                 .theirs = {1, held.amount_cents}};
  if (held.what == holding::verdict::missing) {
    finding.kind = finding_kind::ours_not_theirs;
    finding.theirs = {};
    co_return co_await keep(std::move(finding), "the processor does not have it");
  }
  if (held.what == holding::verdict::other_amount) {
    finding.kind = finding_kind::other_amount;
    co_return co_await keep(std::move(finding), "the processor has another amount");
  }
  if (held.requested_at == ours_at) co_return true;
  finding.kind = finding_kind::other_time;
  finding.window = {std::min(ours_at, held.requested_at), std::max(ours_at, held.requested_at)};
  const std::string words =
      "ours is " + to_string(ours_at) + ", the processor's " + to_string(held.requested_at);
  co_return co_await keep(std::move(finding), words);
}

/// The processor has it, and we have not settled it there.
task<bool> comparison::judge_open(payment_record row, holding held) {
  reconciliation_finding finding{.processor = run_.processor,
                                 .payment = row.id,
                                 .window = {held.requested_at, held.requested_at},
                                 .ours = {1, row.amount_cents},
                                 .theirs = {1, held.amount_cents}};
  if (held.what == holding::verdict::other_amount) {
    finding.kind = finding_kind::other_amount;
    co_return co_await keep(std::move(finding),
                            "the processor has it with another amount, ours is not settled");
  }
  const bool is_open_here = !is_final(row.status) && row.processor == run_.processor;
  if (is_open_here) {
    calls_.settle({.id = row.id,
                   .requested_at = held.requested_at,
                   .processed_at = clock_.wall(),
                   .attempts = row.attempts,
                   .processor = run_.processor,
                   .amount_cents = row.amount_cents});
    ++mended_;
    finding.kind = finding_kind::not_settled;
    finding.state = finding_state::mended;
    co_return co_await keep(std::move(finding), "taken, and settled now");
  }
  spdlog::critical("payment {} was taken by {}, which its row does not name", to_string(row.id),
                   processor_.settings().name);
  finding.kind = finding_kind::theirs_not_ours;
  finding.ours = {};
  co_return co_await keep(std::move(finding), "taken here, and its row does not name this processor");
}

/// Newest first; never more than some of them.
task<std::optional<std::vector<payment_record>>> comparison::rows_of(page_query query, std::size_t at_most) {
  constexpr int pages_max = 20;
  std::vector<payment_record> rows;
  for (int i = 0; i < pages_max && rows.size() < at_most; ++i) {
    const bool goes_on = co_await rest();
    if (!goes_on) co_return std::nullopt;
    query.limit = std::min<std::size_t>(1000, at_most - rows.size());
    const auto read = co_await ledger_.read_page(query);
    if (!read) {
      fail(no_ledger);
      co_return std::nullopt;
    }
    rows.insert(rows.end(), read->payments.begin(), read->payments.end());
    if (!read->next) break;
    query.after = read->next;
  }
  co_return rows;
}

/// No index knows `requestedAt`: what was sent then was mostly accepted just before, and the sum tells when
/// all are found.
task<std::optional<std::vector<payment_record>>> comparison::settled_within(bisection::part part) {
  constexpr int pages_max = 200;
  std::vector<payment_record> found;
  wall_time upto = part.window.to + skew;
  for (const std::chrono::milliseconds age : ages) {
    page_query query;
    query.status = payment_status::processed;
    query.processor = run_.processor;
    query.accepted = {part.window.from - age, upto};
    query.limit = 1000;
    for (int i = 0; i < pages_max && found.size() < part.ours.requests; ++i) {
      const bool goes_on = co_await may_ask();
      if (!goes_on) co_return std::nullopt;
      const auto read = co_await ledger_.read_page(query);
      if (!read) {
        fail(no_ledger);
        co_return std::nullopt;
      }
      for (const payment_record& row : read->payments)
        if (row.requested_at && is_within(*row.requested_at, part.window)) found.push_back(row);
      if (!read->next) break;
      query.after = read->next;
    }
    if (found.size() >= part.ours.requests) break;
    upto = part.window.from - age - 1ms;
  }
  co_return found;
}

/// False as well when nobody says.
task<bool> comparison::has_none_open(time_window accepted) {
  for (const payment_status status : open_statuses) {
    page_query open;
    open.status = status;
    open.processor = run_.processor;
    open.accepted = accepted;
    const auto rows = co_await rows_of(std::move(open), 1);
    if (!rows || !rows->empty()) co_return false;
  }
  co_return true;
}

/// Before a question; false also at the limit.
task<bool> comparison::may_ask() {
  if (questions_ >= config_.questions_max) co_return false;
  ++questions_;
  co_return co_await rest();
}

task<bool> comparison::rest() {
  event pause(clock_);
  co_await pause.wait_for(config_.pause);
  const bool kept = co_await calls_.keep_turn();
  has_lost_turn_ = has_lost_turn_ || !kept;
  co_return kept || fail("the turn was lost");
}

/// False also at the limit.
task<bool> comparison::keep(reconciliation_finding finding, std::string_view words) {
  if (findings_ >= config_.findings_max) co_return false;
  ++findings_;
  co_return co_await write(std::move(finding), words);
}

task<bool> comparison::write(reconciliation_finding finding, std::string_view words) {
  finding.history = words;
  const bool kept = co_await store_.keep_finding(run_.id, std::move(finding));
  co_return kept || fail(no_ledger);
}

bool comparison::fail(std::string_view why) {
  trouble_ = why;
  return false;
}

comparison::remainder comparison::of_ours(const bisection::part& part) const {
  return beyond(part.ours, ours_, part.window);
}

comparison::remainder comparison::of_theirs(const bisection::part& part) const {
  return beyond(part.theirs, theirs_, part.window);
}

comparison::remainder comparison::beyond(const processor_total& sum, const sums& payments,
                                         const time_window& window) {
  remainder left{static_cast<std::int64_t>(sum.requests), sum.amount_cents};
  for (auto one = payments.lower_bound(window.from); one != payments.end() && one->first <= window.to;
       ++one) {
    left.requests -= static_cast<std::int64_t>(one->second.requests);
    left.cents -= one->second.amount_cents;
  }
  return left;
}

} // namespace repasse
