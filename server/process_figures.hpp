// What the system says of this process, by the names and meanings that all Prometheus clients use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace repasse {

struct process_figures {
  double cpu_seconds = 0; ///< of all threads, in user and system mode
  std::uint64_t resident_bytes = 0;
  /// Linux tells it since 6.2; before, they are counted, and it is empty while they are too many for that.
  std::optional<std::size_t> open_fds;
  std::uint64_t max_fds = 0;
};

[[nodiscard]] process_figures read_process_figures();

/// Of the calling thread.
[[nodiscard]] std::int64_t thread_cpu_nanos();

} // namespace repasse
