// So many at once; who finds no place waits for one, first come, first served.
#pragma once

#include "storage/clock.hpp"

#include <boost/intrusive/list.hpp>

#include <cstddef>

namespace repasse {

class places {
public:
  places(clock& time, std::size_t most) : clock_(time), most_(most) {}

  /// Without waiting.
  [[nodiscard]] bool take() {
    if (taken_ >= most_) return false;
    ++taken_;
    return true;
  }
  /// Beyond the limit.
  void force() { ++taken_; }
  /// False if there was none by `due`, or dismiss() came first.
  task<bool> wait_until(steady_time due);
  void give_back() {
    if (waiting_.empty() || taken_ > most_) {
      --taken_;
      return;
    }
    waiter& next = waiting_.front();
    waiting_.pop_front();
    next.has_place = true;
    next.turn.notify();
  }
  /// Those who wait shall wait no longer.
  void dismiss() {
    while (!waiting_.empty()) {
      waiter& next = waiting_.front();
      waiting_.pop_front();
      next.turn.notify();
    }
  }

  [[nodiscard]] std::size_t taken() const { return taken_; }
  [[nodiscard]] bool is_full() const { return taken_ >= most_; }

private:
  using hook = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  struct waiter : hook {
    explicit waiter(clock& time) : turn(time) {}
    event turn;
    bool has_place = false;
  };

  clock& clock_;
  std::size_t most_;
  std::size_t taken_ = 0;
  boost::intrusive::list<waiter, boost::intrusive::constant_time_size<false>> waiting_;
};

} // namespace repasse
