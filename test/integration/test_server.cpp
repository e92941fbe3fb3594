#include "test/integration/test_server.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

namespace repasse {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error("a server for tests: " + what);
}

/// Waits for the end of the test's process, whichever.
[[noreturn]] void clean_up_after(int alive, const fs::path& folder, void (*end_server)(const fs::path&)) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE})
    std::signal(number, SIG_IGN);
  ::setpgid(0, 0);
  ::dup2(alive, STDIN_FILENO);
  const int nothing = ::open("/dev/null", O_WRONLY);
  ::dup2(nothing, STDOUT_FILENO);
  ::dup2(nothing, STDERR_FILENO);
  ::close_range(3, ~0U, 0);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR) {
  }
  if (end_server != nullptr) end_server(folder);
  std::error_code ignored;
  for (int i = 0; i < 100 && fs::exists(folder, ignored); ++i) { // the server, just killed, may still write
    fs::remove_all(folder, ignored);
    std::this_thread::sleep_for(5ms);
  }
  ::_exit(0);
}

} // namespace

server_folder::server_folder(const std::string& name, const passwd* user,
                             void (*end_server)(const fs::path&)) {
  std::string made = (fs::temp_directory_path() / (name + "-XXXXXX")).string();
  require(::mkdtemp(made.data()) != nullptr, "cannot make a folder " + made);
  path_ = made;
  if (user != nullptr)
    require(::chown(made.c_str(), user->pw_uid, user->pw_gid) == 0, "cannot give away " + made);
  int ends[2];
  require(::pipe2(ends, O_CLOEXEC) == 0, "no pipe");
  cleaner_ = ::fork();
  require(cleaner_ >= 0, "cannot fork");
  if (cleaner_ == 0) {
    ::close(ends[1]);
    clean_up_after(ends[0], path_, end_server);
  }
  ::close(ends[0]);
  alive_ = ends[1];
}

server_folder::~server_folder() {
  remove();
  ::waitpid(cleaner_, nullptr, 0);
}

void server_folder::remove() {
  if (alive_ >= 0) ::close(alive_);
  alive_ = -1;
}

pid_t spawn(std::vector<std::string> words, const fs::path& output, int end_signal, const passwd* user) {
  std::vector<char*> arguments;
  for (std::string& each : words)
    arguments.push_back(each.data());
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  require(child >= 0, "cannot fork");
  if (child > 0) return child;
  ::setpgid(0, 0);
  const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(file, STDOUT_FILENO);
  ::dup2(file, STDERR_FILENO);
  ::close_range(3, ~0U, 0);
  if (user != nullptr &&
      (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0))
    ::_exit(126);
  ::prctl(PR_SET_PDEATHSIG, end_signal); // after setuid, which clears it
  if (::getppid() != parent) ::_exit(125);
  if (::chdir("/") != 0) ::_exit(124);
  for (const char* each :
       {"PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGOPTIONS", "REDISCLI_AUTH"})
    ::unsetenv(each);
  ::setenv("LC_ALL", "C.UTF-8", 1);
  ::execvp(arguments.front(), arguments.data());
  ::_exit(127);
}

std::string output_of(const std::vector<std::string>& words, const fs::path& output, const passwd* user) {
  const pid_t child = spawn(words, output, SIGKILL, user);
  int status = 0;
  ::waitpid(child, &status, 0);
  std::string text = text_of(output);
  require(status == 0, words.front() + " failed: " + text);
  return text;
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

} // namespace repasse
