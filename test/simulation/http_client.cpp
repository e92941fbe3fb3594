// Stands in for server/http_client.cpp: the network is the simulated world. The host names the processor.
#include "server/http_client.hpp"

#include "test/simulation/world.hpp"

namespace repasse {

using simulation::world;

struct http_client::connection {};

struct http_client::state {
  clock& time;
  std::size_t peer;
  connection any;
};

http_client::http_client(clock& time, poller&, const config& settings)
    : state_(std::make_unique<state>(state{time, static_cast<std::size_t>(settings.port), {}})) {}

http_client::~http_client() = default;

task<http_client::connection*> http_client::connect(steady_time due) {
  world& outside = world::current();
  event arrived(state_->time);
  const simulation::peer& to = outside.peers[state_->peer];
  if (to.is_cut_off) {
    co_await arrived.wait_until(std::min(due, state_->time.now() + std::chrono::seconds{2}));
    co_return nullptr;
  }
  const bool new_connection = outside.chance(0.1);
  if (new_connection) co_await arrived.wait_for(to.latency);
  co_return to.is_down ? nullptr : &state_->any;
}

void http_client::give_back(connection&) {}

std::string_view http_client::trouble() const { return {}; }

task<http_answer> http_client::exchange(connection&, std::string_view request, steady_time due) {
  world::call sent(state_->time);
  world::current().send(sent, state_->peer, request);
  const bool answered = co_await sent.answered.wait_until(due);
  if (!answered) sent.answer.what = http_answer::kind::timed_out;
  co_return sent.answer;
}

http_client::connections http_client::counted() const { return {}; }

} // namespace repasse
