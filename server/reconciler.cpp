#include "server/reconciler.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds summary_limit = 5s;
/// How often the eldest looks whether it is time.
constexpr std::chrono::nanoseconds look_period_max = 5s;
/// Before the first payment that was settled with a processor another may be open that it has taken.
constexpr std::chrono::milliseconds before_first = 1min;
/// A payment is sent this long after it was accepted, or much later; the first is tried first.
constexpr std::array<std::chrono::milliseconds, 5> ages{2s, 30s, 10min, 3h, 72h};
/// Clocks of instances differ, and a row is stamped before its payment is sent.
constexpr std::chrono::milliseconds skew = 2s;
/// What is open is looked for this far back.
constexpr std::chrono::milliseconds open_age = 24h;
/// Of a processor without a summary, what was accepted so long before the window is looked at once more: it
/// may have come into doubt, or out of it, since.
constexpr std::chrono::milliseconds doubted_age = 10min;
/// Of payments, looked at for one part where the books differ.
constexpr std::size_t rows_max = 1000;
constexpr std::size_t rechecked_max = 200;

constexpr std::string_view no_ledger = "the ledger does not answer";
constexpr std::string_view turn_lost = "the turn was lost";

bool is_within(wall_time time, const time_window& window) { return time >= window.from && time <= window.to; }

std::string silence(std::string_view what) {
  return "the processor does not answer for " + std::string{what};
}

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
    course of;
    of.run.processor = at;
    if (*cut) {
      of.run.window = **cut;
    } else if (*until) {
      of.run.window = {**until + 1ms, end};
    } else {
      const auto first = co_await first_requested(at, end);
      if (!first) co_return true;
      of.run.window = {*first, end};
    }
    // With no window to compare, what is open is looked at again all the same.
    if (of.run.window.from > of.run.window.to) {
      if (!*until) co_return true;
      of.run.window = {**until, **until};
    }
    const auto id = co_await store_.begin_run(at, of.run.window);
    if (!id) co_return true;
    of.run.id = *id;
    of.run.error = co_await compare(of);
    if (of.run.error == turn_lost) co_return false;
    of.run.status = of.run.error.empty() ? run_status::done : run_status::failed;
    of.run.matched = of.run.error.empty() && of.left_open == 0;
    ++(of.run.error.empty() ? figures_.done : figures_.failed);
    const bool kept = co_await store_.end_run(of.run);
    const std::string& name = processors_[at]->settings().name;
    if (!of.run.error.empty())
      spdlog::error("reconciliation with {}: {}", name, of.run.error);
    else if (!of.run.matched)
      spdlog::error("reconciliation with {}: {} findings are open", name, of.left_open);
    else
      spdlog::info("reconciliation with {}: {} payments, the books are equal", name, of.run.ours.requests);
    again = again && kept && of.run.error.empty();
  }
  co_return true;
}

/// Empty, or why it came to no end.
task<std::string> reconciler::compare(course& of) {
  if (!processors_[of.run.processor]->has_summary()) co_return co_await compare_by_id(of);
  const auto whole = co_await both(of, of.run.window);
  if (!whole) co_return silence("its summary, or the ledger for ours");
  of.run.ours = whole->ours;
  of.run.theirs = whole->theirs;
  bisection parts(*whole, config_.questions_max / 4);
  for (auto half = parts.next(); half; half = parts.next()) {
    const bool ours = co_await breathe(of);
    if (!ours) co_return std::string{turn_lost};
    const auto told = co_await both(of, *half);
    if (!told) co_return silence("its summary, or the ledger for ours");
    parts.answer(told->ours, told->theirs);
  }
  std::string trouble;
  for (const bisection::part& part : parts.found()) {
    trouble = co_await look_at_ours(of, part);
    if (!trouble.empty()) co_return trouble;
  }
  for (const bisection::part& part : parts.found()) {
    trouble = co_await look_for_theirs(of, part);
    if (!trouble.empty()) co_return trouble;
  }
  trouble = co_await look_again(of);
  co_return trouble;
}

/// Of a processor whose summary nobody may read: it is asked for what is in doubt, and for what took more
/// than one send; all else has the processor's own answer.
task<std::string> reconciler::compare_by_id(course& of) {
  const auto ours = co_await ledger_.summarize(of.run.window);
  if (!ours) co_return std::string{no_ledger};
  of.run.ours = (*ours)[of.run.processor];
  page_query query;
  query.processor = of.run.processor;
  query.accepted = {of.run.window.from - doubted_age, of.run.window.to};
  query.limit = 1000;
  for (;;) {
    const bool is_ours = co_await breathe(of);
    if (!is_ours) co_return std::string{turn_lost};
    const auto read = co_await ledger_.read_page(query);
    if (!read) co_return std::string{no_ledger};
    for (const payment_record& row : read->payments) {
      const bool was_doubted =
          row.status == payment_status::processed ? row.attempts > 1 : !is_final(row.status);
      if (!was_doubted) continue;
      const std::string trouble = co_await ask_about(of, row);
      if (!trouble.empty()) co_return trouble;
    }
    if (!read->next) break;
    query.after = read->next;
  }
  co_return co_await look_again(of);
}

/// Asks for each of ours that were settled within the part, and tells what it has otherwise.
task<std::string> reconciler::look_at_ours(course& of, bisection::part part) {
  if (part.ours.requests == 0) co_return std::string{};
  if (part.ours.requests > rows_max) {
    reconciliation_finding wide{.processor = of.run.processor,
                                .kind = part.theirs.requests > part.ours.requests
                                            ? finding_kind::theirs_not_ours
                                            : finding_kind::ours_not_theirs,
                                .window = part.window,
                                .ours = part.ours,
                                .theirs = part.theirs};
    co_return co_await keep(of, std::move(wide), "too many to ask for each");
  }
  const auto rows = co_await settled_within(of, part);
  if (!rows) co_return std::string{no_ledger};
  for (const payment_record& row : *rows) {
    const std::string trouble = co_await ask_about(of, row);
    if (!trouble.empty()) co_return trouble;
  }
  co_return std::string{};
}

/// What the processor has within the part and ours do not explain: first of what is open and names it, then
/// of all that was accepted shortly before.
task<std::string> reconciler::look_for_theirs(course& of, bisection::part part) {
  if (part.ours.requests > rows_max) co_return std::string{}; // told as a whole
  const auto now = co_await both(of, part.window);            // as it is after what was settled meanwhile
  if (!now) co_return silence("its summary, or the ledger for ours");
  part = *now;
  processor_total left = unexplained(of, part);
  for (const payment_status status : {payment_status::unknown, payment_status::sending}) {
    if (left.requests == 0) break;
    page_query open;
    open.status = status;
    open.processor = of.run.processor;
    open.accepted = {part.window.from - open_age, part.window.to + skew};
    const std::string trouble = co_await ask_among(of, part, open);
    if (!trouble.empty()) co_return trouble;
    left = unexplained(of, part);
  }
  if (left.requests > 0) {
    page_query all;
    all.accepted = {part.window.from - ages[0], part.window.to + skew};
    const std::string trouble = co_await ask_among(of, part, all);
    if (!trouble.empty()) co_return trouble;
    left = unexplained(of, part);
  }
  if (left.requests == 0) co_return std::string{};
  reconciliation_finding strange{.processor = of.run.processor,
                                 .kind = finding_kind::theirs_not_ours,
                                 .window = part.window,
                                 .ours = {},
                                 .theirs = left};
  co_return co_await keep(of, std::move(strange), "it is none that we know of");
}

/// What the processor has within the part, but for those that it was asked about.
processor_total reconciler::unexplained(const course& of, const bisection::part& part) {
  processor_total left = part.theirs;
  for (const auto& [id, held] : of.asked) {
    const bool has_it =
        held.what == holding::verdict::same_amount || held.what == holding::verdict::other_amount;
    if (!has_it || !is_within(held.requested_at, part.window) || left.requests == 0) continue;
    --left.requests;
    left.amount_cents -= held.amount_cents;
  }
  return left;
}

task<std::string> reconciler::ask_among(course& of, const bisection::part& part, page_query query) {
  const auto rows = co_await rows_of(std::move(query), rows_max);
  if (!rows) co_return std::string{no_ledger};
  for (const payment_record& row : *rows) {
    if (unexplained(of, part).requests == 0) break;
    const std::string trouble = co_await ask_about(of, row);
    if (!trouble.empty()) co_return trouble;
  }
  co_return std::string{};
}

/// Asks the processor for one of our payments, once, and acts on what it says.
task<std::string> reconciler::ask_about(course& of, payment_record row) {
  const processor_index at = of.run.processor;
  if (of.asked.contains(row.id)) co_return std::string{};
  const bool may = co_await breathe(of);
  if (!may) co_return std::string{turn_lost};
  if (of.questions > config_.questions_max)
    co_return "more than " + std::to_string(config_.questions_max) + " questions";
  const holding held = co_await processors_[at]->ask(row.id, row.amount_cents);
  if (held.what == holding::verdict::silent) co_return silence("payment " + to_string(row.id));
  of.asked.emplace(row.id, held);
  const bool is_settled_here = row.status == payment_status::processed && row.processor == at;
  const wall_time ours_at = row.requested_at.value_or(row.accepted_at);
  reconciliation_finding finding{.processor = at,
                                 .payment = row.id,
                                 .window = {ours_at, ours_at},
                                 .ours = {1, row.amount_cents},
                                 .theirs = {1, held.amount_cents}};
  if (held.what == holding::verdict::missing) {
    if (!is_settled_here) co_return std::string{};
    finding.kind = finding_kind::ours_not_theirs;
    finding.theirs = {};
    co_return co_await keep(of, std::move(finding), "the processor does not have it");
  }
  if (is_settled_here) {
    const bool is_same = held.what == holding::verdict::same_amount && held.requested_at == ours_at;
    if (is_same) co_return std::string{};
    if (held.what == holding::verdict::other_amount) {
      finding.kind = finding_kind::other_amount;
      co_return co_await keep(of, std::move(finding), "the processor has another amount");
    }
    finding.kind = finding_kind::other_time;
    finding.window = {std::min(ours_at, held.requested_at), std::max(ours_at, held.requested_at)};
    co_return co_await keep(of, std::move(finding),
                            "ours is " + to_string(ours_at) + ", the processor's " +
                                to_string(held.requested_at));
  }
  finding.window = {held.requested_at, held.requested_at};
  const bool is_open_there = !is_final(row.status) && row.processor == at;
  if (held.what == holding::verdict::other_amount) {
    finding.kind = finding_kind::other_amount;
    co_return co_await keep(of, std::move(finding),
                            "the processor has it with another amount, ours is not settled");
  }
  if (is_open_there) {
    settle_({.id = row.id,
             .requested_at = held.requested_at,
             .processed_at = clock_.wall(),
             .attempts = row.attempts,
             .processor = at,
             .amount_cents = row.amount_cents});
    ++figures_.mended;
    finding.kind = finding_kind::not_settled;
    finding.state = finding_state::mended;
    co_return co_await keep(of, std::move(finding), "taken, and settled now");
  }
  spdlog::critical("payment {} was taken by {}, which its row does not name", to_string(row.id),
                   processors_[at]->settings().name);
  finding.kind = finding_kind::theirs_not_ours;
  finding.ours = {};
  co_return co_await keep(of, std::move(finding), "taken here, and its row does not name this processor");
}

/// What is open since earlier runs.
task<std::string> reconciler::look_again(course& of) {
  const auto open = co_await store_.open_of(of.run.processor, rechecked_max);
  if (!open) co_return std::string{no_ledger};
  of.left_open = 0;
  for (const reconciliation_finding& one : *open) {
    const bool ours = co_await breathe(of);
    if (!ours) co_return std::string{turn_lost};
    const bool mended = co_await is_mended(of, one);
    if (!mended) {
      ++of.left_open;
      continue;
    }
    reconciliation_finding same = one;
    same.state = finding_state::mended;
    const std::string trouble = co_await keep(of, std::move(same), "the books agree now");
    if (!trouble.empty()) co_return trouble;
  }
  co_return std::string{};
}

task<bool> reconciler::is_mended(course& of, reconciliation_finding finding) {
  if (!finding.payment) {
    if (!processors_[finding.processor]->has_summary()) co_return false;
    const auto now = co_await both(of, finding.window);
    co_return now && !now->differs();
  }
  const auto found = co_await ledger_.find(*finding.payment);
  if (!found || !*found) co_return false;
  const payment_record& row = **found;
  const holding held = co_await processors_[finding.processor]->ask(row.id, row.amount_cents);
  const bool is_settled_here = row.status == payment_status::processed && row.processor == finding.processor;
  if (held.what == holding::verdict::missing) co_return !is_settled_here;
  co_return is_settled_here&& held.what == holding::verdict::same_amount&& held.requested_at ==
      row.requested_at;
}

task<std::optional<bisection::part>> reconciler::both(course& of, time_window window) {
  ++of.questions;
  const auto ours = co_await ledger_.summarize(window);
  if (!ours) co_return std::nullopt;
  const auto theirs =
      co_await processors_[of.run.processor]->ask_summary(window, clock_.now() + summary_limit);
  if (!theirs) co_return std::nullopt;
  co_return bisection::part{window, (*ours)[of.run.processor], *theirs};
}

/// Newest first; never more than some of them.
task<std::optional<std::vector<payment_record>>> reconciler::rows_of(page_query query, std::size_t at_most) {
  constexpr int pages_max = 20;
  std::vector<payment_record> rows;
  for (int i = 0; i < pages_max && rows.size() < at_most; ++i) {
    query.limit = std::min<std::size_t>(1000, at_most - rows.size());
    const auto read = co_await ledger_.read_page(query);
    if (!read) co_return std::nullopt;
    rows.insert(rows.end(), read->payments.begin(), read->payments.end());
    if (!read->next) break;
    query.after = read->next;
  }
  co_return rows;
}

/// No index knows `requestedAt`: what was sent then was mostly accepted just before, and the sum tells when
/// all are found.
task<std::optional<std::vector<payment_record>>> reconciler::settled_within(course& of,
                                                                            const bisection::part& part) {
  constexpr std::size_t scanned_max = 200'000;
  std::vector<payment_record> found;
  wall_time upto = part.window.to + skew;
  for (const std::chrono::milliseconds age : ages) {
    page_query query;
    query.status = payment_status::processed;
    query.processor = of.run.processor;
    query.accepted = {part.window.from - age, upto};
    for (std::size_t scanned = 0; found.size() < part.ours.requests && scanned < scanned_max;) {
      query.limit = 1000;
      const auto read = co_await ledger_.read_page(query);
      if (!read) co_return std::nullopt;
      for (const payment_record& row : read->payments)
        if (row.requested_at && is_within(*row.requested_at, part.window)) found.push_back(row);
      if (!read->next) break;
      scanned += query.limit;
      query.after = read->next;
    }
    if (found.size() >= part.ours.requests) break;
    upto = part.window.from - age - std::chrono::milliseconds{1};
  }
  co_return found;
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

/// Between two questions; false once the turn is another's.
task<bool> reconciler::breathe(course& of) {
  ++of.questions;
  event pause(clock_);
  co_await pause.wait_for(config_.pause);
  if (clock_.now() - turn_kept_ < turn_limit / 5) co_return true;
  const steady_time asked = clock_.now();
  const bool kept = co_await store_.keep_turn(config_.holder);
  if (kept) turn_kept_ = asked;
  co_return kept;
}

task<std::string> reconciler::keep(course& of, reconciliation_finding finding, std::string words) {
  if (++of.findings > findings_a_run_max)
    co_return "more than " + std::to_string(findings_a_run_max) + " findings";
  finding.history = std::move(words);
  const bool kept = co_await store_.keep_finding(of.run.id, std::move(finding));
  co_return kept ? std::string{} : std::string{no_ledger};
}

} // namespace repasse
