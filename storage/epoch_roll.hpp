// Which owners of payments live: their beats and their marks. Pure; the memory ledger asks it under its lock.
#pragma once

#include "storage/ledger.hpp"

#include <chrono>
#include <vector>

namespace repasse {

class epoch_roll {
public:
  static constexpr std::chrono::seconds silent_after{
      5}; ///< a taker may mark an epoch without a beat for so long
  static constexpr std::chrono::seconds steady_after{5}; ///< a taker has beaten for so long
  static constexpr std::chrono::seconds gap_max{2};      ///< a longer one makes it begin anew

  epoch_id open(steady_time now);
  beat_answer beat(epoch_id epoch, steady_time now);
  void mark(epoch_id epoch);
  void mark_all();
  void mark_silent(steady_time now);

  /// Nothing of it is left to take over, and it brings nothing more.
  void sweep(epoch_id epoch);

  /// Marked, or never opened.
  [[nodiscard]] bool ended(epoch_id epoch) const;
  /// Ended and not swept: it may own something that is to be taken over.
  [[nodiscard]] bool to_sweep(epoch_id epoch, steady_time now) const;
  /// It may take over rows: it has beaten without a gap for long enough, until now.
  [[nodiscard]] bool steady(epoch_id epoch, steady_time now) const;
  /// The highest epoch ever opened; 0 if none.
  [[nodiscard]] epoch_id last() const { return static_cast<epoch_id>(epochs_.size()); }

private:
  struct state {
    steady_time last_beat;
    steady_time steady_since;
    bool marked = false;
    bool swept = false;
  };

  [[nodiscard]] bool opened(epoch_id epoch) const { return epoch != 0 && epoch <= epochs_.size(); }

  std::vector<state> epochs_; // epoch 1 is the first
  epoch_id eldest_ = 1;       // no unmarked epoch is lower
};

} // namespace repasse
