#include "storage/page_scan.hpp"

#include "storage/check.hpp"

#include <algorithm>

namespace repasse {

namespace {

bool higher_id(const payment_record& a, const payment_record& b) { return a.id > b.id; }

} // namespace

page_scan::page_scan(const page_query& query) : query_(query) {
  REPASSE_CHECK(query.limit > 0);
  if (query_.after) query_.accepted.to = std::min(query_.accepted.to, query_.after->accepted_at);
}

bool page_scan::step(const payment_rows& rows, row_number rows_max) {
  if (!begun_) left_ = rows.first_after(query_.accepted.to);
  begun_ = true;
  for (; left_ > 0 && rows_max > 0; --left_, --rows_max) {
    const payment_row& row = rows[left_ - 1];
    if (row.accepted_at < query_.accepted.from) {
      left_ = 0;
      break;
    }
    if (!group_.empty() && group_.front().accepted_at != row.accepted_at) {
      close_group();
      if (found_.size() > query_.limit) return true;
    }
    if (++looked_at_ > rows_in_all && group_.empty() && row.accepted_at < query_.accepted.to) {
      stopped_ = {row.accepted_at + std::chrono::milliseconds{1}, {}};
      return true;
    }
    if (matches(row)) keep(row);
  }
  if (left_ > 0) return false;
  close_group();
  return true;
}

page page_scan::take_page() {
  page taken{.payments = std::move(found_), .next = stopped_};
  if (taken.payments.size() > query_.limit) {
    taken.payments.pop_back();
    taken.next = {taken.payments.back().accepted_at, taken.payments.back().id};
  }
  return taken;
}

bool page_scan::matches(const payment_row& row) const {
  if (query_.status && row.status != *query_.status) return false;
  if (query_.processor && row.processor != *query_.processor) return false;
  return !query_.after || row.accepted_at < query_.after->accepted_at || row.id < query_.after->id;
}

void page_scan::keep(const payment_row& row) {
  const std::size_t room = query_.limit + 1 - found_.size();
  if (group_.size() == room) {
    if (row.id < group_.front().id) return;
    std::pop_heap(group_.begin(), group_.end(), higher_id);
    group_.pop_back();
  }
  group_.push_back(record_of(row));
  std::push_heap(group_.begin(), group_.end(), higher_id);
}

void page_scan::close_group() {
  std::sort_heap(group_.begin(), group_.end(), higher_id);
  found_.insert(found_.end(), group_.begin(), group_.end());
  group_.clear();
}

} // namespace repasse
