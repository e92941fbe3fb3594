// A program as a child of a test: what it is given, what it writes, how it ends. What cannot be done throws,
// which ends a test's case, and a program that is no test.
#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace repasse {

using variables = std::map<std::string, std::string>;

/// Runs from its construction on; killed with this object, and with the thread that made it.
class child_process {
public:
  /// `arguments` begins with the program's path. It sees no other variables than these.
  child_process(std::vector<std::string> arguments, const variables& environment) {
    std::vector<std::string> settings;
    for (const auto& [name, value] : environment)
      settings.push_back(name + "=" + value);
    const std::vector<char*> argument_pointers = pointers_to(arguments);
    const std::vector<char*> setting_pointers = pointers_to(settings);
    id_ = ::fork();
    if (id_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (id_ > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(::fileno(output_.get()), STDOUT_FILENO);
    ::dup2(::fileno(errors_.get()), STDERR_FILENO);
    ::close_range(3, ~0U, 0); // a proxy's connections would stay open in it
    ::execve(argument_pointers.front(), argument_pointers.data(), setting_pointers.data());
    ::_exit(127);
  }
  ~child_process() {
    if (ended_) return;
    signal(SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  void signal(int number) const { ::kill(id_, number); }

  /// Its exit status, or 128 and the number of the signal that ended it; nullopt if it still runs then.
  std::optional<int> wait(std::chrono::milliseconds limit) {
    const auto due = std::chrono::steady_clock::now() + limit;
    while (!ended_) {
      int status = 0;
      if (::waitpid(id_, &status, WNOHANG) == id_)
        ended_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      else if (std::chrono::steady_clock::now() > due)
        return std::nullopt;
      else
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return ended_;
  }

  /// What it has written so far.
  [[nodiscard]] std::string output() const { return text_of(*output_); }
  [[nodiscard]] std::string errors() const { return text_of(*errors_); }
  [[nodiscard]] pid_t id() const { return id_; }

private:
  struct file_closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using file = std::unique_ptr<std::FILE, file_closer>;

  static std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (std::string& each : texts)
      pointers.push_back(each.data());
    pointers.push_back(nullptr);
    return pointers;
  }

  /// Reads beside the file's position, which the child shares.
  static std::string text_of(std::FILE& from) {
    std::string text;
    for (;;) {
      std::string part(1U << 16, '\0');
      const auto offset = static_cast<off_t>(text.size());
      const ssize_t bytes = ::pread(::fileno(&from), part.data(), part.size(), offset);
      if (bytes <= 0) return text;
      text.append(part, 0, static_cast<std::size_t>(bytes));
    }
  }

  file output_{std::tmpfile()};
  file errors_{std::tmpfile()};
  pid_t id_ = -1;
  std::optional<int> ended_;
};

} // namespace repasse
