#include "storage/check.hpp"
#include "storage/clock.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <exception>
#include <utility>

namespace repasse {

event::~event() = default;

void event::notify() {
  if (waiting_)
    resume(true);
  else
    notified_ = true;
}

void event::resume(bool notified) {
  if (set_base_hook::is_linked()) set_base_hook::unlink();
  if (list_base_hook::is_linked()) list_base_hook::unlink();
  handler woken = std::move(*waiting_);
  waiting_.reset();
  asio::post(clock_.get_executor(),
             [woken = std::move(woken), notified]() mutable { std::move(woken)(notified); });
}

task<bool> event::wait_until(steady_time due) {
  if (notified_) {
    notified_ = false;
    co_return true;
  }
  auto start = [this, due](handler waiting) {
    REPASSE_CHECK(!waiting_);
    waiting_.emplace(std::move(waiting));
    if (due == never) {
      clock_.untimed_.push_back(*this);
      return;
    }
    const steady_time next = clock_.next_due();
    due_ = due;
    clock_.timed_.insert(*this);
    if (due < next) clock_.arm(due);
  };
  const bool notified = co_await asio::async_initiate<const token, void(bool)>(start, token{});
  co_return notified;
}

void clock::fire(steady_time now) {
  while (!timed_.empty() && timed_.begin()->due_ <= now)
    static_cast<event&>(*timed_.begin()).resume(false);
}

steady_time clock::next_due() const { return timed_.empty() ? never : timed_.begin()->due_; }

void clock::abandon() {
  // Destroying a coroutine may destroy events that it owns, which leave the queues by themselves.
  const auto drop = [](waiter& first) {
    auto& waiting = static_cast<event&>(first);
    if (waiting.set_base_hook::is_linked()) waiting.set_base_hook::unlink();
    if (waiting.list_base_hook::is_linked()) waiting.list_base_hook::unlink();
    event::handler dropped = std::move(*waiting.waiting_);
    waiting.waiting_.reset();
  };
  while (!timed_.empty())
    drop(*timed_.begin());
  while (!untimed_.empty())
    drop(*untimed_.begin());
}

void task_group::spawn(task<> work) {
  ++running_;
  asio::co_spawn(clock_.get_executor(), std::move(work), [this](const std::exception_ptr& thrown) {
    if (thrown) std::terminate();
    if (--running_ == 0) idle_.notify();
  });
}

task<bool> task_group::join_until(steady_time due) {
  while (running_ > 0) {
    const bool notified = co_await idle_.wait_until(due);
    if (!notified) co_return running_ == 0;
  }
  co_return true;
}

} // namespace repasse
