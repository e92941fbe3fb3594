// The program `yardstick`: a bare epoll server that answers a constant 202 to every request, with one recv
// and one send for all that have come together. What an HTTP server costs at the least on this machine;
// `./dev bench` compares repasse with it. One thread; it reads no more of a request than its length, and
// trusts its clients.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>

namespace {

constexpr std::string_view answer = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
constexpr std::size_t receive_bytes = 65536;

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

/// The size of the first request, or 0 if it is not complete.
std::size_t request_size(std::string_view received) {
  constexpr std::string_view length_name = "Content-Length: ";
  const std::size_t end = received.find("\r\n\r\n");
  if (end == received.npos) return 0;
  const std::size_t length = received.substr(0, end).find(length_name);
  const std::size_t body =
      length == received.npos ? 0 : std::strtoul(received.data() + length + length_name.size(), nullptr, 10);
  const std::size_t size = end + 4 + body;
  return size <= received.size() ? size : 0;
}

class yardstick {
public:
  explicit yardstick(std::uint16_t port);
  [[noreturn]] void run();

private:
  void watch(int socket);
  void serve(int socket);
  void close(int socket);

  int listening_ = -1;
  int epoll_ = -1;
  std::array<char, receive_bytes> input_; // NOLINT: filled by recv
  std::string output_;
  std::unordered_map<int, std::string> rests_; ///< of requests that came in parts, by socket
};

yardstick::yardstick(std::uint16_t port)
    : listening_(::socket(AF_INET, SOCK_STREAM, 0)), epoll_(::epoll_create1(0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  const int on = 1;
  ::setsockopt(listening_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("bind");
  if (::listen(listening_, SOMAXCONN) != 0) fail("listen");
  watch(listening_);
}

void yardstick::watch(int socket) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = socket;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0) fail("epoll_ctl");
}

void yardstick::run() {
  std::array<epoll_event, 256> events{};
  for (;;) {
    const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      const int socket = events[static_cast<std::size_t>(i)].data.fd;
      if (socket != listening_) {
        serve(socket);
      } else if (const int accepted = ::accept(listening_, nullptr, nullptr); accepted >= 0) {
        const int on = 1;
        ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(accepted);
      }
    }
  }
}

void yardstick::serve(int socket) {
  const ssize_t got = ::recv(socket, input_.data(), input_.size(), 0);
  if (got <= 0) return close(socket);
  std::string_view received(input_.data(), static_cast<std::size_t>(got));
  const auto rest = rests_.find(socket);
  std::string joined;
  if (rest != rests_.end()) {
    joined = std::move(rest->second.append(received));
    rests_.erase(rest);
    received = joined;
  }
  output_.clear();
  for (std::size_t size = request_size(received); size > 0; size = request_size(received)) {
    output_ += answer;
    received.remove_prefix(size);
  }
  if (!received.empty()) rests_.emplace(socket, received);
  if (!output_.empty()) ::send(socket, output_.data(), output_.size(), MSG_NOSIGNAL);
}

void yardstick::close(int socket) {
  rests_.erase(socket);
  ::close(socket);
}

} // namespace

int main(int count, char** arguments) {
  if (count != 3 || std::string_view(arguments[1]) != "--port") {
    std::fprintf(stderr, "usage: yardstick --port PORT\n");
    return 2;
  }
  try {
    yardstick(static_cast<std::uint16_t>(std::strtoul(arguments[2], nullptr, 10))).run();
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "yardstick: %s\n", error.what());
    return 1;
  }
}
