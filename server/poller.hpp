// Readiness of many sockets, looked after in one turn of the reactor's loop.
// An epoll of our own, nested in the reactor's: each socket is registered once, level-triggered, and a turn
// reads every socket that is ready. Asio's own sockets would try each read once more than needed, or rearm
// each socket with a system call, per request (doc/performance.md has the numbers).
#pragma once

#include "storage/clock.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <array>
#include <cstdint>

struct epoll_event;

namespace repasse {

/// Built first and destroyed last of all that uses sockets in a reactor.
class poller {
public:
  /// The base of whatever owns a socket. `ready` gets the EPOLL… bits that came.
  struct watched {
    int fd = -1;
    void (*ready)(watched& self, std::uint32_t events) = nullptr;
    std::uint32_t interest = 0;
  };

  explicit poller(asio::io_context& context);
  ~poller();
  poller(const poller&) = delete;
  poller& operator=(const poller&) = delete;

  /// Nothing is reported from here on.
  void close();
  /// Begins to watch `one.fd` for `events` (EPOLLIN, EPOLLOUT). False if the system refuses.
  [[nodiscard]] bool add(watched& one, std::uint32_t events);
  /// Changes what is watched for; no system call if it is the same.
  void want(watched& one, std::uint32_t events);
  /// Forgets `one`, which may be destroyed at once: what came for it in this turn is dropped.
  void remove(watched& one);

private:
  void wait();
  void turn();

  static constexpr std::size_t events_max = 256;

  asio::posix::basic_stream_descriptor<executor> epoll_;
  std::unique_ptr<std::array<epoll_event, events_max>> events_;
  bool is_closed_ = false;
  std::size_t next_ = 0;
  std::size_t count_ = 0;
};

} // namespace repasse
