// The time of one reactor, and everything that waits in it.
// All waiting above the sockets goes through here, so that a simulation can run the same code in virtual
// time: clock.cpp reads the system's clocks, the simulation links its own clock.cpp instead.
// Used from the reactor's own thread only.
#pragma once

#include "storage/payment.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>

#include <chrono>
#include <memory>
#include <optional>

namespace repasse {

namespace asio = boost::asio;
namespace intrusive = boost::intrusive;

using executor = asio::io_context::executor_type;

/// What a coroutine returns. It runs on its reactor's thread and never throws.
template <typename T = void>
using task = asio::awaitable<T, executor>;

/// Monotonic time; the same clock for every reactor of a process.
using steady_time = std::chrono::steady_clock::time_point;
inline constexpr steady_time never = steady_time::max();

class event;

/// Built by the reactor before all else that waits, destroyed after it.
class clock {
public:
  explicit clock(asio::io_context& context);
  ~clock();
  clock(const clock&) = delete;
  clock& operator=(const clock&) = delete;

  [[nodiscard]] steady_time now() const;
  [[nodiscard]] wall_time wall() const;
  [[nodiscard]] executor get_executor() const { return executor_; }

  /// Wakes every event whose time has come, in order of time, then of arrival.
  void fire(steady_time now);
  /// When the next event's time comes; `never` if none waits for a time.
  [[nodiscard]] steady_time next_due() const;
  /// Destroys every coroutine that waits, without resuming it. For the end of a reactor, whose own
  /// `io_context` must run or be destroyed afterwards.
  void abandon();

private:
  friend class event;

  using hook =
      intrusive::link_mode<intrusive::auto_unlink>; // an event that is destroyed leaves its queue by itself
  struct waiter : intrusive::set_base_hook<hook>, intrusive::list_base_hook<hook> {
    steady_time due_ = never;
    friend bool operator<(const waiter& a, const waiter& b) { return a.due_ < b.due_; }
  };

  /// Sees to it that fire() is called at `due`; called when an earlier time than any before is waited for.
  void arm(steady_time due);

  struct driver;
  executor executor_;
  intrusive::multiset<waiter, intrusive::constant_time_size<false>> timed_;
  intrusive::list<waiter, intrusive::constant_time_size<false>> untimed_;
  std::unique_ptr<driver> driver_;
};

/// Something that one coroutine waits for. A notification that nobody waits for yet is kept (one, not a
/// count), so there is no race between looking and waiting.
class event : private clock::waiter {
public:
  explicit event(clock& time) : clock_(time) {}
  ~event();
  event(const event&) = delete;
  event& operator=(const event&) = delete;

  /// Resumes the waiter in a later turn of the loop, never within this call.
  void notify();

  /// True once notified; false if `due` came first. One waiter at a time.
  task<bool> wait_until(steady_time due = never);
  task<bool> wait_for(std::chrono::nanoseconds time) { return wait_until(clock_.now() + time); }

private:
  friend class clock;
  using token = asio::use_awaitable_t<executor>;
  using handler = asio::async_result<token, void(bool)>::handler_type;

  void resume(bool notified);

  clock& clock_;
  std::optional<handler> waiting_;
  bool notified_ = false;
};

/// Counts the coroutines that its owner has started, so that the owner can see the end of all of them.
class task_group {
public:
  explicit task_group(clock& time) : clock_(time), idle_(time) {}

  /// Starts `work`; an exception that leaves it ends the process, since nothing throws while serving.
  void spawn(task<> work);
  [[nodiscard]] std::size_t running() const { return running_; }
  /// True when all have ended; false if `due` came first.
  task<bool> join_until(steady_time due);

private:
  clock& clock_;
  event idle_;
  std::size_t running_ = 0;
};

} // namespace repasse
