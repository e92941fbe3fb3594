#include "test/simulation/cluster.hpp"

#include "storage/check.hpp"
#include "test/simulation/run_now.hpp"
#include "test/simulation/virtual_time.hpp"

#include <algorithm>

namespace repasse::simulation {
namespace {

/// Of all handlers at one moment: more is a loop without a pause.
constexpr std::uint64_t steps_max = 1'000'000;

} // namespace

cluster::cluster(world& outside, const instance_settings& settings, std::size_t instances)
    : world_(outside),
      books_({.payments_max = 100'000, .now = &virtual_now}),
      settings_(settings),
      nodes_(instances) {
  outside.redis.ways.resize(instances);
  outside.redis.is_booked = [this](const payment_id& id) { return run_now(books_.find(id))->has_value(); };
  outside.age_of_word = [this](const payment_id& id) -> std::optional<std::chrono::milliseconds> {
    const auto standing = run_now(books_.declarations({&id, 1}));
    if (standing->empty()) return std::nullopt;
    return standing->front().age;
  };
  for (std::size_t i = 0; i < instances; ++i)
    start(i);
}

void cluster::start(std::size_t number) {
  node& one = nodes_[number];
  if (one.running || is_shut_) return;
  one.stalled_until = {};
  world_.redis.ways[number].asleep_until = {};
  one.steps_to_live = -1;
  set_wall_skew(std::chrono::milliseconds{static_cast<std::int64_t>(world_.below(1000)) - 500});
  world_.redis.begin_life(number);
  one.running = std::make_unique<instance>(books_, no_sockets_, settings_, static_cast<std::uint32_t>(number),
                                           *one.weather);
}

void cluster::kill(std::size_t number) {
  if (!nodes_[number].running || world_.redis.is_needed(number)) return;
  nodes_[number].steps_to_live = static_cast<int>(world_.below(100));
  world_.redis.end_life(number);
}

void cluster::drain(std::size_t number, std::chrono::nanoseconds limit) {
  if (!nodes_[number].running || world_.redis.is_needed(number)) return;
  nodes_[number].running->shut_down(world::now() + limit);
  world_.redis.end_life(number);
}

bool cluster::shut() {
  is_shut_ = true;
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    kill(i);
  return std::ranges::none_of(nodes_, [](const node& one) { return one.running != nullptr; });
}

void cluster::open_asking_first() {
  ++gone_.restores;
  is_shut_ = false;
  settings_.asks_first = true;
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    start(i);
}

void cluster::stall(std::size_t number, steady_time until) {
  nodes_[number].stalled_until = until;
  world_.redis.ways[number].asleep_until = until;
  ++gone_.stalls;
}

/// Runs one handler of one instance, if any has one to run.
bool cluster::step() {
  const std::size_t first = world_.below(nodes_.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    node& one = nodes_[(first + i) % nodes_.size()];
    if (!one.running || one.stalled_until > world::now()) continue;
    if (one.steps_to_live == 0) {
      gone_.add(one.running->seen());
      ++gone_.crashes;
      one.running.reset();
      continue;
    }
    if (one.running->is_over()) {
      gone_.add(one.running->seen());
      ++gone_.drains;
      one.running.reset();
      continue;
    }
    if (!one.running->step()) continue;
    if (one.steps_to_live > 0) --one.steps_to_live;
    return true;
  }
  return false;
}

steady_time cluster::next_due() const {
  steady_time due = world_.next_due();
  for (const node& one : nodes_)
    if (one.running) due = std::min(due, std::max(one.running->time().next_due(), one.stalled_until));
  return due;
}

void cluster::run_until(steady_time end) {
  std::uint64_t steps = 0;
  for (;;) {
    REPASSE_CHECK(steps < steps_max);
    ++steps;
    if (step()) continue;
    steps = 0;
    const steady_time next = std::max(next_due(), world::now());
    if (next > end) break;
    set_virtual_now(next);
    world_.run_due();
    for (node& one : nodes_)
      if (one.running && one.stalled_until <= next) one.running->time().fire(next);
  }
  set_virtual_now(end);
}

coverage cluster::seen() const {
  coverage sum = gone_;
  for (const node& one : nodes_)
    if (one.running) sum.add(one.running->seen());
  return sum;
}

} // namespace repasse::simulation
