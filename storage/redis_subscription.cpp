#include "storage/redis_connection.hpp"
#include "storage/redis_keeper.hpp"

namespace repasse {

redis_subscription::redis_subscription(clock& time, redis_connection::config settings, std::string channel,
                                       calls to)
    : self_(new redis_keeper(time, std::move(settings), std::move(channel), to)) {}

redis_subscription::~redis_subscription() { self_->stop(); }

task<> redis_subscription::run() { return redis_keeper::run(self_); }
void redis_subscription::stop() { self_->stop(); }

bool redis_subscription::is_subscribed() const {
  const redis_keeper::link serving = self_->serving();
  return serving != nullptr && serving->is_subscribed();
}

} // namespace repasse
