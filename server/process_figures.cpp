#include "server/process_figures.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

namespace repasse {
namespace {

/// Some 100 µs; a scrape may not take long.
constexpr std::size_t counted_fds_max = 500;

std::int64_t nanos_of(clockid_t which) {
  timespec time{};
  ::clock_gettime(which, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// proc(5): the second number of statm is the resident pages.
std::uint64_t resident_bytes() {
  unsigned long long pages = 0;
  if (std::FILE* const file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%*u %llu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::optional<std::size_t> open_fds() {
  struct stat folder {};
  if (::stat("/proc/self/fd", &folder) != 0) return std::nullopt;
  if (folder.st_size > 0) return static_cast<std::size_t>(folder.st_size);
  DIR* const listing = ::opendir("/proc/self/fd");
  if (listing == nullptr) return std::nullopt;
  std::size_t entries = 0;
  while (entries <= counted_fds_max && ::readdir(listing) != nullptr)
    ++entries;
  ::closedir(listing);
  if (entries > counted_fds_max) return std::nullopt;
  return entries - 3; // `.`, `..` and the listing's own
}

} // namespace

std::int64_t thread_cpu_nanos() { return nanos_of(CLOCK_THREAD_CPUTIME_ID); }

process_figures read_process_figures() {
  process_figures made;
  made.cpu_seconds = static_cast<double>(nanos_of(CLOCK_PROCESS_CPUTIME_ID)) * 1e-9;
  made.resident_bytes = resident_bytes();
  made.open_fds = open_fds();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) made.max_fds = limit.rlim_cur;
  return made;
}

} // namespace repasse
