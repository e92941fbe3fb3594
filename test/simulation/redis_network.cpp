#include "test/simulation/redis_network.hpp"

#include "storage/check.hpp"
#include "test/simulation/virtual_time.hpp"
#include "test/simulation/world.hpp"

#include <algorithm>

namespace repasse::simulation {
namespace {

/// Within which an instance that nothing hinders takes in again what Redis has lost: to reconnect, to look,
/// and some to spare.
constexpr std::chrono::nanoseconds debt_limit = 5s;

payment_id payment_of(std::string_view key) {
  return parse_payment_id(key.substr(key.rfind(':') + 1)).value();
}

} // namespace

redis_network::exchange::~exchange() {
  if (sent_on != nullptr) sent_on->exchanges_.erase(id);
}

redis_network::reach redis_network::reaches(std::size_t way) const {
  if (ways[way].is_cut_off || ways[way].loses_replies) return reach::silent;
  if (is_away_) return reach::refuses;
  return is_stopped_ ? reach::silent : reach::answers;
}

void redis_network::connect(std::size_t way, end& by) {
  by.link = ++last_number_;
  link& made = links_[by.link];
  made.way = way;
  made.life = ways[way].life;
  made.by = &by;
}

void redis_network::send(std::uint64_t number, exchange* one, const redis_batch& work) {
  link& on = links_.at(number);
  if (one != nullptr) {
    one->sent_on = this;
    one->id = ++last_number_;
    one->link = number;
    exchanges_[one->id] = one;
  }
  for (std::size_t i = 0; i < work.size(); ++i) {
    on.coming.push_back({std::string{redis_call::command(work, i)}, one != nullptr ? one->id : 0, i});
    const steady_time soon = world::now() + ways[on.way].latency + world_.between(0us, 50us);
    on.arrives_at = std::max(on.arrives_at, soon);
    world_.at(on.arrives_at, [this, number] { arrive(number); });
  }
}

/// The next command of a link, in order; while the way or the server holds it up it stays where it is.
void redis_network::arrive(std::uint64_t number) {
  const auto found = links_.find(number);
  if (found == links_.end() || found->second.coming.empty()) return;
  link& on = found->second;
  if (is_waiting(on)) return;
  const bool is_lost = on.by != nullptr && world_.chance(ways[on.way].cuts_links);
  if (is_lost && world_.chance(0.5)) {
    on.coming.clear();
    return lose(number);
  }
  const command asked = std::move(on.coming.front());
  on.coming.pop_front();
  const redis_reply reply = carry_out(on, asked);
  if (is_to_be_torn_ && asked.bytes.find("\r\nEVALSHA\r\n") != std::string::npos) return tear(asked, reply);
  if (is_lost) return lose(number);
  if (on.by == nullptr) {
    if (on.coming.empty()) links_.erase(found);
    return;
  }
  if (ways[on.way].loses_replies) on.is_mute = true;
  if (on.is_mute || asked.exchange == 0) return;
  on.answers_at = std::max(on.answers_at, world::now() + ways[on.way].latency + world_.between(0us, 50us));
  world_.at(on.answers_at, [this, number, asked, reply] { deliver(number, asked, reply); });
}

redis_reply redis_network::carry_out(link& of, const command& asked) {
  if (of.by == nullptr) ++seen_.carried_out_late;
  return server_.execute(of.client, asked.bytes, true_wall());
}

void redis_network::deliver(std::uint64_t number, const command& asked, const redis_reply& reply) {
  const auto found = links_.find(number);
  if (found == links_.end() || found->second.by == nullptr) return;
  link& on = found->second;
  if (ways[on.way].is_cut_off) on.is_mute = true;
  const auto waiting = exchanges_.find(asked.exchange);
  if (on.is_mute || waiting == exchanges_.end()) return;
  exchange& one = *waiting->second;
  if (one.answered == 0) one.call.make_room();
  one.call.reply(asked.number) = reply;
  server_.told(asked.bytes, reply, remembers(on.life) ? on.life : 0);
  if (++one.answered < one.call.work.size()) return;
  exchanges_.erase(waiting);
  one.sent_on = nullptr;
  one.call.end(redis_verdict::done);
}

void redis_network::close(std::uint64_t number) { lose(number); }

/// The client has a connection no more. What it sent may still come in, all of it or a first part.
void redis_network::lose(std::uint64_t number) {
  const auto found = links_.find(number);
  if (found == links_.end() || found->second.by == nullptr) return;
  link& on = found->second;
  on.by->link = 0;
  on.by->lost.notify();
  on.by = nullptr;
  for (auto one = exchanges_.begin(); one != exchanges_.end();) {
    exchange& waiting = *one->second;
    if (waiting.link != number) {
      ++one;
      continue;
    }
    one = exchanges_.erase(one);
    waiting.sent_on = nullptr;
    ++seen_.doubts;
    waiting.call.end(redis_verdict::in_doubt);
  }
  if (on.is_dead) on.coming.clear();
  if (world_.chance(0.5)) drop_some(on);
  if (on.coming.empty()) links_.erase(found);
}

void redis_network::drop_some(link& of) {
  of.coming.resize(static_cast<std::size_t>(world_.below(of.coming.size() + 1)));
}

/// The server's end has told the client.
void redis_network::reset(std::uint64_t number) {
  const auto found = links_.find(number);
  if (found != links_.end() && !ways[found->second.way].is_cut_off) lose(number);
}

void redis_network::kill() {
  if (std::exchange(is_away_, true)) return;
  is_stopped_ = false;
  std::vector<std::uint64_t> numbers;
  for (auto& [number, one] : links_) {
    numbers.push_back(number);
    if (one.is_dead) continue;
    one.is_dead = true;
    if (ways[one.way].is_cut_off) one.coming.clear();
    drop_some(one);
    for (const command& asked : std::exchange(one.coming, {}))
      static_cast<void>(carry_out(one, asked));
  }
  for (const std::uint64_t number : numbers)
    world_.after(ways[links_.at(number).way].latency + world_.between(0us, 100us),
                 [this, number] { reset(number); });
}

/// Twice: what the file has lost at the first start comes back with the second.
void redis_network::tear(const command& asked, const redis_reply& reply) {
  is_to_be_torn_ = false;
  server_.tear(asked.bytes, reply);
  for (auto& [number, one] : links_)
    one.coming.clear();
  kill();
  world_.after(world_.between(0ms, 300ms), [this] { start(false); });
  world_.after(world_.between(2s, 6s), [this] {
    kill();
    world_.after(world_.between(0ms, 300ms), [this] { start(false); });
  });
}

void redis_network::start(bool empties) {
  if (!std::exchange(is_away_, false)) return;
  ++seen_.restarts;
  if (empties && may_empty()) empty();
  server_.start();
}

void redis_network::go_on() {
  is_stopped_ = false;
  look_after_ways();
}

/// What was held up arrives.
void redis_network::look_after_ways() {
  for (const auto& [number, one] : links_) {
    if (is_waiting(one)) continue;
    if (one.is_dead) world_.after(ways[one.way].latency, [this, number = number] { reset(number); });
    for (std::size_t i = 0; i < one.coming.size(); ++i)
      world_.after(world_.between(0us, 500us), [this, number = number] { arrive(number); });
  }
}

bool redis_network::flush() {
  if (is_away_ || is_stopped_ || !may_empty()) return false;
  empty();
  return true;
}

bool redis_network::remembers(instance_life life) const {
  return life != 0 &&
         std::any_of(ways.begin(), ways.end(), [life](const redis_way& way) { return way.life == life; });
}

bool redis_network::may_empty() const {
  const auto& all = server_.payments();
  return std::all_of(all.begin(), all.end(), [this](const auto& one) { return remembers(one.second); });
}

void redis_network::empty() {
  if (!server_.payments().empty()) ++seen_.emptied;
  const bool was_looking = !debts_.empty();
  for (const auto& [key, life] : server_.payments())
    debts_[key] = {life, world::now()};
  server_.clear();
  if (!was_looking) look_after_debts();
}

void redis_network::look_after_debts() {
  for (auto one = debts_.begin(); one != debts_.end();) {
    const auto at = one++;
    debt& owed = at->second;
    if (is_safe(at->first)) {
      debts_.erase(at);
    } else if (is_hindered(owed.life)) {
      owed.since = world::now();
    } else if (world::now() - owed.since > debt_limit) {
      breaches_.push_back(payment_of(at->first));
      debts_.erase(at);
    }
  }
  if (!debts_.empty()) world_.after(250ms, [this] { look_after_debts(); });
}

bool redis_network::is_safe(const std::string& key) const {
  return server_.holds(key) || is_booked(payment_of(key));
}

bool redis_network::is_hindered(instance_life life) const {
  for (std::size_t i = 0; i < ways.size(); ++i) {
    const redis_way& way = ways[i];
    if (way.life == life)
      return reaches(i) != reach::answers || way.cuts_links > 0 || way.latency > 50ms ||
             way.asleep_until > world::now();
  }
  return false; // dying: it must not have
}

bool redis_network::is_needed(std::size_t way) const {
  return std::any_of(debts_.begin(), debts_.end(), [&](const auto& one) {
    return one.second.life == ways[way].life && !is_safe(one.first);
  });
}

redis_coverage redis_network::seen() const {
  redis_coverage all = seen_;
  all.claimed = server_.claimed();
  all.brought_back = server_.brought_back();
  return all;
}

void redis_coverage::add(const redis_coverage& other) {
  claimed += other.claimed;
  brought_back += other.brought_back;
  doubts += other.doubts;
  carried_out_late += other.carried_out_late;
  restarts += other.restarts;
  emptied += other.emptied;
}

} // namespace repasse::simulation
