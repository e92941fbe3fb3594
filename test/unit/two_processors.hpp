// The processors of the reference, as far as pages and metrics show them.
#pragma once

#include "server/config.hpp"

namespace repasse {

inline config two_processors() {
  config settings;
  settings.processors.resize(2);
  settings.processors[0].name = "default";
  settings.processors[0].fee_ppm = 50'000;
  settings.processors[1].name = "fallback";
  settings.processors[1].fee_ppm = 150'000;
  return settings;
}

} // namespace repasse
