#include "server/places.hpp"

namespace repasse {

task<bool> places::wait_until(steady_time due) {
  waiter self(clock_);
  waiting_.push_back(self);
  co_await self.turn.wait_until(due);
  co_return self.has_place;
}

} // namespace repasse
