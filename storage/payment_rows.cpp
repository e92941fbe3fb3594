#include "storage/payment_rows.hpp"

#include "storage/check.hpp"

#include <algorithm>

namespace repasse {

payment_record record_of(const payment_row& row) {
  payment_record record{.id = row.id,
                        .amount_cents = row.amount_cents,
                        .status = row.status,
                        .processor = row.processor,
                        .accepted_at = row.accepted_at,
                        .requested_at = {},
                        .processed_at = {},
                        .attempts = row.attempts,
                        .owner = row.owner};
  if (row.status == payment_status::processed) {
    record.requested_at = row.settled.requested_at;
    record.processed_at = row.settled.processed_at;
  }
  return record;
}

owned_row owned_row_of(const payment_row& row) {
  return {.id = row.id,
          .amount_cents = row.amount_cents,
          .accepted_at = row.accepted_at,
          .version = row.version,
          .attempts = row.attempts,
          .status = row.status,
          .processor = row.processor};
}

void payment_rows::push_back(const payment_row& row) {
  REPASSE_CHECK(size_ != no_row && !is_final(row.status));
  if (size_ % slab_rows == 0) slabs_.push_back(std::make_unique_for_overwrite<slab>());
  const row_number number = size_++;
  payment_row& added = (*this)[number];
  added = row;
  if (number > 0) added.accepted_at = std::max(added.accepted_at, (*this)[number - 1].accepted_at);
  link(number, added);
}

row_number payment_rows::first_after(wall_time time) const {
  row_number first = 0;
  row_number count = size_;
  while (count > 0) {
    const row_number half = count / 2;
    if ((*this)[first + half].accepted_at <= time) {
      first += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return first;
}

row_number payment_rows::first_open(epoch_id owner) const {
  return owner < open_lists_.size() ? open_lists_[owner].first : no_row;
}

row_number payment_rows::last_open(epoch_id owner) const {
  return owner < open_lists_.size() ? open_lists_[owner].last : no_row;
}

void payment_rows::link(row_number number, payment_row& row) {
  if (row.owner >= open_lists_.size()) open_lists_.resize(row.owner + 1);
  open_list& list = open_lists_[row.owner];
  const bool in_front = row.processor != no_processor;
  row.open.previous = in_front ? no_row : list.last;
  row.open.next = in_front ? list.first : no_row;
  (row.open.previous == no_row ? list.first : (*this)[row.open.previous].open.next) = number;
  (row.open.next == no_row ? list.last : (*this)[row.open.next].open.previous) = number;
  ++slabs_[number / slab_rows]->open;
}

void payment_rows::unlink(row_number number, payment_row& row) {
  REPASSE_CHECK(!is_final(row.status));
  open_list& list = open_lists_[row.owner];
  (row.open.previous == no_row ? list.first : (*this)[row.open.previous].open.next) = row.open.next;
  (row.open.next == no_row ? list.last : (*this)[row.open.next].open.previous) = row.open.previous;
  --slabs_[number / slab_rows]->open;
}

} // namespace repasse
