#include "test/integration/redis_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <thread>

namespace repasse {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto start_limit = 30s;
constexpr auto poll_period = 5ms; // of a port and of a child, for which there is no event

void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error("Redis for tests: " + what);
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Starts a program in a process group of its own, its output in `output`; it dies with this process.
pid_t spawn(std::vector<std::string> words, const fs::path& output) {
  std::vector<char*> arguments;
  for (std::string& each : words)
    arguments.push_back(each.data());
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  require(child >= 0, "cannot fork");
  if (child > 0) return child;
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(125);
  const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(file, STDOUT_FILENO);
  ::dup2(file, STDERR_FILENO);
  ::close_range(3, ~0U, 0);
  ::unsetenv("REDISCLI_AUTH");
  ::execvp(arguments.front(), arguments.data());
  ::_exit(127);
}

class tcp_socket {
public:
  tcp_socket() : number_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  ~tcp_socket() { ::close(number_); }
  tcp_socket(const tcp_socket&) = delete;
  tcp_socket& operator=(const tcp_socket&) = delete;

  [[nodiscard]] int number() const { return number_; }

private:
  int number_;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

std::uint16_t free_port() {
  const tcp_socket socket;
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  require(::bind(socket.number(), any, size) == 0 && ::getsockname(socket.number(), any, &size) == 0,
          "no free port");
  return ntohs(address.sin_port);
}

/// It says something, and not that it is still loading its data.
bool answers(std::uint16_t port) {
  const tcp_socket socket;
  const sockaddr_in address = loopback(port);
  if (::connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return false;
  constexpr std::string_view ping = "PING\r\n";
  if (::send(socket.number(), ping.data(), ping.size(), MSG_NOSIGNAL) < 0) return false;
  char reply[16]{};
  const ssize_t size = ::recv(socket.number(), reply, sizeof reply, 0);
  return size > 0 && !std::string_view{reply, static_cast<std::size_t>(size)}.starts_with("-LOADING");
}

/// Waits for the end of the test's process, whichever, then removes the server's folder.
[[noreturn]] void clean_up_after(int alive, const fs::path& folder) {
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
  std::error_code ignored;
  for (int i = 0; i < 100 && fs::exists(folder, ignored); ++i) { // the server, just killed, may still write
    fs::remove_all(folder, ignored);
    std::this_thread::sleep_for(poll_period);
  }
  ::_exit(0);
}

} // namespace

redis_server::redis_server(std::vector<std::string> settings, role as)
    : role_(as), settings_(std::move(settings)) {
  make_folder();
  start();
}

redis_server::~redis_server() {
  if (is_running()) kill();
  ::close(alive_);
  ::waitpid(cleaner_, nullptr, 0);
}

void redis_server::make_folder() {
  std::string name = (fs::temp_directory_path() / "repasse-redis-XXXXXX").string();
  require(::mkdtemp(name.data()) != nullptr, "cannot make a folder " + name);
  folder_ = name;
  int ends[2];
  require(::pipe2(ends, O_CLOEXEC) == 0, "no pipe");
  cleaner_ = ::fork();
  require(cleaner_ >= 0, "cannot fork");
  if (cleaner_ == 0) {
    ::close(ends[1]);
    clean_up_after(ends[0], folder_);
  }
  ::close(ends[0]);
  alive_ = ends[1];
}

void redis_server::configure(const std::vector<std::string>& settings) const {
  std::ofstream file(folder_ / "redis.conf", std::ios::trunc);
  file << "bind 127.0.0.1\nport " << port_ << "\ndir " << folder_.string() << "\nlogfile "
       << (folder_ / "log").string() << "\n";
  if (role_ == role::server)
    file << "unixsocket " << (folder_ / "socket").string()
         << "\nsave \"\"\nappendonly yes\nappendfsync always\nmaxmemory-policy noeviction\n"
            "enable-debug-command local\n";
  for (const std::string& each : settings)
    file << each << "\n";
}

std::string redis_server::url(std::uint16_t port) { return "redis://127.0.0.1:" + std::to_string(port); }

std::string redis_server::file_url() const { return "unix:" + (folder_ / "socket").string(); }

void redis_server::start() {
  require(!is_running(), "it runs already");
  const bool is_new = port_ == 0;
  const auto due = std::chrono::steady_clock::now() + start_limit;
  while (std::chrono::steady_clock::now() < due) { // again while its port is taken
    if (port_ == 0) {
      port_ = free_port();
      configure(settings_); // once: a sentinel writes there, too
    }
    std::vector<std::string> words{"redis-server", (folder_ / "redis.conf").string()};
    if (role_ == role::sentinel) words.push_back("--sentinel");
    process_ = spawn(words, folder_ / "output");
    while (::waitpid(process_, nullptr, WNOHANG) == 0 && std::chrono::steady_clock::now() < due) {
      if (answers(port_)) return;
      std::this_thread::sleep_for(poll_period);
    }
    if (is_new) port_ = 0;
    process_ = -1;
    std::this_thread::sleep_for(poll_period);
  }
  require(false, "it does not start: " + log() + text_of(folder_ / "output"));
}

void redis_server::stop() {
  signal(SIGTERM);
  wait_until_ended();
}

void redis_server::kill() {
  signal(SIGKILL);
  wait_until_ended();
}

void redis_server::restart() {
  stop();
  start();
}

void redis_server::wait_until_ended() {
  ::waitpid(process_, nullptr, 0);
  process_ = -1;
}

void redis_server::signal(int number) const {
  require(process_ > 1 && ::kill(process_, number) == 0, "no such process");
}

std::string redis_server::cli(std::vector<std::string> words) const {
  const fs::path output = folder_ / "cli";
  fs::remove(output);
  words.insert(words.begin(), {"redis-cli", "-p", std::to_string(port_)});
  const pid_t child = spawn(words, output);
  int status = 0;
  ::waitpid(child, &status, 0);
  std::string text = text_of(output);
  require(status == 0, "redis-cli failed: " + text);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string redis_server::log() const { return text_of(folder_ / "log"); }

} // namespace repasse
