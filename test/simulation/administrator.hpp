// Somebody who looks at payments in doubt from time to time, has some of them asked again, and declares of
// others what became of them, at any instance. An honest one: what a processor has is never declared
// rejected, what it does not have never processed; but it may have it a moment later.
#pragma once

#include "test/simulation/clients.hpp"
#include "test/simulation/cluster.hpp"

#include <cstdint>
#include <random>

namespace repasse::simulation {

class administrator {
public:
  administrator(world& outside, cluster& servers, std::uint64_t seed)
      : world_(outside), cluster_(servers), random_(seed) {}

  /// From now on until then.
  void act_until(steady_time end);
  /// What makes words dangerous, from some moment on before then: a processor takes payments after they were
  /// given up, and perhaps cannot be asked while it does.
  void schedule_late_taking(clients& posters, std::chrono::nanoseconds span);

private:
  void act();
  void resolve(const payment_record& one);

  world& world_;
  cluster& cluster_;
  std::mt19937_64 random_;
};

} // namespace repasse::simulation
