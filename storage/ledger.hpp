// Where payments live: the one abstract class. The engines above know no backend.
// Its meaning is test/ledger_contract.hpp, one suite that every ledger passes.
//
// Writes come in batches, each batch all or nothing, each item with an answer of its own. What a call
// returns says what is known of the whole batch:
//   done         every item has its answer, and what it wrote is durable
//   unavailable  nothing was written
//   in_doubt     it may have been written, now or later; repeat the same items, every write recognises itself
//   epoch_ended  the caller's epoch is marked; nothing was written, the caller must open another
// No call throws, and every call ends: an implementation has time limits of its own.
#pragma once

#include "storage/clock.hpp"
#include "storage/declaration.hpp"
#include "storage/payment.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

enum class [[nodiscard]] ledger_status : std::uint8_t{done, unavailable, in_doubt, epoch_ended};

/// The journal line of a payment just posted: its row, if its id is new.
struct append_item {
  enum class verdict : std::uint8_t {
    fresh,    ///< the row is the caller's own, at version 1, exactly as asked for
    known,    ///< the id was there with this amount: nothing was written
    conflict, ///< the id was there with another amount: nothing was written but the audit trail
    full,     ///< no room for another payment: nothing was written
    unaudited ///< a conflict that the audit trail may not have: it is to be posted again
  };

  payment_id id{};
  std::int64_t amount_cents = 0;
  /// Unique for each request of the epoch: an append that is repeated after doubt knows its own row by it.
  std::uint64_t token = 0;
  wall_time accepted_at{};
  /// Names a processor (status `sending`), or none (status `accepted`).
  processor_index processor = no_processor;
  trace_id trace{}; ///< for the audit trail
  verdict answer = verdict::fresh;
};

/// A compare-and-set on an unsettled row: applied only if the caller's epoch owns the row at `version`, or
/// if it owns it at `version + 1` just as wished (its own repeated write). Raises the version by one.
struct amend_item {
  payment_id id{};
  std::uint32_t version = 0;
  std::uint16_t attempts = 0;
  /// `accepted` names none; `sending`, `unknown` and `rejected` name one. `processed` is settle's alone.
  payment_status status = payment_status::accepted;
  processor_index processor = no_processor;
  /// What made it `unknown` or `rejected`, for people; a literal. Empty: the audit trail has it already.
  std::string_view reason{};
  /// As the caller holds it; written nowhere but in what remembers final payments. 0: it is not said.
  std::int64_t amount_cents = 0;
  trace_id trace{}; ///< for the audit trail
  bool applied = false;
  wall_time accepted_at{}; ///< the row's, told once a rejection is applied
};

/// A witness that a processor has taken a payment. Never fenced: any epoch may bring it, at any time.
struct settle_item {
  enum class verdict : std::uint8_t {
    settled,  ///< written now
    known,    ///< was settled with this processor before: nothing was written
    mismatch, ///< the row names another processor, or none, or is rejected: nothing was written, an alarm
    missing   ///< no such row: nothing was written; after a purge, or an alarm
  };

  payment_id id{};
  wall_time requested_at{};
  wall_time processed_at{};
  std::uint16_t attempts = 0; ///< with `settled`: as the row has it now
  processor_index processor = no_processor;
  /// As the caller holds it; written nowhere but in what remembers final payments. 0: it is not said.
  std::int64_t amount_cents = 0;
  trace_id trace{}; ///< for the audit trail
  verdict answer = verdict::settled;
  // Of the row, told with `settled`.
  wall_time accepted_at{};
  epoch_id owner = 0;
};

/// An unsettled row as its owner sees it.
struct owned_row {
  payment_id id{};
  std::int64_t amount_cents = 0;
  wall_time accepted_at{};
  std::uint32_t version = 0;
  std::uint16_t attempts = 0;
  payment_status status = payment_status::accepted;
  processor_index processor = no_processor;
  epoch_id former = 0; ///< told by adopt(): whose it was; 0: nobody's, it had been released
};

/// What a processor has said of its own health, as it travels with the beats. Without a time of any clock,
/// since those of two hosts need not agree.
struct probe {
  processor_index processor = no_processor;
  bool failing = false;
  std::chrono::milliseconds min_response_time{0};
  std::chrono::milliseconds age{0}; ///< since it answered; as the beat is sent, or as it is answered
  epoch_id from = 0;                ///< whose prober asked
};
/// What a processor said longer ago is not known any more.
inline constexpr std::chrono::seconds probe_age_max{30};

struct beat_answer {
  bool ended = false;  ///< marked: the epoch is over for ever
  bool eldest = false; ///< the lowest unmarked epoch: may do what only one may do, for 3 s from this beat
  std::vector<probe> probes{}; ///< the latest of each processor, whoever has brought it
};

/// Why nobody knows whether the processor has taken a payment, and since when.
struct payment_doubt {
  std::chrono::milliseconds age{0};
  std::string reason;

  friend bool operator==(const payment_doubt&, const payment_doubt&) = default;
};

/// One payment as the outside sees it; members not yet known are empty.
struct payment_record {
  payment_id id{};
  std::int64_t amount_cents = 0;
  payment_status status = payment_status::accepted;
  processor_index processor = no_processor;
  wall_time accepted_at{};
  std::optional<wall_time> requested_at;
  std::optional<wall_time> processed_at;
  std::uint16_t attempts = 0;
  epoch_id owner = 0; ///< the epoch that owns the row, the last one of a final row; not for the outside
  std::optional<payment_doubt> doubt{}; ///< of an `unknown` one, unless the audit trail has lost it

  friend bool operator==(const payment_record&, const payment_record&) = default;
};

/// Which payments these are, for whoever remembers some of them elsewhere. Each payment belongs to one
/// edition for ever: all rows of an epoch are older than a purge, or all of them are younger.
struct books_edition {
  std::uint64_t books = 0; ///< drawn when the books were made; never 0
  epoch_id purged = 0;     ///< the last epoch that a purge has ended: its rows and all older ones are gone

  friend bool operator==(const books_edition&, const books_edition&) = default;
};

/// Both bounds inclusive.
struct time_window {
  wall_time from = wall_time::min();
  wall_time to = wall_time::max();
};

struct processor_total {
  std::uint64_t requests = 0;
  std::int64_t amount_cents = 0;

  friend bool operator==(const processor_total&, const processor_total&) = default;
};

/// One per processor, in configured order.
using summary = std::array<processor_total, processors_max>;

/// Stands between two payments of the order (accepted_at, id), newest first.
struct page_cursor {
  wall_time accepted_at{};
  payment_id id{};
};

struct page_query {
  std::optional<payment_status> status;
  std::optional<processor_index> processor;
  time_window accepted;             ///< bounds accepted_at
  std::optional<page_cursor> after; ///< only what is older than this
  std::size_t limit = 100;          ///< 1 to 1000
};

struct page {
  std::vector<payment_record> payments;
  /// Where to go on; empty at the end. The search for one page is bounded: where few match, a page may hold
  /// less than it could, even nothing, and yet not be the last.
  std::optional<page_cursor> next;
};

/// What happened to a payment beside an undisturbed life, which its row tells.
struct audit_entry {
  wall_time at{};
  epoch_id by = 0;    ///< 0: nobody's epoch, an administrator's act
  std::string what;   ///< `taken over`, `in doubt`, …
  std::string detail; ///< for people
};

/// Clocks that are further apart are an alarm: a window of the summary means something else here than at the
/// processors.
inline constexpr std::chrono::milliseconds clock_difference_max{250};

/// For people and load balancers; nothing is decided by it.
struct ledger_health {
  std::string_view kind; ///< `memory`, `postgresql`
  bool is_up = true;
  steady_time since{};                              ///< of is_up; the beginning of time if it never changed
  std::chrono::nanoseconds latency{0};              ///< of the last write
  std::string trouble{};                            ///< one line without secrets; empty if there is none
  std::optional<std::chrono::milliseconds> ahead{}; ///< this clock against the ledger's
};

/// Reads that fail are empty: the ledger is unavailable.
class ledger {
public:
  ledger() = default;
  virtual ~ledger() = default;
  ledger(const ledger&) = delete;
  ledger& operator=(const ledger&) = delete;

  virtual task<ledger_status> append(epoch_id epoch, std::span<append_item> items) = 0;
  virtual task<ledger_status> amend(epoch_id epoch, std::span<amend_item> items) = 0;
  virtual task<ledger_status> settle(std::span<settle_item> items) = 0;

  /// A new epoch, higher than all before it. Its first beat is now.
  virtual task<std::optional<epoch_id>> open_epoch() = 0;
  /// Says that the epoch lives, judged by the ledger's own clock. A late beat is as good as any, unless the
  /// epoch has been marked. Carries what the epoch's own prober has learned, at most one of each processor;
  /// an older one than is known changes nothing.
  virtual task<std::optional<beat_answer>> beat(epoch_id epoch, std::span<const probe> learned) = 0;
  /// Marks the caller's epoch: whoever looks next may take its rows.
  virtual task<ledger_status> end_epoch(epoch_id epoch) = 0;

  /// Gives up to `rows_max` of the caller's rows that name no processor to whoever looks next, as if their
  /// owner were marked; raises their versions. Writes how many to `released`.
  virtual task<ledger_status> release(epoch_id epoch, std::size_t rows_max, std::size_t& released) = 0;
  /// Takes over up to `rows.size()` unsettled rows of marked epochs and of none, those that name a processor
  /// first, after marking every epoch without a beat for 5 s; only for an epoch that has itself beaten for 5
  /// s without a gap of 2 s or more. Rows that name a processor become `unknown`. Writes how many it took to
  /// `taken`. A row taken in doubt is found by unsettled().
  virtual task<ledger_status> adopt(epoch_id epoch, std::span<owned_row> rows, std::size_t& taken) = 0;
  /// The unsettled rows that `epoch` owns, a step at a time: fills `rows` from where `position` stands and
  /// moves it on (0 begins; it is 0 again after the last). Writes how many to `found`.
  virtual task<ledger_status> unsettled(epoch_id epoch, std::uint64_t& position, std::span<owned_row> rows,
                                        std::size_t& found) = 0;

  /// Outer empty: unavailable. Inner empty: no such payment.
  virtual task<std::optional<std::optional<payment_record>>> find(payment_id id) = 0;
  virtual task<std::optional<page>> read_page(page_query query) = 0;
  /// What was settled with `requested_at` within the window; its cost does not grow with the payments.
  virtual task<std::optional<summary>> summarize(time_window window) = 0;

  /// Oldest first.
  virtual task<std::optional<std::vector<audit_entry>>> audit(payment_id id) = 0;
  /// Adds to it; a ledger with a clock of its own goes by that. Repeated after doubt it may be there twice.
  virtual task<ledger_status> note(payment_id id, audit_entry entry) = 0;

  /// Keeps in the audit trail what is declared of a payment that is in doubt. One that names a processor
  /// which is not configured here can have nobody who carries that out: if its owner is over, and has not
  /// beaten for the landing limit, it becomes as declared at once.
  virtual task<ledger_status> declare(declaration& what) = 0;
  /// The last that was declared of each of `ids`, unless that was `processed` and is set aside.
  virtual task<std::optional<std::vector<declaration>>> declarations(std::span<const payment_id> ids) = 0;

  /// Forgets all payments and ends all epochs, at once.
  virtual task<ledger_status> purge() = 0;
  /// As of now: it waits for a purge under way. Asked after open_epoch(), it holds as long as that epoch
  /// beats.
  virtual task<std::optional<books_edition>> edition() = 0;

  [[nodiscard]] virtual ledger_health health() const = 0;
};

} // namespace repasse
