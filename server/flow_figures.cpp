#include "server/flow_figures.hpp"

#include <algorithm>
#include <numeric>

namespace repasse {

std::uint64_t flow_counters::refused() const {
  return std::accumulate(refusals.begin(), refusals.end(), std::uint64_t{0});
}

void flow_counters::add(const flow_counters& other) {
  accepted += other.accepted;
  replayed += other.replayed;
  conflicts += other.conflicts;
  taken_in += other.taken_in;
  for (std::size_t i = 0; i < refusals.size(); ++i)
    refusals[i] += other.refusals[i];
  imported += other.imported;
  settled += other.settled;
  rejected += other.rejected;
  doubts += other.doubts;
  resends += other.resends;
  adopted += other.adopted;
  released += other.released;
  found += other.found;
  refused_choices += other.refused_choices;
  refused_doubts += other.refused_doubts;
  refused_rejections += other.refused_rejections;
  declared += other.declared;
  set_aside += other.set_aside;
  repeated_appends += other.repeated_appends;
  repeated_amends += other.repeated_amends;
  repeated_settles += other.repeated_settles;
  mismatches += other.mismatches;
  missing += other.missing;
  epochs_lost += other.epochs_lost;
}

void call_figures::add(const call_figures& other) {
  took.add(other.took);
  payments.add(other.payments);
}

void flow_figures::add(const flow_figures& other) {
  settled.resize(std::max(settled.size(), other.settled.size()));
  for (std::size_t i = 0; i < other.settled.size(); ++i) {
    settled[i].requests += other.settled[i].requests;
    settled[i].amount_cents += other.settled[i].amount_cents;
  }
  accept.add(other.accept);
  append.add(other.append);
  amend.add(other.amend);
  settle.add(other.settle);
  end_to_end.add(other.end_to_end);
}

} // namespace repasse
