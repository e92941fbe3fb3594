#include "test/simulation/instance.hpp"

namespace repasse::simulation {
namespace {

std::vector<std::unique_ptr<processor>>
make_processors(clock& time, poller& no_sockets, const instance_settings& settings, std::uint32_t number) {
  std::vector<std::unique_ptr<processor>> made;
  for (std::size_t i = 0; i < settings.fees_ppm.size(); ++i) {
    processor::config how;
    how.name = "p" + std::to_string(i);
    how.http.port = static_cast<std::uint16_t>(i);
    how.fee_ppm = settings.fees_ppm[i];
    how.in_flight_max = settings.in_flight_max[i];
    how.settle_within = settings.how.settle_within;
    how.jitter_seed = number + 1;
    made.push_back(std::make_unique<processor>(time, no_sockets, how));
  }
  return made;
}

prober::calls probe_calls(std::vector<std::unique_ptr<processor>>& processors, payment_flow& flow,
                          ownership& owner) {
  prober::calls calls;
  calls.ask = [&processors](processor_index index, steady_time due) {
    return processors[index]->ask_health(due);
  };
  calls.allowed = [&owner] { return owner.is_eldest(); };
  calls.heard = [&processors, &flow, &owner](processor_index index, health_report report) {
    report.from = flow.epoch();
    owner.learned(index, report);
    processors[index]->heard(report);
  };
  calls.last_heard = [&processors](processor_index index) {
    const auto& health = processors[index]->health();
    return health ? health->heard : steady_time{};
  };
  return calls;
}

/// In a container an instance has the same name in each of its lives.
std::string consumer_name(std::uint32_t number) {
  world& outside = world::current();
  std::string name = "i" + std::to_string(number);
  if (outside.chance(0.5)) name += ":" + std::to_string(outside.redis.ways[number].life);
  return name;
}

std::unique_ptr<redis_connection> make_redis(clock& time, const instance_settings& settings,
                                             std::uint32_t number) {
  if (!settings.takes_in) return nullptr;
  redis_connection::config how;
  how.where.url = "redis://redis:" + std::to_string(number + 1);
  return std::make_unique<redis_connection>(time, how);
}

std::unique_ptr<intake> make_intake(clock& time, redis_connection* redis, const redis_names& names,
                                    std::uint32_t number) {
  if (redis == nullptr) return nullptr;
  return std::make_unique<intake>(time, *redis, names, intake::config{.consumer = consumer_name(number)});
}

} // namespace

instance::instance(ledger& books, poller& no_sockets, const instance_settings& settings, std::uint32_t number,
                   const ledger_weather& weather)
    : context_(std::make_unique<asio::io_context>(1)),
      guard_(context_->get_executor()),
      clock_(*context_),
      ledger_(clock_, books, weather),
      redis_(make_redis(clock_, settings, number)),
      intake_(make_intake(clock_, redis_.get(), names_, number)),
      processors_(make_processors(clock_, no_sockets, settings, number)),
      flow_(clock_, ledger_, intake_.get(), processors_,
            {.how = settings.how,
             .backlog_max = settings.backlog_max,
             .hands_over = true,
             .asks_first = settings.asks_first,
             .jitter_seed = number + 1}),
      importer_(intake_ ? std::make_unique<importer>(clock_, *intake_, flow_) : nullptr),
      ownership_(clock_, ledger_, flow_, processors_),
      prober_(clock_, {.processors = processors_.size()}, probe_calls(processors_, flow_, ownership_)),
      overseer_(clock_, ledger_, processors_, flow_),
      tasks_(clock_) {
  if (redis_) tasks_.spawn(redis_->run());
  if (intake_) intake_->start();
  flow_.start();
  if (importer_) importer_->start();
  ownership_.start();
  prober_.start();
}

/// The end of a killed process: nothing more runs, so nothing more is written.
instance::~instance() {
  clock_.abandon();
  guard_.reset();
  context_.reset();
}

void instance::post_payment(const posted_payment& payment, const accept_reply& reply) {
  asio::post(*context_, [this, payment, reply] { flow_.accept(payment, reply); });
}

void instance::resolve(payment_id id, std::optional<declaration> word) {
  asio::post(*context_,
             [this, id, word = std::move(word)]() mutable { tasks_.spawn(oversee(id, std::move(word))); });
}

task<> instance::oversee(payment_id id, std::optional<declaration> word) {
  oversight seen;
  if (word)
    seen = co_await overseer_.declare(std::move(*word));
  else
    seen = co_await overseer_.ask(id);
  ++overseen_[static_cast<std::size_t>(seen.what)];
  if (seen.what == oversight::verdict::asked) flow_.look_at(id);
}

void instance::shut_down(steady_time due) {
  asio::post(*context_, [this, due] { tasks_.spawn(drain(due)); });
}

task<> instance::drain(steady_time due) {
  prober_.stop();
  if (importer_) importer_->stop();
  static_cast<void>(co_await flow_.drain(due));
  co_await ownership_.end();
  if (intake_) intake_->stop();
  if (redis_) redis_->stop();
  over_ = true;
}

coverage instance::seen() const {
  coverage sum;
  for (const auto& one : processors_)
    for (std::size_t i = 0; i < sum.seen.size(); ++i)
      sum.seen[i] += one->seen(static_cast<evidence>(i));
  sum.flow = flow_.counters();
  sum.overseen = overseen_;
  if (!intake_) return sum;
  sum.imported = intake_->figures().imported;
  sum.taken_in_again = intake_->figures().lost;
  sum.imports = importer_->figures();
  return sum;
}

void coverage::add(const coverage& other) {
  for (std::size_t i = 0; i < seen.size(); ++i)
    seen[i] += other.seen[i];
  flow.add(other.flow);
  imported += other.imported;
  taken_in_again += other.taken_in_again;
  imports.add(other.imports);
  redis.add(other.redis);
  crashes += other.crashes;
  stalls += other.stalls;
  drains += other.drains;
  restores += other.restores;
  for (std::size_t i = 0; i < overseen.size(); ++i)
    overseen[i] += other.overseen[i];
}

} // namespace repasse::simulation
