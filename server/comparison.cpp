#include "server/comparison.hpp"

#include <algorithm>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds summary_limit = 5s;
/// The sums of each part of a window are compared, since in one sum what is missing here and what is missing
/// there may cancel. A long window has longer parts, not more.
constexpr std::chrono::milliseconds part_length = 1min;
constexpr std::int64_t parts_max = 512;
/// Findings open since earlier runs that are looked at again.
constexpr std::size_t rechecked_max = 200;
/// Books may change between two reads.
constexpr int looks_max = 3;

constexpr std::string_view no_sums = "the processor does not answer for its summary, or the ledger for ours";

time_window part_of(const time_window& whole, wall_time from) {
  const auto length = std::max(part_length, (whole.to - whole.from) / parts_max + 1ms);
  return {from, std::min(from + length - 1ms, whole.to)};
}

finding_kind kind_of(const bisection::part& part) {
  if (part.ours.requests == part.theirs.requests) return finding_kind::other_amount;
  return part.ours.requests > part.theirs.requests ? finding_kind::ours_not_theirs
                                                   : finding_kind::theirs_not_ours;
}

void add(processor_total& to, const processor_total& more) {
  to.requests += more.requests;
  to.amount_cents += more.amount_cents;
}

} // namespace

comparison::comparison(clock& time, ledger& books, reconciliations& store, processor& with,
                       reconciliation_run begun, calls used, const config& settings)
    : clock_(time),
      ledger_(books),
      store_(store),
      processor_(with),
      run_(std::move(begun)),
      calls_(std::move(used)),
      config_(settings) {}

task<reconciliation_run> comparison::compare() {
  bool is_compared = false;
  if (processor_.has_summary())
    is_compared = co_await compare_sums();
  else
    is_compared = co_await compare_by_id();
  if (is_compared) is_compared = co_await look_again();
  run_.status = is_compared ? run_status::done : run_status::failed;
  run_.matched = is_compared && left_open_ == 0;
  run_.error = trouble_;
  co_return run_;
}

task<bool> comparison::compare_sums() {
  for (wall_time from = run_.window.from; from <= run_.window.to;) {
    const time_window part = part_of(run_.window, from);
    const bool goes_on = co_await compare_part(part);
    if (!goes_on) co_return false;
    from = part.to + 1ms;
  }
  co_return co_await explain_all();
}

/// Halves it where the sums differ, as long as there are questions to spare; the more is left for payments.
task<bool> comparison::compare_part(time_window part) {
  bool goes_on = co_await rest();
  if (!goes_on) co_return false;
  const auto whole = co_await both(part);
  if (!whole) co_return fail(no_sums);
  add(run_.ours, whole->ours);
  add(run_.theirs, whole->theirs);
  const std::size_t halves_max = config_.questions_max / 4;
  bisection parts(*whole, halves_max - std::min(questions_, halves_max));
  for (auto half = parts.next(); half; half = parts.next()) {
    goes_on = co_await may_ask();
    if (!goes_on) co_return false;
    const auto told = co_await both(*half);
    if (!told) co_return fail(no_sums);
    parts.answer(told->ours, told->theirs);
  }
  apart_.insert(apart_.end(), parts.found().begin(), parts.found().end());
  co_return true;
}

/// First by ours of all parts: what is in one part here may be in another there.
task<bool> comparison::explain_all() {
  bool goes_on = true;
  for (std::size_t i = 0; goes_on && i < apart_.size(); ++i)
    goes_on = co_await look_at_ours(apart_[i]);
  std::size_t explained = 0;
  while (goes_on && explained < apart_.size()) {
    goes_on = co_await account_for(apart_[explained]);
    if (goes_on) ++explained;
  }
  if (goes_on || !trouble_.empty()) co_return goes_on;
  co_return co_await keep_rest({apart_[explained].window.from, apart_.back().window.to});
}

/// What single payments do not explain of the part is a finding.
task<bool> comparison::account_for(bisection::part part) {
  for (int look = 0; look < looks_max; ++look) {
    bool goes_on = co_await may_ask();
    if (!goes_on) co_return false;
    if (look > 0) goes_on = co_await look_at_open(part.window);
    if (!goes_on) co_return false;
    const auto now = co_await both(part.window); // as it is after what was settled meanwhile
    if (!now) co_return fail(no_sums);
    if (!now->differs()) co_return true;
    part = *now;
    if (part.ours.requests > rows_max) break;
    if (look == 0) goes_on = co_await look_for_theirs(part);
    if (!goes_on) co_return false;
    if (of_ours(part).is_none() && of_theirs(part).is_none()) co_return true;
  }
  co_return co_await keep_part(part);
}

task<bool> comparison::keep_part(bisection::part part) {
  reconciliation_finding finding{.processor = run_.processor,
                                 .kind = kind_of(part),
                                 .window = part.window,
                                 .ours = part.ours,
                                 .theirs = part.theirs};
  const remainder theirs = of_theirs(part);
  std::string_view words = "their sum is not that of their payments";
  if (part.ours.requests > rows_max) {
    words = "too many to ask for each";
  } else if (!of_ours(part).is_none()) {
    words = "our sum is not that of our payments";
  } else if (theirs.requests > 0) {
    words = "it is none that we know of";
    finding.kind = finding_kind::theirs_not_ours;
    finding.ours = {};
    finding.theirs = {static_cast<std::uint64_t>(theirs.requests), theirs.cents};
  }
  co_return co_await keep(std::move(finding), words);
}

/// At a limit.
task<bool> comparison::keep_rest(time_window window) {
  const bool goes_on = co_await rest();
  if (!goes_on) co_return false;
  const auto now = co_await both(window);
  if (!now) co_return fail(no_sums);
  reconciliation_finding finding{.processor = run_.processor,
                                 .kind = kind_of(*now),
                                 .window = window,
                                 .ours = now->ours,
                                 .theirs = now->theirs};
  co_return co_await write(std::move(finding), "too many differences to look at each");
}

/// What is open since earlier runs, and of this one.
task<bool> comparison::look_again() {
  const auto open = co_await store_.open_of(run_.processor, rechecked_max);
  if (!open) co_return fail(no_ledger);
  for (const reconciliation_finding& known : *open) {
    const bool goes_on = co_await rest();
    if (!goes_on) co_return false;
    reconciliation_finding one = known;
    const bool mended = co_await is_mended(one);
    if (!trouble_.empty()) co_return false;
    if (mended)
      one.state = finding_state::mended;
    else
      ++left_open_;
    const bool kept = co_await write(std::move(one), "the books agree now");
    if (!kept) co_return false;
  }
  co_return true;
}

/// False as well when nobody says.
task<bool> comparison::is_mended(reconciliation_finding finding) {
  if (!finding.payment) {
    if (processor_.has_summary()) co_return co_await agree(finding.window);
    if (finding.kind != finding_kind::not_settled) co_return false;
    co_return co_await has_none_open(finding.window);
  }
  const auto row = co_await ledger_.find(*finding.payment);
  if (!row) co_return false;
  const std::int64_t cents = *row ? (*row)->amount_cents : 0;
  const holding held = co_await processor_.ask(*finding.payment, cents);
  const bool is_here = *row && is_settled_here(**row);
  if (held.what == holding::verdict::missing) co_return !is_here;
  co_return is_here&& held.what == holding::verdict::same_amount&& held.requested_at == (*row)->requested_at;
}

/// In each part, as they were compared first.
task<bool> comparison::agree(time_window window) {
  for (wall_time from = window.from; from <= window.to;) {
    const time_window part = part_of(window, from);
    const bool goes_on = co_await rest();
    if (!goes_on) co_return false;
    const auto now = co_await both(part);
    if (!now || now->differs()) co_return false;
    from = part.to + 1ms;
  }
  co_return true;
}

task<std::optional<bisection::part>> comparison::both(time_window window) {
  const auto ours = co_await ledger_.summarize(window);
  if (!ours) co_return std::nullopt;
  const auto theirs = co_await processor_.ask_summary(window, clock_.now() + summary_limit);
  if (!theirs) co_return std::nullopt;
  co_return bisection::part{window, (*ours)[run_.processor], *theirs};
}

} // namespace repasse
