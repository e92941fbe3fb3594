// The real repasse as a child of a test, on a port of its own.
#pragma once

#include "bench/http_caller.hpp"
#include "test/end_to_end/child_process.hpp"
#include "test/free_port.hpp"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <utility>

namespace repasse {

inline std::string address_of(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

/// What a run of repasse that ends by itself has left.
struct finished_run {
  int status = -1; ///< -1: it did not end within a minute
  std::string output;
  std::string errors;
};

inline finished_run run_repasse(const std::vector<std::string>& arguments, const variables& environment) {
  std::vector<std::string> all{REPASSE_SERVER};
  all.insert(all.end(), arguments.begin(), arguments.end());
  child_process program(std::move(all), environment);
  const int status = program.wait(std::chrono::seconds(60)).value_or(-1);
  return {status, program.output(), program.errors()};
}

/// A repasse that serves. `LISTEN` is a free port, and its processors are ports where nobody is, unless the
/// test's variables say otherwise.
class server_process {
public:
  explicit server_process(const variables& environment = {}) {
    for (int attempt = 0; attempt < 5 && !program_; ++attempt)
      start(environment);
    if (!program_) throw std::runtime_error("repasse finds no free port");
  }

  void signal(int number) const { program_->signal(number); }
  /// As child_process::wait.
  std::optional<int> wait(std::chrono::milliseconds limit) { return program_->wait(limit); }
  /// The exit status after that signal.
  int end(int number) {
    signal(number);
    const std::optional<int> status = wait(std::chrono::seconds(30));
    if (!status) throw std::runtime_error("repasse does not end");
    return *status;
  }

  [[nodiscard]] pid_t id() const { return program_->id(); }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] http_caller caller(std::chrono::milliseconds time_limit = std::chrono::seconds(10)) const {
    return {"127.0.0.1", port_, time_limit};
  }
  [[nodiscard]] std::string log() const { return program_->errors(); }

  [[nodiscard]] std::size_t resident_kib() const {
    std::ifstream status("/proc/" + std::to_string(program_->id()) + "/status");
    std::string word;
    while (status >> word && word != "VmRSS:") {
    }
    std::size_t kib = 0;
    status >> kib;
    return kib;
  }

  /// Of all threads that it has, in user and system mode.
  [[nodiscard]] std::chrono::nanoseconds cpu_time() const {
    std::int64_t nanoseconds = 0;
    const std::string tasks = "/proc/" + std::to_string(program_->id()) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
      std::int64_t of_task = 0; // the first number of schedstat, which is finer than stat's ticks
      std::ifstream(task.path() / "schedstat") >> of_task;
      nanoseconds += of_task;
    }
    return std::chrono::nanoseconds(nanoseconds);
  }

private:
  /// Leaves no program if another one was quicker on the port.
  void start(variables environment) {
    port_ = free_port();
    environment.try_emplace("LISTEN", address_of(port_));
    environment.try_emplace("PROCESSOR_DEFAULT_URL", "http://127.0.0.1:1");
    environment.try_emplace("PROCESSOR_FALLBACK_URL", "http://127.0.0.1:1");
    program_ = std::make_unique<child_process>(std::vector<std::string>{REPASSE_SERVER}, environment);
    for (int look = 0; look < 3000; ++look) {
      if (program_->errors().find("serves on") != std::string::npos) return;
      if (program_->wait(std::chrono::milliseconds(10))) {
        const bool taken = program_->errors().find("cannot listen") != std::string::npos;
        if (!taken) throw std::runtime_error("repasse does not start: " + program_->errors());
        program_.reset();
        return;
      }
    }
    throw std::runtime_error("repasse does not say that it serves: " + program_->errors());
  }

  std::uint16_t port_ = 0;
  std::unique_ptr<child_process> program_;
};

} // namespace repasse
