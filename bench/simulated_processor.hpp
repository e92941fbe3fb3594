// One payment processor as CONTRACT section 3 describes it, without sockets and without a clock: `now` is
// an argument, answers are collected in `replies()`. The server of processor_simulator.hpp runs it.
// It never takes an id twice, and answers 200 for nothing that it has not taken.
#pragma once

#include "bench/hostility.hpp"
#include "bench/taken_payments.hpp"
#include "storage/payment.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <queue>
#include <string>
#include <vector>

namespace repasse {

/// Stands for one request of one client; chosen by the server.
using caller_id = std::uint64_t;
using steady_time = std::chrono::steady_clock::time_point;

enum class verdict : std::uint8_t {
  taken,
  already_taken,
  failed,
  too_many,
  health,
  redirect,
  teapot,
  bad_request,
  unauthorized
};

struct simulated_reply {
  caller_id to;
  verdict what;
  delivery how;
};

struct simulated_health {
  bool failing;
  std::uint64_t min_response_millis;
};

/// What may be changed while it runs; a change is seen by requests that are waiting out their delay.
struct processor_switches {
  std::string token = "123";
  std::chrono::milliseconds delay{0}; ///< of requests whose work begins after the change
  bool failing = false;
  std::optional<simulated_health> health_lie;
  hostility hostile;
};

class simulated_processor {
public:
  static constexpr std::size_t at_work_max = 800;
  static constexpr std::size_t waiting_max = 500;
  static constexpr std::size_t health_held_back_max = 2;
  static constexpr std::chrono::seconds health_window{5};

  explicit simulated_processor(processor_switches initial) : switches(std::move(initial)) {}

  /// `POST /payments`: begins now, or waits for one of those at work to end, or is refused.
  void post(caller_id caller, const payment_id& id, const taken_payments::payment& payment, steady_time now);

  /// `GET /payments/service-health`: answered now, or held back until a window is free, or refused.
  void ask_health(caller_id caller, steady_time now);

  /// The client has gone: frees its place in the queue of the health call. A payment goes on.
  void forget(caller_id caller);

  /// Does what has become due by `now`.
  void advance(steady_time now);
  /// When to call `advance` next.
  [[nodiscard]] std::optional<steady_time> next_due() const;

  /// Answers since the last time that the server emptied this. `delivery::nothing` is never among them.
  [[nodiscard]] std::vector<simulated_reply>& replies() { return replies_; }

  /// What the health call says, lies included.
  [[nodiscard]] simulated_health health() const;

  struct health_calls {
    std::uint64_t asked = 0;
    std::uint64_t early = 0; ///< of these: within the window of an earlier one, so held back or refused
  };
  [[nodiscard]] const health_calls& health_asked() const { return health_asked_; }

  processor_switches switches;
  taken_payments payments;

private:
  struct job {
    caller_id caller;
    payment_id id;
    taken_payments::payment payment;
    hostile_mode mode;
  };
  /// The end of a job's delay, or the moment of a late answer.
  struct appointment {
    steady_time due;
    std::uint64_t order;
    std::optional<job> ending;
    simulated_reply late;

    bool operator>(const appointment& other) const {
      return due != other.due ? due > other.due : order > other.order;
    }
  };

  void begin(const job& begun, steady_time now);
  void finish(const job& ended, steady_time now);
  [[nodiscard]] verdict work(const job& ended);
  [[nodiscard]] simulated_reply refusal(const job& ended);
  void reply(const simulated_reply& answer) { replies_.push_back(answer); }
  void let_in_waiting(steady_time now);

  std::priority_queue<appointment, std::vector<appointment>, std::greater<>> appointments_;
  std::uint64_t appointments_made_ = 0;
  std::size_t at_work_ = 0;
  std::deque<job> waiting_;
  std::deque<caller_id> health_held_back_;
  steady_time next_health_window_{};
  health_calls health_asked_;
  unsigned wrong_statuses_ = 0;
  std::vector<simulated_reply> replies_;
};

} // namespace repasse
