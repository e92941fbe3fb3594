#include "storage/payment_index.hpp"

#include <utility>

namespace repasse {

payment_index::payment_index() : tables_(std::size_t{1} << table_bits) {
  for (table& each : tables_)
    each.slots.resize(16);
}

void payment_index::insert(std::uint64_t hash, row_number number) {
  table& target = tables_[hash >> (64 - table_bits)];
  if (++target.used * 4 > target.slots.size() * 3) {
    const std::vector<std::uint64_t> old =
        std::exchange(target.slots, std::vector<std::uint64_t>(target.slots.size() * 2));
    for (const std::uint64_t slot : old)
      if (slot != 0) target.place(slot);
  }
  target.place((tag(hash) << 32) | (std::uint64_t{number} + 1));
}

void payment_index::table::place(std::uint64_t slot) {
  const std::size_t mask = slots.size() - 1;
  std::size_t at = (slot >> 32) & mask;
  while (slots[at] != 0)
    at = (at + 1) & mask;
  slots[at] = slot;
}

} // namespace repasse
