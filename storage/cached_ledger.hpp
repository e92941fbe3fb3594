// The session cache: final payments in Redis, before whatever ledger holds them (USE_REDIS_SESSION_CACHE). A
// final payment never changes, so an entry can only lie in one way: its payment was purged, or belongs to
// other books. So each entry names the books and the epoch that owned its row (which settle and find tell
// from the row itself), and is believed only if that epoch is younger than the last purge: an entry written
// late, by whomever, names an epoch that the purge has ended. No entry has to be gone for that; a purge
// removes them only for room.
//
// Who reads must know of the last purge. A purge notes it in Redis (the edition's mark, which is read along
// with each entry) before it is answered. Redis may be away then, and come back with old entries and an old
// mark. So a reader also goes by its own edition, asked when its epoch was opened: it holds while that epoch
// beats, since a purge ends it, and for 3 s after each beat; a purge that cannot note itself waits for so
// long. A beat older than the connection to Redis counts for nothing, and each beat renews the mark, which a
// restart may have lost. (What is left: a purge and a FLUSHALL within one second, and a write that was held
// up across both.)
//
// While the ledger is away nobody can purge it, and the cache answers by the mark alone, as a copy that is
// shown as one. Redis is never waited for but by reads, for 50 ms; without it everything works and nothing is
// cached.
//   cached_ledger.cpp    reads, writes, purge
//   cache_upkeep.cpp     statistics, invalidation, the periodic check
#pragma once

#include "storage/cached_payment.hpp"
#include "storage/ledger.hpp"
#include "storage/redis_connection.hpp"
#include "storage/redis_names.hpp"

#include <functional>
#include <string>
#include <vector>

namespace repasse {

struct cache_figures {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t written = 0;    ///< entries sent, whether or not they arrived
  std::uint64_t checked = 0;    ///< entries compared with the ledger
  std::uint64_t mismatches = 0; ///< of those, what was otherwise there, and was mended
  std::uint64_t malformed = 0;  ///< entries that nobody of ours has written, found by the check and removed

  void add(const cache_figures& other);
};

/// Built by its reactor above the ledger that holds the payments; start() spawns the check, stop() ends it.
class cached_ledger final : public ledger {
public:
  struct config {
    std::vector<std::string> processors; ///< names, in configured order
    std::chrono::milliseconds ttl = std::chrono::hours{1};
    std::chrono::nanoseconds read_limit = std::chrono::milliseconds{50};
    std::chrono::nanoseconds check_period = std::chrono::minutes{1};
    std::chrono::nanoseconds lease = std::chrono::seconds{3}; ///< the same for all who share a Redis
    /// Told once of each item of settle() that has a trace and was settled, before settle() ends or after
    /// it: how long its entry took, and whether Redis has it now. May be empty.
    std::function<void(const payment_id& id, std::chrono::nanoseconds took, bool stored)> written{};
  };

  cached_ledger(clock& time, ledger& below, redis_connection& redis, const redis_names& names,
                config settings);

  void start();
  void stop();
  /// After stop().
  [[nodiscard]] bool has_stopped() const { return tasks_.running() == 0; }

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
  task<std::optional<std::vector<audit_entry>>> audit(payment_id id) override;
  task<ledger_status> note(payment_id id, audit_entry entry) override;
  task<ledger_status> declare(declaration& what) override;
  task<std::optional<std::vector<declaration>>> declarations(std::span<const payment_id> ids) override;
  task<ledger_status> purge() override;
  task<std::optional<books_edition>> edition() override;
  [[nodiscard]] ledger_health health() const override { return below_.health(); }

  /// What find() gives, and whether Redis alone has vouched for it, the ledger being away.
  struct found_payment {
    std::optional<std::optional<payment_record>> payment;
    bool is_copy = false;
    std::chrono::nanoseconds asked_redis{0}; ///< the time that the question to Redis took
  };
  task<found_payment> look_up(payment_id id);

  /// Something that says it was written by `owner`, an epoch of `books`, read from Redis before or with
  /// `mark`: it has survived every purge. `is_copy`: the ledger is away.
  [[nodiscard]] bool believes(std::uint64_t books, epoch_id owner, const std::optional<books_edition>& mark,
                              bool is_copy) const;
  /// The own epoch and edition while the former is the eldest, for whoever does what only one may do.
  struct eldest_rights {
    epoch_id epoch = 0;
    books_edition edition;
  };
  [[nodiscard]] std::optional<eldest_rights> eldest() const;

  [[nodiscard]] const cache_figures& figures() const { return figures_; }

  /// What Redis holds. Counted while that takes few steps, else estimated from a sample. Empty: Redis is
  /// away.
  struct content {
    std::uint64_t payments = 0;
    bool is_counted = false;
    std::uint64_t memory_bytes = 0;       ///< of those payments, from a sample
    std::uint64_t redis_memory_bytes = 0; ///< of all that Redis holds
  };
  task<std::optional<content>> read_content();
  /// At the last check; empty unless this is the eldest.
  [[nodiscard]] const std::optional<content>& last_content() const { return content_; }
  /// How many entries were there. Empty: Redis is away, and they may be there still.
  task<std::optional<std::uint64_t>> invalidate(payment_id id);
  task<std::optional<std::uint64_t>> invalidate_all(steady_time due);
  /// Compares the next entries with the ledger and mends what differs; the eldest's, once a period.
  task<> check();

private:
  task<std::optional<payment_record>> read(payment_id id, bool is_copy);
  task<> learn_edition(epoch_id epoch);
  void adopt_edition(const books_edition& told);
  [[nodiscard]] bool is_leased() const;
  void add_mark(redis_batch& to) const;
  void tell_edition();
  void add_entry(redis_batch& to, const payment_record& payment);
  void send_entries();
  task<> write_traced(payment_record payment);
  task<> check_while_eldest();
  task<> sweep();

  clock& clock_;
  ledger& below_;
  redis_connection& redis_;
  const redis_names& names_;
  config config_;
  std::string ttl_text_;
  std::string mark_key_;

  std::optional<books_edition> edition_; ///< the last one learned
  epoch_id epoch_ = 0;                   ///< for which it was asked; 0: ask again
  steady_time confirmed_{};              ///< when the last beat was sent that said that it holds
  steady_time eldest_until_{};

  steady_time read_again_at_{}; ///< Redis was silent
  std::string key_;             ///< of the entry being written: what all keys begin with, and the id
  std::size_t key_root_ = 0;
  std::string value_;
  redis_batch entries_;
  redis_batch mark_;

  cache_figures figures_;
  std::optional<content> content_;
  std::string check_cursor_ = "0";
  bool stopped_ = false;
  bool sweeping_ = false;
  event stopping_;
  task_group tasks_;
};

} // namespace repasse
