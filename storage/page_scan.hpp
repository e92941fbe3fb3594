// Reads one page of the memory ledger's rows in bounded steps, so that a filter which few rows pass never
// holds the ledger's lock for long. Built for one page; step() is called under the lock.
#pragma once

#include "storage/payment_rows.hpp"

namespace repasse {

class page_scan {
public:
  explicit page_scan(const page_query& query);

  /// Rows that are looked at for one page.
  static constexpr std::uint32_t rows_in_all = 1'000'000;

  /// Looks at up to `rows_max` more rows. True when the page is complete, or its search has been long enough.
  bool step(const payment_rows& rows, row_number rows_max);
  [[nodiscard]] page take_page();

private:
  [[nodiscard]] bool matches(const payment_row& row) const;
  /// Keeps the row if it can be on the page, together with those of its millisecond.
  void keep(const payment_row& row);
  void close_group();

  page_query query_;
  bool begun_ = false;
  std::uint32_t looked_at_ = 0;
  std::optional<page_cursor> stopped_; // before the end
  row_number left_ = 0;                // rows not yet looked at: those before this number
  // One payment more than the page holds, which says that there are more.
  std::vector<payment_record> found_;
  std::vector<payment_record> group_; // those of one millisecond: a heap, its lowest id first
};

} // namespace repasse
