#include "server/listen_sockets.hpp"

#include "server/reactor.hpp"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace repasse {
namespace {

constexpr int pending_connections_max = 4096;

std::string name_of(const listen_address& address) {
  if (!address.unix_path.empty()) return "unix:" + address.unix_path;
  const std::string host = address.tcp.address().to_string();
  return (address.tcp.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(address.tcp.port());
}

[[noreturn]] void fail(int error, const listen_address& address) {
  throw std::system_error(error, std::generic_category(), "cannot listen on " + name_of(address));
}

int open_tcp(const listen_address& address) {
  const int socket = ::socket(address.tcp.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) fail(errno, address);
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // inherited by what it accepts
  if (::bind(socket, address.tcp.data(), static_cast<socklen_t>(address.tcp.size())) != 0 ||
      ::listen(socket, pending_connections_max) != 0)
    fail(errno, address);
  return socket;
}

/// A port that another process listens on already, even one that shares it, would take part of our requests.
void refuse_taken_port(const listen_address& address) {
  const int socket = ::socket(address.tcp.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const bool is_free = ::bind(socket, address.tcp.data(), static_cast<socklen_t>(address.tcp.size())) == 0 &&
                       ::listen(socket, 1) == 0;
  const int error = errno;
  ::close(socket);
  if (!is_free) fail(error, address);
}

/// Removes the file that a killed process left behind, if nobody listens on it.
void remove_dead(const sockaddr_un& name) {
  struct stat file {};
  if (::stat(name.sun_path, &file) != 0 || !S_ISSOCK(file.st_mode)) return;
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool answers = ::connect(probe, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
  ::close(probe);
  if (!answers) ::unlink(name.sun_path);
}

int open_unix(const listen_address& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  address.unix_path.copy(name.sun_path, sizeof name.sun_path - 1);
  remove_dead(name);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0 || ::bind(socket, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
      ::listen(socket, pending_connections_max) != 0)
    fail(errno, address);
  return socket;
}

} // namespace

listen_sockets::listen_sockets(const config& settings) : by_reactor_(settings.reactors) {
  for (const listen_address& address : settings.listen) {
    names_.push_back(name_of(address));
    if (address.unix_path.empty()) {
      refuse_taken_port(address);
      for (std::vector<int>& sockets : by_reactor_)
        sockets.push_back(open_tcp(address));
      continue;
    }
    const int shared = open_unix(address);
    unix_paths_.push_back(address.unix_path);
    for (std::vector<int>& sockets : by_reactor_)
      sockets.push_back(&sockets == by_reactor_.data() ? shared : ::fcntl(shared, F_DUPFD_CLOEXEC, 0));
  }
}

listen_sockets::~listen_sockets() {
  for (const std::string& path : unix_paths_)
    ::unlink(path.c_str());
}

void listen_sockets::give(reactor& one, std::size_t number) {
  for (const int socket : by_reactor_[number])
    one.listen(socket);
}

std::string listen_sockets::text() const {
  std::string all;
  for (const std::string& name : names_)
    all += (all.empty() ? "" : ", ") + name;
  return all;
}

} // namespace repasse
