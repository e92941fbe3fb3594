// Everything outside the instances: virtual time, the network, the processors, Redis, one source of chance.
// The simulation's http_client.cpp and redis_connection.cpp talk to it instead of to sockets.
#pragma once

#include "bench/simulated_processor.hpp"
#include "server/http_client.hpp"
#include "storage/clock.hpp"
#include "test/simulation/redis_network.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string_view>
#include <vector>

namespace repasse::simulation {

using namespace std::chrono_literals;

/// A processor and the network before it.
struct peer {
  explicit peer(unsigned seed) : books({}) { books.switches.hostile.seed(seed); }

  simulated_processor books;
  bool is_down = false;       ///< connections are refused
  bool is_cut_off = false;    ///< what is sent arrives nowhere, and nothing comes back
  bool loses_answers = false; ///< what is sent arrives, nothing comes back
  double cuts_requests = 0;   ///< share of requests whose last bytes are never handed over
  double stale_reads = 0;     ///< share of questions answered with 404 whatever it has taken
  double silent_reads = 0;    ///< share of questions never answered
  std::chrono::nanoseconds latency = 200us;
};

class world {
public:
  /// The one of the running seed.
  static world& current();

  explicit world(std::uint64_t seed);
  ~world();
  world(const world&) = delete;
  world& operator=(const world&) = delete;

  [[nodiscard]] static steady_time now();
  void at(steady_time due, std::function<void()> what);
  void after(std::chrono::nanoseconds pause, std::function<void()> what) {
    at(now() + pause, std::move(what));
  }
  /// When something is due next; `never` if nothing.
  [[nodiscard]] steady_time next_due() const;
  /// Does all that is due now.
  void run_due();

  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  [[nodiscard]] bool chance(double share) {
    return std::uniform_real_distribution<double>(0, 1)(random_) < share;
  }
  [[nodiscard]] std::chrono::nanoseconds between(std::chrono::nanoseconds low, std::chrono::nanoseconds high);

  /// One exchange under way: it belongs to a coroutine of some instance, which may vanish at any moment.
  struct call {
    explicit call(clock& time) : answered(time) {}
    ~call();
    call(const call&) = delete;
    call& operator=(const call&) = delete;

    caller_id id = 0;
    std::size_t to = 0;
    event answered;
    http_answer answer;
  };

  /// Sends the request on its way; `sent.answered` is notified when `sent.answer` has come.
  void send(call& sent, std::size_t to, std::string_view request);
  /// The caller has stopped waiting, or has been destroyed.
  void give_up(const call& sent);

  std::deque<peer> peers;
  /// The ledger is restored to an earlier moment in this seed. What asking cannot help against is left out:
  /// processors that deny what they have, clients with two amounts for one payment.
  bool has_restore = false;
  redis_network redis{*this};

  /// Of these an administrator has said what became of them.
  std::set<payment_id> spoken_of;
  /// How long ago that was, the last word that stands.
  std::function<std::optional<std::chrono::milliseconds>(const payment_id&)> age_of_word;
  /// And these were sent all the same.
  std::vector<payment_id> sent_after_word;

private:
  struct scheduled {
    steady_time due;
    std::uint64_t order;
    std::function<void()> what;
    bool operator>(const scheduled& other) const {
      return due != other.due ? due > other.due : order > other.order;
    }
  };

  void look_at_word(std::string_view request);
  void arrive(caller_id id, std::size_t to, const std::string& request);
  void look_after(std::size_t to);
  void deliver(std::size_t from, const simulated_reply& reply);
  void answer(std::size_t from, caller_id id, http_answer::kind what, int status, std::string_view body);

  std::mt19937_64 random_;
  std::vector<scheduled> queue_;
  std::uint64_t orders_ = 0;
  caller_id last_call_ = 0;
  std::map<caller_id, call*> calls_;
};

} // namespace repasse::simulation
