#include "server/overview.hpp"

#include "server/build_info.hpp"
#include "server/payment_json.hpp"
#include "server/reactor.hpp"
#include "server/status_pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// Counters that have not moved on for so long are of a reactor that does not say how fast it is.
constexpr std::chrono::nanoseconds rate_age_max = 3s;

/// A clock that disagrees with ours by more about how long something took was set.
constexpr double clock_set = 2;

double seconds(std::chrono::duration<double> time) { return time.count(); }

std::string number_or_null(const std::optional<double>& value) {
  return value ? fmt::format("{:.3f}", *value) : "null";
}

std::string quoted(std::string_view text) {
  std::string json;
  write_json_string(json, text);
  return json;
}

std::string money(std::int64_t cents) { return fmt::format(R"("{}.{:02}")", cents / 100, cents % 100); }

/// Rounded down to the cent; in two parts, since the product of sums and millionths has no room.
std::int64_t fee_of(std::int64_t amount_cents, std::int64_t fee_ppm) {
  constexpr std::int64_t million = 1'000'000;
  return amount_cents / million * fee_ppm + amount_cents % million * fee_ppm / million;
}

void add_grown(duration_counts& to, const duration_counts& before, const duration_counts& after) {
  for (std::size_t i = 0; i < to.size(); ++i)
    to[i] += after[i] - std::min(after[i], before[i]);
}

std::string percentiles_json(const duration_counts& counts) {
  return fmt::format(R"({{"p50":{},"p90":{},"p99":{}}})", number_or_null(percentile_millis(counts, 0.5)),
                     number_or_null(percentile_millis(counts, 0.9)),
                     number_or_null(percentile_millis(counts, 0.99)));
}

std::string key_of(const instance_view& view) {
  return fmt::format("{}/{}/{}", view.instance, view.reactor, view.started.time_since_epoch().count());
}

std::string store_json(std::string_view name, bool is_up, std::optional<double> latency_millis,
                       double since_seconds, std::string_view detail) {
  return fmt::format(R"({{"name":"{}","up":{},"latencyMillis":{},"sinceSeconds":{:.1f},"detail":{}}})", name,
                     is_up, number_or_null(latency_millis), std::max(0.0, since_seconds), quoted(detail));
}

} // namespace

overview::overview(const config& settings, std::string own_instance)
    : settings_(settings), own_(std::move(own_instance)), sums_(add_up()) {}

void overview::begin(steady_time now) {
  if (now - now_ > late_after) own_unheard_ = now;
  now_ = now;
  sees_own_ = false;
}

void overview::see_own(const instance_view& view) {
  sees_own_ = true;
  see(view);
  if (const auto found = known_.find(key_of(view)); found != known_.end()) found->second.is_own = true;
}

void overview::see(const instance_view& view) {
  std::string key = key_of(view);
  auto found = known_.find(key);
  if (found == known_.end()) {
    if (!make_room()) return;
    found = known_.emplace(std::move(key), known_instance{}).first;
  }
  known_instance& one = found->second;
  if (!one.views.empty() && one.looked == now_) return; // the own process's, read once more from Redis
  one.looked = now_;
  one.is_lost = false;
  one.takers.clear();
  if (!view.is_ledger_away)
    one.cut_off = {};
  else if (one.cut_off == steady_time{})
    one.cut_off = now_;
  if (!one.views.empty() && view.at == one.last().at) return;
  one.views.push_back({view, now_});
  one.views.back().view.changes.clear();
  if (one.views.size() > views_max) one.views.pop_front();
  for (const instance_view::change& each : view.changes) {
    if (each.number <= one.last_change) continue;
    one.last_change = each.number;
    keep(view.instance, each);
  }
}

/// A server that dies again and again may not hide those that live. False if none of those known is lost.
bool overview::make_room() {
  if (known_.size() < known_max) return true;
  auto oldest = known_.end();
  for (auto at = known_.begin(); at != known_.end(); ++at)
    if (at->second.is_lost && !at->second.is_own &&
        (oldest == known_.end() || at->second.heard() < oldest->second.heard()))
      oldest = at;
  if (oldest == known_.end()) return false;
  known_.erase(oldest);
  return true;
}

std::uint64_t overview::last_change(const instance_view& of) const {
  const auto found = known_.find(key_of(of));
  return found == known_.end() ? 0 : found->second.last_change;
}

void overview::end(bool others_answered, wall_time wall) {
  if (!others_answered) unheard_ = now_;
  if (!sees_own_) own_unheard_ = now_;
  for (auto at = known_.begin(); at != known_.end();) {
    known_instance& one = at->second;
    const steady_time unheard = one.is_own ? own_unheard_ : unheard_;
    const bool is_silent = now_ - std::max(one.heard(), unheard) > gone_after;
    const bool is_gone = is_silent && one.looked != now_ && !(one.is_own && one.last().is_stopping);
    const bool is_forgotten =
        is_gone && !one.is_own && (one.last().is_stopping || now_ - one.heard() > lost_kept);
    if (is_forgotten) {
      at = known_.erase(at);
      continue;
    }
    if (is_gone && !one.is_lost) lose(one, wall);
    if (one.is_lost || one.last().is_ledger_away) find_takers(one);
    ++at;
  }
  sums_ = add_up();
}

void overview::lose(known_instance& one, wall_time wall) {
  one.is_lost = true;
  const std::string who = one.is_own
                              ? fmt::format("reactor {} of this process does not answer", one.last().reactor)
                              : fmt::format("epoch {} shows itself no more", one.last().epoch);
  const std::string text =
      fmt::format("{}: nothing was heard from it for {:.0f} s", who, seconds(now_ - one.heard()));
  keep(one.last().instance, {0, wall, "error", text});
}

/// Several may share its payments, and one that has been named may be lost itself later.
void overview::find_takers(known_instance& lost) const {
  for (const auto& [key, other] : known_) {
    const instance_view& seen = other.last();
    const bool took = std::ranges::find(seen.took_over, lost.last().epoch) != seen.took_over.end();
    const bool is_news = std::ranges::find(lost.takers, seen.instance) == lost.takers.end();
    if (took && is_news) lost.takers.push_back(seen.instance);
  }
}

/// What is heard later stands behind what was heard before, whatever its clock says: one that was set back
/// would hide all that comes.
void overview::keep(std::string_view instance, const instance_view::change& what) {
  const auto later =
      std::ranges::upper_bound(changes_, std::pair(now_, what.at), {},
                               [](const known_change& each) { return std::pair(each.heard, each.what.at); });
  changes_.insert(later, known_change{std::string{instance}, what, now_});
  if (changes_.size() > changes_max) changes_.pop_front();
}

/// By the clock of who shows itself, since looks come when they come; by ours if that one was set meanwhile.
double overview::seconds_between(const heard_view& before, const heard_view& after) {
  const double by_theirs = seconds(after.view.at - before.view.at);
  const double by_ours = seconds(after.heard - before.heard);
  return std::max(0.1, std::abs(by_theirs - by_ours) < clock_set ? by_theirs : by_ours);
}

overview::sums overview::add_up() const {
  sums made;
  made.all.processors.resize(settings_.processors.size());
  std::vector<bool> is_seen(settings_.processors.size());
  for (const auto& [key, one] : known_) {
    const instance_view& last = one.last();
    made.all.accepted += last.accepted;
    made.all.replayed += last.replayed;
    made.all.conflicts += last.conflicts;
    made.all.refused += last.refused;
    made.all.taken_in += last.taken_in;
    made.all.settled += last.settled;
    made.all.rejected += last.rejected;
    if (one.is_lost) continue;
    if (one.takers.empty()) { // else others hold the same ones
      made.all.held += last.held;
      made.all.waiting += last.waiting;
      made.all.in_doubt += last.in_doubt;
      made.all.oldest_seconds = std::max(made.all.oldest_seconds, last.oldest_seconds);
      made.all.oldest_in_doubt_seconds =
          std::max(made.all.oldest_in_doubt_seconds, last.oldest_in_doubt_seconds);
    }
    if (one.looked == now_) made.all.in_redis = std::max(made.all.in_redis, last.in_redis);
    const instance_view& first = one.views.front().view;
    const bool moves = one.views.size() > 1 && now_ - one.heard() < rate_age_max;
    if (moves) {
      const instance_view& before = one.views[one.views.size() - 2].view;
      const double lasted = seconds_between(one.views[one.views.size() - 2], one.views.back());
      const std::uint64_t taken = last.accepted + last.taken_in; // by whichever store
      const std::uint64_t taken_before = before.accepted + before.taken_in;
      made.accepted_rate += static_cast<double>(taken - std::min(taken, taken_before)) / lasted;
      made.settled_rate +=
          static_cast<double>(last.settled - std::min(last.settled, before.settled)) / lasted;
      add_grown(made.accept, first.accept, last.accept);
      add_grown(made.end_to_end, first.end_to_end, last.end_to_end);
    }
    for (std::size_t i = 0; i < std::min(last.processors.size(), made.all.processors.size()); ++i) {
      const instance_view::seen_processor& seen = last.processors[i];
      instance_view::seen_processor& sum = made.all.processors[i];
      const int heavier = weight(seen.circuit, seen.is_on_trial) - weight(sum.circuit, sum.is_on_trial);
      if (heavier > 0 || !is_seen[i]) {
        is_seen[i] = true;
        sum.circuit = seen.circuit;
        sum.is_on_trial = seen.is_on_trial;
        sum.since_seconds = seen.since_seconds;
      } else if (heavier == 0) {
        sum.since_seconds = std::min(sum.since_seconds, seen.since_seconds);
      }
      sum.in_flight += seen.in_flight;
      sum.oldest_millis = std::max(sum.oldest_millis, seen.oldest_millis);
      if (moves && i < first.processors.size())
        add_grown(sum.charges, first.processors[i].charges, seen.charges);
    }
  }
  return made;
}

overview::point overview::now() const {
  return {sums_.accepted_rate,
          sums_.settled_rate,
          sums_.all.held,
          percentile_millis(sums_.accept, 0.99),
          percentile_millis(sums_.end_to_end, 0.99),
          sums_.all.in_redis};
}

std::string overview::json(const more& of) const {
  return fmt::format(R"({{"time":"{}","instance":{},"version":"{}","uptimeSeconds":{:.1f},"storage":"{}",{},)"
                     R"("latency":{{"accept":{},"endToEnd":{}}},"books":{},"processors":[{}],"stores":[{}],)"
                     R"("instances":[{}],"changes":[{}],"viewers":{}}})",
                     to_string(of.wall), quoted(own_), build_version, of.uptime_seconds,
                     settings_.use_database_storage ? "postgresql" : "memory", payments_json(),
                     percentiles_json(sums_.accept), percentiles_json(sums_.end_to_end), books_json(of),
                     processors_json(of), stores_json(of), instances_json(of), changes_json(), of.viewers);
}

std::string overview::payments_json() const {
  const instance_view& all = sums_.all;
  return fmt::format(
      R"("payments":{{"accepted":{},"replayed":{},"conflicts":{},"refused":{},"takenIn":{},"settled":{},"rejected":{}}},)"
      R"("rates":{{"accepted":{:.1f},"settled":{:.1f}}},)"
      R"("backlog":{{"held":{},"waiting":{},"inDoubt":{},"oldestSeconds":{:.1f},"oldestInDoubtSeconds":{:.1f},)"
      R"("takenIn":{}}})",
      all.accepted, all.replayed, all.conflicts, all.refused, all.taken_in, all.settled, all.rejected,
      sums_.accepted_rate, sums_.settled_rate, all.held, all.waiting, all.in_doubt, all.oldest_seconds,
      all.oldest_in_doubt_seconds, all.in_redis ? fmt::to_string(*all.in_redis) : "null");
}

std::string overview::books_json(const more& of) const {
  if (of.books == nullptr) return "null";
  std::string rows;
  std::int64_t fees = 0;
  std::int64_t amounts = 0;
  std::int64_t cheapest = std::numeric_limits<std::int64_t>::max();
  for (std::size_t i = 0; i < settings_.processors.size(); ++i) {
    const processor_settings& one = settings_.processors[i];
    const processor_total& sum = (*of.books)[i];
    const std::int64_t fee = fee_of(sum.amount_cents, one.fee_ppm);
    fees += fee;
    amounts += sum.amount_cents;
    cheapest = std::min(cheapest, one.fee_ppm);
    rows += fmt::format(R"({}{{"name":"{}","requests":{},"amount":{},"fees":{}}})", i == 0 ? "" : ",",
                        one.name, sum.requests, money(sum.amount_cents), money(fee));
  }
  return fmt::format(R"({{"processors":[{}],"fees":{},"cheapestFees":{},"isCurrent":{}}})", rows, money(fees),
                     money(fee_of(amounts, cheapest)), of.are_books_current);
}

std::string overview::processors_json(const more& of) const {
  std::string json;
  for (std::size_t i = 0; i < settings_.processors.size(); ++i) {
    const processor_settings& one = settings_.processors[i];
    const instance_view::seen_processor& seen = sums_.all.processors[i];
    const reactor_report::seen_processor here = merge_processor(*of.reports, i);
    const std::optional<health_report>& health = here.health;
    json += fmt::format(R"({}{{"name":"{}","fee":{},"breaker":"{}","isOnTrial":{},"sinceSeconds":{:.1f},)"
                        R"("expectedMillis":{:.1f},"settleWithinMillis":{},)",
                        i == 0 ? "" : ",", one.name, static_cast<double>(one.fee_ppm) / 1e6,
                        to_string(seen.circuit), seen.is_on_trial, seen.since_seconds,
                        seconds(here.expected) * 1000, settings_.settle_within.count());
    json += health ? fmt::format(R"("failing":{},"minResponseTime":{},"heardSecondsAgo":{:.1f},)",
                                 health->failing, health->min_response_time.count(),
                                 seconds(now_ - health->heard))
                   : R"("failing":null,"minResponseTime":null,"heardSecondsAgo":null,)";
    json +=
        fmt::format(R"("inFlight":{},"oldestUnansweredMillis":{:.1f},"p50":{},"p99":{}}})", seen.in_flight,
                    seen.oldest_millis, number_or_null(percentile_millis(seen.charges, 0.5)),
                    number_or_null(percentile_millis(seen.charges, 0.99)));
  }
  return json;
}

std::string overview::stores_json(const more& of) const {
  const ledger_health books = worst_books(*of.reports);
  bool is_up = books.is_up;
  steady_time changed = books.since;
  if (!settings_.use_database_storage) { // it is always up, and may be full
    is_up = std::ranges::any_of(*of.reports, &reactor_report::can_accept);
    for (const reactor_report& one : *of.reports) // the first that has room, the last that has none any more
      if (one.can_accept == is_up && one.since != steady_time{})
        changed =
            is_up && changed != steady_time{} ? std::min(changed, one.since) : std::max(changed, one.since);
  }
  const double since = changed == steady_time{} ? of.uptime_seconds : seconds(now_ - changed);
  std::string json = store_json(settings_.use_database_storage ? "PostgreSQL" : "memory", is_up,
                                seconds(books.latency) * 1000, since, books.trouble);
  const reactor_report::seen_redis* const redis = worst_redis(*of.reports);
  const reactor_report::seen_intake* const intake = merge_intake(*of.reports).worst;
  if (redis != nullptr) {
    const bool is_deaf = redis->is_up && redis->hears == false;
    json +=
        "," + store_json("Redis", redis->is_up, seconds(redis->latency) * 1000, seconds(now_ - redis->since),
                         is_deaf ? "no messages about health are heard" : redis->trouble);
  }
  if (intake != nullptr && !settings_.is_behind_sentinel())
    json +=
        "," + store_json("intake", intake->is_open, std::nullopt, 0, intake->is_open ? "" : intake->trouble);
  return json;
}

/// Of the ledger it is judged by what has been so for a while on both sides: where all lose it, some lose it
/// first.
std::string_view overview::state_of(const known_instance& one, const ledger_health& books) const {
  if (one.is_lost) return one.is_own ? "does not answer" : "lost";
  if (one.last().is_stopping) return "stopping";
  const bool is_away = one.cut_off != steady_time{} && now_ - one.cut_off > gone_after;
  return is_away && books.is_up && now_ - books.since > gone_after ? "cut off from PostgreSQL" : "serving";
}

std::string overview::instances_json(const more& of) const {
  const ledger_health books = worst_books(*of.reports);
  std::string json;
  for (const auto& [key, one] : known_) {
    const instance_view& last = one.last();
    json += fmt::format(
        R"({}{{"instance":{},"reactor":{},"epoch":{},"state":"{}","isEldest":{},"takenOverBy":{},)"
        R"("seenSecondsAgo":{:.1f},"held":{},"waiting":{},"accepted":{},"settled":{}}})",
        json.empty() ? "" : ",", quoted(last.instance), last.reactor, last.epoch, state_of(one, books),
        last.is_eldest && !one.is_lost,
        one.takers.empty() ? "null" : quoted(fmt::format("{}", fmt::join(one.takers, ", "))),
        seconds(now_ - one.heard()), last.held, last.waiting, last.accepted, last.settled);
  }
  return json;
}

std::string overview::changes_json() const {
  std::string json;
  for (const known_change& one : changes_)
    json += fmt::format(R"({}{{"time":"{}","level":"{}","instance":{},"text":{}}})", json.empty() ? "" : ",",
                        to_string(one.what.at), one.what.level, quoted(one.instance), quoted(one.what.text));
  return json;
}

} // namespace repasse
