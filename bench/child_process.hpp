// A server that a measuring program starts, looks at and ends. It dies with the program that started it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace repasse {

class child_process {
public:
  /// Starts `command` with `variables` set besides our own. Throws std::system_error if it cannot; a program
  /// that does not exist is seen as one that has ended. Call it from the main thread, which must live on.
  explicit child_process(std::vector<std::string> command,
                         const std::map<std::string, std::string>& variables = {});
  /// SIGTERM; SIGKILL if it has not ended 15 s later.
  ~child_process();
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool has_ended();

private:
  pid_t pid_ = -1;
};

/// User and system time of all threads of a process so far; 0 if there is none.
[[nodiscard]] std::chrono::nanoseconds cpu_time_of(pid_t pid);
/// Bytes of memory that a process holds now; 0 if there is none.
[[nodiscard]] std::size_t resident_bytes_of(pid_t pid);

/// Asks `GET /` until there is any answer: true, or false after `time_limit`.
[[nodiscard]] bool wait_for_answer(const std::string& host, std::uint16_t port,
                                   std::chrono::milliseconds time_limit);

/// As far as this process is allowed.
void raise_limit_of_open_files();

} // namespace repasse
