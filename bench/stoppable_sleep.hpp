// A sleep that ends when its thread is asked to stop: for the threads that accompany a load.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace repasse {

/// False if it was asked to stop before.
[[nodiscard]] inline bool sleep_until(const std::stop_token& stop,
                                      std::chrono::steady_clock::time_point due) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_until(lock, stop, due, [] { return false; });
  return !stop.stop_requested();
}

} // namespace repasse
