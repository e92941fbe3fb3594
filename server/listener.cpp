#include "server/listener.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// New connections of one turn; more wait for the next, behind the requests of those that are open.
constexpr int accepts_a_turn = 64;
/// Told of an event in one turn: what a payment waits for them.
constexpr std::size_t viewers_a_turn = 16;
constexpr std::size_t input_bytes = 64 * 1024;
static_assert(input_bytes >= request_bytes_max);

constexpr std::string_view retry_after = "Retry-After: 1\r\n";

http_response payment_response(accept_verdict verdict) {
  http_response response;
  switch (verdict) {
  case accept_verdict::accepted:
    response.status = 202;
    break;
  case accept_verdict::replayed:
    response.status = 202;
    response.headers = "Idempotent-Replayed: true\r\n";
    break;
  case accept_verdict::conflict:
    response = problem(409, "this correlationId was accepted with another amount");
    break;
  case accept_verdict::overloaded:
    response = problem(503, "more payments are waiting than is allowed");
    response.headers = retry_after;
    break;
  case accept_verdict::unavailable:
    response = problem(503, "no store can vouch for the payment");
    response.headers = retry_after;
    break;
  }
  return response;
}

} // namespace

listener::listener(clock& time, poller& polled, payment_flow& flow, endpoints_call endpoints,
                   process_connections& of_process, const config& settings)
    : clock_(time),
      poller_(polled),
      flow_(flow),
      endpoints_(std::move(endpoints)),
      config_(settings),
      of_process_(of_process),
      wall_(time.wall()),
      input_(input_bytes),
      tasks_(time) {
  prepare_answers();
}

listener::~listener() { stop(); }

void listener::listen(int socket) {
  auto one = std::make_unique<acceptor>();
  one->fd = socket;
  one->ready = &listener::ready_to_accept;
  one->owner = this;
  if (poller_.add(*one, EPOLLIN)) acceptors_.push_back(std::move(one));
}

void listener::start() { tasks_.spawn(tick()); }

void listener::retire() {
  retiring_ = true;
  while (!viewers_.empty())
    close(*viewers_.back());
}

void listener::stop() {
  retiring_ = true;
  for (const auto& one : acceptors_) {
    poller_.remove(*one);
    ::close(one->fd);
  }
  acceptors_.clear();
  for (std::size_t i = 0; i < sessions_.size(); ++i)
    if (sessions_[i]) sessions_[i]->retire();
}

void listener::ready_to_accept(poller::watched& self, std::uint32_t) {
  auto& one = static_cast<acceptor&>(self);
  one.owner->accept(one);
}

void listener::accept(acceptor& from) {
  for (int i = 0; i < accepts_a_turn; ++i) {
    const int socket = ::accept4(from.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0 && (errno == EMFILE || errno == ENFILE)) poller_.want(from, 0); // until the next tick
    if (socket < 0) return;
    if (of_process_.open.load(std::memory_order_relaxed) >= config_.connections_max)
      turn_away(socket);
    else
      open(socket);
  }
}

void listener::open(int socket) {
  std::uint32_t number = static_cast<std::uint32_t>(sessions_.size());
  if (free_.empty()) {
    sessions_.emplace_back();
  } else {
    number = free_.back();
    free_.pop_back();
  }
  auto session = std::make_unique<http_session>(*this, socket, number, ++generations_);
  if (!poller_.add(*session, EPOLLIN)) {
    free_.push_back(number);
    return;
  }
  sessions_[number] = std::move(session);
  ++open_;
  of_process_.open.fetch_add(1, std::memory_order_relaxed);
}

void listener::turn_away(int socket) {
  ++counted_.turned_away;
  std::string text;
  http_response response = problem(503, "more connections are open than is allowed");
  response.headers = retry_after;
  write_response(text, response, connection_fate::close, false, wall_);
  static_cast<void>(::send(socket, text.data(), text.size(), MSG_NOSIGNAL));
  ::shutdown(socket, SHUT_WR);
  while (::recv(socket, input_.data(), input_.size(), MSG_DONTWAIT) > 0) {
  } // what is left unread would make close() a reset, which may overtake the answer
  ::close(socket);
}

bool listener::take_viewer(http_session& session) {
  if (retiring_) return false;
  if (of_process_.viewers.fetch_add(1, std::memory_order_relaxed) >= config_.viewers_max) {
    of_process_.viewers.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  viewers_.insert(viewers_.begin(), &session); // those that are being told are counted from the end
  return true;
}

void listener::tell_viewers(std::shared_ptr<const std::string> event) {
  const bool is_telling = event_ != nullptr;
  event_ = std::move(event);
  told_ = 0;
  if (!is_telling) tell_some();
}

void listener::tell_some() {
  for (std::size_t i = 0; i < viewers_a_turn && told_ < viewers_.size(); ++i) {
    ++told_; // close() counts it down again
    viewers_[viewers_.size() - told_]->tell(*event_);
  }
  if (told_ < viewers_.size()) return asio::post(clock_.get_executor(), [this] { tell_some(); });
  event_.reset();
}

void listener::close(http_session& session) {
  if (const auto seen = std::find(viewers_.begin(), viewers_.end(), &session); seen != viewers_.end()) {
    if (viewers_.end() - seen <= static_cast<std::ptrdiff_t>(told_)) --told_;
    viewers_.erase(seen);
    of_process_.viewers.fetch_sub(1, std::memory_order_relaxed);
  }
  poller_.remove(session);
  session.drop_buffers();
  ::close(session.fd);
  session.fd = -1;
  const std::uint32_t number = session.number();
  closed_.push_back(std::move(sessions_[number]));
  free_.push_back(number);
  --open_;
  of_process_.open.fetch_sub(1, std::memory_order_relaxed);
  mark(session); // destroyed once nothing of this turn can refer to it
}

void listener::mark(http_session& session) {
  if (session.dirty) return;
  session.dirty = true;
  marked_.push_back(&session);
  if (turn_posted_) return;
  turn_posted_ = true;
  asio::post(clock_.get_executor(), [this] { flush_marked(); });
}

void listener::flush_marked() {
  turn_posted_ = false;
  flushing_.swap(marked_);
  const std::size_t gone = closed_.size();
  for (http_session* session : flushing_) {
    session->dirty = false;
    session->flush();
  }
  flushing_.clear();
  closed_.erase(closed_.begin(), closed_.begin() + static_cast<std::ptrdiff_t>(gone));
}

/// Once a second: limits of time, and the date in the answers.
task<> listener::tick() {
  event pause(clock_);
  for (;;) {
    co_await pause.wait_for(1s);
    ++now_s_;
    prepare_answers();
    for (const auto& one : acceptors_)
      poller_.want(*one, EPOLLIN);
    for (std::size_t i = 0; i < sessions_.size(); ++i)
      if (sessions_[i]) sessions_[i]->look_at_time(now_s_);
  }
}

task<> listener::answer(accept_reply::place where, endpoint_request request) {
  const http_response response = co_await endpoints_(std::move(request));
  if (http_session* const session = find(where)) session->answer(where.exchange, response);
}

void listener::answered(void* self, const accept_reply::place& where, accept_verdict verdict) {
  if (http_session* const session = static_cast<listener*>(self)->find(where))
    session->answer(where.exchange, verdict);
}

/// Null if that session has ended.
http_session* listener::find(const accept_reply::place& where) {
  http_session* const session = sessions_[where.session].get();
  return session != nullptr && session->generation() == where.generation ? session : nullptr;
}

void listener::prepare_answers() {
  wall_ = clock_.wall();
  for (std::size_t verdict = 0; verdict < prepared_.size(); ++verdict) {
    const http_response response = payment_response(static_cast<accept_verdict>(verdict));
    for (std::size_t fate = 0; fate < prepared_[verdict].size(); ++fate) {
      prepared_[verdict][fate].clear();
      write_response(prepared_[verdict][fate], response, static_cast<connection_fate>(fate), false, wall_);
    }
  }
}

const std::string& listener::prepared(accept_verdict verdict, connection_fate fate) const {
  return prepared_[static_cast<std::size_t>(verdict)][static_cast<std::size_t>(fate)];
}

} // namespace repasse
