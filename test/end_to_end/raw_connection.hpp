// A client's connection byte by byte: what a well-behaved caller would never send, and exactly what comes
// back. One connection belongs to one thread.
#pragma once

#include "bench/http_caller.hpp"

#include <boost/test/unit_test.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace repasse {

class raw_connection {
public:
  explicit raw_connection(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
  }
  explicit raw_connection(const std::string& unix_path)
      : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    unix_path.copy(name.sun_path, sizeof name.sun_path - 1);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
  }
  ~raw_connection() {
    if (socket_ >= 0) ::close(socket_);
  }
  raw_connection(raw_connection&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)),
        connected_(other.connected_),
        received_(std::move(other.received_)) {}
  raw_connection& operator=(raw_connection&&) = delete;

  [[nodiscard]] bool is_connected() const { return connected_; }

  /// All of it; false once the peer has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// What the peer's window takes of it at once.
  std::size_t send_some(std::string_view bytes) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent > 0 ? static_cast<std::size_t>(sent) : 0;
  }
  void end_input() { ::shutdown(socket_, SHUT_WR); }
  /// Ends the connection with an RST.
  void reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(std::exchange(socket_, -1));
  }

  /// The next answer, an interim one such as 100 included.
  http_reply next(bool of_head = false, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    const auto due = std::chrono::steady_clock::now() + limit;
    for (;;) {
      http_reply answer = read_answer(of_head);
      if (answer.failure != call_failure::timed_out) return answer;
      const call_failure failure = receive(due);
      if (failure != call_failure::none) {
        answer.failure = failure;
        return answer;
      }
    }
  }

  /// What comes until the peer closes; nullopt if it has not by then.
  std::optional<std::string> rest(std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    const auto due = std::chrono::steady_clock::now() + limit;
    for (;;) {
      const call_failure failure = receive(due);
      if (failure == call_failure::timed_out) return std::nullopt;
      if (failure == call_failure::closed) return std::exchange(received_, {});
    }
  }

  /// What comes up to the next `mark`, and that; nullopt if it has not come by then, or the peer has closed.
  std::optional<std::string> up_to(std::string_view mark,
                                   std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    const auto due = std::chrono::steady_clock::now() + limit;
    for (;;) {
      const std::size_t found = received_.find(mark);
      if (found != std::string::npos) {
        std::string text = received_.substr(0, found + mark.size());
        received_.erase(0, text.size());
        return text;
      }
      if (receive(due) != call_failure::none) return std::nullopt;
    }
  }

private:
  call_failure receive(std::chrono::steady_clock::time_point due) {
    using std::chrono::milliseconds;
    const auto left = std::chrono::ceil<milliseconds>(due - std::chrono::steady_clock::now());
    pollfd wanted{.fd = socket_, .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) == 0)
      return call_failure::timed_out;
    std::array<char, 65536> bytes;
    const ssize_t size = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (size <= 0) return call_failure::closed;
    received_.append(bytes.data(), static_cast<std::size_t>(size));
    return call_failure::none;
  }

  /// `timed_out` as long as it is not all there.
  http_reply read_answer(bool of_head) {
    http_reply answer;
    answer.failure = call_failure::timed_out;
    const std::size_t head_end = received_.find("\r\n\r\n");
    if (head_end == std::string::npos) return answer;
    std::string_view head = std::string_view(received_).substr(0, head_end + 2);
    read_head(head, answer);
    std::size_t body_bytes = 0;
    const std::string_view length = answer.header("Content-Length");
    std::from_chars(length.data(), length.data() + length.size(), body_bytes);
    if (of_head) body_bytes = 0;
    if (received_.size() < head_end + 4 + body_bytes) return answer;
    answer.body = received_.substr(head_end + 4, body_bytes);
    received_.erase(0, head_end + 4 + body_bytes);
    answer.failure = answer.status == 0 ? call_failure::nonsense : call_failure::none;
    return answer;
  }

  static void read_head(std::string_view head, http_reply& answer) {
    constexpr std::string_view version = "HTTP/1.1 ";
    if (head.starts_with(version))
      std::from_chars(head.data() + version.size(), head.data() + version.size() + 3, answer.status);
    head.remove_prefix(head.find("\r\n") + 2);
    while (!head.empty()) {
      const std::string_view line = head.substr(0, head.find("\r\n"));
      head.remove_prefix(line.size() + 2);
      const std::size_t colon = line.find(": ");
      if (colon == line.npos) continue;
      answer.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    }
  }

  int socket_;
  bool connected_ = false;
  std::string received_; ///< behind the last answer
};

} // namespace repasse
