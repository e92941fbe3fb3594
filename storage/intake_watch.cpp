// Whether the intake may be open, and whether Redis still has all that this instance took in.
#include "storage/intake.hpp"
#include "storage/planted.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds watch_period = 1s;
/// Between two looks whether Redis is reached by the same connection, and at one that is closed.
constexpr std::chrono::nanoseconds reach_period = 20ms;
constexpr std::chrono::nanoseconds closed_period = 100ms;

/// The value of one setting, as CONFIG GET tells it.
std::string_view setting_of(const redis_reply& reply) {
  return reply.list.size() == 2 ? std::string_view{reply.list[1].text} : std::string_view{};
}

/// Of the entries of a stream: when Redis wrote the first. Its id begins with that.
std::optional<wall_time> time_of_first(const redis_reply& entries) {
  if (entries.list.empty() || entries.list[0].list.empty()) return std::nullopt;
  const std::string& id = entries.list[0].list[0].text;
  std::int64_t millis = 0;
  if (std::from_chars(id.data(), id.data() + id.size(), millis).ec != std::errc{}) return std::nullopt;
  return wall_time{std::chrono::milliseconds{millis}};
}

bool says(const redis_reply& reply, std::string_view line) {
  return reply.text.find(line) != std::string::npos;
}

} // namespace

task<> intake::watch() {
  steady_time next_look{};
  while (!leaving_) {
    if (!is_reached()) {
      close(redis_.trouble());
    } else if (!is_open() || clock_.now() >= next_look) {
      co_await look();
      next_look = clock_.now() + watch_period;
    }
    co_await wake_.wait_for(is_open_ ? reach_period : closed_period);
  }
}

/// What it holds can be imported also while it is closed.
task<> intake::look() {
  const bool is_new = redis_.generation() != std::exchange(checked_generation_, redis_.generation());
  if (is_new) {
    is_open_ = false;
    may_have_lost_ = true;
  }
  const bool was_open = is_open_;
  bool sound = was_open;
  if (!sound) sound = co_await check();
  const bool has_consumer = co_await renew_consumer(sound);
  if (!sound || !has_consumer || (was_open && !is_open_)) co_return; // closed meanwhile
  if (!std::exchange(is_open_, true)) {
    trouble_.clear();
    spdlog::info("the intake is open: payments are taken in by Redis while PostgreSQL is away");
  }
  if (std::exchange(may_have_lost_, false)) co_await take_in_again();
}

void intake::close(std::string why) {
  if (why.empty()) why = "Redis is not reached";
  if (std::exchange(is_open_, false) || trouble_ != why) spdlog::warn("the intake is closed: {}", why);
  trouble_ = std::move(why);
}

/// Whether a 202 would be true.
task<bool> intake::check() {
  if (redis_.is_sentinel()) {
    close("Redis is behind Sentinel, where a write that was answered may be lost");
    co_return false;
  }
  redis_batch asked;
  asked.add({"ROLE"});
  asked.add({"CONFIG", "GET", "appendfsync"});
  asked.add({"CONFIG", "GET", "maxmemory-policy"});
  asked.add({"INFO", "persistence"});
  asked.add({"INFO", "cluster"});
  asked.add({"SCRIPT", "LOAD", script_text()});
  asked.add({"XLEN", names_.intake()});
  const redis_verdict verdict = co_await redis_.exec(asked, clock_.now() + look_limit);
  if (verdict != redis_verdict::done) {
    close("Redis does not answer");
    co_return false;
  }
  std::string why;
  const redis_reply& role = asked.reply(0);
  for (std::size_t i = 0; i < asked.size() && why.empty(); ++i)
    if (asked.reply(i).is_error()) why = asked.reply(i).text;
  if (!why.empty())
    why = "Redis cannot be looked at: " + why;
  else if (role.list.empty() || role.list[0].text != "master")
    why = "this Redis is a replica";
  else if (!says(asked.reply(3), "aof_enabled:1"))
    why = "Redis needs appendonly yes";
  else if (setting_of(asked.reply(1)) != "always")
    why = "Redis needs appendfsync always";
  else if (!says(asked.reply(3), "aof_last_write_status:ok"))
    why = "Redis cannot write its append-only file";
  else if (setting_of(asked.reply(2)).starts_with("allkeys"))
    why = fmt::format("Redis may evict any key (maxmemory-policy {})", setting_of(asked.reply(2)));
  else if (says(asked.reply(4), "cluster_enabled:1"))
    why = "Redis is a cluster, where a write that was answered may be lost";
  else if (static_cast<std::size_t>(asked.reply(6).as_number().value_or(0)) >= config_.payments_max)
    why = no_room;
  if (!why.empty()) {
    close(std::move(why));
    co_return false;
  }
  script_ = asked.reply(5).text;
  co_return true;
}

/// A consumer that is new though it was there before has been lost, and payments with it. It never reads: one
/// that reads is made anew by that.
task<bool> intake::renew_consumer(bool makes_stream) {
  const std::string stream = names_.intake();
  const std::string witness = config_.consumer + ":witness";
  redis_batch asked;
  if (makes_stream)
    asked.add({"XGROUP", "CREATE", stream, group, "0", "MKSTREAM"});
  else
    asked.add({"XGROUP", "CREATE", stream, group, "0"});
  asked.add({"XGROUP", "CREATECONSUMER", stream, group, witness});
  asked.add({"XLEN", stream});
  asked.add({"XRANGE", stream, "-", "+", "COUNT", "1"});
  const redis_verdict verdict = co_await redis_.exec(asked, clock_.now() + look_limit);
  if (verdict == redis_verdict::done && !asked.reply(2).is_error()) { // also where nothing may be taken in
    figures_.entries = static_cast<std::uint64_t>(asked.reply(2).as_number().value_or(0));
    figures_.oldest = time_of_first(asked.reply(3));
  }
  if (verdict != redis_verdict::done || asked.reply(1).is_error()) {
    if (makes_stream) close(verdict == redis_verdict::done ? asked.reply(1).text : "Redis does not answer");
    co_return false;
  }
  const bool is_new = asked.reply(1).as_number() == 1;
  const bool was_there = std::exchange(has_consumer_, true);
  if (is_new && was_there) {
    spdlog::error("Redis has lost the intake's stream");
    may_have_lost_ = true;
  }
  co_return true;
}

/// What is still there is known.
task<> intake::take_in_again() {
  if (is_planted(planted::no_memory_of_intake)) co_return;
  ++searches_;
  std::deque<taken_payment> all = std::exchange(remembered_, {});
  if (!all.empty()) spdlog::warn("looks whether Redis still has {} payments taken in here", all.size());
  std::uint64_t lost = 0;
  std::vector<intake_item> items;
  while (!all.empty()) {
    items.clear();
    for (std::size_t i = 0; i < std::min(all.size(), batch_max); ++i)
      items.push_back(
          {.id = all[i].id, .amount_cents = all[i].amount_cents, .accepted_at = all[i].accepted_at});
    co_await take_in(items);
    if (items.front().answer == intake_item::verdict::unavailable) {
      may_have_lost_ = true;
      break;
    }
    for (const intake_item& item : items) {
      if (item.answer == intake_item::verdict::full) may_have_lost_ = true; // for the next look
      if (item.answer == intake_item::verdict::taken)
        ++lost;
      else
        remembered_.push_back(all.front());
      all.pop_front();
    }
  }
  remembered_.insert(remembered_.begin(), all.begin(), all.end());
  figures_.lost += lost;
  figures_.taken -= lost;
  if (lost > 0) spdlog::error("{} payments were gone from Redis, and are taken in again", lost);
}

} // namespace repasse
