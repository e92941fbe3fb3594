#include "storage/redis_keeper.hpp"

#include <spdlog/spdlog.h>

namespace repasse {

redis_keeper::redis_keeper(clock& time, redis_connection::config settings, std::string channel,
                           redis_subscription::calls to)
    : settings_(std::move(settings)),
      target_(target_of(settings_.where)),
      channel_(std::move(channel)),
      session_(time, settings_.in_flight_max, to),
      changed_(time),
      random_(settings_.jitter_seed),
      lookup_(new lookup(time.get_executor())),
      since_(time.now()),
      trouble_("no answer yet") {
  ping_.add({"PING"});
}

redis_keeper::~redis_keeper() {
  stop();
  lookup_->session = nullptr;
  lookup_->resolver.cancel();
}

task<> redis_keeper::run(boost::intrusive_ptr<redis_keeper> self) {
  redis_keeper& my = *self;
  while (!my.is_stopped()) {
    link fresh = co_await my.dial();
    if (fresh == nullptr && my.trying_ != nullptr) my.trying_->close();
    my.trying_.reset();
    if (my.is_stopped()) break;
    if (fresh != nullptr) {
      my.serve(std::move(fresh), my.where_);
      while (!my.is_stopped() && my.serving_->is_open()) {
        const steady_time next = my.look_after(my.now());
        co_await my.session_.changed.wait_until(next);
      }
      my.leave();
    } else {
      my.fail();
    }
    while (!my.is_stopped() && my.now() < my.next_)
      co_await my.session_.changed.wait_until(my.next_);
  }
}

void redis_keeper::stop() {
  if (is_stopped()) return;
  enter(state::stopped, "stopped");
  if (serving_ != nullptr) serving_->close();
  if (trying_ != nullptr) trying_->close();
  session_.changed.notify();
}

void redis_keeper::serve(link fresh, const std::string& where) {
  serving_ = std::move(fresh);
  serving_->count();
  if (generation_ > 0) ++session_.figures.reconnects;
  if (generation_ > 0 || at_ == state::away) spdlog::info("{}: connected to {}", settings_.name, where);
  ++generation_;
  said_.clear();
  enter(state::connected, {});
  if (session_.to.subscribed != nullptr) session_.to.subscribed(session_.to.who);
}

/// While connected; returns when to look again.
steady_time redis_keeper::look_after(steady_time now) {
  if (serving_->is_waited_for()) return now + settings_.silence; // each caller has a limit of its own
  if (const steady_time due = serving_->silent_since() + settings_.silence; now < due) return due;
  if (serving_->is_owed())
    serving_->lose("the server is silent");
  else if (channel_.empty())
    serving_->send(ping_);
  else
    serving_->subscribe(channel_);
  return now + settings_.silence;
}

void redis_keeper::leave() {
  const steady_time lost = now();
  if (!is_stopped()) {
    spdlog::warn("{}: connection lost: {}", settings_.name, serving_->trouble());
    const bool was_stable = lost - since_ >= settings_.pause_max;
    enter(state::connecting, serving_->trouble());
    // At once, unless connections are lost as soon as they are made.
    if (was_stable) pause_ = std::chrono::nanoseconds{0};
    next_ = was_stable ? lost : lost + pause();
  }
  serving_->close();
  serving_.reset();
}

void redis_keeper::fail() {
  if (said_ != trouble_) spdlog::error("{}: cannot connect: {}", settings_.name, trouble_);
  said_ = trouble_;
  next_ = now() + pause();
  enter(state::away, trouble_);
}

std::chrono::nanoseconds redis_keeper::pause() {
  pause_ = std::clamp(pause_ * 2, settings_.pause_min, settings_.pause_max);
  return pause_ - std::chrono::nanoseconds{
                      std::uniform_int_distribution<std::int64_t>(0, pause_.count() / 4)(random_)};
}

void redis_keeper::enter(state to, std::string why) {
  trouble_ = std::move(why);
  if (at_ == to) return;
  at_ = to;
  since_ = now();
  changed_.notify();
}

} // namespace repasse
