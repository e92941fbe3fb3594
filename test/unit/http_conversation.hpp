// An http_client, its loop, and a peer on loopback that says byte for byte what a case wants. All in one
// thread: the peer acts between two turns of the client's loop.
#pragma once

#include "server/http_client.hpp"
#include "server/poller.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/test/unit_test.hpp>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

namespace repasse {

inline std::ostream& operator<<(std::ostream& to, http_answer::kind what) {
  switch (what) {
  case http_answer::kind::answered:
    return to << "answered";
  case http_answer::kind::not_sent:
    return to << "not_sent";
  case http_answer::kind::timed_out:
    return to << "timed_out";
  case http_answer::kind::lost:
    return to << "lost";
  case http_answer::kind::nonsense:
    return to << "nonsense";
  }
  return to;
}

namespace conversations {

using namespace std::chrono_literals;
using kind = http_answer::kind;

inline constexpr std::string_view request = "GET /payments/x HTTP/1.1\r\nHost: peer\r\n\r\n";
inline constexpr std::string_view two_bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// One end of a connection that the peer has accepted.
class accepted {
public:
  explicit accepted(int fd) : fd_(fd) {}
  accepted(accepted&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  accepted& operator=(accepted&&) = delete;
  ~accepted() { close(); }

  void write(std::string_view bytes) const {
    BOOST_REQUIRE(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == std::ssize(bytes));
  }
  /// What has come by now.
  [[nodiscard]] std::string read() const {
    std::string bytes(4096, '\0');
    const ssize_t size = ::recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return bytes;
  }
  [[nodiscard]] bool is_reset() const {
    char byte = 0;
    return ::recv(fd_, &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET;
  }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }

private:
  int fd_;
};

/// Listens on 127.0.0.1.
class peer {
public:
  peer() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    BOOST_REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    BOOST_REQUIRE(::listen(fd_, 16) == 0);
    socklen_t size = sizeof at;
    BOOST_REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size) == 0);
    port_ = ntohs(at.sin_port);
  }
  peer(const peer&) = delete;
  peer& operator=(const peer&) = delete;
  ~peer() { close(); }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Somebody has connected and is not accepted yet.
  [[nodiscard]] bool is_called() const {
    pollfd awaited{fd_, POLLIN, 0};
    return ::poll(&awaited, 1, 0) == 1;
  }
  [[nodiscard]] accepted accept() const {
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    BOOST_REQUIRE(fd >= 0);
    return accepted(fd);
  }
  /// Whoever connects from here on is refused.
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

private:
  int fd_;
  std::uint16_t port_ = 0;
};

/// A client, its loop, and its peer.
struct conversation {
  explicit conversation(const std::string& host = "127.0.0.1", const tls_trust* trust = nullptr)
      : client(time, sockets, {.host = host, .port = outside.port(), .trust = trust, .name = "bank"}) {}
  ~conversation() {
    sockets.close();
    time.abandon();
    context.restart();
    context.poll();
  }
  conversation(const conversation&) = delete;
  conversation& operator=(const conversation&) = delete;

  /// Begins one exchange; `answer` is empty until its end.
  void begin(std::chrono::nanoseconds limit = 2s, std::string_view text = request) {
    answer.reset();
    is_refused = false;
    asio::co_spawn(context.get_executor(), exchange(time.now() + limit, text),
                   [](const std::exception_ptr& thrown) {
                     if (thrown) std::terminate();
                   });
  }
  [[nodiscard]] bool has_ended() const { return answer || is_refused; }

  /// Runs the loop until it is so; false if that takes longer than seconds.
  template <typename Condition>
  bool runs_until(Condition is_so) {
    const auto late = std::chrono::steady_clock::now() + 5s;
    while (!is_so()) {
      if (std::chrono::steady_clock::now() > late) return false;
      context.restart();
      context.run_one_for(1ms);
    }
    return true;
  }
  /// Runs what can run now.
  void turn() {
    context.restart();
    context.poll();
  }
  accepted accept() {
    BOOST_REQUIRE(runs_until([this] { return outside.is_called(); }));
    return outside.accept();
  }
  /// Until the whole request is there.
  void hear(const accepted& from) {
    std::string heard;
    BOOST_REQUIRE(runs_until([&] { return (heard += from.read()).size() >= request.size(); }));
    BOOST_TEST(heard == request);
  }
  /// How the exchange ends.
  kind end() {
    BOOST_REQUIRE(runs_until([this] { return has_ended(); }));
    BOOST_REQUIRE(answer.has_value());
    return answer->what;
  }
  /// The connection of an exchange that has been begun, its request read.
  accepted accept_and_hear() {
    accepted one = accept();
    hear(one);
    return one;
  }
  /// One whole exchange, on a connection that is there already.
  kind exchange_on(const accepted& one, std::string_view response = two_bytes) {
    begin();
    hear(one);
    one.write(response);
    return end();
  }
  /// One whole exchange on a connection of its own, that the peer closes or not.
  kind exchange_once(std::string_view response, bool closes) {
    begin();
    accepted one = accept_and_hear();
    one.write(response);
    if (closes) one.close();
    return end();
  }
  /// The next exchange needs a new connection, and works.
  void expect_new_connection() {
    turn();
    begin();
    const accepted next = accept_and_hear();
    next.write(two_bytes);
    BOOST_TEST(end() == kind::answered);
  }

  task<> exchange(steady_time due, std::string_view text) {
    http_client::connection* const one = co_await client.connect(due);
    is_refused = one == nullptr;
    if (one != nullptr) answer = co_await client.exchange(*one, text, due);
  }

  peer outside;
  asio::io_context context{1};
  clock time{context};
  poller sockets{context};
  http_client client;
  std::optional<http_answer> answer;
  bool is_refused = false;
};

} // namespace conversations
} // namespace repasse
