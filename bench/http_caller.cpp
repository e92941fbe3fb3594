#include "bench/http_caller.hpp"

#include "bench/http_scanner.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

namespace repasse {
namespace {

namespace http = boost::beast::http;

/// False when the deadline passes first.
bool wait_for(int socket, short events, std::chrono::steady_clock::time_point deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return false;
    pollfd polled{socket, events, 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(left));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

http_reply failed(call_failure failure) {
  http_reply answer;
  answer.failure = failure;
  return answer;
}

http_reply answer_of(http::response<http::string_body>&& message) {
  http_reply answer;
  answer.status = message.result_int();
  for (const auto& field : message)
    answer.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  answer.body = std::move(message.body());
  return answer;
}

} // namespace

std::string_view to_string(call_failure failure) {
  switch (failure) {
  case call_failure::none:
    return "none";
  case call_failure::not_connected:
    return "not connected";
  case call_failure::timed_out:
    return "timed out";
  case call_failure::closed:
    return "closed by the peer";
  case call_failure::nonsense:
    return "an answer that is not HTTP";
  }
  return "";
}

std::string_view http_reply::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (equal_in_any_case(key, name)) return value;
  return {};
}

http_reply http_caller::call(std::string_view method, std::string_view target, std::string_view body,
                             const http_headers& headers) {
  const auto deadline = std::chrono::steady_clock::now() + time_limit_;
  std::string request;
  append_request(request, method, target, body, headers);
  call_failure failure = prepare(deadline);
  if (failure == call_failure::none) failure = send(request, deadline);
  http_reply answer = failure == call_failure::none ? receive(method == "HEAD", deadline) : failed(failure);
  if (!answer.ok()) close();
  return answer;
}

std::vector<http_reply> http_caller::get_all(const std::vector<std::string>& targets) {
  const auto deadline = std::chrono::steady_clock::now() + time_limit_;
  std::string requests;
  for (const std::string& target : targets)
    append_request(requests, "GET", target, "", {});
  call_failure failure = prepare(deadline);
  if (failure == call_failure::none) failure = send(requests, deadline);
  std::vector<http_reply> answers;
  answers.reserve(targets.size());
  while (answers.size() < targets.size()) {
    answers.push_back(failure == call_failure::none ? receive(false, deadline) : failed(failure));
    failure = answers.back().failure;
    if (failure == call_failure::none && socket_ < 0) failure = call_failure::closed;
  }
  if (failure != call_failure::none) close();
  return answers;
}

http_caller::http_caller(std::string host, std::uint16_t port, std::chrono::milliseconds time_limit)
    : host_(std::move(host)), port_(port), time_limit_(time_limit) {}

http_caller::~http_caller() { close(); }

http_caller::http_caller(http_caller&& other) noexcept
    : host_(std::move(other.host_)),
      port_(other.port_),
      time_limit_(other.time_limit_),
      socket_(std::exchange(other.socket_, -1)),
      received_(std::move(other.received_)) {}

void http_caller::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
  received_.clear();
}

void http_caller::append_request(std::string& to, std::string_view method, std::string_view target,
                                 std::string_view body, const http_headers& headers) const {
  to.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: ").append(host_);
  to.append(":").append(std::to_string(port_)).append("\r\n");
  bool names_type = false;
  for (const auto& [name, value] : headers) {
    to.append(name).append(": ").append(value).append("\r\n");
    names_type = names_type || equal_in_any_case(name, "Content-Type");
  }
  if (!body.empty() && !names_type) to.append("Content-Type: application/json\r\n");
  if (!body.empty() || method == "POST" || method == "PUT")
    to.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  to.append("\r\n").append(body);
}

call_failure http_caller::prepare(time_point deadline) {
  if (socket_ >= 0 && closed_by_peer()) close();
  return socket_ >= 0 ? call_failure::none : connect(deadline);
}

bool http_caller::closed_by_peer() const {
  char byte = 0;
  const ssize_t got = ::recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

call_failure http_caller::connect(time_point deadline) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host_.c_str(), std::to_string(port_).c_str(), &wanted, &found) != 0)
    return call_failure::not_connected;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    socket_ = ::socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket_ < 0) continue;
    int error = ::connect(socket_, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS && wait_for(socket_, POLLOUT, deadline)) {
      socklen_t size = sizeof error;
      ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error == 0) {
      const int on = 1;
      ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return call_failure::none;
    }
    close();
  }
  return call_failure::not_connected;
}

call_failure http_caller::send(std::string_view bytes, time_point deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0)
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    else if (errno != EAGAIN && errno != EINTR)
      return call_failure::closed;
    else if (!wait_for(socket_, POLLOUT, deadline))
      return call_failure::timed_out;
  }
  return call_failure::none;
}

http_reply http_caller::receive(bool head, time_point deadline) {
  for (;;) {
    http::response_parser<http::string_body> parser;
    parser.eager(true);
    parser.skip(head);
    parser.body_limit(body_bytes_max);
    while (!parser.is_done()) {
      boost::system::error_code error;
      const std::size_t used = parser.put(boost::asio::buffer(received_), error);
      received_.erase(0, used);
      if (error && error != http::error::need_more) return failed(call_failure::nonsense);
      if (parser.is_done()) break;
      const call_failure failure = receive_some(deadline);
      if (failure == call_failure::none) continue;
      if (failure != call_failure::closed || !parser.got_some()) return failed(failure);
      parser.put_eof(error);
      if (error || !parser.is_done()) return failed(call_failure::closed);
    }
    const bool interim = parser.get().result_int() < 200;
    if (!interim && !parser.keep_alive()) close();
    if (!interim) return answer_of(parser.release());
  }
}

call_failure http_caller::receive_some(time_point deadline) {
  std::array<char, 16384> bytes; // NOLINT: filled by recv
  for (;;) {
    const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (got > 0) {
      received_.append(bytes.data(), static_cast<std::size_t>(got));
      return call_failure::none;
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) return call_failure::closed;
    if (!wait_for(socket_, POLLIN, deadline)) return call_failure::timed_out;
  }
}

} // namespace repasse
