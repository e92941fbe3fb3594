#include "bench/child_process.hpp"

#include "bench/http_caller.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <system_error>
#include <thread>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr auto end_within = 15s;
constexpr auto look_every = 1ms;
constexpr int exit_not_started = 127;

/// For exec: ends with a null pointer; points into `texts`.
std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts)
    pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& variables) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!variables.contains(text.substr(0, text.find('=')))) all.push_back(text);
  }
  for (const auto& [name, value] : variables)
    all.push_back(name + "=" + value);
  return all;
}

} // namespace

child_process::child_process(std::vector<std::string> command,
                             const std::map<std::string, std::string>& variables) {
  std::vector<std::string> environment = environment_with(variables);
  const std::vector<char*> arguments = pointers_to(command);
  const std::vector<char*> entries = pointers_to(environment);
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ > 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::execve(arguments[0], arguments.data(), entries.data());
  std::perror(arguments[0]);
  ::_exit(exit_not_started);
}

child_process::~child_process() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGTERM);
  const auto due = steady::now() + end_within;
  while (!has_ended()) {
    if (steady::now() > due) ::kill(pid_, SIGKILL);
    std::this_thread::sleep_for(look_every);
  }
}

bool child_process::has_ended() {
  if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) != 0) pid_ = -1;
  return pid_ < 0;
}

std::chrono::nanoseconds cpu_time_of(pid_t pid) {
  clockid_t its_clock = 0;
  timespec time{};
  if (pid <= 0 || ::clock_getcpuclockid(pid, &its_clock) != 0 || ::clock_gettime(its_clock, &time) != 0)
    return 0ns;
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

/// The second number of statm (proc(5)) is the resident pages.
std::size_t resident_bytes_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  std::size_t all_pages = 0;
  std::size_t resident_pages = 0;
  file >> all_pages >> resident_pages;
  return resident_pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

bool wait_for_answer(const std::string& host, std::uint16_t port, std::chrono::milliseconds time_limit) {
  const auto due = steady::now() + time_limit;
  while (steady::now() < due) {
    http_caller caller(host, port, 1s);
    if (caller.call("GET", "/").ok()) return true;
    std::this_thread::sleep_for(look_every);
  }
  return false;
}

void raise_limit_of_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

} // namespace repasse
