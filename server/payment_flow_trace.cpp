// The part of payment_flow for the few payments that are traced, and for what is logged of single ones.
#include "server/payment_flow.hpp"

#include <fmt/format.h>

namespace repasse {
namespace {

std::string_view outcome_of(append_item::verdict verdict) {
  switch (verdict) {
  case append_item::verdict::fresh:
    return "accepted";
  case append_item::verdict::known:
    return "replayed";
  case append_item::verdict::conflict:
    return "conflict";
  case append_item::verdict::full:
    return "ledger full";
  case append_item::verdict::unaudited:
    return "conflict, not audited";
  }
  return "";
}

std::string_view outcome_of(intake_item::verdict verdict) {
  switch (verdict) {
  case intake_item::verdict::taken:
    return "taken in";
  case intake_item::verdict::known:
    return "replayed";
  case intake_item::verdict::conflict:
    return "conflict";
  case intake_item::verdict::full:
    return "intake full";
  case intake_item::verdict::unavailable:
    return "unavailable";
  }
  return "";
}

std::string_view outcome_of(settle_item::verdict verdict) {
  switch (verdict) {
  case settle_item::verdict::settled:
    return "settled";
  case settle_item::verdict::known:
    return "settled before";
  case settle_item::verdict::mismatch:
    return "mismatch";
  case settle_item::verdict::missing:
    return "no row";
  }
  return "";
}

} // namespace

std::optional<trace_context> payment_flow::context_of(held_slot slot) {
  payment_trace* const trace = held_[slot].traced ? traces_.find(key_of(slot)) : nullptr;
  return trace == nullptr ? std::nullopt : std::optional(trace->context());
}

trace_id payment_flow::find_trace(const trace_key& key) {
  payment_trace* const trace = traces_.find(key);
  return trace == nullptr ? trace_id{} : trace->context().trace;
}

/// It ends now.
void payment_flow::add_span(held_slot slot, std::string_view name, steady_time from, processor_index at,
                            std::string_view seen) {
  payment_trace* const trace = traces_.find(key_of(slot));
  if (trace == nullptr) return;
  trace->add({.name = name,
              .from = from,
              .to = clock_.now(),
              .processor = at == no_processor ? std::string_view{} : processors_[at]->settings().name,
              .attempt = static_cast<std::uint32_t>(held_[slot].attempts),
              .seen = seen});
}

/// Its client is answered now; what is not fresh ends here.
void payment_flow::trace_append(const entry& one, steady_time begun, steady_time now,
                                append_item::verdict verdict) {
  payment_trace* const trace = traces_.find(key_of(one.slot));
  if (trace == nullptr) return;
  trace->add({.name = "accept", .from = one.began, .to = now});
  trace->add({.name = "append", .from = begun, .to = now, .seen = outcome_of(verdict)});
  if (verdict != append_item::verdict::fresh) traces_.end(key_of(one.slot), outcome_of(verdict), now);
}

/// It ends here: whoever imports the payment does not know of the trace.
void payment_flow::trace_intake(const diverted& one, steady_time begun, steady_time now,
                                intake_item::verdict verdict) {
  payment_trace* const trace = traces_.find(*one.trace);
  if (trace == nullptr) return;
  trace->add({.name = "accept", .from = one.began, .to = now});
  trace->add({.name = "intake", .from = begun, .to = now, .seen = outcome_of(verdict)});
  traces_.end(*one.trace, outcome_of(verdict), now);
}

void payment_flow::trace_settled(held_slot slot, settle_item::verdict verdict, steady_time now) {
  payment_trace* const trace = traces_.find(key_of(slot));
  if (trace == nullptr) return;
  trace->arrived(now);
  const bool cache_follows = verdict == settle_item::verdict::settled && config_.is_told_of_cache;
  if (!cache_follows || trace->has("cache")) traces_.end(key_of(slot), outcome_of(verdict), now);
}

void payment_flow::cache_written(const payment_id& id, std::chrono::nanoseconds took, bool stored) {
  const std::optional<trace_key> key = traces_.find_settling(id);
  if (!key) return;
  payment_trace& trace = *traces_.find(*key);
  const steady_time now = clock_.now();
  trace.add({.name = "cache", .from = now - took, .to = now, .seen = stored ? "stored" : "lost"});
  if (trace.has("settle")) traces_.end(*key, outcome_of(settle_item::verdict::settled), now);
}

void payment_flow::end_trace(held_slot slot, std::string_view outcome) {
  if (held_[slot].traced) traces_.end(key_of(slot), outcome, clock_.now());
}

void payment_flow::say(spdlog::level::level_enum level, held_slot slot, std::string_view text) {
  log_with(level, text, [&](log_fields& fields) {
    fields.add("correlationId", to_string(held_[slot].id));
    if (const trace_id trace = trace_of(slot); trace.exists()) fields.add("traceId", to_string(trace));
  });
}

/// Not for each of a storm, of which the log would drop most: under too much load every request is slow.
void payment_flow::tell_slow(const payment_id& id, trace_id trace, std::string_view store,
                             std::chrono::nanoseconds waited, std::chrono::nanoseconds served) {
  if (!slow_lines_.take(clock_.now())) return;
  const auto milliseconds = [](std::chrono::nanoseconds of) {
    return fmt::format("{:.1f}", std::chrono::duration<double, std::milli>(of).count());
  };
  log_with(spdlog::level::warn, "slow request: POST /payments", [&](log_fields& fields) {
    fields.add("correlationId", to_string(id));
    if (trace.exists()) fields.add("traceId", to_string(trace));
    fields.add_json("ms", milliseconds(waited + served))
        .add_json("batchMs", milliseconds(waited))
        .add_json(std::string{store} + "Ms", milliseconds(served));
  });
}

} // namespace repasse
