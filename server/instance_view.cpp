#include "server/instance_view.hpp"

#include "server/payment_json.hpp"
#include "server/reactor.hpp"

#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace repasse {
namespace {

/// Of a line, in what others are shown.
constexpr std::size_t shown_bytes_max = 200;
/// In milliseconds; later times have no text.
constexpr std::int64_t year_10000 = 253'402'300'800'000;

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

std::string_view level_name(spdlog::level::level_enum level) {
  if (level >= spdlog::level::critical) return "critical";
  if (level == spdlog::level::err) return "error";
  return level == spdlog::level::warn ? "warning" : "info";
}

/// Without the zeros at its end.
std::string counts_json(const duration_counts& counts) {
  std::size_t used = counts.size();
  while (used > 0 && counts[used - 1] == 0)
    --used;
  return fmt::format("[{}]",
                     fmt::join(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(used), ","));
}

/// Members of an object by name; what is not there, or is something else, is zero or empty.
class members {
public:
  explicit members(const boost::json::value& of) : of_(of.if_object()) {}

  [[nodiscard]] const boost::json::value* find(std::string_view name) const {
    return of_ != nullptr ? of_->if_contains(name) : nullptr;
  }
  template <typename Number>
  [[nodiscard]] Number number(std::string_view name) const {
    return to_number<Number>(find(name));
  }
  [[nodiscard]] bool flag(std::string_view name) const {
    const boost::json::value* const found = find(name);
    return found != nullptr && found->is_bool() && found->get_bool();
  }
  [[nodiscard]] std::string_view text(std::string_view name) const {
    const boost::json::value* const found = find(name);
    if (found == nullptr || !found->is_string()) return {};
    return {found->get_string().data(), found->get_string().size()};
  }
  [[nodiscard]] wall_time time(std::string_view name) const {
    return wall_time{
        std::chrono::milliseconds{std::clamp<std::int64_t>(number<std::int64_t>(name), 0, year_10000 - 1)}};
  }
  [[nodiscard]] duration_counts counts(std::string_view name) const {
    duration_counts made{};
    const boost::json::array* const given = list(name);
    for (std::size_t i = 0; given != nullptr && i < std::min(made.size(), given->size()); ++i)
      made[i] = to_number<std::uint64_t>(&(*given)[i]);
    return made;
  }
  [[nodiscard]] std::vector<epoch_id> epochs(std::string_view name) const {
    std::vector<epoch_id> made;
    const boost::json::array* const given = list(name);
    for (std::size_t i = 0; given != nullptr && i < std::min(instance_view::took_over_max, given->size());
         ++i)
      made.push_back(to_number<epoch_id>(&(*given)[i]));
    return made;
  }
  [[nodiscard]] const boost::json::array* list(std::string_view name) const {
    const boost::json::value* const found = find(name);
    return found != nullptr ? found->if_array() : nullptr;
  }

private:
  template <typename Number>
  static Number to_number(const boost::json::value* found) {
    boost::json::error_code wrong;
    if (found == nullptr || !found->is_number()) return Number{};
    const auto made = found->to_number<Number>(wrong);
    if (wrong) return Number{};
    if constexpr (std::is_floating_point_v<Number>) return std::isfinite(made) ? made : Number{};
    return made;
  }

  const boost::json::object* of_;
};

std::string processors_json_of(const config& settings, const instance_view& view) {
  std::string json;
  for (std::size_t i = 0; i < std::min(settings.processors.size(), view.processors.size()); ++i) {
    const instance_view::seen_processor& seen = view.processors[i];
    json += fmt::format(
        R"({}{{"name":"{}","breaker":"{}","onTrial":{},"inFlight":{},"sinceSeconds":{:.1f},"oldestMillis":{:.1f},"charges":{}}})",
        i == 0 ? "" : ",", settings.processors[i].name, to_string(seen.circuit), seen.is_on_trial,
        seen.in_flight, seen.since_seconds, seen.oldest_millis, counts_json(seen.charges));
  }
  return json;
}

std::string changes_json(const instance_view& view) {
  std::string json;
  const std::size_t left_out =
      view.changes.size() - std::min(view.changes.size(), instance_view::changes_max);
  for (std::size_t i = left_out; i < view.changes.size(); ++i) {
    const instance_view::change& one = view.changes[i];
    json += fmt::format(R"({}{{"number":{},"at":{},"level":"{}","text":)", json.empty() ? "" : ",",
                        one.number, one.at.time_since_epoch().count(), one.level);
    write_json_string(json, std::string_view{one.text}.substr(0, shown_bytes_max));
    json += '}';
  }
  return json;
}

breaker::state circuit_of(std::string_view name) {
  for (const breaker::state one : {breaker::state::open, breaker::state::half_open})
    if (name == to_string(one)) return one;
  return breaker::state::closed;
}

void read_processors(const config& settings, const boost::json::array& given, instance_view& view) {
  view.processors.resize(settings.processors.size());
  for (const boost::json::value& one : given) {
    const members of(one);
    const auto named = std::ranges::find(settings.processors, of.text("name"), &processor_settings::name);
    if (named == settings.processors.end()) continue;
    instance_view::seen_processor& seen =
        view.processors[static_cast<std::size_t>(named - settings.processors.begin())];
    seen.circuit = circuit_of(of.text("breaker"));
    seen.is_on_trial = of.flag("onTrial");
    seen.in_flight = of.number<std::size_t>("inFlight");
    seen.since_seconds = of.number<double>("sinceSeconds");
    seen.oldest_millis = of.number<double>("oldestMillis");
    seen.charges = of.counts("charges");
  }
}

void read_changes(const boost::json::array& given, instance_view& view) {
  for (std::size_t i = 0; i < std::min(given.size(), instance_view::changes_max); ++i) {
    const members of(given[i]);
    instance_view::change& made = view.changes.emplace_back();
    made.number = of.number<std::uint64_t>("number");
    made.at = of.time("at");
    for (const std::string_view level : {"warning", "error", "critical"})
      if (of.text("level") == level) made.level = level;
    if (made.level.empty()) made.level = "info";
    made.text = of.text("text");
  }
}

} // namespace

duration_counts counts_of(const duration_histogram& seen) {
  duration_counts made;
  for (std::size_t i = 0; i < made.size(); ++i)
    made[i] = seen.count_in(i);
  return made;
}

std::optional<double> percentile_millis(const duration_counts& counts, double share) {
  double all = 0;
  for (const std::uint64_t one : counts)
    all += static_cast<double>(one);
  if (all == 0) return std::nullopt;
  double below = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (below + here < share * all || here == 0) {
      below += here;
      continue;
    }
    const double lower = i == 0 ? 0 : static_cast<double>(duration_scale::bounds[i - 1]);
    const double upper =
        i == duration_histogram::bounded ? lower : static_cast<double>(duration_scale::bounds[i]);
    return (lower + (upper - lower) * (share * all - below) / here) / 1e6;
  }
  return static_cast<double>(duration_scale::bounds.back()) / 1e6;
}

instance_view view_of(const reactor_report& report, std::string_view instance, std::uint32_t reactor,
                      steady_time now, wall_time wall, bool is_stopping) {
  instance_view view;
  view.instance = instance;
  view.epoch = report.epoch;
  view.reactor = reactor;
  view.started = report.started;
  view.at = wall;
  view.is_stopping = is_stopping;
  view.is_eldest = report.figures.is_eldest;
  view.held = report.held;
  view.waiting = report.waiting;
  view.in_doubt = report.figures.in_doubt;
  view.oldest_seconds = seconds(report.figures.oldest_waiting);
  view.oldest_in_doubt_seconds = seconds(report.figures.oldest_in_doubt);
  view.is_ledger_away = !report.books.is_up;
  if (report.taking_in && report.redis && report.redis->is_up)
    view.in_redis = report.taking_in->figures.entries;
  view.accepted = report.flow.accepted;
  view.replayed = report.flow.replayed;
  view.conflicts = report.flow.conflicts;
  view.refused = report.flow.refused();
  view.taken_in = report.flow.taken_in;
  view.settled = report.flow.settled;
  view.rejected = report.flow.rejected;
  view.took_over = report.figures.epochs.formers;
  view.accept = counts_of(report.figures.flow.accept);
  view.end_to_end = counts_of(report.figures.flow.end_to_end);
  for (std::size_t i = 0; i < report.processors.size(); ++i) {
    const reactor_report::seen_processor& seen = report.processors[i];
    instance_view::seen_processor& made = view.processors.emplace_back();
    made.circuit = seen.circuit;
    made.is_on_trial = seen.is_on_trial;
    made.since_seconds = seconds(now - seen.since);
    made.in_flight = seen.in_flight;
    made.oldest_millis = seconds(seen.oldest_open) * 1000;
    if (i < report.figures.processors.size()) made.charges = counts_of(report.figures.processors[i].charges);
  }
  return view;
}

std::vector<instance_view::change> changes_after(std::uint64_t number, std::size_t most) {
  std::vector<instance_view::change> made;
  for (recent_line& line : recent_lines(number, most))
    made.push_back({line.number, std::chrono::floor<std::chrono::milliseconds>(line.at),
                    std::string{level_name(line.level)}, std::move(line.text)});
  return made;
}

std::string instance_json(const config& settings, const instance_view& view) {
  std::string json = R"({"instance":)";
  write_json_string(json, view.instance);
  json += fmt::format(
      R"(,"epoch":{},"reactor":{},"held":{},"waiting":{},"accepted":{},"settled":{},"state":"{}","isEldest":{},)"
      R"("started":{},"at":{},"inDoubt":{},"oldestSeconds":{:.1f},"oldestInDoubtSeconds":{:.1f},"isLedgerAway":{},)"
      R"("replayed":{},"conflicts":{},"refused":{},)"
      R"("takenIn":{},"rejected":{},"tookOver":[{}],"accept":{},"endToEnd":{},"processors":[{}],"changes":[{}]}})",
      view.epoch, view.reactor, view.held, view.waiting, view.accepted, view.settled,
      view.is_stopping ? "stopping" : "serving", view.is_eldest, view.started.time_since_epoch().count(),
      view.at.time_since_epoch().count(), view.in_doubt, view.oldest_seconds, view.oldest_in_doubt_seconds,
      view.is_ledger_away, view.replayed, view.conflicts, view.refused, view.taken_in, view.rejected,
      fmt::join(view.took_over, ","), counts_json(view.accept), counts_json(view.end_to_end),
      processors_json_of(settings, view), changes_json(view));
  return json;
}

std::optional<instance_view> parse_instance(const config& settings, std::string_view json) {
  if (json.size() > instance_view::bytes_max) return std::nullopt;
  boost::json::error_code wrong;
  const boost::json::value parsed =
      boost::json::parse(boost::json::string_view{json.data(), json.size()}, wrong);
  if (wrong) return std::nullopt;
  const members of(parsed);
  instance_view view;
  view.instance = of.text("instance");
  view.epoch = of.number<epoch_id>("epoch");
  if (view.instance.empty() || view.epoch == 0) return std::nullopt;
  view.reactor = of.number<std::uint32_t>("reactor");
  view.started = of.time("started");
  view.at = of.time("at");
  view.is_stopping = of.text("state") == "stopping";
  view.is_eldest = of.flag("isEldest");
  view.held = of.number<std::size_t>("held");
  view.waiting = of.number<std::size_t>("waiting");
  view.in_doubt = of.number<std::size_t>("inDoubt");
  view.oldest_seconds = of.number<double>("oldestSeconds");
  view.oldest_in_doubt_seconds = of.number<double>("oldestInDoubtSeconds");
  view.is_ledger_away = of.flag("isLedgerAway");
  view.accepted = of.number<std::uint64_t>("accepted");
  view.replayed = of.number<std::uint64_t>("replayed");
  view.conflicts = of.number<std::uint64_t>("conflicts");
  view.refused = of.number<std::uint64_t>("refused");
  view.taken_in = of.number<std::uint64_t>("takenIn");
  view.settled = of.number<std::uint64_t>("settled");
  view.rejected = of.number<std::uint64_t>("rejected");
  view.took_over = of.epochs("tookOver");
  view.accept = of.counts("accept");
  view.end_to_end = of.counts("endToEnd");
  if (const boost::json::array* const given = of.list("processors")) read_processors(settings, *given, view);
  if (const boost::json::array* const given = of.list("changes")) read_changes(*given, view);
  return view;
}

} // namespace repasse
