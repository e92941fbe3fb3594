#include "server/http_client.hpp"

#include "server/poller.hpp"
#include "server/tls_stream.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/intrusive/list.hpp>
#include <spdlog/spdlog.h>

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace repasse {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t response_header_bytes_max = 8 * 1024;
constexpr std::size_t response_body_bytes_max = 64 * 1024;
/// Between two lookups of a name, and after one that failed.
constexpr std::chrono::nanoseconds resolved_for = std::chrono::seconds{30};
constexpr std::chrono::nanoseconds resolve_again = std::chrono::seconds{1};
/// An idle connection that is older may have been forgotten on the way to the peer.
constexpr std::chrono::nanoseconds idle_max = std::chrono::seconds{20};

/// Reads one response; keeps its status and the first bytes of its body.
class response_reader : public http::basic_parser<false> {
public:
  explicit response_reader(http_answer& answer) : answer_(answer) {
    header_limit(response_header_bytes_max);
    body_limit(response_body_bytes_max);
    eager(true);
  }

private:
  using string_view = boost::beast::string_view;

  void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int code, string_view, int, error_code&) override { answer_.status = code; }
  void on_field_impl(http::field, string_view, string_view, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view bytes, error_code&) override { return keep(bytes); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view bytes, error_code&) override {
    return keep(bytes);
  }
  void on_finish_impl(error_code&) override {}

  std::size_t keep(string_view bytes) {
    const std::size_t room = answer_.body_bytes.size() - answer_.body_size;
    const std::size_t count = std::min(room, bytes.size());
    std::copy_n(bytes.data(), count, answer_.body_bytes.data() + answer_.body_size);
    answer_.body_size += count;
    return bytes.size();
  }

  http_answer& answer_;
};

using every_hook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<struct every_tag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
using idle_hook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<struct idle_tag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

} // namespace

/// A socket and the one request that is on it. Idle ones are watched too, so that one closed by the peer is
/// dropped before it is used.
struct http_client::connection : poller::watched, every_hook, idle_hook {
  enum class stage : std::uint8_t { connecting, shaking, idle, lent, busy, answered, broken };

  connection(http_client::state& client, clock& time) : owner(client), moved(time) {}

  http_client::state& owner;
  stage at = stage::connecting;
  event moved; ///< connected, answered, or broken
  std::optional<tls_stream> tls;
  std::string_view unsent;
  http_answer* answer = nullptr;
  std::optional<response_reader> reader;
  std::string stash; ///< what the reader could not use yet
  steady_time idle_since{};

  [[nodiscard]] bool is_on_its_way() const { return at == stage::connecting || at == stage::shaking; }
};

struct http_client::state {
  state(clock& clock_of_reactor, poller& polled, const config& how)
      : time(clock_of_reactor), sockets(polled), settings(how), resolver(time.get_executor()), tasks(time) {
    error_code error;
    const asio::ip::address literal = asio::ip::make_address(settings.host, error);
    if (error)
      tasks.spawn(resolve());
    else
      peers.emplace_back(literal, settings.port);
  }
  ~state() {
    while (!every.empty())
      discard(every.front());
  }

  static void ready(poller::watched& self, std::uint32_t events);
  void connected(connection& one);
  void shake(connection& one);
  void handed_over(connection& one, connection::stage at);
  void note_failure(std::string why);
  void send(connection& one);
  void send_sealed(connection& one);
  void receive(connection& one);
  void receive_sealed(connection& one);
  bool is_quiet(connection& one);
  void take(connection& one, std::string_view bytes);
  void consume(connection& one, std::string_view bytes);
  void end_of_stream(connection& one);
  void finish(connection& one, http_answer::kind what);
  void discard(connection& one);
  connection* open(const asio::ip::tcp::endpoint& peer);
  void make_idle(connection& one);
  task<> resolve();

  clock& time;
  poller& sockets;
  config settings;
  asio::ip::basic_resolver<asio::ip::tcp, executor> resolver;
  std::vector<asio::ip::tcp::endpoint> peers;
  std::size_t preferred = 0; ///< of peers
  template <typename Hook>
  using linked = boost::intrusive::list<connection, boost::intrusive::base_hook<Hook>,
                                        boost::intrusive::constant_time_size<false>>;
  linked<every_hook> every;
  linked<idle_hook> idle;
  tls_session session;
  std::string trouble; ///< of the last handshake
  task_group tasks;
};

http_client::http_client(clock& time, poller& sockets, const config& settings)
    : state_(std::make_unique<state>(time, sockets, settings)) {}

http_client::~http_client() = default;

task<http_client::connection*> http_client::connect(steady_time due) {
  state& self = *state_;
  const steady_time now = self.time.now();
  while (!self.idle.empty()) {
    connection& ready = self.idle.back(); // the one used last, so that those not needed grow old
    self.idle.pop_back();
    if (now - ready.idle_since < idle_max) {
      ready.at = connection::stage::lent;
      co_return &ready;
    }
    self.discard(ready);
  }
  due = std::min(due, now + self.settings.connect_limit);
  const std::size_t tries = self.peers.size();
  for (std::size_t i = 0; i < tries && !self.peers.empty(); ++i) {
    connection* const fresh = self.open(self.peers[self.preferred % self.peers.size()]);
    if (fresh != nullptr) {
      bool in_time = true;
      while (in_time && fresh->is_on_its_way())
        in_time = co_await fresh->moved.wait_until(due);
      if (fresh->at == connection::stage::lent) co_return fresh;
      if (fresh->at == connection::stage::shaking) self.note_failure("the peer does not go on with it");
      self.discard(*fresh);
    }
    ++self.preferred; // the next address; the one that answers is kept
  }
  co_return nullptr;
}

void http_client::give_back(connection& unused) { state_->make_idle(unused); }

task<http_answer> http_client::exchange(connection& with, std::string_view request, steady_time due) {
  state& self = *state_;
  http_answer answer;
  answer.what = http_answer::kind::lost; // until more is known
  with.at = connection::stage::busy;
  with.unsent = request;
  with.answer = &answer;
  with.reader.emplace(answer);
  self.send(with);
  while (with.at == connection::stage::busy) {
    const bool moved = co_await with.moved.wait_until(due); // may be a notification left from before
    if (!moved && with.at == connection::stage::busy)
      self.finish(with, with.unsent.empty() ? http_answer::kind::timed_out : http_answer::kind::not_sent);
  }
  const bool clean = with.at == connection::stage::answered && with.unsent.empty() &&
                     with.reader->keep_alive() && with.stash.empty() &&
                     (!with.tls || !with.tls->has_pending() || self.is_quiet(with));
  with.reader.reset();
  if (clean)
    self.make_idle(with);
  else
    self.discard(with);
  co_return answer;
}

std::string_view http_client::trouble() const { return state_->trouble; }

http_client::connections http_client::counted() const {
  connections sum;
  for (const connection& one : state_->every)
    if (one.at == connection::stage::idle)
      ++sum.idle;
    else if (one.at == connection::stage::connecting || one.at == connection::stage::shaking)
      ++sum.connecting;
    else
      ++sum.busy;
  return sum;
}

void http_client::state::make_idle(connection& one) {
  sockets.want(one, EPOLLIN);
  one.at = connection::stage::idle;
  one.idle_since = time.now();
  idle.push_back(one);
}

/// Looks the name up again and again; what was found last is used until something else is found.
task<> http_client::state::resolve() {
  const std::string service = std::to_string(settings.port);
  event pause(time);
  for (;;) {
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable_t<executor>{}, error);
    const auto found = co_await resolver.async_resolve(settings.host, service, token);
    if (!error && !found.empty()) {
      peers.clear();
      for (const auto& one : found)
        peers.push_back(one.endpoint());
    }
    co_await pause.wait_for(error ? resolve_again : resolved_for);
  }
}

http_client::connection* http_client::state::open(const asio::ip::tcp::endpoint& peer) {
  const int fd = ::socket(peer.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return nullptr;
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // Closed, by us or by our death, it is reset: else the kernel goes on sending for two minutes what the peer
  // has not had of a request that was given up, and a payment could be taken as late.
  const linger reset{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  const int connecting = ::connect(fd, peer.data(), static_cast<socklen_t>(peer.size()));
  if (connecting != 0 && errno != EINPROGRESS) {
    ::close(fd);
    return nullptr;
  }
  auto one = std::make_unique<connection>(*this, time);
  one->fd = fd;
  one->ready = &state::ready;
  const bool is_there = connecting == 0 && settings.trust == nullptr;
  if (is_there) one->at = connection::stage::lent;
  if (!sockets.add(*one, is_there ? EPOLLIN : EPOLLOUT)) {
    ::close(fd);
    return nullptr;
  }
  every.push_back(*one);
  return one.release();
}

void http_client::state::discard(connection& one) {
  sockets.remove(one);
  one.tls.reset();
  ::close(one.fd);
  delete &one;
}

void http_client::state::ready(poller::watched& self, std::uint32_t events) {
  auto& one = static_cast<connection&>(self);
  state& owner = one.owner;
  switch (one.at) {
  case connection::stage::connecting:
    owner.connected(one);
    return;
  case connection::stage::shaking:
    owner.shake(one);
    return;
  case connection::stage::idle:
    if (!owner.is_quiet(one)) owner.discard(one);
    return; // closed by the peer, or it speaks unasked
  case connection::stage::busy:
    if ((events & EPOLLOUT) != 0) owner.send(one); // TLS may want to write in order to read
    if (one.at == connection::stage::busy && (one.tls || events != EPOLLOUT)) owner.receive(one);
    return;
  case connection::stage::answered: // closed by the peer, or more than one response
    if (owner.is_quiet(one)) return;
    one.at = connection::stage::broken;
    [[fallthrough]];
  case connection::stage::lent:
  case connection::stage::broken:
    owner.sockets.want(one, 0);
    return;
  }
}

void http_client::state::connected(connection& one) {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(one.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return handed_over(one, connection::stage::broken);
  if (settings.trust == nullptr) return handed_over(one, connection::stage::lent);
  one.tls.emplace(*settings.trust, session, one.fd);
  one.at = connection::stage::shaking;
  shake(one);
}

void http_client::state::shake(connection& one) {
  switch (one.tls->shake()) {
  case tls_stream::status::done:
    trouble.clear();
    return handed_over(one, connection::stage::lent);
  case tls_stream::status::wants_read:
    return sockets.want(one, EPOLLIN);
  case tls_stream::status::wants_write:
    return sockets.want(one, EPOLLOUT);
  case tls_stream::status::closed:
  case tls_stream::status::failed:
    note_failure(one.tls->failure());
    return handed_over(one, connection::stage::broken);
  }
}

/// To connect(), which waits for it.
void http_client::state::handed_over(connection& one, connection::stage at) {
  one.at = at;
  const std::uint32_t answers = EPOLLIN;
  sockets.want(one, at == connection::stage::lent ? answers : 0);
  one.moved.notify();
}

void http_client::state::note_failure(std::string why) {
  trouble = std::move(why);
  if (settings.trust->may_be_told(time.now()))
    spdlog::warn("processor {}: TLS handshake failed: {}", settings.name, trouble);
}

void http_client::state::send(connection& one) {
  if (one.tls) return send_sealed(one);
  while (!one.unsent.empty()) {
    const ssize_t sent = ::send(one.fd, one.unsent.data(), one.unsent.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      one.unsent.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      return sockets.want(one, EPOLLIN | EPOLLOUT);
    } else if (errno != EINTR) {
      return finish(one, http_answer::kind::not_sent);
    }
  }
  sockets.want(one, EPOLLIN);
}

void http_client::state::send_sealed(connection& one) {
  while (!one.unsent.empty()) {
    std::size_t taken = 0;
    switch (one.tls->write(one.unsent, taken)) {
    case tls_stream::status::done:
      one.unsent.remove_prefix(taken);
      break;
    case tls_stream::status::wants_read:
    case tls_stream::status::wants_write:
      return sockets.want(one, EPOLLIN | EPOLLOUT);
    case tls_stream::status::closed:
    case tls_stream::status::failed:
      return finish(one, http_answer::kind::not_sent);
    }
  }
  sockets.want(one, EPOLLIN);
  if (one.tls->has_pending()) receive_sealed(one);
}

void http_client::state::receive(connection& one) {
  if (one.tls) return receive_sealed(one);
  std::array<char, 4096> bytes;
  const ssize_t size = ::recv(one.fd, bytes.data(), bytes.size(), 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size > 0) return take(one, {bytes.data(), static_cast<std::size_t>(size)});
  if (!one.unsent.empty()) return finish(one, http_answer::kind::not_sent);
  if (size == 0) return end_of_stream(one);
  finish(one, http_answer::kind::lost);
}

/// Reads on while there are bytes that the poller does not see.
void http_client::state::receive_sealed(connection& one) {
  std::array<char, 4096> bytes;
  do {
    std::size_t size = 0;
    switch (one.tls->read(bytes, size)) {
    case tls_stream::status::done:
      take(one, {bytes.data(), size});
      break;
    case tls_stream::status::wants_read:
      return;
    case tls_stream::status::wants_write: // an answer of TLS itself, for which there is no room
      return sockets.want(one, EPOLLIN | EPOLLOUT);
    case tls_stream::status::closed:
      if (!one.unsent.empty()) return finish(one, http_answer::kind::not_sent);
      return end_of_stream(one);
    case tls_stream::status::failed: // a stream that is cut ends no response
      return finish(one, one.unsent.empty() ? http_answer::kind::lost : http_answer::kind::not_sent);
    }
  } while (one.at == connection::stage::busy && one.tls->has_pending());
}

/// What has come was a matter of TLS alone, such as a ticket, and no word of the peer.
bool http_client::state::is_quiet(connection& one) {
  if (!one.tls) return false;
  char word = 0;
  std::size_t size = 0;
  return one.tls->read({&word, 1}, size) == tls_stream::status::wants_read;
}

void http_client::state::take(connection& one, std::string_view bytes) {
  if (one.stash.empty()) return consume(one, bytes);
  std::string whole = std::move(one.stash);
  one.stash.clear();
  whole.append(bytes);
  consume(one, whole);
}

void http_client::state::consume(connection& one, std::string_view bytes) {
  while (!bytes.empty()) {
    error_code error;
    const std::size_t used = one.reader->put(asio::buffer(bytes.data(), bytes.size()), error);
    bytes.remove_prefix(used);
    if (error == http::error::need_more) break;
    if (error) return finish(one, http_answer::kind::nonsense);
    if (one.reader->is_done()) {
      if (one.answer->status >= 200) {
        one.stash = bytes; // bytes behind the response: such a connection is not used again
        return finish(one, http_answer::kind::answered);
      }
      one.reader.emplace(*one.answer); // an interim response; the real one follows
    } else if (used == 0) {
      break;
    }
  }
  if (bytes.size() > response_header_bytes_max) return finish(one, http_answer::kind::nonsense);
  one.stash.assign(bytes);
}

void http_client::state::end_of_stream(connection& one) {
  if (!one.reader->got_some()) return finish(one, http_answer::kind::lost);
  error_code error;
  one.reader->put_eof(error);
  const bool whole = !error && one.reader->is_done() && one.answer->status >= 200;
  finish(one, whole ? http_answer::kind::answered : http_answer::kind::lost);
  one.at = connection::stage::broken;
}

/// Ends the exchange; what is not `answered` leaves the connection in doubt.
void http_client::state::finish(connection& one, http_answer::kind what) {
  one.answer->what = what;
  one.at = what == http_answer::kind::answered ? connection::stage::answered : connection::stage::broken;
  one.moved.notify();
}

} // namespace repasse
