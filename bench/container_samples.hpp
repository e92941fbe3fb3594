// What a container uses and is refused, read from its control groups' files, of version 1 (a mount for each
// controller) or 2; a process alone is read from /proc. Used by the reference load, once a second.
// It only reads; a file that is not there leaves its value zero.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

/// At one moment; all but the memory grow from the container's start.
struct container_sample {
  std::chrono::nanoseconds cpu{0};
  std::uint64_t anonymous_bytes = 0;
  std::uint64_t shared_bytes = 0;
  /// What the kernel holds for it and cannot give back; version 1 tells it only with what it could.
  std::uint64_t kernel_bytes = 0;
  std::uint64_t cache_bytes = 0; ///< of files: given back when memory is short
  std::uint64_t periods = 0;
  std::uint64_t throttled_periods = 0;
  std::chrono::nanoseconds throttled{0};
  std::uint64_t oom_kills = 0;

  /// What cannot be given back.
  [[nodiscard]] std::uint64_t held_bytes() const { return anonymous_bytes + shared_bytes + kernel_bytes; }
};

/// 0: none.
struct container_limits {
  double cores = 0;
  std::uint64_t memory_bytes = 0;
};

/// The folders of one container's control groups; with version 2 they are the same.
struct container_folders {
  bool unified = false; ///< version 2
  std::filesystem::path cpu;
  std::filesystem::path cpu_account;
  std::filesystem::path memory;
};

/// `id` is Docker's, or its beginning, or a group's path such as `/docker/1f2e…` or
/// `/system.slice/x.service`. nullopt if there is none below `root`, or more than one.
[[nodiscard]] std::optional<container_folders> find_container(std::string_view id,
                                                              const std::filesystem::path& root);

[[nodiscard]] container_sample read_container(const container_folders& folders);
[[nodiscard]] container_limits read_limits(const container_folders& folders);

/// CPU time and resident memory alone.
[[nodiscard]] container_sample read_process(pid_t pid);

/// What happened over a row of samples.
struct container_usage {
  std::chrono::nanoseconds cpu{0};
  double cores_mean = 0;
  double cores_max = 0; ///< between two samples, half a second apart or more
  std::uint64_t held_bytes_max = 0;
  std::uint64_t cache_bytes_max = 0;
  std::uint64_t periods = 0;
  std::uint64_t throttled_periods = 0;
  std::chrono::nanoseconds throttled{0};
  std::uint64_t oom_kills = 0;

  [[nodiscard]] double throttled_share() const {
    return periods == 0 ? 0 : static_cast<double>(throttled_periods) / static_cast<double>(periods);
  }
};

struct timed_sample {
  double second = 0;
  container_sample sample;
};

/// Of what grew from one sample to the next. Growth since zero if it fell: the container was started again.
[[nodiscard]] container_usage usage_over(const std::vector<timed_sample>& samples);
[[nodiscard]] container_sample growth(const container_sample& before, const container_sample& after);

} // namespace repasse
