// Brings what the intake holds into the ledger, always, whoever took it in: a batch at a time through
// payment_flow, which owns what is new. Nothing leaves the intake before the ledger has it.
#pragma once

#include "server/payment_flow.hpp"
#include "storage/intake.hpp"

#include <vector>

namespace repasse {

struct importer_figures {
  std::uint64_t known = 0;     ///< the ledger had it
  std::uint64_t conflicts = 0; ///< with another amount: an alarm
  std::uint64_t put_back = 0;  ///< the ledger was away

  void add(const importer_figures& other);
};

/// Built by its reactor after flow and intake; run by start(), ended by stop().
class importer {
public:
  importer(clock& time, intake& from, payment_flow& flow);

  void start() { tasks_.spawn(run()); }
  void stop();
  [[nodiscard]] const importer_figures& figures() const { return figures_; }

private:
  task<> run();
  /// False if the ledger has not taken any.
  task<bool> bring(std::vector<taken_payment> batch);
  static void answered(void* self, const accept_reply::place& where, accept_verdict verdict);

  clock& clock_;
  intake& intake_;
  payment_flow& flow_;
  bool stopping_ = false;
  importer_figures figures_;
  std::uint64_t imported_ = 0;           ///< not logged yet
  std::vector<accept_verdict> verdicts_; ///< of the batch under way
  std::size_t open_ = 0;                 ///< of them, those to come
  event all_answered_;
  event pause_;
  task_group tasks_;
};

} // namespace repasse
