#include "storage/redis_connection.hpp"

#include "storage/redis_keeper.hpp"

namespace repasse {
namespace {

task<redis_verdict> unavailable() { co_return redis_verdict::unavailable; }

} // namespace

redis_connection::redis_connection(clock& time, config settings)
    : self_(new redis_keeper(time, std::move(settings))) {}

redis_connection::~redis_connection() { self_->stop(); }

task<> redis_connection::run() { return redis_keeper::run(self_); }
void redis_connection::stop() { self_->stop(); }

task<redis_verdict> redis_connection::exec(redis_batch& work, steady_time due, late when_late) {
  redis_keeper::link serving = self_->serving();
  if (serving == nullptr) return unavailable();
  return redis_link::exec(std::move(serving), work, due, when_late);
}

void redis_connection::send(redis_batch& work) {
  const redis_keeper::link serving = self_->serving();
  if (serving == nullptr || !serving->send(work)) self_->session().figures.dropped += work.size();
}

redis_connection::state redis_connection::now_in() const { return self_->now_in(); }
steady_time redis_connection::since() const { return self_->since(); }
std::uint64_t redis_connection::generation() const { return self_->generation(); }
event& redis_connection::changed() { return self_->changed(); }
const std::string& redis_connection::trouble() const { return self_->trouble(); }
bool redis_connection::is_sentinel() const { return self_->is_sentinel(); }

std::chrono::nanoseconds redis_connection::last_latency() const { return self_->session().last_latency; }

const redis_figures& redis_connection::figures() const {
  redis_figures& known = self_->session().figures;
  const redis_keeper::link serving = self_->serving();
  known.connected = serving != nullptr ? 1 : 0;
  known.in_flight = serving != nullptr ? static_cast<std::uint32_t>(serving->in_flight()) : 0;
  return known;
}

void redis_figures::add(const redis_figures& other) {
  connected += other.connected;
  in_flight += other.in_flight;
  commands += other.commands;
  reconnects += other.reconnects;
  lost += other.lost;
  dropped += other.dropped;
  writes += other.writes;
  took.add(other.took);
}

} // namespace repasse
