#include "bench/reference_checks.hpp"

#include "bench/stoppable_sleep.hpp"

#include <algorithm>
#include <cstdlib>
#include <future>
#include <thread>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr auto call_within = 1500ms;
/// Until all threads are ready to call.
constexpr auto get_ready = 5ms;

/// Runs `call` at that instant on a thread of its own; nullopt if it took too long.
template <typename Call>
auto call_at(steady::time_point instant, Call call) {
  return std::async(std::launch::async, [instant, call] {
    std::this_thread::sleep_until(instant);
    auto answer = call();
    if (steady::now() - instant > call_within) answer.reset();
    return answer;
  });
}

wall_time wall_now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

} // namespace

std::uint64_t summary_check::requests_apart() const {
  std::uint64_t apart = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const std::uint64_t a = ours[i].requests;
    const std::uint64_t b = theirs[i].requests;
    apart += a > b ? a - b : b - a;
  }
  return apart;
}

std::int64_t summary_check::cents_apart() const {
  std::int64_t apart = 0;
  for (std::size_t i = 0; i < ours.size(); ++i)
    apart += std::abs(ours[i].amount_cents - theirs[i].amount_cents);
  return apart;
}

check_counts count_checks(const std::vector<summary_check>& checks) {
  check_counts counts;
  for (const summary_check& each : checks) {
    const bool differs = !each.is_consistent();
    ++counts.made;
    counts.scored += each.scored ? 1 : 0;
    counts.differed += differs ? 1 : 0;
    counts.scored_differed += each.scored && differs ? 1 : 0;
    counts.explained += each.explained_after ? 1 : 0;
    counts.unexplained += each.is_unexplained() ? 1 : 0;
  }
  return counts;
}

summary_checker::summary_checker(const audit_config& servers, const check_config& config)
    : servers_(servers), config_(config) {
  for (std::size_t i = 0; i <= servers.processors.size(); ++i)
    readers_.emplace_back(servers);
}

void summary_checker::run(const std::stop_token& stop, time_point start) {
  auto due = start + config_.every;
  auto scored_due = start + std::max(config_.score_every, config_.every);
  for (;;) {
    auto next = due;
    for (const followed& each : followed_)
      next = std::min(next, each.due);
    if (!sleep_until(stop, next)) break;
    if (steady::now() >= due) {
      const bool scored = due >= scored_due;
      if (scored) scored_due += std::max(config_.score_every, config_.every);
      check(std::chrono::duration<double>(steady::now() - start).count(), scored);
      while (due <= steady::now())
        due += config_.every;
    }
    follow();
  }
  follow_to_the_end();
}

void summary_checker::check_once(double second) {
  check(second, true);
  follow_to_the_end();
}

void summary_checker::check(double second, bool scored) {
  summary_check made = read(std::nullopt);
  made.second = second;
  made.scored = scored;
  const auto now = steady::now();
  const bool both_answered = made.calls_failed == 0;
  if (!made.is_consistent() && both_answered) followed_.push_back({made_.size(), now, now});
  made_.push_back(std::move(made));
}

/// Reads again what is due for it.
void summary_checker::follow() {
  std::erase_if(followed_, [this](followed& each) {
    if (steady::now() < each.due) return false;
    const summary_check again = read(made_[each.check].window);
    const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - each.since);
    each.due = steady::now() + config_.read_again_every;
    if (again.is_consistent() && again.calls_failed == 0) made_[each.check].explained_after = passed;
    return made_[each.check].explained_after || passed > config_.explain_within;
  });
}

void summary_checker::follow_to_the_end() {
  while (!followed_.empty()) {
    std::this_thread::sleep_until(followed_.front().due);
    follow();
  }
}

/// The window that ends now, if none is given.
summary_check summary_checker::read(const std::optional<audit_window>& window) {
  const std::size_t processors = servers_.processors.size();
  summary_check made;
  const auto instant = steady::now() + get_ready;
  const wall_time now = wall_now() + get_ready;
  made.window = window.value_or(audit_window{now - config_.begins, now - config_.ends});
  auto reader = readers_.begin();
  auto ours = call_at(instant, [&made, &by = *reader] { return by.summary(made.window); });
  std::vector<std::future<std::optional<told_totals>>> theirs;
  for (std::size_t i = 0; i < processors; ++i) {
    ++reader;
    theirs.push_back(call_at(instant, [&made, &by = *reader, i] { return by.summary_of(i, made.window); }));
  }
  const auto our_answer = ours.get();
  made.calls_failed += our_answer ? 0 : 1;
  made.ours = our_answer.value_or(std::vector<told_totals>(processors));
  for (auto& one : theirs) {
    const auto answer = one.get();
    made.calls_failed += answer ? 0 : 1;
    made.theirs.push_back(answer.value_or(told_totals{}));
  }
  return made;
}

} // namespace repasse
