// Ports for servers that tests start, end and start again.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <random>
#include <stdexcept>

namespace repasse {

/// A port of loopback on which nobody listens. Another program may take it before it is used. Below those
/// that the system gives to clients (ip_local_port_range): one of them could have it when a server comes back
/// to it.
inline std::uint16_t free_port() {
  static std::minstd_rand random{std::random_device{}()};
  std::uniform_int_distribution<std::uint16_t> any{10'240, 32'767};
  boost::asio::io_context context;
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const std::uint16_t port = any(random);
    boost::asio::ip::tcp::acceptor socket(context, boost::asio::ip::tcp::v4());
    boost::system::error_code error;
    socket.bind({boost::asio::ip::address_v4::loopback(), port}, error);
    if (!error) return port;
  }
  throw std::runtime_error("no free port");
}

} // namespace repasse
