#include "test/simulation/simulated_redis.hpp"

#include "storage/check.hpp"

#include <charconv>
#include <utility>

namespace repasse::simulation {
namespace {

constexpr std::string_view script_hash = "take-in";
/// FNV-1a of the script that take_in() below does the same as: when the intake's changes, change both.
constexpr std::uint64_t script_known = 0x62d557d5d38ddf1c;

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char one : text)
    hash = (hash ^ static_cast<unsigned char>(one)) * 0x100000001b3;
  return hash;
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  REPASSE_CHECK(error == std::errc{} && end == text.data() + text.size());
  return number;
}

std::vector<std::string> decode(std::string_view bytes) {
  const auto line = [&bytes](char kind) {
    REPASSE_CHECK(!bytes.empty() && bytes.front() == kind);
    const std::size_t end = bytes.find("\r\n");
    REPASSE_CHECK(end != std::string_view::npos);
    const std::uint64_t number = number_of(bytes.substr(1, end - 1));
    bytes.remove_prefix(end + 2);
    return number;
  };
  std::vector<std::string> words(line('*'));
  for (std::string& word : words) {
    const std::uint64_t size = line('$');
    REPASSE_CHECK(bytes.size() >= size + 2 && bytes.substr(size, 2) == "\r\n");
    word = bytes.substr(0, size);
    bytes.remove_prefix(size + 2);
  }
  REPASSE_CHECK(bytes.empty() && !words.empty());
  return words;
}

redis_reply number_reply(std::int64_t number) {
  return {.what = redis_reply::kind::integer, .number = number, .text = {}, .list = {}};
}
redis_reply text_reply(std::string text) {
  return {.what = redis_reply::kind::text, .number = 0, .text = std::move(text), .list = {}};
}
redis_reply error_reply(std::string text) {
  return {.what = redis_reply::kind::error, .number = 0, .text = std::move(text), .list = {}};
}
redis_reply list_reply(std::vector<redis_reply> list = {}) {
  return {.what = redis_reply::kind::list, .number = 0, .text = {}, .list = std::move(list)};
}

/// As `string.match(known, '^%d+')` does.
std::string_view amount_in(std::string_view value) {
  return value.substr(0, value.find_first_not_of("0123456789"));
}

} // namespace

redis_reply simulated_redis::execute(client& of, std::string_view command, wall_time now) {
  words asked = decode(command);
  if (asked[0] == "MULTI") {
    of.is_queueing = true;
    return text_reply("OK");
  }
  if (asked[0] == "EXEC") {
    REPASSE_CHECK(std::exchange(of.is_queueing, false));
    redis_reply all = list_reply();
    for (const words& one : std::exchange(of.queued, {}))
      all.list.push_back(carry_out(one, now));
    return all;
  }
  if (!of.is_queueing) return carry_out(asked, now);
  of.queued.push_back(std::move(asked));
  return text_reply("QUEUED");
}

redis_reply simulated_redis::carry_out(const words& command, wall_time now) {
  const std::string& name = command[0];
  if (name == "EVALSHA") return take_in(command, now);
  if (name == "XGROUP") return change_group(command);
  if (name == "XREADGROUP") return read_group(command, now);
  if (name == "XAUTOCLAIM") return claim(command, now);
  if (name == "XPENDING") return count_pending();
  if (name == "XRANGE") return read_range(command);
  if (name == "XACK") return acknowledge(command);
  if (name == "XDEL") return remove_entries(command);
  if (name == "UNLINK") return remove_keys(command);
  if (name == "PING") return text_reply("PONG");
  if (name == "ROLE") return list_reply({text_reply("master")});
  if (name == "CONFIG" && command[2] == "appendfsync")
    return list_reply({text_reply(command[2]), text_reply("always")});
  if (name == "CONFIG" && command[2] == "maxmemory-policy")
    return list_reply({text_reply(command[2]), text_reply("noeviction")});
  if (name == "INFO" && command[1] == "persistence")
    return text_reply("aof_enabled:1\r\naof_last_write_status:ok\r\n");
  if (name == "INFO" && command[1] == "cluster") return text_reply("cluster_enabled:0\r\n");
  if (name == "SCRIPT") {
    REPASSE_CHECK(fnv1a(command[2]) == script_known);
    knows_script_ = true;
    return text_reply(std::string{script_hash});
  }
  if (name == "XLEN") return number_reply(stream_ ? static_cast<std::int64_t>(stream_->entries.size()) : 0);
  if (name == "GET") {
    const auto found = texts_.find(command[1]);
    return found == texts_.end() ? redis_reply{} : text_reply(found->second);
  }
  REPASSE_CHECK(false);
  return {};
}

void simulated_redis::clear() {
  texts_.clear();
  stream_.reset();
  payments_.clear();
  torn_.reset();
}

void simulated_redis::start() {
  knows_script_ = false;
  if (!torn_ || !torn_->comes_back || !stream_) return;
  stream_->entries[torn_->id] = torn_->members;
  torn_.reset();
  ++brought_back_;
}

void simulated_redis::tear(std::string_view command, const redis_reply& reply) {
  const words asked = decode(command);
  for (std::size_t i = reply.list.size(); i-- > 0;) {
    if (reply.list[i].as_number()) continue; // known, or no room
    const entry_id id = entry_id_of(reply.list[i].text);
    torn_ = {id, stream_->entries.at(id)};
    stream_->entries.erase(id);
    texts_.erase(asked[5 + 2 * i]);
    payments_.erase(asked[5 + 2 * i]);
    return;
  }
}

void simulated_redis::told(std::string_view command, const redis_reply& reply, instance_life life) {
  if (command.find("\r\nEVALSHA\r\n") == std::string_view::npos || reply.is_error()) return;
  const words asked = decode(command);
  for (std::size_t i = 0; i < reply.list.size(); ++i)
    if (const auto found = payments_.find(asked[5 + 2 * i]);
        !reply.list[i].as_number() && found != payments_.end())
      found->second = life;
}

/// The intake's script; the session cache is empty.
redis_reply simulated_redis::take_in(const words& command, wall_time now) {
  REPASSE_CHECK(command[1] == script_hash);
  if (!knows_script_) return error_reply("NOSCRIPT No matching script. Please use EVAL.");
  const std::uint64_t keys = number_of(command[2]);
  const words names(command.begin() + 3, command.begin() + 3 + static_cast<std::ptrdiff_t>(keys));
  const words given(command.begin() + 3 + static_cast<std::ptrdiff_t>(keys), command.end());
  stream_name_ = names[0];
  auto room = static_cast<std::int64_t>(number_of(given[0])) -
              static_cast<std::int64_t>(stream_ ? stream_->entries.size() : 0);
  redis_reply answers = list_reply();
  for (std::size_t i = 0; i < names.size() / 2 - 1; ++i) {
    const std::string& key = names[2 + 2 * i];
    const std::string& amount = given[2 + 3 * i];
    const auto known = texts_.find(key);
    if (known != texts_.end()) {
      answers.list.push_back(number_reply(amount_in(known->second) == amount ? 1 : 2));
      continue;
    }
    if (room < 1) {
      answers.list.push_back(number_reply(3));
      continue;
    }
    --room;
    texts_[key] = amount + ' ' + given[3 + 3 * i];
    payments_[key] = 0;
    if (torn_) torn_->comes_back = true;
    if (!stream_) stream_.emplace();
    const auto millis = static_cast<std::uint64_t>(now.time_since_epoch().count());
    entry_id& last = stream_->last;
    last = millis > last.millis ? entry_id{millis, 0} : entry_id{last.millis, last.number + 1};
    stream_->entries[last] = {"id", given[1 + 3 * i], "amount", amount, "at", given[3 + 3 * i]};
    answers.list.push_back(text_reply(text_of(last)));
  }
  return answers;
}

redis_reply simulated_redis::change_group(const words& command) {
  stream_name_ = command[2];
  if (command[1] == "CREATE") {
    if (stream_ && stream_->readers) return error_reply("BUSYGROUP Consumer Group name already exists");
    if (!stream_ && command.back() != "MKSTREAM") return error_reply("ERR the key does not exist");
    if (!stream_) stream_.emplace();
    stream_->readers.emplace();
    return text_reply("OK");
  }
  REPASSE_CHECK(command[1] == "CREATECONSUMER");
  if (!stream_ || !stream_->readers) return error_reply("NOGROUP No such consumer group");
  return number_reply(stream_->readers->consumers.try_emplace(command[4], true).second ? 1 : 0);
}

/// Whoever is served is a consumer from then on.
redis_reply simulated_redis::read_group(const words& command, wall_time now) {
  if (!stream_ || !stream_->readers) return error_reply("NOGROUP No such key or consumer group");
  group& readers = *stream_->readers;
  std::uint64_t room = number_of(command[5]);
  redis_reply entries = list_reply();
  for (auto one = stream_->entries.upper_bound(readers.last); one != stream_->entries.end() && room > 0;
       ++one, --room) {
    readers.last = one->first;
    readers.consumers.try_emplace(command[3], true);
    readers.open[one->first] = {command[3], now};
    entries.list.push_back(entry_reply(one->first, one->second));
  }
  if (entries.list.empty()) return {};
  return list_reply({list_reply({text_reply(stream_name_), std::move(entries)})});
}

redis_reply simulated_redis::claim(const words& command, wall_time now) {
  if (!stream_ || !stream_->readers) return error_reply("NOGROUP No such key or consumer group");
  group& readers = *stream_->readers;
  const std::chrono::milliseconds idle_min{number_of(command[4])};
  std::uint64_t room = number_of(command[7]);
  redis_reply entries = list_reply();
  redis_reply deleted = list_reply();
  for (auto one = readers.open.begin(); one != readers.open.end() && room > 0;) {
    const auto at = one++;
    if (now - at->second.delivered < idle_min) continue;
    --room;
    const auto found = stream_->entries.find(at->first);
    if (found == stream_->entries.end()) {
      deleted.list.push_back(text_reply(text_of(at->first)));
      readers.open.erase(at);
      continue;
    }
    readers.consumers.try_emplace(command[3], true);
    if (at->second.consumer != command[3]) ++claimed_;
    at->second = {command[3], now};
    entries.list.push_back(entry_reply(found->first, found->second));
  }
  return list_reply({text_reply("0-0"), std::move(entries), std::move(deleted)});
}

redis_reply simulated_redis::count_pending() {
  if (!stream_ || !stream_->readers) return error_reply("NOGROUP No such key or consumer group");
  return list_reply({number_reply(static_cast<std::int64_t>(stream_->readers->open.size())), {}, {}, {}});
}

/// From `-`, or behind an entry, to the end.
redis_reply simulated_redis::read_range(const words& command) {
  redis_reply entries = list_reply();
  if (!stream_) return entries;
  std::uint64_t room = number_of(command[5]);
  auto one = command[2] == "-" ? stream_->entries.begin()
                               : stream_->entries.upper_bound(entry_id_of(command[2].substr(1)));
  for (; one != stream_->entries.end() && room > 0; ++one, --room)
    entries.list.push_back(entry_reply(one->first, one->second));
  return entries;
}

redis_reply simulated_redis::acknowledge(const words& command) {
  std::int64_t found = 0;
  for (std::size_t i = 3; i < command.size(); ++i)
    if (stream_ && stream_->readers && stream_->readers->open.erase(entry_id_of(command[i])) > 0) ++found;
  return number_reply(found);
}

redis_reply simulated_redis::remove_entries(const words& command) {
  std::int64_t found = 0;
  for (std::size_t i = 2; i < command.size(); ++i)
    if (stream_ && stream_->entries.erase(entry_id_of(command[i])) > 0) ++found;
  return number_reply(found);
}

redis_reply simulated_redis::remove_keys(const words& command) {
  std::int64_t found = 0;
  for (std::size_t i = 1; i < command.size(); ++i) {
    payments_.erase(command[i]);
    if (texts_.erase(command[i]) > 0) ++found;
    if (command[i] != stream_name_ || !stream_) continue;
    stream_.reset();
    ++found;
  }
  return number_reply(found);
}

redis_reply simulated_redis::entry_reply(const entry_id& id, const words& members) const {
  redis_reply values = list_reply();
  for (const std::string& one : members)
    values.list.push_back(text_reply(one));
  return list_reply({text_reply(text_of(id)), std::move(values)});
}

simulated_redis::entry_id simulated_redis::entry_id_of(std::string_view text) {
  const std::size_t dash = text.find('-');
  return {number_of(text.substr(0, dash)), number_of(text.substr(dash + 1))};
}

std::string simulated_redis::text_of(const entry_id& id) {
  return std::to_string(id.millis) + '-' + std::to_string(id.number);
}

} // namespace repasse::simulation
