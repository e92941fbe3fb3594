#include "server/backlog.hpp"

#include "storage/check.hpp"

namespace repasse {

held_slot backlog::hold(const held_payment& payment) {
  held_slot slot = 0;
  if (free_.empty()) {
    slot = static_cast<held_slot>(slots_.size());
    slots_.push_back(payment);
  } else {
    slot = free_.back();
    free_.pop_back();
    slots_[slot] = payment;
  }
  ++used_;
  if (used_ * 4 > index_.size() * 3) index_grow();
  index_insert(slot);
  return slot;
}

void backlog::release(held_slot slot) {
  const std::size_t mask = index_.size() - 1;
  std::size_t hole = home(slots_[slot].id);
  while (index_[hole] != slot) {
    REPASSE_CHECK(index_[hole] != empty);
    hole = (hole + 1) & mask;
  }
  // Moves back whatever probed past the hole.
  for (std::size_t at = (hole + 1) & mask; index_[at] != empty; at = (at + 1) & mask) {
    const std::size_t wanted = home(slots_[index_[at]].id);
    if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
    index_[hole] = index_[at];
    hole = at;
  }
  index_[hole] = empty;
  free_.push_back(slot);
  --used_;
}

bool backlog::holds(const payment_id& id) const {
  if (index_.empty()) return false;
  for (std::size_t at = home(id); index_[at] != empty; at = (at + 1) & (index_.size() - 1))
    if (slots_[index_[at]].id == id) return true;
  return false;
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
  std::size_t at = home(slots_[slot].id);
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
