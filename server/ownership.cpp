#include "server/ownership.hpp"

#include "storage/planted.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds beat_period = 1s;
/// After a beat that the ledger did not answer.
constexpr std::chrono::nanoseconds retry_period = 250ms;
constexpr std::chrono::nanoseconds eldest_lease = 3s;
/// Between two looks at own rows that memory does not hold, when nothing says that there are any.
constexpr std::chrono::nanoseconds stray_period = 10s;
/// What such a look may take of each second; it goes on from there.
constexpr std::chrono::nanoseconds idle_look_max = 20ms;
/// Rows of one step, each under 10 ms.
constexpr std::size_t rows_a_step = 256;
/// The age of a probe that a beat brings is known to some milliseconds: what seems newer by less is the same.
constexpr std::chrono::nanoseconds same_probe = 1s;

} // namespace

ownership::ownership(clock& time, ledger& books, payment_flow& flow,
                     std::span<const std::unique_ptr<processor>> processors)
    : clock_(time),
      ledger_(books),
      flow_(flow),
      processors_(processors),
      learned_(processors.size()),
      brought_(processors.size()),
      rows_(rows_a_step),
      tasks_(time) {}

void ownership::start() { tasks_.spawn(live()); }

task<> ownership::live() {
  while (!ended_) {
    const steady_time begun = clock_.now();
    bool beaten = false;
    if (flow_.epoch() == 0)
      beaten = co_await open();
    else
      beaten = co_await beat();
    if (ended_) co_return;
    if (beaten) {
      const steady_time next_beat = begun + beat_period;
      co_await take_over(next_beat);
      co_await look_for_strays(next_beat);
    }
    if (flow_.epoch() == 0 && beaten) continue; // marked: the next one at once
    co_await flow_.epoch_lost().wait_until(begun + (beaten ? beat_period : retry_period));
  }
}

task<bool> ownership::open() {
  const steady_time sent = clock_.now();
  const std::optional<epoch_id> epoch = co_await ledger_.open_epoch();
  if (!epoch) {
    if (is_refused_) flow_.refuse_epoch();
    is_refused_ = true;
    co_return false;
  }
  is_refused_ = false;
  ++figures_.begun;
  spdlog::info("epoch {} begins", *epoch);
  stray_position_ = 0;
  eldest_until_ = {};
  flow_.begin_epoch(*epoch, sent);
  co_return co_await beat();
}

task<bool> ownership::beat() {
  const steady_time sent = clock_.now();
  const epoch_id epoch = flow_.epoch();
  const std::vector<probe> learned = untold(sent);
  const std::optional<beat_answer> answer = co_await ledger_.beat(epoch, learned);
  if (!answer) co_return false;
  if (answer->ended) {
    eldest_until_ = {};
    if (flow_.epoch() != epoch) co_return true; // an append has seen it first
    spdlog::warn("epoch {} was ended by another", epoch);
    flow_.lose_epoch();
    co_return true;
  }
  if (flow_.epoch() == epoch) flow_.beat_confirmed(sent);
  told(learned, sent);
  hear(answer->probes, epoch, sent);
  if (answer->eldest) eldest_until_ = sent + eldest_lease;
  compare_clocks();
  co_return true;
}

/// Something once in some seconds, since that is how often processors are asked.
std::vector<probe> ownership::untold(steady_time now) const {
  std::vector<probe> probes;
  for (std::size_t i = 0; i < learned_.size(); ++i)
    if (const std::optional<health_report>& one = learned_[i])
      probes.push_back({.processor = static_cast<processor_index>(i),
                        .failing = one->failing,
                        .min_response_time = one->min_response_time,
                        .age = std::chrono::ceil<std::chrono::milliseconds>(now - one->heard),
                        .from = flow_.epoch()});
  return probes;
}

/// By a beat that was sent then.
void ownership::told(const std::vector<probe>& probes, steady_time sent) {
  for (const probe& one : probes)
    if (learned_[one.processor]->heard <= sent) learned_[one.processor].reset();
}

void ownership::hear(const std::vector<probe>& probes, epoch_id epoch, steady_time sent) {
  bool is_news = false;
  for (const probe& one : probes) {
    if (one.from == epoch || one.processor >= processors_.size()) continue;
    health_report report;
    report.failing = one.failing;
    report.min_response_time = one.min_response_time;
    report.heard = sent - one.age;
    if (report.heard <= brought_[one.processor] + same_probe) continue;
    brought_[one.processor] = report.heard;
    report.heard_wall = clock_.wall() - one.age;
    report.from = one.from;
    processors_[one.processor]->heard(report);
    is_news = true;
  }
  if (is_news) flow_.look_again();
}

/// A line when they come apart, or are set anew, and one when they agree again.
void ownership::compare_clocks() {
  const auto ahead = ledger_.health().ahead.value_or(0ms);
  const bool is_off = abs(ahead) > clock_difference_max;
  if (is_off && abs(ahead - told_ahead_) > clock_difference_max) {
    told_ahead_ = ahead;
    spdlog::error("epoch {}: this clock is {} ms {} the database's", flow_.epoch(), abs(ahead).count(),
                  ahead > 0ms ? "ahead of" : "behind");
  } else if (!is_off && std::exchange(told_ahead_, 0ms) != 0ms) {
    spdlog::info("epoch {}: this clock agrees with the database's again", flow_.epoch());
  }
}

/// A step at a time, until nothing is left or the next beat is due.
task<> ownership::take_over(steady_time until) {
  if (is_planted(planted::no_adoption)) co_return;
  event breath(clock_);
  while (flow_.epoch() != 0 && clock_.now() < until) {
    const std::size_t limit = std::min(rows_.size(), flow_.room());
    if (limit == 0) co_return;
    std::size_t taken = 0;
    const epoch_id epoch = flow_.epoch();
    const ledger_status status = co_await ledger_.adopt(epoch, std::span{rows_}.first(limit), taken);
    if (status == ledger_status::in_doubt) {
      strays_likely_ = true;
      stray_position_ = 0;
    }
    if (status != ledger_status::done || flow_.epoch() != epoch) co_return;
    if (taken > 0) {
      ++figures_.takeovers;
      spdlog::warn("epoch {} takes over {} payments", epoch, taken);
      note_formers(std::span{rows_}.first(taken));
      flow_.adopt(std::span{rows_}.first(taken));
    }
    if (taken < limit) co_return;
    co_await breath.wait_for(0ns); // a step is short for the others in this loop
  }
}

void ownership::note_formers(std::span<const owned_row> rows) {
  std::vector<epoch_id>& known = figures_.formers;
  for (const owned_row& row : rows)
    if (row.former != 0 && std::ranges::find(known, row.former) == known.end()) known.push_back(row.former);
  if (known.size() > formers_max)
    known.erase(known.begin(), known.end() - static_cast<std::ptrdiff_t>(formers_max));
}

task<> ownership::look_for_strays(steady_time until) {
  if (is_planted(planted::no_stray_scan)) co_return;
  if (!strays_likely_ && clock_.now() - strays_looked_ < stray_period) co_return;
  if (!strays_likely_) until = std::min(until, clock_.now() + idle_look_max);
  do {
    const epoch_id epoch = flow_.epoch();
    if (epoch == 0) co_return;
    std::size_t found = 0;
    const ledger_status status = co_await ledger_.unsettled(epoch, stray_position_, rows_, found);
    if (status != ledger_status::done || flow_.epoch() != epoch) co_return;
    co_await flow_.adopt_strays(std::span{rows_}.first(found));
    if (clock_.now() >= until) co_return; // goes on from here
  } while (stray_position_ != 0);
  strays_likely_ = false;
  strays_looked_ = clock_.now();
}

task<> ownership::end() {
  ended_ = true;
  eldest_until_ = {};
  look();
  if (flow_.epoch() != 0) static_cast<void>(co_await ledger_.end_epoch(flow_.epoch()));
}

} // namespace repasse
