#include "test/integration/redis_server.hpp"

#include "test/free_port.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
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

} // namespace

redis_server::redis_server(std::vector<std::string> settings, role as)
    : role_(as), settings_(std::move(settings)) {
  start();
}

redis_server::~redis_server() {
  if (is_running()) kill();
}

void redis_server::configure(const std::vector<std::string>& settings) const {
  std::ofstream file(folder() / "redis.conf", std::ios::trunc);
  file << "bind 127.0.0.1\nport " << port_ << "\ndir " << folder().string() << "\nlogfile "
       << (folder() / "log").string() << "\n";
  if (role_ == role::server)
    file << "unixsocket " << (folder() / "socket").string()
         << "\nsave \"\"\nappendonly yes\nappendfsync always\nmaxmemory-policy noeviction\n"
            "enable-debug-command local\n";
  for (const std::string& each : settings)
    file << each << "\n";
}

std::string redis_server::url(std::uint16_t port) { return "redis://127.0.0.1:" + std::to_string(port); }

std::string redis_server::file_url() const { return "unix:" + (folder() / "socket").string(); }

void redis_server::start() {
  require(!is_running(), "it runs already");
  const bool is_new = port_ == 0;
  const auto due = std::chrono::steady_clock::now() + start_limit;
  while (std::chrono::steady_clock::now() < due) { // again while its port is taken
    if (port_ == 0) {
      port_ = free_port();
      configure(settings_); // once: a sentinel writes there, too
    }
    std::vector<std::string> words{"redis-server", (folder() / "redis.conf").string()};
    if (role_ == role::sentinel) words.push_back("--sentinel");
    process_ = spawn(words, folder() / "output", SIGKILL);
    while (::waitpid(process_, nullptr, WNOHANG) == 0 && std::chrono::steady_clock::now() < due) {
      if (answers(port_)) return;
      std::this_thread::sleep_for(poll_period);
    }
    if (is_new) port_ = 0;
    process_ = -1;
    std::this_thread::sleep_for(poll_period);
  }
  require(false, "it does not start: " + log() + text_of(folder() / "output"));
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
  const fs::path output = folder() / "cli";
  fs::remove(output);
  words.insert(words.begin(), {"redis-cli", "-p", std::to_string(port_)});
  std::string text = output_of(words, output);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string redis_server::log() const { return text_of(folder() / "log"); }

} // namespace repasse
