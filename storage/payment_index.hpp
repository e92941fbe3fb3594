// Finds a payment's row number by its id: open addressing in many small tables, so that a growing one
// stops nobody for long. Used under the memory ledger's lock only.
// It knows 32 bits of an id's hash; whether a row is the one that is sought only the rows can tell.
#pragma once

#include "storage/payment_rows.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace repasse {

class payment_index {
public:
  payment_index();

  /// Asks for the memory that find() and insert() will look at first.
  void prefetch(std::uint64_t hash) const { __builtin_prefetch(&table_of(hash).slots[home(hash)]); }

  /// The row of that hash for which `same(number)` holds; no_row if there is none.
  template <typename Same>
  [[nodiscard]] row_number find(std::uint64_t hash, Same same) const {
    const std::vector<std::uint64_t>& slots = table_of(hash).slots;
    const std::size_t mask = slots.size() - 1;
    for (std::size_t at = home(hash); slots[at] != 0; at = (at + 1) & mask)
      if (slots[at] >> 32 == tag(hash) && same(number_in(slots[at]))) return number_in(slots[at]);
    return no_row;
  }

  /// Adds a row that find() does not find.
  void insert(std::uint64_t hash, row_number number);

private:
  // A slot is the hash's tag, then the row number plus one; 0 is free.
  struct table {
    std::vector<std::uint64_t> slots;
    std::size_t used = 0;

    void place(std::uint64_t slot);
  };
  static constexpr std::size_t table_bits = 10;

  static std::uint64_t tag(std::uint64_t hash) { return hash & 0xffff'ffff; }
  static row_number number_in(std::uint64_t slot) { return static_cast<row_number>(slot - 1); }

  [[nodiscard]] const table& table_of(std::uint64_t hash) const { return tables_[hash >> (64 - table_bits)]; }
  [[nodiscard]] std::size_t home(std::uint64_t hash) const {
    return tag(hash) & (table_of(hash).slots.size() - 1);
  }

  std::vector<table> tables_;
};

} // namespace repasse
