// What the tests of redis_connection share: the server of this binary, and connections to it.
#pragma once

#include "storage/redis_connection.hpp"
#include "test/integration/loop.hpp"
#include "test/integration/redis_server.hpp"

#include <chrono>
#include <initializer_list>
#include <string>

namespace repasse {

/// Of this binary; runs, and holds nothing, at the beginning of each case.
redis_server& shared_redis();

/// Tries again at once.
redis_connection::config config_of(const std::string& url);

/// A connection that is run; stopped, destroyed, and seen to end with this object.
class kept_redis {
public:
  using state = redis_connection::state;

  kept_redis(loop& of, redis_connection::config how)
      : loop_(of), all_(of.time), link(of.time, std::move(how)) {
    all_.spawn(link.run());
  }
  ~kept_redis() {
    link.stop();
    loop_.until([&] { return all_.running() == 0; });
  }
  kept_redis(const kept_redis&) = delete;
  kept_redis& operator=(const kept_redis&) = delete;

  void until(state wanted) {
    loop_.until([&] { return link.now_in() == wanted; });
  }
  void until_connected() { until(state::connected); }

  redis_verdict exec(redis_batch& work, std::chrono::nanoseconds limit = std::chrono::seconds{20}) {
    return loop_.await(link.exec(work, loop_.time.now() + limit));
  }
  /// One command, which must be answered.
  redis_reply ask(std::initializer_list<std::string_view> words) {
    redis_batch work;
    work.add(words);
    const redis_verdict verdict = exec(work);
    BOOST_REQUIRE_MESSAGE(verdict == redis_verdict::done, link.trouble());
    return work.reply(0);
  }

private:
  loop& loop_;
  task_group all_;

public:
  redis_connection link;
};

} // namespace repasse
