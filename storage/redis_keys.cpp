#include "storage/redis_keys.hpp"

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds step_limit = 1s;

/// What is special in a pattern is not in a prefix.
std::string pattern_of(std::string_view prefix) {
  std::string made;
  for (const char one : prefix) {
    if (one == '*' || one == '?' || one == '[' || one == ']' || one == '\\') made.push_back('\\');
    made.push_back(one);
  }
  return made + '*';
}

} // namespace

task<std::optional<redis_key_step>> next_keys(redis_connection& redis, clock& time, std::string prefix,
                                              std::string cursor) {
  const std::string pattern = pattern_of(prefix);
  redis_batch work;
  work.add({"SCAN", cursor, "MATCH", pattern, "COUNT", std::to_string(redis_key_step_size)});
  const redis_verdict verdict = co_await redis.exec(work, time.now() + step_limit);
  if (verdict != redis_verdict::done) co_return std::nullopt;
  const redis_reply& reply = work.reply(0);
  if (reply.list.size() != 2 || !reply.list[0].as_text()) co_return std::nullopt;
  redis_key_step step{.cursor = reply.list[0].text, .keys = {}};
  for (const redis_reply& key : reply.list[1].list)
    step.keys.push_back(key.text);
  co_return step;
}

task<std::optional<std::uint64_t>> remove_keys(redis_connection& redis, clock& time, std::string prefix,
                                               steady_time due) {
  std::uint64_t gone = 0;
  redis_batch work;
  std::string cursor = "0";
  do {
    std::optional<redis_key_step> step = co_await next_keys(redis, time, prefix, cursor);
    if (!step) co_return std::nullopt;
    cursor = step->cursor;
    if (step->keys.empty()) continue;
    std::vector<std::string_view> words{"UNLINK"};
    words.insert(words.end(), step->keys.begin(), step->keys.end());
    work.clear();
    work.add(words);
    const redis_verdict verdict = co_await redis.exec(work, time.now() + step_limit);
    const auto number = verdict == redis_verdict::done ? work.reply(0).as_number() : std::nullopt;
    if (!number) co_return std::nullopt;
    gone += static_cast<std::uint64_t>(*number);
  } while (cursor != "0" && time.now() < due);
  if (cursor != "0") co_return std::nullopt;
  co_return gone;
}

} // namespace repasse
