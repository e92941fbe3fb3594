#include "server/http_session.hpp"

#include "server/http_target.hpp"
#include "server/listener.hpp"

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace repasse {
namespace {

/// Requests of one connection that wait for their answers; more are left in the socket.
constexpr std::size_t pipeline_max = 64;
/// A longer row of exchanges gives its memory back when it is empty.
constexpr std::size_t exchanges_kept_max = 32;
constexpr std::uint32_t idle_limit_s = 75;
/// For the whole of one request, and for each piece of an answer that the peer takes.
constexpr std::uint32_t slow_limit_s = 10;
constexpr std::uint32_t linger_limit_s = 2;
/// A viewer that has not taken one event while so many came is closed; it comes back for what it has missed.
constexpr std::uint8_t missed_max = 5;
/// More than this in its socket the peer has not taken: it does not read, or has gone without a word. The
/// kernel would keep megabytes, and try for a quarter of an hour.
constexpr int untaken_bytes_max = 64 * 1024;
/// Of half-read requests and answers not taken yet, of all connections of a reactor.
constexpr std::size_t held_bytes_max = std::size_t{64} * 1024 * 1024;
/// An empty buffer that is larger gives its memory back.
constexpr std::size_t kept_bytes_max = 1024;

void release(std::string& buffer) {
  buffer.clear();
  if (buffer.capacity() > kept_bytes_max) buffer.shrink_to_fit();
}

/// `POST /payments`, however the target is written.
bool is_payment(const http_request& request) {
  if (request.method != "POST") return false;
  if (request.target == "/payments") return true;
  const std::optional<http_target> target = http_target::parse(request.method, request.target);
  return target && target->path() == "/payments";
}

int status_of(accept_verdict verdict) {
  switch (verdict) {
  case accept_verdict::accepted:
  case accept_verdict::replayed:
    return 202;
  case accept_verdict::conflict:
    return 409;
  case accept_verdict::overloaded:
  case accept_verdict::unavailable:
    return 503;
  }
  return 503;
}

connection_fate fate_of(const http_request& request) {
  if (!request.keep_alive) return connection_fate::close;
  return request.version == 10 ? connection_fate::keep_http10 : connection_fate::keep;
}

} // namespace

http_session::http_session(listener& owner, int socket, std::uint32_t number, std::uint32_t generation)
    : listener_(owner), number_(number), generation_(generation) {
  fd = socket;
  ready = &http_session::ready_to;
  set_limit(idle_limit_s);
}

http_session::~http_session() {
  if (fd >= 0) ::close(fd);
}

void http_session::ready_to(poller::watched& self, std::uint32_t events) {
  auto& session = static_cast<http_session&>(self);
  // Both are reported whether wanted or not, until the socket is closed.
  if ((events & (EPOLLERR | EPOLLHUP)) != 0 && !session.lingering_) return session.close();
  if ((events & EPOLLOUT) != 0) session.send({});
  if ((events & (EPOLLIN | EPOLLHUP)) == 0 || session.fd < 0) return;
  if (session.reads()) return session.receive();
  session.listener_.poller_.want(session, session.interest & ~static_cast<std::uint32_t>(EPOLLIN));
}

void http_session::receive() {
  if (lingering_ || is_viewer_) return linger();
  std::vector<char>& input = listener_.input_;
  std::memcpy(input.data(), stash_.data(), stash_.size());
  const ssize_t size = ::recv(fd, input.data() + stash_.size(), input.size() - stash_.size(), 0);
  if (size < 0) {
    if (errno != EAGAIN && errno != EINTR) close();
    return;
  }
  if (size == 0) return end_of_input();
  const std::span<char> bytes{input.data(), stash_.size() + static_cast<std::size_t>(size)};
  consume(bytes);
}

void http_session::linger() {
  const ssize_t size = ::recv(fd, listener_.input_.data(), listener_.input_.size(), 0);
  if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) close();
}

/// Parses and hands on what `bytes` hold whole; keeps the rest.
void http_session::consume(std::span<char> bytes) {
  const bool began = stash_.empty();
  while (!bytes.empty() && !no_more_requests_ && !blocked_ && pending() < pipeline_max) {
    http_request request;
    const http_parser::state state = parser_.parse(bytes, request);
    if (state == http_parser::state::complete) {
      bytes = bytes.subspan(parser_.consumed());
      handle(request);
      continue;
    }
    if (state == http_parser::state::failed) {
      refuse(parser_.error_status(), parser_.error_reason());
    } else if (state == http_parser::state::need_more_continue) {
      exchange& go_on = exchanges_.emplace_back();
      go_on.text = "HTTP/1.1 100 Continue\r\n\r\n";
      go_on.is_ready = true;
      listener_.mark(*this);
    }
    break;
  }
  if (no_more_requests_) bytes = {};
  keep(stash_, {bytes.data(), bytes.size()});
  if (fd < 0) return;
  if (!stash_.empty() && began) set_limit(slow_limit_s);
  if (stash_.empty() && !began) set_limit(idle_limit_s);
  want();
}

void http_session::handle(const http_request& request) {
  if (is_payment(request)) return handle_payment(request);
  exchange& one = begin(request, endpoint_kind::other);
  blocked_ = true;
  one.request = std::make_unique<endpoint_request>(endpoint_request{
      std::string{request.method}, std::string{request.target}, std::string{request.content_type},
      std::string{request.admin_token}, std::string{request.body}, std::string{request.header},
      std::string{request.traceparent}});
  if (pending() == 1) begin_next();
}

void http_session::handle_payment(const http_request& request) {
  posted_payment payment;
  json_refusal refusal;
  if (!is_json(request.content_type)) {
    return finish(begin(request, endpoint_kind::post_payment),
                  problem(415, "Content-Type must be application/json"));
  }
  if (!parse_posted_payment(request.body, payment, refusal))
    return finish(begin(request, endpoint_kind::post_payment), problem(refusal.status, refusal.detail));
  begin(request, endpoint_kind::post_payment);
  const auto number = first_number_ + static_cast<std::uint32_t>(exchanges_.size() - 1);
  listener_.flow_.accept(payment, {&listener::answered, &listener_, {number_, generation_, number}},
                         request.traceparent);
}

void http_session::refuse(int status, std::string_view detail) {
  exchange& one = exchanges_.emplace_back();
  one.fate = connection_fate::close;
  one.kind = endpoint_kind::malformed;
  no_more_requests_ = true;
  finish(one, problem(status, detail));
}

http_session::exchange& http_session::begin(const http_request& request, endpoint_kind kind) {
  exchange& one = exchanges_.emplace_back();
  one.kind = kind;
  one.fate = listener_.retiring_ ? connection_fate::close : fate_of(request);
  one.is_head = request.is_head;
  if (one.fate == connection_fate::close) no_more_requests_ = true;
  return one;
}

/// Starts the request that is next to be answered, now that all before it are: what it reads must show what
/// they wrote.
void http_session::begin_next() {
  exchange& one = exchanges_[first_];
  if (!one.request) return;
  const accept_reply::place where{number_, generation_, first_number_ + static_cast<std::uint32_t>(first_)};
  listener_.tasks_.spawn(listener_.answer(where, std::move(*one.request)));
  one.request.reset();
}

void http_session::answer(std::uint32_t number, accept_verdict verdict) {
  exchange& one = exchanges_[number - first_number_];
  one.prepared = &listener_.prepared(verdict, one.fate);
  listener_.counted_.count(endpoint_kind::post_payment, status_of(verdict));
  one.is_ready = true;
  listener_.mark(*this);
}

void http_session::answer(std::uint32_t number, const http_response& response) {
  blocked_ = false;
  exchange& one = exchanges_[number - first_number_];
  one.kind = response.kind;
  if (response.is_stream) return begin_stream(one, response);
  finish(one, response);
}

void http_session::finish(exchange& one, const http_response& response) {
  write_response(one.text, response, one.fate, one.is_head, listener_.wall_);
  listener_.counted_.count(one.kind, response.status);
  one.is_ready = true;
  listener_.mark(*this);
}

/// Nothing behind it is answered: nobody could tell where it ends.
void http_session::begin_stream(exchange& one, const http_response& response) {
  no_more_requests_ = true;
  one.fate = connection_fate::close;
  keep(stash_, {});
  is_viewer_ = !one.is_head && listener_.take_viewer(*this);
  if (one.is_head || is_viewer_) return finish(one, response);
  finish(one,
         unavailable(listener_.retiring_ ? "the server stops" : "as many look on already as are allowed"));
}

void http_session::tell(std::string_view event) {
  int untaken = 0;
  ::ioctl(fd, SIOCOUTQ, &untaken);
  if (unsent_.empty() && pending() == 0 && untaken <= untaken_bytes_max) {
    missed_ = 0;
    return send(event);
  }
  if (++missed_ > missed_max) close();
}

void http_session::flush() {
  if (fd < 0 || !unsent_.empty()) return; // the rest follows when the socket takes it
  if (pending() > 0 && exchanges_[first_].is_ready) {
    send(gather());
    if (fd < 0) return;
    if (pending() > 0) begin_next();
  }
  if (stash_.empty() || !unsent_.empty() || no_more_requests_ || blocked_) return;
  std::vector<char>& input = listener_.input_; // whole requests may be left there: too many were pending
  std::memcpy(input.data(), stash_.data(), stash_.size());
  consume({input.data(), stash_.size()});
}

/// The answers that are ready, in order, up to the first that is not.
std::string& http_session::gather() {
  std::string& output = listener_.output_;
  output.clear();
  while (pending() > 0 && exchanges_[first_].is_ready) {
    exchange& one = exchanges_[first_];
    output.append(one.prepared != nullptr ? *one.prepared : one.text);
    release(one.text);
    ++first_;
  }
  const bool is_empty = first_ == exchanges_.size();
  if (!is_empty && first_ < 2 * pipeline_max) return output;
  first_number_ += static_cast<std::uint32_t>(first_);
  if (is_empty && first_ > exchanges_kept_max)
    std::vector<exchange>().swap(exchanges_);
  else
    exchanges_.erase(exchanges_.begin(), exchanges_.begin() + static_cast<std::ptrdiff_t>(first_));
  first_ = 0;
  return output;
}

void http_session::send(std::string_view bytes) {
  const bool from_unsent = bytes.empty();
  if (from_unsent) bytes = unsent_;
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      keep(unsent_, std::string{bytes});
      if (fd < 0) return;
      set_limit(slow_limit_s);
      return want();
    } else if (errno != EINTR) {
      return close();
    }
  }
  if (from_unsent) {
    keep(unsent_, {});
    listener_.mark(*this);
  }
  written();
}

void http_session::written() {
  set_limit(stash_.empty() ? idle_limit_s : slow_limit_s);
  if (pending() == 0 && no_more_requests_ && !lingering_ && !is_viewer_) {
    lingering_ = true;
    set_limit(linger_limit_s);
    ::shutdown(fd, SHUT_WR);
  }
  want();
}

void http_session::end_of_input() {
  no_more_requests_ = true;
  keep(stash_, {});
  if (pending() == 0 && unsent_.empty()) return close();
  want();
}

/// What has been read, in part or not handed on yet, is still answered; its answer closes the connection.
void http_session::retire() {
  if (!stash_.empty()) return;
  no_more_requests_ = true;
  if (pending() == 0 && unsent_.empty()) close();
}

void http_session::look_at_time(std::uint32_t now_s) {
  if (now_s > limit_s_ && (pending() == 0 || !unsent_.empty())) close();
}

/// Replaces what a buffer holds. All buffers of a reactor together are bounded: who asks for more is closed.
void http_session::keep(std::string& buffer, std::string_view bytes) {
  listener_.held_bytes_ += bytes.size();
  listener_.held_bytes_ -= buffer.size();
  buffer.assign(bytes);
  if (bytes.empty()) release(buffer);
  if (listener_.held_bytes_ > held_bytes_max && !bytes.empty()) close();
}

void http_session::drop_buffers() {
  keep(stash_, {});
  keep(unsent_, {});
}

void http_session::close() {
  if (fd >= 0) listener_.close(*this);
}

void http_session::set_limit(std::uint32_t seconds) { limit_s_ = listener_.now_s_ + seconds; }

/// As long as there is room for what would come.
bool http_session::reads() const {
  return lingering_ || is_viewer_ ||
         (!no_more_requests_ && !blocked_ && pending() < pipeline_max && unsent_.empty());
}

/// What it does not read it is still told of, until some comes: most peers send nothing while they wait, and
/// a change costs a system call.
void http_session::want() {
  std::uint32_t events = interest & EPOLLIN;
  if (reads()) events |= EPOLLIN;
  if (!unsent_.empty()) events |= EPOLLOUT;
  listener_.poller_.want(*this, events);
}

} // namespace repasse
