// Payments in PostgreSQL: one row per payment from accept to settled, as the memory ledger models it. One per
// reactor, on three connections: appends, changes (settles, amends, beats, takeovers, folds) and reads, so
// that none waits behind another's commit. PostgreSQL alone authorises a send.
//   postgres_ledger.cpp     appends, amends, settles
//   postgres_epochs.cpp     beats, purge
//   postgres_takeover.cpp   takeover, release, own rows
//   postgres_reads.cpp      payments, pages, summaries, audit trail
//   postgres_fold.cpp       what the eldest does for all
//   postgres_copy.cpp       what a copy of the totals needs
//   postgres_words.cpp      what an administrator notes and declares
//   postgres_reconciliations.cpp  what comparing with the processors has found
#pragma once

#include "storage/ledger.hpp"
#include "storage/open_rows.hpp"
#include "storage/pg_connection.hpp"
#include "storage/reconciliations.hpp"
#include "storage/schema_state.hpp"

#include <algorithm>
#include <map>
#include <memory>

namespace repasse {

/// Built by its reactor; start() spawns its connections, stop() ends them.
class postgres_ledger final : public ledger, public reconciliations {
public:
  struct config {
    std::string url;
    std::string replica_url;             ///< pages are read there while it is not far behind; may be empty
    std::vector<std::string> processors; ///< names, in configured order
    std::chrono::nanoseconds connect_limit = std::chrono::seconds{1};
    // How long a server may be silent: a client waits for an append and for a read, an epoch for its beat.
    std::chrono::nanoseconds append_limit = std::chrono::milliseconds{500};
    std::chrono::nanoseconds beat_limit = std::chrono::seconds{2};
    std::chrono::nanoseconds read_limit = std::chrono::seconds{1};
    /// Of one call that takes over: its caller has to beat in between.
    std::chrono::nanoseconds take_limit = std::chrono::milliseconds{800};
    std::chrono::nanoseconds lifetime = std::chrono::hours{1};
    std::chrono::nanoseconds slow = std::chrono::milliseconds{100};
    std::string instance;     ///< host and process, for people
    std::uint32_t number = 0; ///< of the reactor
  };

  postgres_ledger(clock& time, const config& settings, const schema_state& schema);

  void start();
  void stop();
  /// After stop(); before that it must not be destroyed, unless its reactor has come to its end.
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

  task<std::optional<bool>> take_turn(std::int64_t holder, std::chrono::milliseconds period) override;
  task<bool> keep_turn(std::int64_t holder) override;
  task<bool> end_turn(std::int64_t holder) override;
  task<std::optional<std::int64_t>> begin_run(processor_index processor, time_window window) override;
  task<bool> end_run(reconciliation_run run) override;
  task<bool> keep_finding(std::int64_t run, reconciliation_finding finding) override;
  task<std::optional<std::optional<time_window>>> unfinished(processor_index processor) override;
  task<std::optional<std::optional<wall_time>>> reconciled_until(processor_index processor) override;
  task<std::optional<std::vector<reconciliation_finding>>> open_of(processor_index processor,
                                                                   std::size_t limit) override;
  task<std::optional<open_findings>> count_open() override;
  task<explanation> explain(std::int64_t finding, std::string reason) override;
  void purged() override {}
  task<std::optional<std::vector<reconciliation_run>>> read_runs(std::int64_t before,
                                                                 std::size_t limit) override;

  [[nodiscard]] ledger_health health() const override;
  /// By use; the last is empty without a replica.
  struct pools {
    pg_figures appends;
    pg_figures changes;
    pg_figures reads;
    std::optional<pg_figures> replica;
  };
  [[nodiscard]] pools figures_by_use() const;
  /// Rows of others that name a processor not configured here, as the last whole scan for rows to take over
  /// has counted them: they stay.
  [[nodiscard]] std::size_t strangers() const { return static_cast<std::size_t>(strangers_told_); }
  /// Of its connections together.
  [[nodiscard]] pg_figures figures() const;

  /// A sum of one span, for a copy of the totals.
  struct copied_total {
    std::int64_t begins = 0; ///< seconds since 1970
    processor_index processor = 0;
    processor_total sum;

    friend bool operator==(const copied_total&, const copied_total&) = default;
  };
  /// From now on seconds that change are noted for read_changes(); false: unavailable.
  task<bool> begin_copy();
  /// All sums of a level (0 to 3) of spans that begin from `from` to before `to`, as they are now.
  task<std::optional<std::vector<copied_total>>> read_totals(std::size_t level, std::int64_t from,
                                                             std::int64_t to);
  /// Seconds that may have changed since the last time, or since begin_copy(), as they are in one snapshot.
  struct totals_changes {
    bool is_whole = false; ///< false: another has folded, and what changed is not known; begin again
    wall_time as_of{};     ///< by the server's clock; everything committed before is in it
    std::vector<copied_total> seconds; ///< in order
  };
  task<std::optional<totals_changes>> read_changes();

  /// Folds what was settled into the totals, once; for tests, which cannot wait for the eldest's turn.
  task<ledger_status> fold();

private:
  task<> connect(pg_connection& one);
  ledger_status end_append(epoch_id epoch, ledger_status status);
  struct buffers;
  task<ledger_status> ask_rows(epoch_id epoch, buffers& to, pg_connection& from,
                               std::chrono::nanoseconds limit, bool some_written);
  task<ledger_status> read_back_appends(epoch_id epoch, std::span<append_item> items, bool some_written);
  task<ledger_status> read_back_amends(epoch_id epoch, std::span<amend_item> items, bool some_written);
  task<ledger_status> read_back_settles(std::span<settle_item> items);
  task<ledger_status> lower_bound_to(epoch_id epoch, wall_time accepted_at);
  task<std::optional<beat_answer>> send_beat(epoch_id epoch, std::vector<time_span> spans,
                                             std::span<const probe> learned);

  /// As whoever reads wants it: who has waited for read_limit goes.
  task<pg_verdict> commit_read(pg_transaction& work);
  task<pg_verdict> commit_change(pg_transaction& work);
  task<bool> learn_processors();
  [[nodiscard]] std::int16_t number_of(processor_index index) const;
  [[nodiscard]] processor_index index_of(std::optional<std::int16_t> number) const;
  void note_learned(pg_transaction& work, epoch_id epoch, std::int64_t beat_number,
                    std::span<const probe> learned) const;
  [[nodiscard]] std::vector<probe> known_probes(const pg_transaction& work, std::size_t reading) const;

  /// What this side knows of an epoch that it has opened.
  struct own_epoch {
    open_rows open;
    wall_time sent_bound{}; ///< no append may bring an earlier row before a beat has said so
    std::int64_t beat_number = 0;
    std::int64_t confirmed_beat = 0;
    // Rows that are not counted and may yet appear were accepted since then.
    wall_time appending = wall_time::max(); ///< by the append under way, or in doubt until it is repeated
    bool append_in_doubt = false;
    wall_time taking = wall_time::max(); ///< by the takeover under way
    wall_time taken_in_doubt = wall_time::max();
    wall_time doubt_until = wall_time::max(); ///< none of those was accepted later, once a look has told
    std::int64_t doubt_beat = 0;              ///< the last beat sent before a takeover came to be in doubt

    [[nodiscard]] bool is_in_doubt() const { return taken_in_doubt != wall_time::max(); }
    /// From the whole second on, since such a row that is settled is taken off the count of its second.
    void doubt_about(wall_time oldest) {
      taken_in_doubt = std::min<wall_time>(taken_in_doubt, std::chrono::floor<std::chrono::seconds>(oldest));
      doubt_until = wall_time::max();
      doubt_beat = beat_number;
    }
    void end_look(wall_time end, wall_time newest);
    /// What a beat may say.
    [[nodiscard]] std::vector<time_span> spans(wall_time now) const {
      return open.spans(std::min({now, appending, taking, taken_in_doubt}));
    }
  };
  [[nodiscard]] own_epoch* own(epoch_id epoch);
  void count_appended(epoch_id epoch, std::span<const append_item> items);
  void remove_open(epoch_id epoch, wall_time accepted_at);

  /// The marked epochs whose rows are being taken over: first those rows that name a processor, then the
  /// others.
  struct sweep {
    epoch_id taker = 0;
    steady_time next_look{}; ///< at who has died since
    std::vector<std::int32_t> owners{};
    std::vector<std::int32_t> closed{};
    std::vector<std::int64_t> closed_changes{};
    std::vector<time_span> spans{};
    span_walk walk{};
    bool named = true;
    bool is_whole = true; ///< all that was wanted came
    std::int64_t strangers = 0;
    std::vector<time_span> left{}; ///< where those are
  };
  task<ledger_status> begin_sweep(epoch_id epoch);
  task<ledger_status> end_sweep();
  [[nodiscard]] bool begin_look(epoch_id epoch);
  task<ledger_status> take_window(epoch_id epoch, std::span<owned_row> rows, std::size_t& taken);

  task<> fold_while_eldest();
  void has_folded(std::int64_t transaction, std::span<const std::int64_t> seconds);
  task<> make_partitions();
  task<std::optional<page>> read_windows(page_query query, pg_connection& from);
  task<bool> is_replica_fresh();

  clock& clock_;
  config config_;
  const schema_state& schema_;
  pg_connection appends_;
  pg_connection changes_;
  pg_connection reads_;
  std::unique_ptr<pg_connection> replica_;

  bool stopped_ = false;
  event stopping_;                    ///< for the folds
  std::vector<std::int16_t> numbers_; ///< of the configured processors; empty until they are known
  std::map<epoch_id, own_epoch> own_; ///< those opened here and not known to be over: one, but for a moment
  std::optional<std::chrono::milliseconds> ahead_;
  steady_time eldest_until_{};
  bool more_to_fold_ = false;
  std::int64_t folded_to_ = -1;              ///< by the last fold known here; -1: not known, or nobody copies
  std::vector<std::int64_t> folded_seconds_; ///< since the copy was last told
  steady_time partitions_due_{};
  steady_time replica_fresh_until_{};

  // One takeover scan at a time, and one look at own rows.
  std::optional<sweep> sweep_;
  std::int64_t strangers_told_ = 0;
  span_walk look_;
  wall_time look_end_{};         ///< rows accepted before are counted anew
  std::uint64_t look_order_ = 0; ///< of changes_; 0: the look has to begin again

  // Of the append under way, of the amend, of the settle: each has a caller of its own.
  struct buffers {
    pg_transaction work;
    std::vector<std::uint32_t> order;
    std::vector<payment_id> ids;
    std::vector<payment_id> resent;
    std::vector<payment_id> traces; ///< as UUIDs
    std::vector<std::int64_t> amounts;
    std::vector<std::int64_t> tokens;
    std::vector<wall_time> times;
    std::vector<wall_time> more_times;
    std::vector<std::int64_t> seconds;
    std::vector<std::int32_t> versions;
    std::vector<std::int16_t> millis;
    std::vector<std::int16_t> attempts;
    std::vector<std::int16_t> states;
    std::vector<std::int16_t> processors;
    std::vector<std::string_view> reasons;
  };
  buffers append_;
  buffers amend_;
  buffers settle_;
  task_group tasks_;
};

} // namespace repasse
