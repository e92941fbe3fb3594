#include "bench/processor_simulator.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

namespace repasse {
namespace {

constexpr caller_id plain_id = ~caller_id{0};
constexpr caller_id sealed_id = plain_id - 1;
constexpr caller_id stop_id = sealed_id - 1;

/// A client that does not read its answers is not served beyond this.
constexpr std::size_t outgoing_bytes_max = 65'536;

[[noreturn]] void throw_errno(const char* doing) {
  throw std::system_error(errno, std::generic_category(), doing);
}

} // namespace

struct processor_simulator::connection {
  static constexpr std::size_t received_bytes_max = 16'384;
  static_assert(received_bytes_max > header_section_bytes_max + request_body_bytes_max);

  std::uint32_t slot = 0;
  std::uint32_t generation = 0; ///< raised by each close, so that a late reply finds nobody
  int socket = -1;
  std::optional<tls_socket> tls;
  std::uint32_t watched = 0; ///< epoll's events
  bool owed = false;         ///< a request is without its answer; later ones wait
  bool keep_alive = true;    ///< of that request
  bool close_when_sent = false;
  bool resumed = false;
  std::size_t received_begin = 0;
  std::size_t received_end = 0;
  std::size_t sent_bytes = 0; ///< of `outgoing`
  std::string outgoing;
  std::array<char, received_bytes_max> received;

  [[nodiscard]] caller_id id() const { return (caller_id{generation} << 32) | slot; }
  [[nodiscard]] bool is_open() const { return socket >= 0; }
  [[nodiscard]] std::string_view unread() const {
    return {received.data() + received_begin, received_end - received_begin};
  }
  [[nodiscard]] bool has_room() const { return unread().size() < received.size(); }
};

processor_simulator::processor_simulator(const simulator_config& config)
    : processor_(config.switches), endpoints_(config.endpoints, processor_) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  stop_event_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (epoll_ < 0 || stop_event_ < 0) throw_errno("epoll");
  if (!config.certificate_file.empty()) {
    identity_.emplace(config.certificate_file, config.key_file);
    sealed_ = listen(config.host, config.https_port);
  }
  plain_ = listen(config.host, config.port);
  for (const auto& [socket, id] : {std::pair{plain_.socket, plain_id}, std::pair{sealed_.socket, sealed_id},
                                   std::pair{stop_event_, stop_id}}) {
    epoll_event event{EPOLLIN, {.u64 = id}};
    if (socket >= 0 && ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0) throw_errno("epoll_ctl");
  }
}

processor_simulator::listener processor_simulator::listen(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  errno = EINVAL;
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) throw_errno("host");
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  constexpr int backlog = 4096;
  if (::bind(socket, generic, size) != 0 || ::listen(socket, backlog) != 0) throw_errno("listen");
  if (::getsockname(socket, generic, &size) != 0) throw_errno("getsockname");
  return {socket, ntohs(address.sin_port)};
}

processor_simulator::~processor_simulator() {
  for (const auto& one : connections_)
    if (one->is_open()) ::close(one->socket);
  ::close(plain_.socket);
  if (sealed_.socket >= 0) ::close(sealed_.socket);
  ::close(stop_event_);
  ::close(epoll_);
}

void processor_simulator::stop() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_event_, &one, sizeof one);
}

void processor_simulator::run() {
  std::array<epoll_event, 256> events{};
  while (!stopping_) {
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_millis());
    now_ = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      on_event(event.data.u64, event.events);
    }
    processor_.advance(now_);
    deliver_replies();
    while (!resumed_.empty()) {
      connection& next = *connections_[resumed_.back()];
      resumed_.pop_back();
      serve(next);
      next.resumed = false;
    }
  }
}

int processor_simulator::wait_millis() const {
  const auto due = processor_.next_due();
  if (!due) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due - std::chrono::steady_clock::now());
  return std::max(0, static_cast<int>(left.count()));
}

void processor_simulator::on_event(caller_id of, std::uint32_t events) {
  if (of == stop_id) {
    stopping_ = true;
    return;
  }
  if (of == plain_id) return accept_all(plain_);
  if (of == sealed_id) return accept_all(sealed_);
  connection* const one = find(of);
  if (one == nullptr) return;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0U) return close(*one);
  if ((events & EPOLLIN) != 0U) receive(*one);
  resume(*one);
}

void processor_simulator::accept_all(const listener& from) {
  for (;;) {
    const int socket = ::accept4(from.socket, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket >= 0)
      open(socket, &from == &sealed_);
    else if (errno != EINTR && errno != ECONNABORTED)
      return;
  }
}

void processor_simulator::open(int socket, bool is_sealed) {
  if (free_slots_.empty()) {
    if (connections_.size() == connections_max) {
      ::close(socket);
      return;
    }
    free_slots_.push_back(static_cast<std::uint32_t>(connections_.size()));
    connections_.push_back(std::make_unique<connection>());
    connections_.back()->slot = free_slots_.back();
  }
  connection& opened = *connections_[free_slots_.back()];
  free_slots_.pop_back();
  opened.socket = socket;
  if (is_sealed) opened.tls.emplace(*identity_, socket);
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  opened.watched = EPOLLIN;
  epoll_event event{opened.watched, {.u64 = opened.id()}};
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0) close(opened);
}

void processor_simulator::close(connection& one) {
  processor_.forget(one.id());
  one.tls.reset();
  ::close(one.socket);
  one.socket = -1;
  ++one.generation;
  one.owed = one.close_when_sent = false;
  one.received_begin = one.received_end = one.sent_bytes = 0;
  one.outgoing.clear();
  free_slots_.push_back(one.slot);
}

processor_simulator::connection* processor_simulator::find(caller_id caller) {
  const auto slot = static_cast<std::uint32_t>(caller);
  connection* const one = connections_[slot].get();
  return one->is_open() && one->id() == caller ? one : nullptr;
}

/// A client that closes its sending side counts as gone.
void processor_simulator::receive(connection& from) {
  if (from.received_begin > 0) {
    std::memmove(from.received.data(), from.received.data() + from.received_begin, from.unread().size());
    from.received_end -= std::exchange(from.received_begin, 0);
  }
  const std::size_t room = from.received.size() - from.received_end;
  if (room == 0) return;
  char* const to = from.received.data() + from.received_end;
  const ssize_t got = from.tls ? from.tls->receive(to, room) : ::recv(from.socket, to, room, 0);
  if (got > 0)
    from.received_end += static_cast<std::size_t>(got);
  else if (got == 0 || (errno != EAGAIN && errno != EINTR))
    close(from);
}

void processor_simulator::resume(connection& one) {
  if (!one.is_open() || one.resumed) return;
  one.resumed = true;
  resumed_.push_back(one.slot);
}

void processor_simulator::serve(connection& one) {
  serve_unread(one);
  while (one.is_open() && one.tls && one.tls->has_pending() && one.has_room()) {
    receive(one);
    serve_unread(one);
  }
}

void processor_simulator::serve_unread(connection& one) {
  if (one.is_open() && !one.outgoing.empty()) flush(one);
  while (one.is_open() && !one.owed && !one.close_when_sent && one.outgoing.size() < outgoing_bytes_max) {
    const scanned_request request = scan_request(one.unread());
    if (request.what == scan_verdict::incomplete) break;
    if (request.what == scan_verdict::refused) {
      simulator_endpoints::write(request.refusal_status, "{}", false, one.outgoing);
      one.close_when_sent = true;
      break;
    }
    serve_request(one, request);
    if (one.is_open()) one.received_begin += request.size_bytes;
  }
  if (one.is_open()) flush(one);
}

void processor_simulator::serve_request(connection& from, const scanned_request& request) {
  from.owed = true;
  from.keep_alive = request.keep_alive;
  if (!endpoints_.handle(request, from.id(), now_, from.outgoing)) return deliver_replies();
  from.owed = false;
  from.close_when_sent = !request.keep_alive;
}

void processor_simulator::deliver_replies() {
  for (const simulated_reply& reply : processor_.replies()) {
    connection* const to = find(reply.to);
    if (to == nullptr) continue;
    deliver(reply, *to);
    resume(*to);
  }
  processor_.replies().clear();
}

void processor_simulator::deliver(const simulated_reply& reply, connection& to) {
  if (reply.how == delivery::only_continue) {
    to.outgoing.append("HTTP/1.1 100 Continue\r\n\r\n");
    return;
  }
  to.owed = false;
  to.close_when_sent = reply.how != delivery::whole || !to.keep_alive;
  const std::size_t before = to.outgoing.size();
  switch (reply.how) {
  case delivery::whole:
    endpoints_.write(reply.what, to.keep_alive, to.outgoing);
    break;
  case delivery::half:
    endpoints_.write(reply.what, to.keep_alive, to.outgoing);
    to.outgoing.resize(before + (to.outgoing.size() - before) / 2);
    break;
  case delivery::nonsense:
    to.outgoing.append("\x16\x03\x01 this is no HTTP\r\n\r\n");
    break;
  case delivery::reset: {
    const linger at_once{1, 0};
    ::setsockopt(to.socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    break;
  }
  case delivery::close:
  case delivery::only_continue:
  case delivery::nothing:
    break;
  }
}

void processor_simulator::flush(connection& one) {
  while (one.sent_bytes < one.outgoing.size()) {
    const char* const bytes = one.outgoing.data() + one.sent_bytes;
    const std::size_t size = one.outgoing.size() - one.sent_bytes;
    const ssize_t sent = one.tls ? one.tls->send(bytes, size) : ::send(one.socket, bytes, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) return close(one);
    one.sent_bytes += static_cast<std::size_t>(sent);
  }
  if (one.sent_bytes == one.outgoing.size()) {
    one.outgoing.clear();
    one.sent_bytes = 0;
    if (one.close_when_sent) return close(one);
  }
  watch(one);
}

void processor_simulator::watch(connection& one) {
  const std::uint32_t wished =
      (one.has_room() ? std::uint32_t{EPOLLIN} : 0U) | (one.outgoing.empty() ? 0U : std::uint32_t{EPOLLOUT});
  if (wished == one.watched) return;
  one.watched = wished;
  epoll_event event{wished, {.u64 = one.id()}};
  if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, one.socket, &event) != 0) close(one);
}

} // namespace repasse
