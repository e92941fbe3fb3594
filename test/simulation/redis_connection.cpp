// Stands in for storage/redis_connection.cpp: the server and the way to it are the simulated world's. The
// port names the instance.
#include "storage/redis_connection.hpp"

#include "storage/redis_address.hpp"
#include "test/simulation/world.hpp"

#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <algorithm>

namespace repasse {

using simulation::redis_network;
using simulation::world;

class redis_keeper : public boost::intrusive_ref_counter<redis_keeper, boost::thread_unsafe_counter> {
public:
  using state = redis_connection::state;
  using handle = boost::intrusive_ptr<redis_keeper>;

  redis_keeper(clock& clock_of_reactor, redis_connection::config how)
      : time(clock_of_reactor),
        settings(std::move(how)),
        way(target_of(settings.where).hosts.at(0).port - 1U),
        end(time),
        changed(time),
        pause(time),
        since(time.now()) {}

  static task<> run(handle self);
  static task<redis_verdict> exec(handle self, redis_batch& work, steady_time due);
  void stop() {
    enter(state::stopped, "stopped");
    if (end.link != 0) network().close(end.link);
    end.lost.notify();
    pause.notify();
  }
  [[nodiscard]] bool is_serving() const { return at == state::connected && end.link != 0; }

  static redis_network& network() { return world::current().redis; }

  clock& time;
  const redis_connection::config settings;
  const std::size_t way;
  redis_network::end end;
  event changed;
  event pause;
  state at = state::connecting;
  steady_time since;
  std::string trouble = "no answer yet";
  std::uint64_t generation = 0;
  std::size_t in_flight = 0;
  redis_figures figures;

private:
  task<bool> reach();
  void enter(state to, std::string why) {
    trouble = std::move(why);
    if (std::exchange(at, to) == to) return;
    since = time.now();
    changed.notify();
  }
};

task<> redis_keeper::run(handle self) {
  redis_keeper& my = *self;
  redis_batch ping;
  ping.add({"PING"});
  std::chrono::nanoseconds back_off{0};
  while (my.at != state::stopped) {
    const bool reached = co_await my.reach();
    if (my.at == state::stopped) break;
    if (reached) {
      back_off = std::chrono::nanoseconds{0};
      network().connect(my.way, my.end);
      ++my.generation;
      my.enter(state::connected, {});
      while (my.is_serving()) {
        const bool told = co_await my.end.lost.wait_for(my.settings.silence);
        if (told || !my.is_serving() || my.in_flight > 0) continue;
        static_cast<void>(co_await exec(self, ping, my.time.now() + my.settings.silence));
      }
      if (my.at == state::stopped) break;
      my.enter(state::connecting, "connection lost");
    } else {
      my.enter(state::away, "cannot connect");
    }
    back_off = std::clamp(back_off * 2, my.settings.pause_min, my.settings.pause_max);
    co_await my.pause.wait_for(world::current().between(back_off * 3 / 4, back_off));
  }
}

task<bool> redis_keeper::reach() {
  const steady_time due = time.now() + settings.connect_limit;
  co_await pause.wait_for(2 * network().ways[way].latency);
  if (network().reaches(way) == redis_network::reach::silent) co_await pause.wait_until(due);
  co_return network().reaches(way) == redis_network::reach::answers&& time.now() < due;
}

task<redis_verdict> redis_keeper::exec(handle self, redis_batch& work, steady_time due) {
  redis_keeper& my = *self;
  if (!my.is_serving() || due <= my.time.now()) co_return redis_verdict::unavailable;
  redis_network::exchange one(my.time, work);
  const std::uint64_t link = my.end.link;
  ++my.in_flight;
  network().send(link, &one, work);
  while (!one.call.has_ended) {
    const bool moved = co_await one.call.moved.wait_until(due);
    if (!moved && !one.call.has_ended) network().close(link);
  }
  --my.in_flight;
  co_return one.call.verdict;
}

namespace {

task<redis_verdict> unavailable() { co_return redis_verdict::unavailable; }

} // namespace

redis_connection::redis_connection(clock& time, config settings)
    : self_(new redis_keeper(time, std::move(settings))) {}

redis_connection::~redis_connection() { self_->stop(); }

task<> redis_connection::run() { return redis_keeper::run(self_); }
void redis_connection::stop() { self_->stop(); }

task<redis_verdict> redis_connection::exec(redis_batch& work, steady_time due, late /*when_late*/) {
  if (!self_->is_serving()) return unavailable();
  return redis_keeper::exec(self_, work, due);
}

void redis_connection::send(redis_batch& work) {
  if (self_->is_serving()) self_->network().send(self_->end.link, nullptr, work);
}

redis_connection::state redis_connection::now_in() const {
  return self_->at == state::connected && !self_->is_serving() ? state::connecting : self_->at;
}
steady_time redis_connection::since() const { return self_->since; }
std::uint64_t redis_connection::generation() const { return self_->generation; }
event& redis_connection::changed() { return self_->changed; }
const std::string& redis_connection::trouble() const { return self_->trouble; }
bool redis_connection::is_sentinel() const { return false; }
std::chrono::nanoseconds redis_connection::last_latency() const { return {}; }
const redis_figures& redis_connection::figures() const { return self_->figures; }

void redis_figures::add(const redis_figures& other) { connected += other.connected; }

} // namespace repasse
