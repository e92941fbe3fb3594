// Whether the schema in the database is known to be one that this version can work with. One for the process:
// written by whoever looks at the schema, read by the connections of every reactor before they are used.
#pragma once

#include <atomic>

namespace repasse {

class schema_state {
public:
  /// From any thread. What has been found right stays so: later versions of the schema say themselves which
  /// programs may go on.
  [[nodiscard]] bool is_right() const { return version() != 0; }
  /// Of the schema; 0 until it is known to be right.
  [[nodiscard]] int version() const { return version_.load(std::memory_order_acquire); }

  void found_right(int version) { version_.store(version, std::memory_order_release); }

private:
  std::atomic<int> version_{0};
};

} // namespace repasse
