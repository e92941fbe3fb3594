#include "server/overseer.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace repasse {
namespace {

using verdict = oversight::verdict;

/// Until what was brought is in the books.
constexpr std::chrono::nanoseconds settle_limit = std::chrono::seconds{1};

std::string_view words_for(holding::verdict said) {
  switch (said) {
  case holding::verdict::same_amount:
    return "the processor has it";
  case holding::verdict::other_amount:
    return "the processor has it with another amount";
  case holding::verdict::missing:
    return "the processor does not have it, or not yet";
  case holding::verdict::silent:
    break;
  }
  return "the processor does not answer";
}

} // namespace

task<oversight> overseer::ask(payment_id id) {
  oversight seen = co_await look(id);
  if (seen.what != verdict::asked) co_return seen;
  if (seen.payment.processor >= processors_.size()) {
    seen.what = verdict::may_be_known;
    co_return seen;
  }
  seen = co_await ask_processor(std::move(seen));
  if (seen.said) {
    audit_entry entry{.at = clock_.wall(),
                      .by = 0,
                      .what = "asked again by hand",
                      .detail = std::string{words_for(*seen.said)}};
    static_cast<void>(co_await ledger_.note(id, std::move(entry))); // the answer is worth more than its trace
  }
  co_return seen;
}

task<oversight> overseer::declare(declaration what) {
  const payment_id id = what.id;
  oversight seen = co_await look(id);
  if (seen.what != verdict::asked) co_return seen;
  const bool is_known = seen.payment.processor < processors_.size();
  if (is_known) {
    seen = co_await ask_processor(std::move(seen));
    if (seen.what == verdict::unavailable) co_return seen;
    const bool is_processed = what.outcome == payment_status::processed;
    if (seen.what == verdict::settled) {
      if (!is_processed) seen.what = verdict::against_word;
      co_return seen;
    }
    const bool is_against = seen.said == holding::verdict::other_amount ||
                            (is_processed && seen.said == holding::verdict::missing);
    if (is_against) {
      seen.what = verdict::against_word;
      co_return seen;
    }
  }
  what.declared_at = clock_.wall();
  const ledger_status status = co_await ledger_.declare(what);
  if (status != ledger_status::done) {
    seen.what = verdict::unavailable;
    co_return seen;
  }
  switch (what.answer) {
  case declaration::verdict::noted:
    spdlog::warn("payment {} is declared {}", to_string(id), to_string(what.outcome));
    co_return co_await look_again(verdict::noted, std::move(seen));
  case declaration::verdict::done:
    spdlog::warn("payment {} is {}, as declared", to_string(id), to_string(what.outcome));
    co_return co_await look_again(verdict::done, std::move(seen));
  case declaration::verdict::refused:
    break;
  }
  // It is final since, or its owner may still be alive.
  co_return co_await look_again(is_known ? verdict::not_in_doubt : verdict::may_be_known, std::move(seen));
}

/// `asked`: it is in doubt, or names a processor that nobody here can ask.
task<oversight> overseer::look(payment_id id) {
  oversight seen;
  const auto found = co_await ledger_.find(id);
  if (!found) co_return seen;
  if (!*found) {
    seen.what = verdict::no_such_payment;
    co_return seen;
  }
  seen.payment = **found;
  const bool is_abandoned =
      seen.payment.status == payment_status::sending && seen.payment.processor == no_processor;
  if (is_final(seen.payment.status))
    seen.what = verdict::is_final;
  else if (seen.payment.status == payment_status::unknown || is_abandoned)
    seen.what = verdict::asked;
  else
    seen.what = verdict::not_in_doubt;
  co_return seen;
}

/// `what`, with the payment as it is now if that can be told.
task<oversight> overseer::look_again(oversight::verdict what, oversight seen) {
  const auto found = co_await ledger_.find(seen.payment.id);
  seen.what = what;
  if (found && *found) seen.payment = **found;
  if (found && !*found) seen.what = verdict::no_such_payment; // purged meanwhile
  const bool is_refused = what == verdict::not_in_doubt || what == verdict::may_be_known;
  if (is_refused && is_final(seen.payment.status)) seen.what = verdict::is_final;
  co_return seen;
}

task<oversight> overseer::ask_processor(oversight seen) {
  const holding held =
      co_await processors_[seen.payment.processor]->ask(seen.payment.id, seen.payment.amount_cents);
  seen.said = held.what;
  if (held.what == holding::verdict::same_amount)
    co_return co_await settle(std::move(seen), held.requested_at);
  co_return seen;
}

/// Any witness may settle, once, and only a row that names that processor.
task<oversight> overseer::settle(oversight seen, wall_time requested_at) {
  const processor_index at = seen.payment.processor;
  flow_.bring({.id = seen.payment.id,
               .requested_at = requested_at,
               .processed_at = clock_.wall(),
               .attempts = seen.payment.attempts,
               .processor = at,
               .amount_cents = seen.payment.amount_cents});
  const bool is_booked = co_await flow_.flush(clock_.now() + settle_limit);
  const auto found = co_await ledger_.find(seen.payment.id);
  if (!is_booked || !found) {
    seen.what = verdict::unavailable;
    co_return seen;
  }
  if (!*found) {
    seen.what = verdict::no_such_payment;
    co_return seen;
  }
  seen.payment = **found;
  if (seen.payment.status == payment_status::processed && seen.payment.processor == at) {
    seen.what = verdict::settled;
    co_return seen;
  }
  spdlog::critical("payment {} was taken by {}, which its row does not name", to_string(seen.payment.id),
                   processors_[at]->settings().name);
  seen.what = is_final(seen.payment.status) ? verdict::is_final : verdict::not_in_doubt;
  co_return seen;
}

} // namespace repasse
