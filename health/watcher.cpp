#include "health/watcher.hpp"

#include <algorithm>
#include <utility>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view health_seconds = "30"; // CONTRACT section 5
constexpr std::string_view shown_seconds = "5";
constexpr std::chrono::nanoseconds show_period = 1s;
/// The list of all instances, without one that shows itself.
constexpr std::string_view listed_seconds = "60";
/// All but the newest 256 leave it. Whose time is over cannot be told by the times in it, since clocks
/// differ: one that is fast would sweep all others out. Who reads the list takes those out that show nothing.
constexpr std::string_view listed_last = "-257";
constexpr std::chrono::nanoseconds look_limit = 1s;
/// Between two tries to read the keys: a new instance's connections come up in some milliseconds.
constexpr std::chrono::nanoseconds look_pause_min = 5ms;
constexpr std::chrono::nanoseconds look_pause_max = 500ms;

} // namespace

watcher::watcher(clock& time, redis_connection& commands, const redis_names& names, config settings, calls to)
    : clock_(time),
      commands_(commands),
      names_(names),
      config_(std::move(settings)),
      calls_(std::move(to)),
      news_(config_.processors),
      look_(time),
      stopped_(time),
      subscription_(time, config_.link, names.health_updates(),
                    {&watcher::hear, &watcher::note_subscribed, this}),
      tasks_(time) {}

void watcher::start() {
  tasks_.spawn(subscription_.run());
  tasks_.spawn(look_at_keys());
  tasks_.spawn(show());
}

void watcher::stop() {
  stopping_ = true;
  subscription_.stop();
  look_.notify();
  stopped_.notify();
}

void watcher::tell_probe(processor_index index, const health_report& report) {
  const std::string said = stamped(index, report);
  telling_.clear();
  telling_.add({"SET", names_.health(config_.processors[index]), said, "EX", health_seconds});
  telling_.add({"PUBLISH", names_.health_updates(), said});
  commands_.send(telling_);
}

void watcher::tell_change(processor_index index, const health_report& report) {
  telling_.clear();
  telling_.add({"PUBLISH", names_.health_updates(), stamped(index, report)});
  commands_.send(telling_);
}

std::string watcher::stamped(processor_index index, const health_report& report) {
  ++figures_.told;
  return health_message_json({.processor = config_.processors[index],
                              .healthy = !report.failing,
                              .min_response_time = report.min_response_time,
                              .timestamp = news_.stamp(index, report.heard_wall)});
}

void watcher::hear(void* who, std::string_view message) { static_cast<watcher*>(who)->take(message); }

/// What was told before is in the keys, if it was a probe.
void watcher::note_subscribed(void* who) { static_cast<watcher*>(who)->look_.notify(); }

void watcher::take(std::string_view message) {
  if (stopping_) return;
  processor_index index = no_processor;
  health_report report;
  const health_news::verdict verdict = news_.judge(message, clock_.now(), clock_.wall(), index, report);
  ++figures_.messages[static_cast<std::size_t>(verdict)];
  if (verdict == health_news::verdict::news) calls_.heard(index, report);
}

task<> watcher::look_at_keys() {
  while (!stopping_) {
    co_await look_.wait_until();
    std::chrono::nanoseconds pause = look_pause_min;
    while (!stopping_) {
      const bool answered = co_await read_keys();
      if (answered) break;
      co_await look_.wait_for(pause);
      pause = std::min(2 * pause, look_pause_max);
    }
  }
}

task<bool> watcher::read_keys() {
  const std::string longest = std::to_string(health_message_bytes_max);
  reading_.clear();
  for (const std::string& name :
       config_.processors) // no more of a value than a message may have, and one byte
    reading_.add({"GETRANGE", names_.health(name), "0", longest});
  const redis_verdict verdict = co_await commands_.exec(reading_, clock_.now() + look_limit);
  if (verdict != redis_verdict::done) co_return false;
  ++figures_.looks;
  for (std::size_t i = 0; i < config_.processors.size(); ++i)
    if (const auto text = reading_.reply(i).as_text(); text && !text->empty()) take(*text);
  co_return true;
}

task<> watcher::show() {
  std::string json;
  while (!stopping_) {
    json.clear();
    if (const epoch_id epoch = calls_.show(json); epoch != 0) {
      const auto now = clock_.wall().time_since_epoch().count();
      showing_.clear();
      showing_.add({"SET", names_.instance(epoch), json, "EX", shown_seconds});
      showing_.add({"ZADD", names_.instances(), std::to_string(now), std::to_string(epoch)});
      showing_.add({"ZREMRANGEBYRANK", names_.instances(), "0", listed_last});
      showing_.add({"EXPIRE", names_.instances(), listed_seconds});
      commands_.send(showing_);
    }
    co_await stopped_.wait_for(show_period);
  }
}

} // namespace repasse
