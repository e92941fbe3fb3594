// One run: compares one window of the books with one processor's, follows what differs down to single
// payments, settles what the processor has taken and we have open, and keeps what nothing explains as
// findings. The reconciler builds and runs it. One question at a time, with pauses, past the breaker.
#pragma once

#include "server/bisection.hpp"
#include "server/processor.hpp"
#include "storage/ledger.hpp"
#include "storage/reconciliations.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

class comparison {
public:
  /// At a limit what is not yet explained is one finding, and the run has come to its end.
  struct config {
    std::chrono::nanoseconds pause = std::chrono::milliseconds{2}; ///< between two questions
    /// To the processor for a payment or its sums, or to the ledger for rows; those for the parts of the
    /// window and for what is open since earlier runs, which have limits of their own, do not count.
    std::size_t questions_max = 20'000;
    std::size_t findings_max = findings_a_run_max - 1;
  };
  struct calls {
    /// How a payment that was taken comes into the books; it may be booked a little later.
    std::function<void(const settle_item&)> settle;
    /// Called between any two questions; false once the turn is another's.
    std::function<task<bool>()> keep_turn;
  };

  /// `begun` has its id, processor and window.
  comparison(clock& time, ledger& books, reconciliations& store, processor& with, reconciliation_run begun,
             calls used, const config& settings);

  /// Once. The run as it has ended: without an error its whole window was compared, and `matched` says that
  /// nothing is open.
  task<reconciliation_run> compare();

  /// Then the run is another's, and is not to be kept.
  [[nodiscard]] bool has_lost_turn() const { return has_lost_turn_; }
  [[nodiscard]] std::size_t mended() const { return mended_; }       ///< payments that it has settled
  [[nodiscard]] std::size_t left_open() const { return left_open_; } ///< findings that it has looked at

private:
  /// Asked for one by one where the books differ.
  static constexpr std::size_t rows_max = 1000;
  static constexpr std::string_view no_ledger = "the ledger does not answer";
  /// What single payments say of each millisecond.
  using sums = std::map<wall_time, processor_total>;
  /// Of a sum, what single payments do not explain; below zero, they are more.
  struct remainder {
    std::int64_t requests = 0;
    std::int64_t cents = 0;
    [[nodiscard]] bool is_none() const { return requests == 0 && cents == 0; }
  };

  // False: no further. trouble_ says why; if it is empty, a limit is reached.
  task<bool> compare_sums();
  task<bool> compare_part(time_window part);
  task<bool> explain_all();
  task<bool> account_for(bisection::part part);
  task<bool> keep_part(bisection::part part);
  task<bool> keep_rest(time_window window);
  task<bool> look_again();
  // What is asked for single payments: comparison_payments.cpp.
  task<bool> compare_by_id();
  task<bool> ask_for_doubted();
  task<bool> look_at_ours(bisection::part part);
  task<bool> look_for_theirs(bisection::part part);
  task<bool> look_at_open(time_window window);
  task<bool> ask_among(const bisection::part& part, page_query query);
  task<bool> ask_about(payment_record row);
  task<bool> judge_settled(payment_record row, holding held);
  task<bool> judge_open(payment_record row, holding held);
  task<bool> may_ask();
  task<bool> rest();
  task<bool> keep(reconciliation_finding finding, std::string_view words);
  task<bool> write(reconciliation_finding finding, std::string_view words);
  bool fail(std::string_view why);

  task<bool> is_mended(reconciliation_finding finding);
  task<bool> agree(time_window window);
  task<bool> has_none_open(time_window accepted);
  task<std::optional<bisection::part>> both(time_window window);
  task<std::optional<std::vector<payment_record>>> rows_of(page_query query, std::size_t at_most);
  task<std::optional<std::vector<payment_record>>> settled_within(bisection::part part);

  [[nodiscard]] bool is_settled_here(const payment_record& row) const {
    return row.status == payment_status::processed && row.processor == run_.processor;
  }
  [[nodiscard]] static remainder beyond(const processor_total& sum, const sums& payments,
                                        const time_window& window);
  [[nodiscard]] remainder of_ours(const bisection::part& part) const;
  [[nodiscard]] remainder of_theirs(const bisection::part& part) const;

  clock& clock_;
  ledger& ledger_;
  reconciliations& store_;
  processor& processor_;
  reconciliation_run run_;
  calls calls_;
  config config_;

  std::vector<bisection::part> apart_; ///< where the sums differ, earliest first
  std::set<payment_id> asked_;
  sums ours_;                                 ///< of those asked: settled here
  sums theirs_;                               ///< of those asked: the processor has them
  std::multimap<wall_time, payment_id> open_; ///< of those asked: it has them, and we had not settled them
  wall_time asked_to_{};                      ///< by id: what was accepted before was not looked at
  std::size_t questions_ = 0;
  std::size_t findings_ = 0;
  std::size_t left_open_ = 0;
  std::size_t mended_ = 0;
  bool has_lost_turn_ = false;
  std::string trouble_;
};

} // namespace repasse
