#include "test/simulation/administrator.hpp"

#include "test/simulation/run_now.hpp"

namespace repasse::simulation {
namespace {

constexpr std::size_t looked_at = 20;

} // namespace

void administrator::act_until(steady_time end) {
  const std::chrono::milliseconds pause{200 + random_() % 4'000};
  if (world::now() + pause > end) return;
  world_.after(pause, [this, end] {
    act();
    act_until(end);
  });
}

void administrator::schedule_late_taking(clients& posters, std::chrono::nanoseconds span) {
  const std::chrono::milliseconds moment{random_() % static_cast<std::uint64_t>(span / 1ms)};
  const std::chrono::milliseconds delay{31'000 + random_() % 14'000};
  const std::chrono::milliseconds slow_for{random_() % 2 == 0 ? 1'500 : 65'000};
  const bool is_away = random_() % 2 == 0;
  peer& victim = world_.peers[random_() % world_.peers.size()];
  posters.post(20, moment, moment + 1s);
  const steady_time begin = world::now() + moment;
  world_.at(begin, [&victim, delay] { victim.books.switches.delay = delay; });
  world_.at(begin + slow_for, [&victim] { victim.books.switches.delay = 0ms; });
  if (!is_away) return;
  world_.at(begin + 31s, [&victim] { victim.is_down = true; });
  world_.at(begin + 31s + 75s, [&victim] { victim.is_down = false; });
}

void administrator::act() {
  page_query wanted;
  wanted.status = payment_status::unknown;
  wanted.limit = looked_at;
  const page found = run_now(cluster_.books().read_page(wanted)).value();
  for (const payment_record& one : found.payments)
    if (random_() % 4 == 0) resolve(one);
}

void administrator::resolve(const payment_record& one) {
  const std::size_t at = random_() % cluster_.size();
  if (!cluster_.is_up(at)) return;
  std::optional<declaration> word;
  if (random_() % 4 != 0) {
    const auto held = world_.peers[one.processor].books.payments.find(one.id);
    word = declaration{.id = one.id, .reason = "as it seems"};
    if (held && held->amount_cents != one.amount_cents) return;
    if (held) {
      word->outcome = payment_status::processed;
      word->requested_at = held->requested_at;
    }
    world_.spoken_of.insert(one.id);
  }
  cluster_.at(at).resolve(one.id, std::move(word));
}

} // namespace repasse::simulation
