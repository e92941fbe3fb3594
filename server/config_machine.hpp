// What this machine lets the process use: cores and open files; asked once, by main, before the
// configuration is checked against it. And what memory it uses.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace repasse {

struct machine_limits {
  std::size_t cores = 1;         ///< at least 1
  std::size_t open_files = 1024; ///< how many descriptors the process may hold at once
};

/// Raises the limit of open files as far as allowed, and returns it with the usable cores.
[[nodiscard]] machine_limits claim_machine_limits();

/// Cores that the affinity mask and the cgroup's CPU quota (v2 or v1) leave, a part of one rounded up.
[[nodiscard]] std::size_t usable_cores();

/// Raises the soft limit RLIMIT_NOFILE to the hard one; returns what then holds.
std::size_t raise_open_files_limit();

/// Memory that the process has in use now, of /proc/self/statm.
[[nodiscard]] double resident_mib();

/// Cores worth of a quota file: `cpu.max` of cgroup v2 (`150000 100000`, `max 100000`), rounded up.
/// nullopt where it sets no limit or is not understood.
[[nodiscard]] std::optional<std::size_t> cores_of_quota(std::string_view cpu_max);

/// The same from v1's `cpu.cfs_quota_us` (-1: no limit) and `cpu.cfs_period_us`.
[[nodiscard]] std::optional<std::size_t> cores_of_quota(std::string_view quota_us,
                                                        std::string_view period_us);

/// The path of the process's group for the v2 hierarchy (empty `controller`) or for a v1 controller in the
/// text of /proc/self/cgroup; empty where there is none.
[[nodiscard]] std::string_view group_path(std::string_view proc_self_cgroup, std::string_view controller);

} // namespace repasse
