#include "server/metrics.hpp"
#include "server/reactor.hpp"

#include <algorithm>

namespace repasse {
namespace {

constexpr std::string_view refusal_names[] = {"backlog", "ledger_full", "intake_full", "unavailable",
                                              "unaudited"};
static_assert(std::size(refusal_names) == static_cast<std::size_t>(refusal::count));

void add_posts(metric_set& to, const flow_counters& flow) {
  to.counter("repasse_payments_posted_total", "Answers to well-formed posts, by outcome.");
  to.value(flow.accepted, {{"outcome", "accepted"}});
  to.value(flow.taken_in, {{"outcome", "taken_in"}});
  to.value(flow.replayed, {{"outcome", "replayed"}});
  to.value(flow.conflicts, {{"outcome", "conflict"}});
  to.value(flow.refused(), {{"outcome", "refused"}});
  to.counter("repasse_payments_refused_total", "Posts answered with 503, by reason.");
  for (std::size_t i = 0; i < flow.refusals.size(); ++i)
    to.value(flow.refusals[i], {{"reason", refusal_names[i]}});
}

void add_settled(metric_set& to, const metrics_source& from, const flow_figures& figures) {
  const auto by_processor = [&](auto value) {
    for (std::size_t i = 0; i < from.settings.processors.size(); ++i) {
      const processor_total& one = i < figures.settled.size() ? figures.settled[i] : processor_total{};
      to.value(value(one, from.settings.processors[i]), {{"processor", from.settings.processors[i].name}});
    }
  };
  using settings_of = processor_settings;
  to.counter("repasse_payments_settled_total", "Payments settled in the books by this process.");
  by_processor([](const processor_total& one, const settings_of&) { return one.requests; });
  to.counter("repasse_settled_amount_cents_total", "Money of the payments settled.");
  by_processor(
      [](const processor_total& one, const settings_of&) { return static_cast<double>(one.amount_cents); });
  to.counter("repasse_settled_fees_cents_total", "Fees of the payments settled, as configured.");
  by_processor([](const processor_total& one, const settings_of& of) {
    return static_cast<double>(one.amount_cents) * static_cast<double>(of.fee_ppm) / 1e6;
  });
}

void add_outcomes(metric_set& to, const flow_counters& flow) {
  to.counter("repasse_payments_imported_total", "Brought from the intake, new to the ledger.", flow.imported);
  to.counter("repasse_payments_rejected_total", "Payments that no processor will take.", flow.rejected);
  to.counter("repasse_payments_doubts_total", "Payments whose send had an unknown outcome.", flow.doubts);
  to.counter("repasse_payments_resends_total", "Sends again of payments in doubt.", flow.resends);
  to.counter("repasse_payments_adopted_total", "Payments taken over from other epochs.", flow.adopted);
  to.counter("repasse_payments_released_total", "Payments given up to others at a stop.", flow.released);
  to.counter("repasse_payments_found_total", "Found at a processor before their first send.", flow.found);
  to.counter("repasse_lost_writes_total", "Compare-and-sets that found the row taken over.");
  to.value(flow.refused_choices, {{"write", "choice"}});
  to.value(flow.refused_doubts, {{"write", "doubt"}});
  to.value(flow.refused_rejections, {{"write", "rejection"}});
  to.counter("repasse_declarations_ended_total", "Declarations of administrators that were acted on.");
  to.value(flow.declared, {{"how", "carried_out"}});
  to.value(flow.set_aside, {{"how", "set_aside"}});
  to.counter("repasse_settle_mismatches_total", "Taken by a processor that the row does not name.",
             flow.mismatches);
  to.counter("repasse_settle_missing_total", "Taken by a processor, and without a row.", flow.missing);
}

void add_held(metric_set& to, const metrics_source& from) {
  const auto sum = [&](auto part) { return static_cast<std::uint64_t>(sum_of(from.present, part)); };
  const auto oldest = [&](auto part) {
    std::chrono::nanoseconds age{0};
    for (const reactor_report* one : from.present)
      age = std::max(age, part(one->figures));
    return age;
  };
  using report = reactor_report;
  to.gauge("repasse_payments_held", "Payments held in memory.",
           sum([](const report& one) { return one.held; }));
  to.gauge("repasse_payments_waiting", "Payments that wait for a processor.",
           sum([](const report& one) { return one.waiting; }));
  to.gauge("repasse_payments_in_doubt", "Payments whose outcome is unknown.",
           sum([](const report& one) { return one.figures.in_doubt; }));
  to.gauge("repasse_backlog_max", "Payments held at most.",
           static_cast<std::uint64_t>(from.settings.max_backlog));
  to.gauge("repasse_oldest_waiting_seconds", "Age of the payment that waits longest.",
           oldest([](const reactor_figures& one) { return one.oldest_waiting; }));
  to.gauge("repasse_oldest_in_doubt_seconds", "Age of the payment that is longest in doubt here.",
           oldest([](const reactor_figures& one) { return one.oldest_in_doubt; }));
  to.gauge("repasse_declarations_pending", "Declarations of administrators that are still to be carried out.",
           sum([](const report& one) { return one.figures.declared; }));
  to.gauge("repasse_oldest_declaration_seconds", "Age of the oldest of those.",
           oldest([](const reactor_figures& one) { return one.oldest_declared; }));
}

void add_times(metric_set& to, const flow_counters& flow, const flow_figures& figures) {
  to.histograms("repasse_accept_duration_seconds", "From a post's reading to its answer, refusals left out.");
  to.value(figures.accept);
  to.histograms("repasse_end_to_end_duration_seconds", "Of payments settled: processedAt less acceptedAt.");
  to.value(figures.end_to_end);
  to.histograms("repasse_ledger_call_duration_seconds", "One call of the ledger, which is one batch.");
  to.value(figures.append.took, {{"call", "append"}});
  to.value(figures.amend.took, {{"call", "amend"}});
  to.value(figures.settle.took, {{"call", "settle"}});
  to.histograms("repasse_ledger_batch_payments", "Payments of one call of the ledger.");
  to.value(figures.append.payments, {{"call", "append"}});
  to.value(figures.amend.payments, {{"call", "amend"}});
  to.value(figures.settle.payments, {{"call", "settle"}});
  to.counter("repasse_ledger_repeats_total", "Calls of the ledger repeated after doubt or absence.");
  to.value(flow.repeated_appends, {{"call", "append"}});
  to.value(flow.repeated_amends, {{"call", "amend"}});
  to.value(flow.repeated_settles, {{"call", "settle"}});
}

} // namespace

void add_payment_metrics(metric_set& to, const metrics_source& from) {
  const auto flow = sum_of(from.counted, [](const reactor_report& one) { return one.flow; });
  const auto figures = sum_of(from.counted, [](const reactor_report& one) { return one.figures.flow; });
  add_posts(to, flow);
  add_settled(to, from, figures);
  add_outcomes(to, flow);
  add_held(to, from);
  add_times(to, flow, figures);
}

} // namespace repasse
