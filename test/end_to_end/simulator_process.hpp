// The real processor-simulator as a child of a test.
#pragma once

#include "bench/http_caller.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace repasse {

/// A running processor-simulator on a port of its own; killed with this object, and with the thread that made
/// it.
class simulator_process {
public:
  /// On any free port, unless one is given.
  explicit simulator_process(std::vector<std::string> options = {}, std::uint16_t port = 0) {
    int pipe_ends[2] = {-1, -1};
    if (::pipe(pipe_ends) != 0) throw std::runtime_error("no pipe");
    options.insert(options.begin(),
                   {REPASSE_PROCESSOR_SIMULATOR, "--host", "127.0.0.1", "--port", std::to_string(port)});
    process_ = ::fork();
    if (process_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      std::vector<char*> arguments;
      for (std::string& each : options)
        arguments.push_back(each.data());
      arguments.push_back(nullptr);
      ::dup2(pipe_ends[1], STDOUT_FILENO);
      ::execv(arguments.front(), arguments.data());
      ::_exit(127);
    }
    ::close(pipe_ends[1]);
    std::FILE* const output = ::fdopen(pipe_ends[0], "r");
    const int read = std::fscanf(output, "processor-simulator listens on 127.0.0.1:%hu", &port_);
    const bool by_https = std::ranges::find(options, "--certificate") != options.end();
    const int read_https = by_https ? std::fscanf(output, " and by https on port %hu", &https_port_) : 1;
    std::fclose(output);
    if (read != 1 || read_https != 1) throw std::runtime_error("the processor simulator does not start");
  }
  ~simulator_process() {
    if (process_ > 0) end(SIGKILL);
  }
  simulator_process(const simulator_process&) = delete;
  simulator_process& operator=(const simulator_process&) = delete;

  void signal(int number) const { ::kill(process_, number); }
  /// The exit status after that signal; -1 if it did not exit by itself.
  int end(int signal) {
    int status = 0;
    ::kill(process_, signal);
    ::waitpid(std::exchange(process_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// By https where it has a certificate, else plain.
  [[nodiscard]] std::string url() const {
    const bool is_plain = https_port_ == 0;
    return std::string(is_plain ? "http" : "https") +
           "://127.0.0.1:" + std::to_string(is_plain ? port_ : https_port_);
  }
  [[nodiscard]] http_caller caller(std::chrono::milliseconds time_limit = std::chrono::seconds(10)) const {
    return {"127.0.0.1", port_, time_limit};
  }

private:
  pid_t process_ = -1;
  std::uint16_t port_ = 0;
  std::uint16_t https_port_ = 0;
};

} // namespace repasse
