// Payments in the memory of the process: the ledger without a database, and the executable model of the
// one in PostgreSQL. One for the process, built before its reactors and destroyed after them; they all call
// it, each from its own thread. The promises end with the process.
#pragma once

#include "storage/epoch_roll.hpp"
#include "storage/ledger.hpp"
#include "storage/payment_index.hpp"
#include "storage/payment_rows.hpp"
#include "storage/payment_totals.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace repasse {

/// One lock, taken once a batch and held for microseconds; no call suspends but read_page() and
/// unsettled(), which let go of lock and thread after some thousand rows. It is never unavailable or in
/// doubt. At most 150 bytes a payment, whatever their times.
class memory_ledger final : public ledger {
public:
  /// More could overflow a sum of cents.
  static constexpr std::uint32_t payments_limit = 500'000'000;

  struct config {
    std::uint32_t payments_max = 10'000'000;                ///< beyond: append answers `full`
    steady_time (*now)() = &std::chrono::steady_clock::now; ///< judges beats; called from any thread
  };

  explicit memory_ledger(config settings);

  task<ledger_status> append(epoch_id epoch, std::span<append_item> items) override;
  task<ledger_status> amend(epoch_id epoch, std::span<amend_item> items) override;
  task<ledger_status> settle(std::span<settle_item> items) override;

  task<std::optional<epoch_id>> open_epoch() override;
  task<std::optional<beat_answer>> beat(epoch_id epoch, std::span<const probe> learned) override;
  task<ledger_status> end_epoch(epoch_id epoch) override;

  task<ledger_status> release(epoch_id epoch, std::size_t rows_max, std::size_t& released) override;
  task<ledger_status> adopt(epoch_id epoch, std::span<owned_row> rows, std::size_t& taken) override;
  task<ledger_status> unsettled(epoch_id epoch, std::uint64_t& position, std::span<owned_row> rows,
                                std::size_t& found) override;

  task<std::optional<std::optional<payment_record>>> find(payment_id id) override;
  task<std::optional<page>> read_page(page_query query) override;
  task<std::optional<summary>> summarize(time_window window) override;

  /// It keeps what was noted and declared, nothing else; 100,000 entries, and then none any more.
  task<std::optional<std::vector<audit_entry>>> audit(payment_id id) override;
  task<ledger_status> note(payment_id id, audit_entry entry) override;
  task<ledger_status> declare(declaration& what) override;
  task<std::optional<std::vector<declaration>>> declarations(std::span<const payment_id> ids) override;

  task<ledger_status> purge() override;
  task<std::optional<books_edition>> edition() override;

  [[nodiscard]] ledger_health health() const override { return {.kind = "memory"}; }

private:
  struct known_doubt {
    steady_time since;
    std::string reason;
  };
  struct kept_note {
    steady_time since;
    audit_entry entry;
  };
  /// What purge() forgets.
  struct books {
    payment_rows rows;
    payment_index index;
    std::array<payment_totals, processors_max> totals;
    std::unordered_map<row_number, known_doubt> doubts; ///< of all that are `unknown`
    std::map<payment_id, std::vector<kept_note>> notes; ///< each oldest first
    std::size_t notes_kept = 0;
  };

  // Each of these is called under the lock.
  [[nodiscard]] row_number find_row(std::uint64_t hash, const payment_id& id) const;
  template <typename Item, typename Apply>
  void for_each(std::span<Item> items, Apply apply);
  append_item::verdict append_one(epoch_id epoch, const append_item& item, std::uint64_t hash);
  bool amend_one(epoch_id epoch, amend_item& item, row_number number);
  settle_item::verdict settle_one(settle_item& item, row_number number);
  void hand_to(epoch_id owner, row_number number);
  void begin_doubt(row_number number, std::string reason);
  bool keep_note(payment_id id, audit_entry entry);
  void add_doubt(row_number number, payment_record& to) const;
  void keep_probes(epoch_id from, std::span<const probe> learned, steady_time now);
  [[nodiscard]] std::vector<probe> known_probes(steady_time now) const;

  /// One step of unsettled(), which takes the lock; true when the step was the last.
  bool collect_unsettled(epoch_id epoch, std::uint64_t& position, std::span<owned_row> rows,
                         std::size_t& found);

  const config config_;
  std::mutex mutex_;
  books books_;
  epoch_roll epochs_;
  struct kept_probe {
    probe what; ///< but its age
    steady_time answered;
  };
  std::vector<kept_probe> probes_; ///< one of each processor that has said something
  books_edition edition_;
  std::atomic<std::uint64_t> purges_ = 0; // changed under the lock
};

} // namespace repasse
