#include "server/backlog.hpp"

#include "storage/check.hpp"

#include <algorithm>

namespace repasse {

held_slot backlog::hold(const held_payment& payment) {
  held_slot slot = 0;
  if (free_ == empty) {
    slot = slots_++;
    if (slot % slab_size == 0) slabs_.push_back(std::make_unique_for_overwrite<slab>());
  } else {
    slot = free_;
    free_ = (*this)[slot].version;
  }
  (*this)[slot] = payment;
  ++used_;
  if (used_ * 4 > index_.size() * 3) index_grow();
  index_insert(slot);
  return slot;
}

void backlog::release(held_slot slot) {
  const std::size_t mask = index_.size() - 1;
  std::size_t hole = home((*this)[slot].id);
  while (index_[hole] != slot) {
    REPASSE_CHECK(index_[hole] != empty);
    hole = (hole + 1) & mask;
  }
  // Moves back whatever probed past the hole.
  for (std::size_t at = (hole + 1) & mask; index_[at] != empty; at = (at + 1) & mask) {
    const std::size_t wanted = home((*this)[index_[at]].id);
    if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
    index_[hole] = index_[at];
    hole = at;
  }
  index_[hole] = empty;
  (*this)[slot].version = free_;
  free_ = slot;
  --used_;
}

bool backlog::holds(const payment_id& id) const {
  if (index_.empty()) return false;
  for (std::size_t at = home(id); index_[at] != empty; at = (at + 1) & (index_.size() - 1))
    if ((*this)[index_[at]].id == id) return true;
  return false;
}

void backlog::wait(held_slot slot) {
  make_room_to_wait();
  waiting_.push_back(slot);
}

void backlog::wait_first(held_slot slot) {
  make_room_to_wait();
  waiting_.push_front(slot);
}

void backlog::make_room_to_wait() {
  if (waiting_.full()) waiting_.set_capacity(std::max<std::size_t>(64, 2 * waiting_.capacity()));
}

void backlog::take_next() {
  if (turn_ % 4 == 3)
    waiting_.pop_back();
  else
    waiting_.pop_front();
  ++turn_;
}

void backlog::take_oldest() {
  waiting_.pop_front();
  ++turn_;
}

void backlog::forget_waiting() {
  for (const held_slot slot : waiting_)
    release(slot);
  waiting_.clear();
}

void backlog::index_insert(held_slot slot) {
  std::size_t at = home((*this)[slot].id);
  while (index_[at] != empty)
    at = (at + 1) & (index_.size() - 1);
  index_[at] = slot;
}

void backlog::index_grow() {
  std::vector<held_slot> old(index_.empty() ? 64 : index_.size() * 2, empty);
  old.swap(index_);
  for (const held_slot slot : old)
    if (slot != empty) index_insert(slot);
}

} // namespace repasse
