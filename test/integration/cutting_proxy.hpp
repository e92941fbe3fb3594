// Stands between clients and a server on loopback, on the test's own loop: counts what passes, cuts a
// connection after any byte, or swallows everything.
#pragma once

#include "storage/clock.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace repasse {

class cutting_proxy {
public:
  enum class way : std::uint8_t { to_server, to_client };

  cutting_proxy(clock& time, std::uint16_t server_port);
  ~cutting_proxy();
  cutting_proxy(const cutting_proxy&) = delete;
  cutting_proxy& operator=(const cutting_proxy&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::size_t accepted() const { return accepted_; }
  /// Bytes so far, of all connections.
  [[nodiscard]] std::size_t passed(way where) const { return passed_[index(where)]; }

  /// Lets pass so many more bytes that way, then closes both sides; once.
  void cut_after(way where, std::size_t bytes);
  void cut();
  /// Nothing passes, and nothing is closed, until go_on(): what is sent meanwhile arrives then, as on a
  /// network that was cut. `where`: that way alone.
  void fall_silent();
  void fall_silent(way where);
  void go_on();

private:
  using tcp = asio::ip::tcp;
  using socket = asio::basic_stream_socket<tcp, executor>;
  struct pair {
    explicit pair(clock& time)
        : client(time.get_executor()), server(time.get_executor()), to_server(time), to_client(time) {}
    socket client;
    socket server;
    event to_server; // goes on
    event to_client;
    bool is_open = true;
  };
  static constexpr std::size_t unlimited = SIZE_MAX;
  static constexpr std::size_t index(way where) { return static_cast<std::size_t>(where); }

  task<> accept();
  task<> relay(std::shared_ptr<pair> both, way where);
  void close(pair& both);

  clock& time_;
  asio::basic_socket_acceptor<tcp, executor> acceptor_;
  tcp::endpoint server_;
  std::uint16_t port_;
  std::vector<std::shared_ptr<pair>> pairs_;
  std::size_t accepted_ = 0;
  std::array<std::size_t, 2> passed_{};
  std::array<std::size_t, 2> left_{unlimited, unlimited};
  std::array<bool, 2> is_silent_{};
  task_group tasks_;
};

} // namespace repasse
