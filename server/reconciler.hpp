// Compares the books with each processor's own summary, over windows that are closed. The eldest does so by
// itself every RECONCILE_EVERY, any instance when it is told to, and `repasse reconcile`; the turn in the
// store sees to it that one does at a time. What a comparison is, comparison.hpp says: it never sends a
// payment, and never changes one but by a settle, which any witness may bring.
#pragma once

#include "server/comparison.hpp"
#include "server/processor.hpp"
#include "storage/ledger.hpp"
#include "storage/reconciliations.hpp"

#include <functional>
#include <memory>
#include <span>

namespace repasse {

struct reconciliation_figures {
  std::uint64_t done = 0;   ///< runs
  std::uint64_t failed = 0; ///< runs, and those that could not begin
  std::uint64_t mended = 0; ///< payments that it has settled
  // Of all instances, as the store has it.
  std::optional<open_findings> open{}; ///< as the eldest counts them once a minute; empty for all others
  std::optional<wall_time> until{};    ///< up to when all processors were compared; empty: not known

  void add(const reconciliation_figures& other);
};

/// Built and run by its reactor, or by the command.
class reconciler {
public:
  struct config {
    std::chrono::milliseconds every{3'600'000}; ///< 0: only when told
    std::int64_t holder = 1;                    ///< of the turn: draw_holder()
    /// A call under way may land with a `requestedAt` as old as its hard limit.
    std::chrono::milliseconds margin{35'000};
    comparison::config one{};
  };
  /// Two lives of one reactor must not be taken for each other.
  [[nodiscard]] static std::int64_t draw_holder();
  using settler = std::function<void(const settle_item&)>;

  /// `settle` as in comparison::calls.
  reconciler(clock& time, ledger& books, reconciliations& store,
             std::span<const std::unique_ptr<processor>> processors, settler settle, const config& settings);

  /// From now on, by itself, whenever `is_eldest` says so and it is time.
  void start(std::function<bool()> is_eldest);

  enum class begun : std::uint8_t { yes, under_way, unavailable };
  /// Begins now, in the background; no answer to wait for.
  task<begun> begin();
  /// The same to its end; `unavailable` also if it did not come to one with every processor.
  task<begun> run();

  [[nodiscard]] const reconciliation_figures& figures() const { return figures_; }
  [[nodiscard]] reconciliations& store() const { return store_; }

private:
  enum class ended : std::uint8_t { compared, not_begun, turn_lost };
  struct next_run {
    time_window window;
    bool is_repeated = false; ///< it did not come to its end before
  };

  task<> live(std::function<bool()> is_eldest);
  task<begun> take(std::chrono::milliseconds period);
  task<> take_turn_in_background();
  task<bool> take_turn_through();
  task<ended> reconcile(processor_index at);
  task<std::optional<next_run>> find_next(processor_index at);
  task<std::optional<wall_time>> first_requested(processor_index at, wall_time end);
  task<bool> keep_turn();
  task<> look_at_store();
  void tell(const reconciliation_run& run, std::size_t left_open) const;

  clock& clock_;
  ledger& ledger_;
  reconciliations& store_;
  std::span<const std::unique_ptr<processor>> processors_;
  settler settle_;
  config config_;
  steady_time turn_kept_{};
  std::optional<steady_time> looked_; ///< at the store; empty: it is to be looked at
  reconciliation_figures figures_;
  task_group tasks_;
};

} // namespace repasse
