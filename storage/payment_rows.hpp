// All payments of the memory ledger, one row each, in the order in which they were accepted.
// Rows are numbered, never move and never leave but all together. The unsettled ones of each owner form a
// list, those that name a processor before those that name none, so that a takeover finds them at once.
// Used under the memory ledger's lock only.
#pragma once

#include "storage/ledger.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace repasse {

using row_number = std::uint32_t;
inline constexpr row_number no_row = 0xffff'ffff;

/// One cache line.
struct alignas(64) payment_row {
  /// What only an unsettled row needs.
  struct open_part {
    std::uint64_t token = 0;
    row_number previous = no_row;
    row_number next = no_row;
  };
  /// What only a processed row has.
  struct settled_part {
    wall_time requested_at{};
    wall_time processed_at{};
  };

  payment_row() : open() {}

  payment_id id{};
  std::int64_t amount_cents = 0;
  wall_time accepted_at{};
  union {
    open_part open;
    settled_part settled; ///< once the status is `processed`
  };
  epoch_id owner = 0;
  std::uint32_t version = 1;
  std::uint16_t attempts = 0;
  payment_status status = payment_status::accepted;
  processor_index processor = no_processor;
};
static_assert(sizeof(payment_row) == 64);

[[nodiscard]] payment_record record_of(const payment_row& row);
[[nodiscard]] owned_row owned_row_of(const payment_row& row);

class payment_rows {
public:
  static constexpr row_number slab_rows = 4096;

  [[nodiscard]] row_number size() const { return size_; }
  [[nodiscard]] payment_row& operator[](row_number number) {
    return slabs_[number / slab_rows]->rows[number % slab_rows];
  }
  [[nodiscard]] const payment_row& operator[](row_number number) const {
    return slabs_[number / slab_rows]->rows[number % slab_rows];
  }

  /// Adds an unsettled row. Its `accepted_at` becomes that of the last row if it is earlier: the rows are
  /// sorted by it.
  void push_back(const payment_row& row);
  /// The number of the first row accepted later than `time`; size() if there is none.
  [[nodiscard]] row_number first_after(wall_time time) const;

  /// Changes an unsettled row by `change(row)`, which may also hand it to another owner or make it final.
  template <typename Change>
  void update(row_number number, Change change) {
    payment_row& row = (*this)[number];
    unlink(number, row);
    change(row);
    if (!is_final(row.status)) link(number, row);
  }

  /// The first of the owner's unsettled rows; one that names none only if no other is left.
  [[nodiscard]] row_number first_open(epoch_id owner) const;
  /// The last of them; one that names a processor only if no other is left.
  [[nodiscard]] row_number last_open(epoch_id owner) const;
  /// Unsettled rows of the slab that holds `number`.
  [[nodiscard]] std::uint32_t open_beside(row_number number) const {
    return slabs_[number / slab_rows]->open;
  }

private:
  struct slab {
    std::array<payment_row, slab_rows> rows;
    std::uint32_t open = 0;
  };
  struct open_list {
    row_number first = no_row;
    row_number last = no_row;
  };

  void link(row_number number, payment_row& row);
  void unlink(row_number number, payment_row& row);

  std::vector<std::unique_ptr<slab>> slabs_;
  std::vector<open_list> open_lists_; // by owner
  row_number size_ = 0;
};

} // namespace repasse
