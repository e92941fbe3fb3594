// The payments that one reactor holds in memory: those that wait for a processor, in order, and those that
// are under way. Built for payment_flow alone; pure, nothing waits here.
#pragma once

#include "storage/payment.hpp"

#include <boost/circular_buffer.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace repasse {

/// What a reactor remembers of a payment of its own, whether it waits or is under way.
struct held_payment {
  payment_id id{};
  std::uint64_t amount_cents : 40;
  std::uint64_t attempts : 16;
  std::uint64_t traced : 1 = 0; ///< payment_traces may have its trace
  std::uint64_t : 7;
  /// Of its row.
  std::uint32_t version = 0;
  /// When it began to wait, in milliseconds of the reactor's clock, modulo 2^32.
  std::uint32_t since_ms = 0;

  [[nodiscard]] std::int64_t cents() const { return static_cast<std::int64_t>(amount_cents); }
  void set_cents(std::int64_t cents) {
    amount_cents = static_cast<std::uint64_t>(cents) & ((std::uint64_t{1} << 40) - 1);
  }
};
static_assert(sizeof(held_payment) == 32);

/// A held payment's place; valid until it is released.
using held_slot = std::uint32_t;

/// Slots of payments, the order of those that wait, and an index by id: 32 + 4 + at most 11 bytes each, plus
/// what is free. Memory grows in steps and is kept.
class backlog {
public:
  held_slot hold(const held_payment& payment);
  void release(held_slot slot);
  [[nodiscard]] held_payment& operator[](held_slot slot) {
    return (*slabs_[slot / slab_size])[slot % slab_size];
  }
  [[nodiscard]] const held_payment& operator[](held_slot slot) const {
    return (*slabs_[slot / slab_size])[slot % slab_size];
  }
  [[nodiscard]] bool holds(const payment_id& id) const;
  /// Waiting and under way.
  [[nodiscard]] std::size_t size() const { return used_; }

  /// Behind all that wait, or before them.
  void wait(held_slot slot);
  void wait_first(held_slot slot);
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  /// The oldest that waits; there must be one.
  [[nodiscard]] held_slot oldest() const { return waiting_.front(); }
  /// The one whose turn it is: three times the oldest, then once the newest, so that a long backlog does not
  /// starve those just accepted.
  [[nodiscard]] held_slot next() const { return turn_ % 4 == 3 ? waiting_.back() : waiting_.front(); }
  void take_next();
  void take_oldest();

  /// Releases every payment that waits.
  void forget_waiting();

private:
  void make_room_to_wait();
  void index_insert(held_slot slot);
  void index_grow();
  [[nodiscard]] std::size_t home(const payment_id& id) const { return hash_of(id) & (index_.size() - 1); }

  static constexpr held_slot empty = 0xffffffff;

  static constexpr std::size_t slab_size = 4096;
  using slab = std::array<held_payment, slab_size>;

  std::vector<std::unique_ptr<slab>> slabs_;
  held_slot slots_ = 0;    ///< used at some time
  held_slot free_ = empty; ///< the first free slot; each holds the next one in `version`
  std::size_t used_ = 0;
  boost::circular_buffer<held_slot> waiting_;
  std::uint32_t turn_ = 0;
  /// Open addressing, linear probing, at most 3/4 full; equal ids may stand side by side.
  std::vector<held_slot> index_;
};

} // namespace repasse
