// What a test waits for, for which there is no event.
#pragma once

#include <chrono>
#include <thread>

namespace repasse {

/// Whether `holds` becomes true in time.
template <typename Condition>
bool comes(Condition holds, std::chrono::milliseconds limit = std::chrono::seconds{20}) {
  const auto due = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > due) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  return true;
}

} // namespace repasse
