// What a processor says of its own health, or other instances of it, and who heard it.
#pragma once

#include "storage/clock.hpp"
#include "storage/payment.hpp"

#include <chrono>

namespace repasse {

/// One answer of `GET /payments/service-health`, or the like told by another instance.
struct health_report {
  bool failing = false;
  std::chrono::milliseconds min_response_time{0};
  /// When the answer arrived, in both clocks.
  steady_time heard{};
  wall_time heard_wall{};
  /// The epoch whose prober asked; 0: told by Redis, which does not say.
  epoch_id from = 0;
};

} // namespace repasse
