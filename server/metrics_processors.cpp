#include "server/metrics.hpp"
#include "server/reactor.hpp"
#include "server/status_pages.hpp"

namespace repasse {
namespace {

using of_processor = reactor_figures::of_processor;

/// As values of labels are written: `failed_missing` of "failed, missing".
std::string label_of(evidence seen) {
  std::string label;
  for (const char c : to_string(seen))
    if (c != ',') label += c == ' ' ? '_' : c;
  return label;
}

/// One processor as all reactors together have seen it.
struct merged_figures {
  of_processor counted; ///< but for its connections
  http_client::connections open;
  reactor_report::seen_processor seen;
};

std::vector<merged_figures> merge_all(const metrics_source& from) {
  std::vector<merged_figures> all(from.settings.processors.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    of_processor& sum = all[i].counted;
    for (const reactor_report* report : from.counted) {
      const of_processor& one = report->figures.processors[i];
      for (std::size_t what = 0; what < sum.seen.size(); ++what)
        sum.seen[what] += one.seen[what];
      sum.charges.add(one.charges);
      sum.opened += one.opened;
      sum.closed += one.closed;
    }
    for (const reactor_report* report : from.present) {
      if (report == from.present.front())
        all[i].seen = report->processors[i];
      else
        add_seen(all[i].seen, report->processors[i]);
      const http_client::connections& open = report->figures.processors[i].connections;
      all[i].open.connecting += open.connecting;
      all[i].open.idle += open.idle;
      all[i].open.busy += open.busy;
    }
  }
  return all;
}

/// Calls `each(name, figures)`.
void for_all(const metrics_source& from, const std::vector<merged_figures>& all, auto each) {
  for (std::size_t i = 0; i < all.size(); ++i)
    each(std::string_view{from.settings.processors[i].name}, all[i]);
}

void add_sends(metric_set& to, const metrics_source& from, const std::vector<merged_figures>& all) {
  to.counter("repasse_sends_total", "Sends to a processor, by what was seen.");
  for_all(from, all, [&](std::string_view name, const merged_figures& one) {
    for (std::size_t i = 0; i < one.counted.seen.size(); ++i) {
      const std::string label = label_of(static_cast<evidence>(i));
      to.value(one.counted.seen[i], {{"processor", name}, {"evidence", label}});
    }
  });
  to.histograms("repasse_charge_duration_seconds", "One send, from its turn to its answer.");
  for_all(from, all, [&](std::string_view name, const merged_figures& one) {
    to.value(one.counted.charges, {{"processor", name}});
  });
  const auto gauge = [&](std::string_view family, std::string_view help, auto value) {
    to.gauge(family, help);
    for_all(from, all, [&](std::string_view name, const merged_figures& one) {
      to.value(value(one), {{"processor", name}});
    });
  };
  gauge("repasse_processor_in_flight", "Sends without an answer.",
        [](const merged_figures& one) { return static_cast<std::uint64_t>(one.seen.in_flight); });
  gauge("repasse_processor_in_flight_max", "Sends without an answer at most.", [&](const merged_figures&) {
    return static_cast<std::uint64_t>(from.settings.processor_max_in_flight);
  });
  gauge("repasse_processor_oldest_unanswered_seconds", "Age of the oldest send without an answer.",
        [](const merged_figures& one) { return one.seen.oldest_open; });
  gauge("repasse_processor_expected_seconds", "What the next send is expected to take.",
        [](const merged_figures& one) { return one.seen.expected; });
  to.gauge("repasse_settle_within_seconds",
           "SETTLE_WITHIN: what is expected to take longer is the last choice.",
           std::chrono::nanoseconds{from.settings.settle_within});
}

void add_connections(metric_set& to, const metrics_source& from, const std::vector<merged_figures>& all) {
  to.gauge("repasse_processor_connections", "Connections to a processor.");
  for_all(from, all, [&](std::string_view name, const merged_figures& one) {
    to.value(std::uint64_t{one.open.busy}, {{"processor", name}, {"state", "busy"}});
    to.value(std::uint64_t{one.open.idle}, {{"processor", name}, {"state", "idle"}});
    to.value(std::uint64_t{one.open.connecting}, {{"processor", name}, {"state", "connecting"}});
  });
  to.gauge("repasse_processor_fee_ratio", "Its fee as a share of the amount, as configured.");
  for (const processor_settings& one : from.settings.processors)
    to.value(static_cast<double>(one.fee_ppm) / 1e6, {{"processor", one.name}});
}

void add_health(metric_set& to, const metrics_source& from, const std::vector<merged_figures>& all) {
  const auto told = [&](std::string_view family, std::string_view help, auto value) {
    to.gauge(family, help);
    for_all(from, all, [&](std::string_view name, const merged_figures& one) {
      if (one.seen.health) to.value(value(*one.seen.health), {{"processor", name}});
    });
  };
  told("repasse_processor_failing", "What the processor said last of itself: 1 if failing.",
       [](const health_report& said) { return std::uint64_t{said.failing ? 1U : 0U}; });
  told("repasse_processor_min_response_seconds", "What the processor said last of its response time.",
       [](const health_report& said) { return std::chrono::nanoseconds{said.min_response_time}; });
  if (from.present.empty()) return;
  const std::chrono::nanoseconds uptime = from.wall - from.present.front()->started;
  to.gauge("repasse_processor_health_age_seconds",
           "How long ago the processor said it, or the process began.");
  for_all(from, all, [&](std::string_view name, const merged_figures& one) {
    to.value(one.seen.health ? from.now - one.seen.health->heard : uptime, {{"processor", name}});
  });
}

void add_breakers(metric_set& to, const metrics_source& from, const std::vector<merged_figures>& all) {
  using state = breaker::state;
  constexpr std::pair<state, std::string_view> states[] = {
      {state::closed, "closed"}, {state::open, "open"}, {state::half_open, "half_open"}};
  to.gauge("repasse_breaker_state", "1 for the state of its circuit breaker, as all reactors see it.");
  for_all(from, all, [&](std::string_view name, const merged_figures& one) {
    if (from.present.empty()) return;
    for (const auto& [which, text] : states)
      to.value(std::uint64_t{one.seen.circuit == which ? 1U : 0U}, {{"processor", name}, {"state", text}});
  });
  to.counter("repasse_breaker_changes_total", "Changes of its circuit breakers, one in each reactor.");
  for_all(from, all, [&](std::string_view name, const merged_figures& one) {
    to.value(one.counted.opened, {{"processor", name}, {"to", "open"}});
    to.value(one.counted.closed, {{"processor", name}, {"to", "closed"}});
  });
}

} // namespace

void add_processor_metrics(metric_set& to, const metrics_source& from) {
  const std::vector<merged_figures> all = merge_all(from);
  add_sends(to, from, all);
  add_connections(to, from, all);
  add_health(to, from, all);
  add_breakers(to, from, all);
}

} // namespace repasse
