// The epoch of one reactor: opens it, beats every second, takes over the payments of the dead, and begins
// another when its own was marked. It tells payment_flow; what only the eldest may do asks is_eldest(). Its
// beats carry what the own prober has learned, and bring what those of others have.
#pragma once

#include "server/payment_flow.hpp"
#include "server/processor.hpp"
#include "storage/ledger.hpp"

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace repasse {

/// Built by its reactor after the flow; run by start(), ended by end().
class ownership {
public:
  ownership(clock& time, ledger& books, payment_flow& flow,
            std::span<const std::unique_ptr<processor>> processors);

  void start();
  /// Marks the epoch; whoever looks next may take its rows. No more beats.
  task<> end();

  /// What the own prober has learned, for the next beat to carry.
  void learned(processor_index index, const health_report& report) { learned_[index] = report; }

  /// The lowest epoch alive, as the last beat told, for 3 s after that beat.
  [[nodiscard]] bool is_eldest() const { return clock_.now() < eldest_until_; }
  static constexpr std::size_t formers_max = 32;
  struct figures {
    std::uint64_t begun = 0;         ///< epochs
    std::uint64_t takeovers = 0;     ///< steps that brought payments
    std::vector<epoch_id> formers{}; ///< whose payments those were: the last epochs, newest last
  };
  [[nodiscard]] const figures& counted() const { return figures_; }
  /// A purge has ended the epoch: look now rather than at the next beat.
  void look() { flow_.epoch_lost().notify(); }

private:
  task<> live();
  task<bool> open();
  task<bool> beat();
  [[nodiscard]] std::vector<probe> untold(steady_time now) const;
  void told(const std::vector<probe>& probes, steady_time sent);
  void hear(const std::vector<probe>& probes, epoch_id epoch, steady_time sent);
  void compare_clocks();
  task<> take_over(steady_time until);
  void note_formers(std::span<const owned_row> rows);
  task<> look_for_strays(steady_time until);

  clock& clock_;
  ledger& ledger_;
  payment_flow& flow_;
  std::span<const std::unique_ptr<processor>> processors_;
  std::vector<std::optional<health_report>> learned_; ///< by processor: what no beat has carried yet
  std::vector<steady_time> brought_; ///< by processor: how new the probe was that a beat has brought
  bool ended_ = false;
  bool is_refused_ = false; ///< an epoch, at the last try
  steady_time eldest_until_{};
  std::vector<owned_row> rows_;
  std::uint64_t stray_position_ = 0;
  std::chrono::milliseconds told_ahead_{0}; ///< what the log says of this clock
  bool strays_likely_ = false;
  steady_time strays_looked_{};
  figures figures_;
  task_group tasks_;
};

} // namespace repasse
