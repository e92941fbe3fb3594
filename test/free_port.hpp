#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstdint>

namespace repasse {

/// A port of loopback on which nobody listens. Another program may take it before it is used.
inline std::uint16_t free_port() {
  boost::asio::io_context context;
  const boost::asio::ip::tcp::endpoint any{boost::asio::ip::address_v4::loopback(), 0};
  return boost::asio::ip::tcp::acceptor(context, any, false).local_endpoint().port();
}

} // namespace repasse
