#include "server/config_machine.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

namespace repasse {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The number that `text` begins with; 0 if it begins with none, or with a negative one.
std::uint64_t leading_number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::optional<std::size_t> cores_of(std::uint64_t quota_us, std::uint64_t period_us) {
  if (quota_us == 0 || period_us == 0) return std::nullopt;
  return static_cast<std::size_t>((quota_us - 1) / period_us + 1);
}

std::size_t cores_of_affinity() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) return static_cast<std::size_t>(CPU_COUNT(&mask));
  return std::thread::hardware_concurrency();
}

/// The tightest quota on the way from the group at `path` up to the root of the tree mounted at `mount`:
/// a parent's binds too, and inside a container the path may be that of the host, of which only the root
/// is there.
template <typename Quota>
std::size_t tightest(std::size_t cores, const std::string& mount, std::string_view path, Quota quota_in) {
  for (;;) {
    if (const auto quota = quota_in(mount + std::string(path))) cores = std::min(cores, *quota);
    if (path.empty()) return cores;
    path = path.substr(0, path.rfind('/'));
  }
}

} // namespace

machine_limits claim_machine_limits() {
  return {.cores = usable_cores(), .open_files = raise_open_files_limit()};
}

std::size_t usable_cores() {
  const auto groups = text_of("/proc/self/cgroup");
  auto cores = cores_of_affinity();
  cores = tightest(cores, "/sys/fs/cgroup", group_path(groups, ""),
                   [](const std::string& folder) { return cores_of_quota(text_of(folder + "/cpu.max")); });
  cores = tightest(cores, "/sys/fs/cgroup/cpu", group_path(groups, "cpu"), [](const std::string& folder) {
    return cores_of_quota(text_of(folder + "/cpu.cfs_quota_us"), text_of(folder + "/cpu.cfs_period_us"));
  });
  return std::max<std::size_t>(cores, 1);
}

std::size_t raise_open_files_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return machine_limits{}.open_files;
  const rlimit raised{limit.rlim_max, limit.rlim_max};
  const bool done = setrlimit(RLIMIT_NOFILE, &raised) == 0;
  return static_cast<std::size_t>(done ? raised.rlim_cur : limit.rlim_cur);
}

double resident_mib() {
  std::ifstream statm("/proc/self/statm");
  double total_pages = 0;
  double resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1024.0 * 1024.0);
}

std::optional<std::size_t> cores_of_quota(std::string_view cpu_max) {
  const auto space = cpu_max.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  return cores_of(leading_number(cpu_max), leading_number(cpu_max.substr(space + 1)));
}

std::optional<std::size_t> cores_of_quota(std::string_view quota_us, std::string_view period_us) {
  return cores_of(leading_number(quota_us), leading_number(period_us));
}

std::string_view group_path(std::string_view proc_self_cgroup, std::string_view controller) {
  // Lines of cgroups(7): `4:cpu,cpuacct:/path`; v2's has no controllers.
  while (!proc_self_cgroup.empty()) {
    const auto line = proc_self_cgroup.substr(0, proc_self_cgroup.find('\n'));
    proc_self_cgroup.remove_prefix(std::min(line.size() + 1, proc_self_cgroup.size()));
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string controllers = "," + std::string(line.substr(first + 1, second - first - 1)) + ",";
    if (controllers.find("," + std::string(controller) + ",") == std::string::npos) continue;
    const auto path = line.substr(second + 1);
    return path == "/" ? std::string_view{} : path;
  }
  return {};
}

} // namespace repasse
