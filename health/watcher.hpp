// Health shared by Redis: what the eldest's prober learns and what breakers find out is told to all
// instances, and what they tell is heard. It only makes things faster: without it health travels with the
// beats, and each instance's own evidence decides. One per reactor, built only while health monitoring by
// Redis is on.
#pragma once

#include "health/health_message.hpp"
#include "storage/redis_connection.hpp"
#include "storage/redis_names.hpp"

#include <array>
#include <functional>
#include <string>
#include <vector>

namespace repasse {

/// Run by start(), ended by stop(); the connection for commands is its reactor's.
class watcher {
public:
  struct config {
    std::vector<std::string> processors; ///< names, in configured order
    redis_connection::config link;       ///< of the subscription, a connection of its own
  };
  /// `heard` takes what another instance has told. `show` says what this one shows of itself, as JSON, and
  /// its epoch; 0: it has none, and nothing is shown.
  struct calls {
    std::function<void(processor_index, const health_report&)> heard;
    std::function<epoch_id(std::string& json)> show;
  };
  struct figures {
    std::array<std::uint64_t, health_news::verdict_count> messages{}; ///< heard, by verdict
    std::uint64_t looks = 0;                                          ///< at the keys, that were answered
    std::uint64_t told = 0;
  };

  watcher(clock& time, redis_connection& commands, const redis_names& names, config settings, calls to);
  watcher(const watcher&) = delete;
  watcher& operator=(const watcher&) = delete;

  void start();
  void stop();
  [[nodiscard]] bool has_stopped() const { return tasks_.running() == 0; }

  /// What the prober has learned: for all who hear, and for those who start within the next 30 s.
  void tell_probe(processor_index index, const health_report& report);
  /// A breaker has opened or closed by what was seen here; for those who hear now.
  void tell_change(processor_index index, const health_report& report);

  /// Shows itself now rather than with the next second: something has changed.
  void show_now() { stopped_.notify(); }

  [[nodiscard]] bool hears() const { return subscription_.is_subscribed(); }
  [[nodiscard]] const figures& counted() const { return figures_; }

private:
  static void hear(void* who, std::string_view message);
  static void note_subscribed(void* who);
  void take(std::string_view message);
  [[nodiscard]] std::string stamped(processor_index index, const health_report& report);
  task<> look_at_keys();
  task<bool> read_keys();
  task<> show();

  clock& clock_;
  redis_connection& commands_;
  const redis_names& names_;
  config config_;
  calls calls_;
  health_news news_;
  figures figures_;
  bool stopping_ = false;
  event look_;    ///< messages may have been missed
  event stopped_; ///< for the shows, and shown at once
  redis_batch telling_;
  redis_batch reading_;
  redis_batch showing_;
  redis_subscription subscription_;
  task_group tasks_;
};

} // namespace repasse
