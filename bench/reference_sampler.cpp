#include "bench/reference_sampler.hpp"

#include "bench/stoppable_sleep.hpp"

namespace repasse {

using steady = std::chrono::steady_clock;

reference_sampler::reference_sampler(const audit_config& servers,
                                     const std::vector<watched_config>& looked_at)
    : looked_at_(looked_at), processors_(servers.processors.size()), reader_(servers) {
  for (const watched_config& each : looked_at)
    watched_.push_back({each.name,
                        each.folders.has_value(),
                        each.folders ? read_limits(*each.folders) : container_limits{},
                        {}});
}

void reference_sampler::run(const std::stop_token& stop, steady::time_point start) {
  const auto second_of = [start] { return std::chrono::duration<double>(steady::now() - start).count(); };
  for (auto due = start; sleep_until(stop, due); due += std::chrono::seconds(1))
    sample(second_of());
  sample(second_of());
}

void reference_sampler::sample(double second) {
  for (std::size_t i = 0; i < looked_at_.size(); ++i) {
    const watched_config& each = looked_at_[i];
    watched_[i].samples.push_back(
        {second, each.folders ? read_container(*each.folders) : read_process(each.pid)});
  }
  takings_sample made{second, {}};
  for (std::size_t i = 0; i < processors_; ++i)
    if (const auto takings = reader_.takings_of(i)) made.takings.push_back(*takings);
  if (made.takings.size() == processors_) takings_.push_back(std::move(made));
}

} // namespace repasse
