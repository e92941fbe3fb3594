// One connection to Redis, kept alive: async hiredis on the reactor's own loop. Only redis_link.cpp knows
// hiredis. Anyone on the reactor's thread may exec() at any time: commands go out in that order, all those of
// one turn of the loop in one write. It never retries: who asks knows what may be repeated.
#pragma once

#include "storage/clock.hpp"
#include "storage/histogram.hpp"
#include "storage/redis_reply.hpp"

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

struct redis_call;
class redis_keeper;

/// What is known of a batch of commands once exec() comes back; as many values as a caller has reactions.
enum class [[nodiscard]] redis_verdict : std::uint8_t{
    done,        ///< every command has its reply, which may be an error of its own
    unavailable, ///< nothing was sent
    in_doubt     ///< some or all may have been carried out, now or later
};

/// Commands that are sent together and answered one by one; never built by joining strings: each argument is
/// bytes of any value. Lives in its caller's frame; it may be used again after exec() has come back, and
/// keeps its memory.
class redis_batch {
public:
  /// Forgets commands and replies.
  void clear();
  /// One command: its name and its arguments.
  void add(std::initializer_list<std::string_view> arguments) {
    add(std::span{arguments.begin(), arguments.size()});
  }
  void add(std::span<const std::string_view> arguments);
  [[nodiscard]] std::size_t size() const { return ends_.size(); }
  /// Of the `number`th command; after `done` only.
  [[nodiscard]] const redis_reply& reply(std::size_t number) const;

private:
  friend struct redis_call;
  std::string bytes_;                ///< the commands as RESP has them
  std::vector<std::size_t> ends_;    ///< where each ends
  std::vector<redis_reply> replies_; ///< those beyond the commands keep their memory
};

struct redis_figures {
  std::uint32_t connected = 0;
  std::uint32_t in_flight = 0; ///< commands without a reply
  std::uint64_t commands = 0;
  std::uint64_t reconnects = 0;
  std::uint64_t lost = 0;    ///< commands that came to be in doubt
  std::uint64_t dropped = 0; ///< commands of send() that were never sent
  std::uint64_t writes = 0;  ///< calls of the system; commands of one turn share one
  duration_histogram took;   ///< what is waited for, from its sending to its last reply

  void add(const redis_figures& other);
};

/// Where Redis is, and how to get in.
struct redis_address {
  /// `redis://[user[:password]@]host[:port][/db]`, `redis-sentinel://[…@]host1[:port],host2/master[/db]`,
  /// `unix:/path[?db=…]`; user, password and master percent-encoded.
  std::string url;
  std::string password; ///< if the url holds none
  std::uint32_t db = 0; ///< if the url holds none
};

/// Built by its owner; run() is spawned once and ends with stop() or the end of the reactor.
class redis_connection {
public:
  struct config {
    redis_address where;
    std::string name; ///< CLIENT SETNAME: `repasse-17-commands`
    /// Of one attempt, to its last reply; with Sentinel of each server that is asked.
    std::chrono::nanoseconds connect_limit = std::chrono::seconds{1};
    /// Between two attempts: doubles between these, less up to a quarter at random.
    std::chrono::nanoseconds pause_min = std::chrono::milliseconds{100};
    std::chrono::nanoseconds pause_max = std::chrono::seconds{1};
    /// Commands that are sent and have no reply; one more is unavailable at once.
    std::size_t in_flight_max = 65'536;
    /// An idle connection is asked (PING) so often, and lost when it stays silent for as long: a host that is
    /// gone would not be noticed otherwise.
    std::chrono::nanoseconds silence = std::chrono::seconds{2};
    std::uint32_t jitter_seed = 1;
  };
  enum class state : std::uint8_t { connecting, connected, away, stopped };

  redis_connection(clock& time, config settings);
  ~redis_connection();
  redis_connection(const redis_connection&) = delete;
  redis_connection& operator=(const redis_connection&) = delete;

  /// Resolves (by Asio), connects, AUTH, SELECT, reconnects with back-off and jitter. With Sentinel it asks
  /// for the master at each attempt, and believes only one that says `role:master` itself.
  task<> run();
  /// What is under way comes back as in_doubt.
  void stop();

  /// What becomes of commands whose time is over before their replies are there.
  enum class late : std::uint8_t {
    lose_connection, ///< the server is taken for dead: one that is stopped answers nobody
    abandon          ///< their replies will be read and dropped; for reads that have little time
  };

  /// Ends by `due`; nothing waits for a connection: while there is none it is unavailable at once. A reply
  /// READONLY loses the connection, since another is the master now. `work` must not be touched until it
  /// ends.
  task<redis_verdict> exec(redis_batch& work, steady_time due, late when_late = late::lose_connection);
  /// For what may be lost: no reply is waited for, nothing is said. Dropped (and counted) while away.
  void send(redis_batch& work);

  [[nodiscard]] state now_in() const;
  [[nodiscard]] steady_time since() const;
  /// Raised by each connection made, 0 before the first: who keeps something there that a restart may have
  /// lost looks here.
  [[nodiscard]] std::uint64_t generation() const;
  /// Notified at each change of state; one coroutine waits for it.
  [[nodiscard]] event& changed();
  /// Why it is away, in one line without secrets; empty while connected.
  [[nodiscard]] const std::string& trouble() const;
  /// Of the last exec(): round trip.
  [[nodiscard]] std::chrono::nanoseconds last_latency() const;
  [[nodiscard]] const redis_figures& figures() const;
  [[nodiscard]] bool is_sentinel() const;

private:
  boost::intrusive_ptr<redis_keeper> self_; ///< shared with run() and exec(), which may end a turn later
};

/// A connection of its own that listens to one channel, subscribing anew after each loss.
class redis_subscription {
public:
  struct calls {
    /// A message, in the reactor's thread; the bytes are valid within the call.
    void (*heard)(void* who, std::string_view message) = nullptr;
    /// Subscribed, for the first time or again: messages may have been missed before.
    void (*subscribed)(void* who) = nullptr;
    void* who = nullptr;
  };

  redis_subscription(clock& time, redis_connection::config settings, std::string channel, calls to);
  ~redis_subscription();
  redis_subscription(const redis_subscription&) = delete;
  redis_subscription& operator=(const redis_subscription&) = delete;

  task<> run();
  void stop();
  [[nodiscard]] bool is_subscribed() const;

private:
  boost::intrusive_ptr<redis_keeper> self_; ///< shared with run() and exec(), which may end a turn later
};

/// What `url` says, as far as a start can check without a server: empty if well-formed, else what is wrong,
/// without secrets. `rediss://` is an error.
[[nodiscard]] std::string redis_url_error(const std::string& url);

} // namespace repasse
