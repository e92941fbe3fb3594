#include "test/simulation/faults.hpp"

#include <functional>

namespace repasse::simulation {
namespace {

using begin_and_end = std::pair<std::function<void()>, std::function<void()>>;

std::chrono::milliseconds some_delay(world& outside) {
  constexpr std::array<std::int64_t, 8> millis = {0, 5, 20, 100, 900, 1'500, 3'000, 5'000};
  return std::chrono::milliseconds{millis[outside.below(millis.size())]};
}

void set_hostile(world& outside, peer& victim) {
  hostility& hostile = victim.books.switches.hostile;
  hostile.late_after = std::chrono::milliseconds{100 + outside.below(40'000)};
  const std::size_t modes = 1 + outside.below(3);
  for (std::size_t i = 0; i < modes; ++i) {
    const auto mode = static_cast<hostile_mode>(1 + outside.below(hostile_mode_count - 1));
    hostile.set(mode, outside.chance(0.3) ? 0.33 : 0.05);
  }
}

/// Something wrong with one processor or the way to it.
begin_and_end processor_fault(world& outside, peer& victim) {
  processor_switches& switches = victim.books.switches;
  switch (outside.below(10)) {
  case 0:
    return {[&] { switches.failing = true; }, [&] { switches.failing = false; }};
  case 1:
    return {[&, delay = some_delay(outside)] { switches.delay = delay; }, [&] { switches.delay = 0ms; }};
  case 2:
    return {[&, delay = some_delay(outside)] {
              switches.failing = true;
              switches.delay = delay;
            },
            [&] {
              switches.failing = false;
              switches.delay = 0ms;
            }};
  case 3:
    return {[&] { set_hostile(outside, victim); }, [&] { switches.hostile.set(hostile_mode::none, 0); }};
  case 4:
    return {[&] { victim.is_down = true; }, [&] { victim.is_down = false; }};
  case 5:
    return {[&] { victim.is_cut_off = true; }, [&] { victim.is_cut_off = false; }};
  case 6:
    return {[&] {
              victim.loses_answers = true;
              victim.cuts_requests = 0.2;
            },
            [&] {
              victim.loses_answers = false;
              victim.cuts_requests = 0;
            }};
  case 7:
  case 8:
    return {[&] {
              set_hostile(outside, victim);
              victim.stale_reads = outside.has_restore ? 0 : 0.3;
              victim.silent_reads = 0.3;
            },
            [&] {
              switches.hostile.set(hostile_mode::none, 0);
              victim.stale_reads = victim.silent_reads = 0;
            }};
  default: {
    const simulated_health lie{outside.chance(0.5), outside.below(3'000)};
    return {[&, lie] { switches.health_lie = lie; }, [&] { switches.health_lie.reset(); }};
  }
  }
}

void go_away(ledger_weather& weather, bool refuses) {
  weather.is_away = true;
  weather.refuses = refuses;
}

/// Something wrong with one instance or its way to the ledger.
begin_and_end instance_fault(world& outside, cluster& servers, std::size_t victim) {
  ledger_weather& weather = servers.weather(victim);
  switch (outside.below(7)) {
  case 0:
  case 1:
    return {[&servers, victim] { servers.kill(victim); }, [&servers, victim] { servers.start(victim); }};
  case 2: {
    const auto length = outside.between(500ms, 25s);
    return {[&servers, victim, length] { servers.stall(victim, world::now() + length); }, [] {}};
  }
  case 3:
    return {[&weather, refuses = outside.chance(0.5)] { go_away(weather, refuses); },
            [&weather] { weather.is_away = false; }};
  case 4:
    return {[&weather] { weather.latency_max = 1500ms; }, [&weather] { weather.latency_max = 2ms; }};
  case 5: {
    const auto limit = outside.between(1s, 10s);
    return {[&servers, victim, limit] { servers.drain(victim, limit); },
            [&servers, victim] { servers.start(victim); }};
  }
  default:
    return {[&weather, share = outside.chance(0.5) ? 0.5 : 0.1] { weather.doubt = share; },
            [&weather] { weather.doubt = 0; }};
  }
}

/// As FLUSHALL, once that is no broken promise; not after `until`.
void flush_soon(world& outside, steady_time until) {
  if (outside.redis.flush() || world::now() > until) return;
  outside.after(50ms, [&outside, until] { flush_soon(outside, until); });
}

/// Something wrong with Redis, or with the way of one instance to it.
begin_and_end redis_fault(world& outside, std::size_t victim) {
  redis_network& redis = outside.redis;
  redis_way& way = redis.ways[victim];
  switch (outside.below(10)) {
  case 0:
    return {[&redis] { redis.kill(); }, [&redis] { redis.start(false); }};
  case 1:
    return {[&redis] { redis.kill(); }, [&redis] { redis.start(true); }};
  case 2: // so soon that nobody has looked meanwhile
    return {[&redis, &outside, empties = outside.chance(0.5)] {
              redis.kill();
              outside.after(outside.between(0ms, 300ms), [&redis, empties] { redis.start(empties); });
            },
            [] {}};
  case 3:
  case 4:
    return {[&outside] { flush_soon(outside, world::now() + 10s); }, [] {}};
  case 5:
    return {[&redis] { redis.stop(); }, [&redis] { redis.go_on(); }};
  case 6:
    return {[&way] { way.is_cut_off = true; },
            [&way, &redis] {
              way.is_cut_off = false;
              redis.look_after_ways();
            }};
  case 7:
    return {[&way, latency = outside.chance(0.5) ? 20ms : 1'200ms] { way.latency = latency; },
            [&way] { way.latency = 100us; }};
  case 8:
    return {[&redis] { redis.tear_soon(); }, [] {}};
  default:
    return {[&way, cuts = outside.chance(0.5)] {
              way.loses_replies = !cuts;
              way.cuts_links = cuts ? 0.1 : 0;
            },
            [&way] {
              way.loses_replies = false;
              way.cuts_links = 0;
            }};
  }
}

/// The ledger is away, for one instance or for all, for some of them from their start on; payments come all
/// the while, and Redis has a fault of its own.
void schedule_intake(world& outside, cluster& servers, clients& posters, std::chrono::nanoseconds moment) {
  posters.post(100, moment, moment + 10s);
  const steady_time begin = world::now() + moment;
  const bool is_all = outside.chance(0.5);
  const bool refuses = outside.chance(0.5);
  const std::size_t first = outside.below(servers.size());
  for (std::size_t i = 0; i < (is_all ? servers.size() : 1); ++i) {
    const std::size_t victim = (first + i) % servers.size();
    ledger_weather& weather = servers.weather(victim);
    const steady_time back = begin + outside.between(2s, 20s);
    outside.at(begin, [&weather, refuses] { go_away(weather, refuses); });
    outside.at(back, [&weather] { weather.is_away = false; });
    if (outside.chance(0.4)) { // dies, and comes back before or after the ledger does
      const steady_time dies = begin + outside.between(0s, 8s);
      outside.at(dies, [&servers, victim] { servers.kill(victim); });
      outside.at(dies + outside.between(1s, 15s), [&servers, victim] { servers.start(victim); });
    }
  }
  if (outside.chance(0.3)) return;
  const begin_and_end fault = redis_fault(outside, outside.below(servers.size()));
  const steady_time breaks = begin + outside.between(0s, 12s);
  outside.at(breaks, fault.first);
  outside.at(breaks + outside.between(100ms, 10s), fault.second);
}

/// Payments that their processors will refuse, at an instance whose ledger is away when it wants to write so,
/// for as long as it takes the others to take them over.
void schedule_refused_rejections(world& outside, cluster& servers, clients& posters,
                                 std::chrono::nanoseconds moment) {
  posters.post(20, moment, moment + 500ms, 1);
  const steady_time begin = world::now() + moment;
  for (peer& one : outside.peers) {
    processor_switches& switches = one.books.switches;
    outside.at(begin, [&switches] { switches.delay = 1'500ms; });
    outside.at(begin + 3s, [&switches] { switches.delay = 0ms; });
  }
  ledger_weather& weather = servers.weather(outside.below(servers.size()));
  outside.at(begin + 1s, [&weather] { go_away(weather, false); });
  outside.at(begin + 20s, [&weather] { weather.is_away = false; });
}

/// Processors that are gone and back by turns, and changes in doubt: payments leave one processor for
/// another, and it stays open for a while where they are.
void schedule_leaves_in_doubt(world& outside, cluster& servers, clients& posters,
                              std::chrono::nanoseconds moment) {
  constexpr std::chrono::nanoseconds turn = 400ms;
  constexpr std::size_t turns = 20;
  posters.post(100, moment, moment + turns * turn);
  const steady_time begin = world::now() + moment;
  for (std::size_t i = 0; i < turns; ++i) {
    peer& one = outside.peers[i % outside.peers.size()];
    outside.at(begin + i * turn, [&one] { one.is_down = true; });
    outside.at(begin + (i + 1) * turn, [&one] { one.is_down = false; });
  }
  for (std::size_t i = 0; i < servers.size(); ++i) {
    ledger_weather& weather = servers.weather(i);
    outside.at(begin, [&weather] { weather.doubt = 0.5; });
    outside.at(begin + turns * turn, [&weather] { weather.doubt = 0; });
  }
}

begin_and_end some_fault(world& outside, cluster& servers) {
  if (outside.chance(0.15)) return redis_fault(outside, outside.below(servers.size()));
  if (outside.chance(0.5))
    return processor_fault(outside, outside.peers[outside.below(outside.peers.size())]);
  return instance_fault(outside, servers, outside.below(servers.size()));
}

} // namespace

void schedule_faults(world& outside, cluster& servers, clients& posters, std::chrono::nanoseconds span) {
  const std::size_t moments = 3 + outside.below(5);
  for (std::size_t i = 0; i < moments; ++i) {
    const auto moment = outside.between(1s, span);
    posters.post(100, moment, moment + 4s);
    if (outside.chance(0.05)) schedule_refused_rejections(outside, servers, posters, moment);
    if (outside.chance(0.1)) schedule_leaves_in_doubt(outside, servers, posters, moment);
    if (outside.chance(0.4)) schedule_intake(outside, servers, posters, moment);
    const std::size_t faults = 1 + outside.below(5);
    for (std::size_t k = 0; k < faults; ++k) {
      const begin_and_end fault = some_fault(outside, servers);
      const steady_time begin = world::now() + moment + outside.between(0s, 5s);
      outside.at(begin, fault.first);
      outside.at(begin + outside.between(100ms, 25s), fault.second);
    }
  }
}

void end_faults(world& outside, cluster& servers) {
  for (peer& one : outside.peers) {
    one.books.switches.failing = false;
    one.books.switches.delay = 0ms;
    one.books.switches.health_lie.reset();
    one.books.switches.hostile.set(hostile_mode::none, 0);
    one.is_down = one.is_cut_off = one.loses_answers = false;
    one.cuts_requests = one.stale_reads = one.silent_reads = 0;
  }
  for (redis_way& way : outside.redis.ways) {
    way.is_cut_off = way.loses_replies = false;
    way.cuts_links = 0;
    way.latency = 100us;
  }
  outside.redis.start(false);
  outside.redis.go_on();
  for (std::size_t i = 0; i < servers.size(); ++i) {
    servers.weather(i) = {};
    servers.start(i);
  }
}

} // namespace repasse::simulation
