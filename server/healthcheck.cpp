#include "server/healthcheck.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <string_view>

namespace repasse {
namespace {

bool connect_to(int socket, const listen_address& address) {
  if (!address.unix_path.empty()) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    address.unix_path.copy(name.sun_path, sizeof name.sun_path - 1);
    return ::connect(socket, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
  }
  // An address that stands for all of them is reached on loopback.
  boost::asio::ip::tcp::endpoint peer = address.tcp;
  if (peer.address().is_unspecified()) {
    if (peer.address().is_v6())
      peer.address(boost::asio::ip::address_v6::loopback());
    else
      peer.address(boost::asio::ip::address_v4::loopback());
  }
  return ::connect(socket, peer.data(), static_cast<socklen_t>(peer.size())) == 0;
}

} // namespace

bool is_healthy(const config& settings) {
  const listen_address& address = settings.listen.front();
  const int family = address.unix_path.empty() ? address.tcp.protocol().family() : AF_UNIX;
  const int socket = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{.tv_sec = 2, .tv_usec = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  constexpr std::string_view request =
      "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  constexpr std::string_view healthy = "HTTP/1.1 200 ";
  std::array<char, healthy.size()> answer{};
  const bool answered =
      connect_to(socket, address) &&
      ::send(socket, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size()) &&
      ::recv(socket, answer.data(), answer.size(), MSG_WAITALL) == static_cast<ssize_t>(answer.size());
  ::close(socket);
  return answered && std::string_view{answer.data(), answer.size()} == healthy;
}

} // namespace repasse
