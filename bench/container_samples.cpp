#include "bench/container_samples.hpp"

#include "bench/child_process.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <system_error>

namespace repasse {
namespace {

namespace fs = std::filesystem;

/// The names of the kernel's flat files, `name number` a line.
using counters = std::map<std::string, std::uint64_t, std::less<>>;

counters read_counters(const fs::path& path) {
  counters read;
  std::ifstream file(path);
  std::string name;
  std::uint64_t value = 0;
  while (file >> name >> value)
    read[name] = value;
  return read;
}

std::uint64_t value_of(const counters& all, std::string_view name) {
  const auto found = all.find(name);
  return found == all.end() ? 0 : found->second;
}

/// 0 too for `max`.
std::uint64_t read_number(const fs::path& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  file >> value;
  return file ? value : 0;
}

std::optional<fs::path> only_folder(const fs::path& parent, std::string_view prefix,
                                    std::string_view suffix) {
  std::optional<fs::path> found;
  std::error_code error;
  for (const fs::directory_entry& each : fs::directory_iterator(parent, error)) {
    const std::string name = each.path().filename().string();
    if (!each.is_directory() || !name.starts_with(prefix) || !name.ends_with(suffix)) continue;
    if (found) return std::nullopt;
    found = each.path();
  }
  return found;
}

/// Docker's two ways to name a group: by cgroupfs and by systemd.
std::optional<fs::path> group_in(const fs::path& mount, std::string_view id) {
  if (id.starts_with('/')) {
    const fs::path path = mount / id.substr(1);
    return fs::is_directory(path) ? std::optional(path) : std::nullopt;
  }
  if (id.empty()) return std::nullopt;
  if (auto found = only_folder(mount / "docker", id, "")) return found;
  return only_folder(mount / "system.slice", "docker-" + std::string(id), ".scope");
}

container_sample read_unified(const container_folders& folders) {
  using std::chrono::microseconds;
  const counters cpu = read_counters(folders.cpu / "cpu.stat");
  const counters memory = read_counters(folders.memory / "memory.stat");
  container_sample read;
  read.cpu = microseconds(value_of(cpu, "usage_usec"));
  read.periods = value_of(cpu, "nr_periods");
  read.throttled_periods = value_of(cpu, "nr_throttled");
  read.throttled = microseconds(value_of(cpu, "throttled_usec"));
  read.anonymous_bytes = value_of(memory, "anon");
  read.shared_bytes = value_of(memory, "shmem");
  for (const char* const part : {"slab_unreclaimable", "kernel_stack", "pagetables", "percpu", "sock"})
    read.kernel_bytes += value_of(memory, part);
  const std::uint64_t files = value_of(memory, "file");
  read.cache_bytes = files - std::min(files, read.shared_bytes);
  read.oom_kills = value_of(read_counters(folders.memory / "memory.events"), "oom_kill");
  return read;
}

/// Version 1 counts a TCP socket's buffers apart from the rest of the kernel's.
container_sample read_split(const container_folders& folders) {
  using std::chrono::nanoseconds;
  const counters cpu = read_counters(folders.cpu / "cpu.stat");
  const counters memory = read_counters(folders.memory / "memory.stat");
  container_sample read;
  read.cpu = nanoseconds(read_number(folders.cpu_account / "cpuacct.usage"));
  read.periods = value_of(cpu, "nr_periods");
  read.throttled_periods = value_of(cpu, "nr_throttled");
  read.throttled = nanoseconds(value_of(cpu, "throttled_time"));
  read.anonymous_bytes = value_of(memory, "total_rss");
  read.shared_bytes = value_of(memory, "total_shmem");
  read.kernel_bytes = read_number(folders.memory / "memory.kmem.usage_in_bytes") +
                      read_number(folders.memory / "memory.kmem.tcp.usage_in_bytes");
  const std::uint64_t files = value_of(memory, "total_cache");
  read.cache_bytes = files - std::min(files, read.shared_bytes);
  read.oom_kills = value_of(read_counters(folders.memory / "memory.oom_control"), "oom_kill");
  return read;
}

template <typename Value>
Value grown(Value before, Value after) {
  return after < before ? after : after - before;
}

} // namespace

std::optional<container_folders> find_container(std::string_view id, const fs::path& root) {
  const auto cpu = group_in(root / "cpu", id);
  const auto account = group_in(root / "cpuacct", id);
  const auto memory = group_in(root / "memory", id);
  if (cpu && account && memory) return container_folders{false, *cpu, *account, *memory};
  const auto all = group_in(root, id);
  if (!all || !fs::exists(*all / "cpu.stat")) return std::nullopt;
  return container_folders{true, *all, *all, *all};
}

container_sample read_container(const container_folders& folders) {
  return folders.unified ? read_unified(folders) : read_split(folders);
}

container_limits read_limits(const container_folders& folders) {
  container_limits read;
  double quota = 0;
  double period = 0;
  if (folders.unified) {
    std::ifstream(folders.cpu / "cpu.max") >> quota >> period;
    read.memory_bytes = read_number(folders.memory / "memory.max");
  } else {
    std::ifstream(folders.cpu / "cpu.cfs_quota_us") >> quota;
    std::ifstream(folders.cpu / "cpu.cfs_period_us") >> period;
    read.memory_bytes = read_number(folders.memory / "memory.limit_in_bytes");
  }
  if (quota > 0 && period > 0) read.cores = quota / period;
  constexpr std::uint64_t no_machine_has = std::uint64_t{1} << 60;
  if (read.memory_bytes >= no_machine_has) read.memory_bytes = 0;
  return read;
}

container_sample read_process(pid_t pid) {
  container_sample read;
  read.cpu = cpu_time_of(pid);
  read.anonymous_bytes = resident_bytes_of(pid);
  return read;
}

container_sample growth(const container_sample& before, const container_sample& after) {
  container_sample grew = after;
  const bool again = after.cpu < before.cpu;
  if (again) return grew;
  grew.cpu = after.cpu - before.cpu;
  grew.periods = grown(before.periods, after.periods);
  grew.throttled_periods = grown(before.throttled_periods, after.throttled_periods);
  grew.throttled = grown(before.throttled, after.throttled);
  grew.oom_kills = grown(before.oom_kills, after.oom_kills);
  return grew;
}

container_usage usage_over(const std::vector<timed_sample>& samples) {
  container_usage usage;
  double seconds = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const container_sample& now = samples[i].sample;
    usage.held_bytes_max = std::max(usage.held_bytes_max, now.held_bytes());
    usage.cache_bytes_max = std::max(usage.cache_bytes_max, now.cache_bytes);
    if (i == 0) continue;
    const double step = samples[i].second - samples[i - 1].second;
    const container_sample grew = growth(samples[i - 1].sample, now);
    const double cpu_seconds = std::chrono::duration<double>(grew.cpu).count();
    constexpr double too_short = 0.5; // of the last one, when the load has ended
    if (step >= too_short) usage.cores_max = std::max(usage.cores_max, cpu_seconds / step);
    seconds += step;
    usage.cpu += grew.cpu;
    usage.periods += grew.periods;
    usage.throttled_periods += grew.throttled_periods;
    usage.throttled += grew.throttled;
    usage.oom_kills += grew.oom_kills;
  }
  if (seconds > 0) usage.cores_mean = std::chrono::duration<double>(usage.cpu).count() / seconds;
  return usage;
}

} // namespace repasse
