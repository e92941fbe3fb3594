#include "bench/reference_checks.hpp"

#include <chrono>
#include <cstdlib>
#include <future>
#include <optional>
#include <thread>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr auto window_begins = 15s;
constexpr auto window_ends = 1500ms;
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

summary_checker::summary_checker(const audit_config& config) : config_(config) {
  for (std::size_t i = 0; i <= config.processors.size(); ++i)
    readers_.emplace_back(config);
}

summary_check summary_checker::check() {
  const std::size_t processors = config_.processors.size();
  summary_check made;
  const auto instant = steady::now() + get_ready;
  const wall_time now = wall_now() + get_ready;
  made.window = {now - window_begins, now - window_ends};
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
