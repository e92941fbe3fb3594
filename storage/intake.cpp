#include "storage/intake.hpp"

#include "storage/planted.hpp"
#include "storage/redis_keys.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds purge_limit = 10s;
/// A consumer that has not imported what it took out for so long is taken for dead.
constexpr std::string_view claim_idle_ms = "5000";
constexpr std::chrono::nanoseconds claim_period = 1s;

/// For each payment: 1 known, 2 conflict, 3 full, or the new entry's id. KEYS: the stream, the edition of the
/// books, then for each its key here and in the session cache, which holds if no purge has come since
/// (cached_payment.hpp). ARGV: how many the stream may hold, then for each its id, amount and time. The entry
/// first: a Redis that starts from a torn file may keep the beginning of a script alone, and a key without
/// its entry would say `known` for ever.
constexpr std::string_view take_in_script = R"(
local books, purged = string.match(redis.call('GET', KEYS[2]) or '', '^1 (%x+) (%d+)$')
local room = tonumber(ARGV[1]) - redis.call('XLEN', KEYS[1])
local answers = {}
for i = 1, #KEYS / 2 - 1 do
  local taken, id, amount, at = KEYS[2 * i + 1], ARGV[3 * i - 1], ARGV[3 * i], ARGV[3 * i + 1]
  local known = string.match(redis.call('GET', taken) or '', '^%d+')
  if not known then
    local of, owner, cents = string.match(redis.call('GET', KEYS[2 * i + 2]) or '', '^1 (%x+) (%d+) (%d+) ')
    if cents and of == books and tonumber(owner) > tonumber(purged) then known = cents end
  end
  if known then
    answers[i] = known == amount and 1 or 2
  elseif room < 1 then
    answers[i] = 3
  else
    answers[i] = redis.call('XADD', KEYS[1], '*', 'id', id, 'amount', amount, 'at', at)
    redis.call('SET', taken, amount .. ' ' .. at)
    room = room - 1
  end
end
return answers)";

bool read_number(std::string_view text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

/// `1526919030474-55`
bool read_entry_id(std::string_view text, taken_payment& to) {
  const std::size_t dash = text.find('-');
  return dash != std::string_view::npos && read_number(text.substr(0, dash), to.entry_millis) &&
         read_number(text.substr(dash + 1), to.entry_number);
}

bool read_amount(std::string_view text, std::int64_t& cents) {
  std::uint64_t number = 0;
  if (!read_number(text, number) || number == 0 || number > 9'999'999'999) return false;
  cents = static_cast<std::int64_t>(number);
  return true;
}

bool read_time(std::string_view text, wall_time& time) {
  std::uint64_t millis = 0;
  if (!read_number(text, millis) || millis == 0 || millis > 100'000'000'000'000) return false;
  time = wall_time{std::chrono::milliseconds{millis}};
  return true;
}

std::string entry_id(const taken_payment& payment) {
  return std::to_string(payment.entry_millis) + '-' + std::to_string(payment.entry_number);
}

std::string millis_of(wall_time time) { return std::to_string(time.time_since_epoch().count()); }

} // namespace

intake::intake(clock& time, redis_connection& redis, const redis_names& names, config settings)
    : clock_(time), redis_(redis), names_(names), config_(std::move(settings)), wake_(time), tasks_(time) {}

void intake::stop() {
  leaving_ = true;
  wake_.notify();
}

intake_figures intake::figures() const {
  intake_figures made = figures_;
  made.remembered = remembered_.size();
  return made;
}

std::string_view intake::script_text() { return take_in_script; }

// Taking in.

task<> intake::take_in(std::span<intake_item> items) {
  for (intake_item& item : items)
    item.answer = intake_item::verdict::unavailable;
  if (!is_open()) co_return;
  std::vector<std::string> words{"EVALSHA", script_, std::to_string(2 + 2 * items.size()), names_.intake(),
                                 names_.edition()};
  words.reserve(6 + 5 * items.size());
  for (const intake_item& item : items) {
    words.push_back(names_.taken_in(item.id));
    words.push_back(names_.payment(item.id));
  }
  words.push_back(std::to_string(config_.payments_max));
  for (const intake_item& item : items) {
    words.push_back(to_string(item.id));
    words.push_back(std::to_string(item.amount_cents));
    words.push_back(millis_of(item.accepted_at));
  }
  const std::vector<std::string_view> arguments(words.begin(), words.end());
  redis_batch asked;
  asked.add(arguments);
  const redis_verdict verdict = co_await redis_.exec(asked, clock_.now() + config_.take_limit);
  if (verdict != redis_verdict::done) co_return close("Redis does not answer");
  const redis_reply& reply = asked.reply(0);
  if (reply.is_error() || reply.list.size() != items.size()) co_return close(reply.text);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const redis_reply& one = reply.list[i];
    taken_payment taken{
        .id = items[i].id, .amount_cents = items[i].amount_cents, .accepted_at = items[i].accepted_at};
    if (const auto number = one.as_number()) {
      items[i].answer = *number == 1   ? intake_item::verdict::known
                        : *number == 2 ? intake_item::verdict::conflict
                                       : intake_item::verdict::full;
    } else if (read_entry_id(one.text, taken)) {
      items[i].answer = intake_item::verdict::taken;
      ++figures_.taken;
      if (remembered_.size() < config_.remembered_max) remembered_.push_back(taken);
    }
    if (items[i].answer == intake_item::verdict::full) close(no_room);
  }
}

task<std::optional<std::optional<taken_payment>>> intake::find(payment_id id) {
  redis_batch asked;
  const std::string key = names_.taken_in(id);
  asked.add({"GET", key});
  const redis_verdict verdict =
      co_await redis_.exec(asked, clock_.now() + config_.find_limit, redis_connection::late::abandon);
  if (verdict != redis_verdict::done || asked.reply(0).is_error()) co_return std::nullopt;
  std::optional<taken_payment> found;
  const std::string_view text = asked.reply(0).text;
  const std::size_t space = text.find(' ');
  taken_payment taken{.id = id};
  if (space != std::string_view::npos && read_amount(text.substr(0, space), taken.amount_cents) &&
      read_time(text.substr(space + 1), taken.accepted_at))
    found = taken;
  co_return std::optional(found);
}

// Taking out.

task<std::vector<taken_payment>> intake::next(std::size_t count) {
  searches_seen_ = searches_;
  if (!remembered_.empty()) {
    std::vector<taken_payment> found;
    while (!remembered_.empty() && found.size() < count) {
      found.push_back(remembered_.front());
      remembered_.pop_front();
    }
    co_return found;
  }
  if (!is_reached()) co_return std::vector<taken_payment>{};
  std::vector<taken_payment> found = co_await read(false, count);
  if (found.empty() && clock_.now() >= claim_at_ && !is_planted(planted::no_claim)) {
    claim_at_ = clock_.now() + claim_period;
    found = co_await read(true, count);
    if (found.empty() && !is_planted(planted::no_sweep_of_intake)) found = co_await sweep(count);
    if (!found.empty()) claim_at_ = {};
  }
  co_return found;
}

task<std::vector<taken_payment>> intake::read(bool of_dead_consumers, std::size_t count) {
  std::vector<taken_payment> found;
  const std::string stream = names_.intake();
  const std::string limit = std::to_string(count);
  redis_batch asked;
  if (of_dead_consumers)
    asked.add({"XAUTOCLAIM", stream, group, config_.consumer, claim_idle_ms, "0-0", "COUNT", limit});
  else
    asked.add({"XREADGROUP", "GROUP", group, config_.consumer, "COUNT", limit, "STREAMS", stream, ">"});
  const redis_verdict verdict = co_await redis_.exec(asked, clock_.now() + look_limit);
  if (verdict != redis_verdict::done) co_return found;
  const redis_reply& reply = asked.reply(0);
  if (of_dead_consumers && reply.list.size() >= 2)
    read_entries(reply.list[1], true, found);
  else if (!of_dead_consumers && reply.list.size() == 1 && reply.list[0].list.size() == 2)
    read_entries(reply.list[0].list[1], true, found);
  co_return found;
}

/// Once for each connection, which a start of Redis ends, when no consumer has anything in hand: from a torn
/// file it may load entries anew that the group is past and has in no list. (A file that ends within a MULTI
/// keeps that MULTI, and what follows it, until the next start: valkey-io/valkey#4342.)
task<std::vector<taken_payment>> intake::sweep(std::size_t count) {
  std::vector<taken_payment> found;
  if (std::exchange(swept_generation_, redis_.generation()) != redis_.generation()) sweep_from_ = "-";
  if (sweep_from_.empty()) co_return found;
  const std::string stream = names_.intake();
  const std::string limit = std::to_string(count);
  redis_batch asked;
  asked.add({"XPENDING", stream, group});
  asked.add({"XRANGE", stream, sweep_from_, "+", "COUNT", limit});
  const redis_verdict verdict = co_await redis_.exec(asked, clock_.now() + look_limit);
  if (verdict != redis_verdict::done || asked.reply(1).is_error()) co_return found;
  const redis_reply& in_hand = asked.reply(0);
  if (in_hand.list.empty() || in_hand.list[0].as_number() != 0) co_return found;
  const std::vector<redis_reply>& entries = asked.reply(1).list;
  sweep_from_.clear();
  if (entries.size() == count && !entries.back().list.empty())
    sweep_from_ = '(' + entries.back().list[0].text;
  read_entries(asked.reply(1), false, found);
  co_return found;
}

/// What is no payment stays in the stream; `is_in_hand`: taken out of the group's list.
void intake::read_entries(const redis_reply& entries, bool is_in_hand, std::vector<taken_payment>& to) {
  for (const redis_reply& entry : entries.list) {
    taken_payment one;
    bool is_right = entry.list.size() == 2 && read_entry_id(entry.list[0].text, one);
    unsigned members = 0;
    for (std::size_t i = 0; is_right && i + 1 < entry.list[1].list.size(); i += 2) {
      const std::string_view name = entry.list[1].list[i].text;
      const std::string_view value = entry.list[1].list[i + 1].text;
      if (name == "id") {
        const std::optional<payment_id> id = parse_payment_id(value);
        is_right = id.has_value();
        if (id) one.id = *id;
      } else if (name == "amount") {
        is_right = read_amount(value, one.amount_cents);
      } else if (name == "at") {
        is_right = read_time(value, one.accepted_at);
      } else {
        continue;
      }
      ++members;
    }
    if (is_right && members == 3) {
      to.push_back(one);
      continue;
    }
    if (entry.list.empty() || !is_in_hand) continue;
    spdlog::critical("entry {} of the intake is no payment: it stays there", entry.list[0].text);
    redis_batch told;
    told.add({"XACK", names_.intake(), group, entry.list[0].text});
    redis_.send(told);
  }
}

/// A search meanwhile has not looked for these.
void intake::put_back(std::span<const taken_payment> payments) {
  if (!payments.empty() && searches_seen_ != searches_) may_have_lost_ = true;
  remembered_.insert(remembered_.begin(), payments.begin(), payments.end());
}

/// The keys first: one that stayed alone would say `accepted` for ever. An entry that stays is imported
/// again, and known, as long as it is in the group's list, which is last. No transaction: Redis refuses those
/// while it is full, and this makes room.
task<> intake::forget(std::vector<taken_payment> payments) {
  figures_.imported += payments.size();
  const std::string stream = names_.intake();
  std::vector<std::string> keys;
  std::vector<std::string> ids;
  for (const taken_payment& one : payments) {
    keys.push_back(names_.taken_in(one.id));
    ids.push_back(entry_id(one));
  }
  std::vector<std::string_view> unlink{"UNLINK"};
  std::vector<std::string_view> acknowledge{"XACK", stream, group};
  std::vector<std::string_view> remove{"XDEL", stream};
  unlink.insert(unlink.end(), keys.begin(), keys.end());
  acknowledge.insert(acknowledge.end(), ids.begin(), ids.end());
  remove.insert(remove.end(), ids.begin(), ids.end());
  if (is_planted(planted::stream_deleted)) unlink.push_back(stream);
  redis_batch told;
  told.add(unlink);
  told.add(remove);
  told.add(acknowledge);
  static_cast<void>(co_await redis_.exec(told, clock_.now() + look_limit));
}

/// Up to the newest entry, and its key first: a key that stayed alone would say `known` for ever. What is
/// taken in meanwhile stays, and what is imported just now may still come.
task<bool> intake::purge() {
  if (!is_reached()) co_return true; // no request fails for want of Redis
  const std::string stream = names_.intake();
  redis_batch asked;
  asked.add({"XREVRANGE", stream, "+", "-", "COUNT", "1"});
  redis_verdict verdict = co_await redis_.exec(asked, clock_.now() + look_limit);
  if (verdict != redis_verdict::done || asked.reply(0).is_error()) co_return false;
  taken_payment newest;
  const std::vector<redis_reply>& entries = asked.reply(0).list;
  if (!entries.empty() && !entries[0].list.empty()) read_entry_id(entries[0].list[0].text, newest);
  const auto gone = co_await remove_keys(redis_, clock_, names_.all_taken_in(), clock_.now() + purge_limit);
  if (!gone) co_return false;
  ++newest.entry_number;
  const std::string first_kept = entry_id(newest);
  asked.clear();
  asked.add({"XTRIM", stream, "MINID", first_kept});
  verdict = co_await redis_.exec(asked, clock_.now() + look_limit);
  co_return verdict == redis_verdict::done && !asked.reply(0).is_error();
}

} // namespace repasse
