// What the payment_flow of one reactor counts and measures: plain members, which it alone writes.
#pragma once

#include "storage/histogram.hpp"
#include "storage/ledger.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace repasse {

/// Why a post was answered with 503.
enum class refusal : std::uint8_t {
  backlog,     ///< as many payments are held as are allowed
  ledger_full, ///< no room in the ledger
  intake_full, ///< nor in the intake, the ledger being away
  unavailable, ///< no store vouches for it
  unaudited,   ///< a conflict that the audit trail may not have
  count
};

struct flow_counters {
  // Answers to posts, one for each.
  std::uint64_t accepted = 0;
  std::uint64_t replayed = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t taken_in = 0; ///< by Redis, while the ledger was away
  std::array<std::uint64_t, static_cast<std::size_t>(refusal::count)> refusals{};

  std::uint64_t imported = 0; ///< out of the intake, new to the ledger
  std::uint64_t settled = 0;
  std::uint64_t rejected = 0;
  std::uint64_t doubts = 0;
  std::uint64_t resends = 0;
  std::uint64_t adopted = 0;
  std::uint64_t released = 0;
  std::uint64_t found = 0;           ///< at a processor, when all were asked before the first send
  std::uint64_t refused_choices = 0; ///< compare-and-sets that found the row taken over, by purpose
  std::uint64_t refused_doubts = 0;
  std::uint64_t refused_rejections = 0;
  std::uint64_t declared = 0;         ///< rejected or settled as an administrator has declared
  std::uint64_t set_aside = 0;        ///< declarations that their processor's word was against
  std::uint64_t repeated_appends = 0; ///< after doubt
  std::uint64_t repeated_amends = 0;
  std::uint64_t repeated_settles = 0;
  std::uint64_t mismatches = 0;  ///< settles that found another processor's name: an alarm
  std::uint64_t missing = 0;     ///< settles that found no row: after a purge, or an alarm
  std::uint64_t epochs_lost = 0; ///< ended by another, or by a purge

  [[nodiscard]] std::uint64_t& of(refusal why) { return refusals[static_cast<std::size_t>(why)]; }
  [[nodiscard]] std::uint64_t refused() const; ///< 503
  void add(const flow_counters& other);
};

/// Calls of the ledger, each one batch.
struct call_figures {
  duration_histogram took;
  size_histogram payments;

  void observe(std::chrono::nanoseconds time, std::size_t batch) {
    took.observe(time);
    payments.observe(static_cast<std::int64_t>(batch));
  }
  void add(const call_figures& other);
};

struct flow_figures {
  std::vector<processor_total> settled; ///< by processor, those that were settled here and now
  duration_histogram accept;            ///< of answers that are no refusals, from the post's reading
  call_figures append;
  call_figures amend;
  call_figures settle;
  /// Of those settled, `processed_at` less `accepted_at` as their rows have them: whole milliseconds.
  duration_histogram end_to_end;

  void add(const flow_figures& other);
};

} // namespace repasse
