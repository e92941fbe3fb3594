// The one Redis of a seed and the ways to it: commands under way, late, lost, carried out after their sender
// has given them up; the server stopped, killed, started again. The simulation's redis_connection.cpp talks
// to it instead of to sockets.
//
// It syncs every write before it answers. A server killed before it has answered has carried out some first
// part of what was under way: nobody can tell that from an append-only file whose end is lost. What it has
// answered it loses only while an instance lives that was told so: its memory is the promise. Such an
// instance is not killed before it had time to take the payment in again; if it has not by then, it is in
// breach.
#pragma once

#include "storage/redis_link.hpp"
#include "test/simulation/simulated_redis.hpp"

#include <deque>
#include <functional>
#include <map>
#include <vector>

namespace repasse::simulation {

class world;

/// Of one instance.
struct redis_way {
  bool is_cut_off = false;    ///< what is sent arrives when that ends; nothing comes back
  bool loses_replies = false; ///< what is sent arrives, nothing comes back
  double cuts_links = 0;      ///< share of the commands at which the connection is lost
  std::chrono::nanoseconds latency = std::chrono::microseconds{100};
  instance_life life = 0; ///< of the instance, while what it remembers counts
  steady_time asleep_until{};
};

struct redis_coverage {
  std::uint64_t claimed = 0;
  std::uint64_t brought_back = 0;
  std::uint64_t doubts = 0;
  std::uint64_t carried_out_late = 0;
  std::uint64_t restarts = 0;
  std::uint64_t emptied = 0;

  void add(const redis_coverage& other);
};

class redis_network {
public:
  explicit redis_network(world& outside) : world_(outside) {}
  redis_network(const redis_network&) = delete;
  redis_network& operator=(const redis_network&) = delete;

  /// The client's end of a connection.
  struct end {
    explicit end(clock& time) : lost(time) {}
    std::uint64_t link = 0; ///< 0: none
    event lost;
  };
  /// One batch under way; it belongs to a coroutine of some instance, which may vanish at any moment.
  struct exchange {
    exchange(clock& time, redis_batch& work) : call(time, work) {}
    ~exchange();
    exchange(const exchange&) = delete;
    exchange& operator=(const exchange&) = delete;

    redis_call call;
    redis_network* sent_on = nullptr;
    std::uint64_t id = 0;
    std::uint64_t link = 0;
    std::size_t answered = 0;
  };

  enum class reach { answers, refuses, silent };
  [[nodiscard]] reach reaches(std::size_t way) const;
  void connect(std::size_t way, end& by);
  /// `one` is null if nobody waits for the replies.
  void send(std::uint64_t link, exchange* one, const redis_batch& work);
  /// The client gives it up: what is under way is in doubt.
  void close(std::uint64_t link);

  // Told by the faults.
  void kill();
  /// `empty`: with nothing, if that is no broken promise.
  void start(bool empty);
  /// At the next payment taken in: killed within the write, and started.
  void tear_soon() { is_to_be_torn_ = true; }
  void stop() { is_stopped_ = true; }
  void go_on();
  /// FLUSHALL; false if it would break a promise.
  bool flush();
  /// After a change of a way for the better.
  void look_after_ways();

  // Told by the cluster.
  void begin_life(std::size_t way) { ways[way].life = ++lives_; }
  void end_life(std::size_t way) { ways[way].life = 0; }
  /// It alone remembers payments that Redis has lost.
  [[nodiscard]] bool is_needed(std::size_t way) const;
  std::function<bool(const payment_id&)> is_booked;

  [[nodiscard]] bool is_empty() const { return server_.is_empty(); }
  /// Payments that were not taken in again in time.
  [[nodiscard]] const std::vector<payment_id>& breaches() const { return breaches_; }
  [[nodiscard]] redis_coverage seen() const;

  std::deque<redis_way> ways; ///< by instance

private:
  struct command {
    std::string bytes;
    std::uint64_t exchange = 0;
    std::size_t number = 0;
  };
  struct link {
    std::size_t way = 0;
    instance_life life = 0;
    end* by = nullptr;    ///< null once the client has lost it
    bool is_dead = false; ///< the server has lost it
    bool is_mute = false; ///< a reply is lost, so those behind it are too
    simulated_redis::client client;
    std::deque<command> coming;
    steady_time arrives_at{};
    steady_time answers_at{};
  };

  /// A payment that Redis has lost, and who has to take it in again.
  struct debt {
    instance_life life = 0;
    steady_time since{}; ///< nothing has hindered it
  };

  void arrive(std::uint64_t number);
  void deliver(std::uint64_t number, const command& asked, const redis_reply& reply);
  void lose(std::uint64_t number);
  void reset(std::uint64_t number);
  void tear(const command& asked, const redis_reply& reply);
  void drop_some(link& of);
  [[nodiscard]] redis_reply carry_out(link& of, const command& asked);
  [[nodiscard]] bool is_waiting(const link& of) const { return is_stopped_ || ways[of.way].is_cut_off; }
  [[nodiscard]] bool remembers(instance_life life) const;
  [[nodiscard]] bool may_empty() const;
  void empty();
  void look_after_debts();
  [[nodiscard]] bool is_safe(const std::string& key) const;
  [[nodiscard]] bool is_hindered(instance_life life) const;

  world& world_;
  simulated_redis server_;
  bool is_away_ = false;
  bool is_stopped_ = false;
  bool is_to_be_torn_ = false;
  std::uint64_t last_number_ = 0; ///< of links and exchanges
  instance_life lives_ = 0;
  std::map<std::uint64_t, link> links_;
  std::map<std::uint64_t, exchange*> exchanges_;
  std::map<std::string, debt> debts_; ///< by key
  std::vector<payment_id> breaches_;
  redis_coverage seen_;
};

} // namespace repasse::simulation
