// The connections to a processor, against a peer on loopback that says byte for byte what a case wants. All
// in one thread: the peer acts between two turns of the client's loop. No servers; no case sleeps for long.
#include "server/http_client.hpp"

#include "server/poller.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
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
#include <thread>
#include <utility>

namespace repasse {

std::ostream& operator<<(std::ostream& to, http_answer::kind what) {
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

namespace {

using namespace std::chrono_literals;
using kind = http_answer::kind;

constexpr std::string_view request = "GET /payments/x HTTP/1.1\r\nHost: peer\r\n\r\n";
constexpr std::string_view two_bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

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
  explicit conversation(const std::string& host = "127.0.0.1")
      : client(time, sockets, {.host = host, .port = outside.port()}) {}
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

BOOST_AUTO_TEST_SUITE(http_client_test)

BOOST_AUTO_TEST_CASE(a_refused_connection_is_none) {
  conversation talk;
  talk.outside.close();
  talk.begin();
  BOOST_TEST(talk.runs_until([&] { return talk.has_ended(); }));
  BOOST_TEST(talk.is_refused);
}

BOOST_AUTO_TEST_CASE(a_response_with_a_length_is_an_answer) {
  conversation talk;
  BOOST_TEST(talk.exchange_once("HTTP/1.1 422 No\r\nContent-Length: 5\r\n\r\nagain", false) ==
             kind::answered);
  BOOST_TEST(talk.answer->status == 422);
  BOOST_TEST(talk.answer->body() == "again");
}

BOOST_AUTO_TEST_CASE(a_response_without_a_body_is_an_answer) {
  conversation talk;
  BOOST_TEST(talk.exchange_once("HTTP/1.1 204 No Content\r\n\r\n", false) == kind::answered);
  BOOST_TEST(talk.answer->status == 204);
  BOOST_TEST(talk.answer->body() == "");
}

BOOST_AUTO_TEST_CASE(a_chunked_response_is_an_answer_and_keeps_the_connection) {
  conversation talk;
  const std::string_view chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                   "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
  talk.begin();
  const accepted one = talk.accept_and_hear();
  one.write(chunked);
  BOOST_TEST(talk.end() == kind::answered);
  BOOST_TEST(talk.answer->body() == "abcde");
  BOOST_TEST(talk.exchange_on(one, chunked) == kind::answered);
  BOOST_TEST(talk.answer->body() == "abcde");
}

BOOST_AUTO_TEST_CASE(a_response_that_ends_with_the_connection_is_an_answer) {
  conversation talk;
  BOOST_TEST(talk.exchange_once("HTTP/1.1 200 OK\r\n\r\nuntil the end", true) == kind::answered);
  BOOST_TEST(talk.answer->status == 200);
  BOOST_TEST(talk.answer->body() == "until the end");
  talk.expect_new_connection();
}

BOOST_AUTO_TEST_CASE(a_response_that_comes_byte_by_byte_is_an_answer) {
  for (const std::string_view response :
       {two_bytes, std::string_view("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
                                    "Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n")}) {
    conversation talk;
    talk.begin();
    const accepted one = talk.accept_and_hear();
    for (const char& each : response) {
      BOOST_TEST(!talk.has_ended());
      one.write({&each, 1});
      talk.turn();
      talk.turn();
    }
    BOOST_TEST(talk.end() == kind::answered);
    BOOST_TEST(talk.answer->body() == "ok");
    BOOST_TEST(talk.exchange_on(one) == kind::answered);
  }
}

BOOST_AUTO_TEST_CASE(several_exchanges_use_one_connection) {
  conversation talk;
  talk.begin();
  const accepted one = talk.accept_and_hear();
  one.write(two_bytes);
  BOOST_TEST(talk.end() == kind::answered);
  for (int i = 0; i < 20; ++i)
    BOOST_TEST(talk.exchange_on(one) == kind::answered);
  BOOST_TEST(!talk.outside.is_called());
}

BOOST_AUTO_TEST_CASE(bytes_behind_a_response_end_the_connection) {
  for (const std::string_view behind : {std::string_view("x"), two_bytes}) {
    conversation talk;
    BOOST_TEST(talk.exchange_once(std::string(two_bytes).append(behind), false) == kind::answered);
    BOOST_TEST(talk.answer->body() == "ok");
    talk.expect_new_connection();
  }
}

BOOST_AUTO_TEST_CASE(bytes_that_come_unasked_end_an_idle_connection) {
  conversation talk;
  talk.begin();
  const accepted one = talk.accept_and_hear();
  one.write(two_bytes);
  BOOST_TEST(talk.end() == kind::answered);
  one.write(two_bytes);
  talk.turn();
  talk.expect_new_connection();
}

BOOST_AUTO_TEST_CASE(a_response_that_says_close_ends_the_connection) {
  conversation talk;
  BOOST_TEST(talk.exchange_once("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false) ==
             kind::answered);
  talk.expect_new_connection();
}

BOOST_AUTO_TEST_CASE(a_reset_after_the_whole_request_is_lost) {
  conversation talk;
  talk.begin();
  accepted one = talk.accept_and_hear();
  one.reset();
  BOOST_TEST(talk.end() == kind::lost);
  talk.expect_new_connection();
}

BOOST_AUTO_TEST_CASE(an_end_before_a_whole_response_is_lost) {
  for (const std::string_view part :
       {"", "H", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"}) {
    BOOST_TEST_CONTEXT(part) {
      conversation talk;
      BOOST_TEST(talk.exchange_once(part, true) == kind::lost);
      talk.expect_new_connection();
    }
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_response_is_nonsense) {
  for (const std::string& bytes :
       {std::string("no HTTP at all\r\n\r\n"), std::string("HTTP/1.1 2x0 OK\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        "HTTP/1.1 200 OK\r\nX: " + std::string(10000, 'x')}) {
    BOOST_TEST_CONTEXT(bytes.substr(0, 60)) {
      conversation talk;
      BOOST_TEST(talk.exchange_once(bytes, false) == kind::nonsense);
      talk.expect_new_connection();
    }
  }
}

BOOST_AUTO_TEST_CASE(silence_ends_with_the_deadline) {
  for (const std::string_view part : {"", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"}) {
    conversation talk;
    talk.begin(30ms);
    const accepted one = talk.accept_and_hear();
    if (!part.empty()) one.write(part);
    const auto start = std::chrono::steady_clock::now();
    BOOST_TEST(talk.end() == kind::timed_out);
    BOOST_TEST((std::chrono::steady_clock::now() - start < 1s));
    talk.expect_new_connection();
  }
}

BOOST_AUTO_TEST_CASE(a_request_that_the_peer_does_not_take_is_not_sent) {
  conversation talk;
  const std::string much(std::size_t{32} << 20, 'x');
  talk.begin(50ms, much);
  const accepted one = talk.accept();
  BOOST_TEST(talk.end() == kind::not_sent);
  talk.expect_new_connection();
}

BOOST_AUTO_TEST_CASE(an_answer_to_half_a_request_ends_the_connection) {
  conversation talk;
  const std::string much(std::size_t{32} << 20, 'x');
  talk.begin(2s, much);
  const accepted one = talk.accept();
  talk.turn();
  one.write("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  BOOST_TEST(talk.end() == kind::answered);
  talk.expect_new_connection();
}

BOOST_AUTO_TEST_CASE(interim_responses_are_skipped) {
  conversation talk;
  BOOST_TEST(talk.exchange_once("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
                                "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok",
                                false) == kind::answered);
  BOOST_TEST(talk.answer->status == 201);
  BOOST_TEST(talk.answer->body() == "ok");
}

BOOST_AUTO_TEST_CASE(a_long_body_is_cut_and_the_connection_kept) {
  conversation talk;
  talk.begin();
  const accepted one = talk.accept_and_hear();
  one.write("HTTP/1.1 500 Oh\r\nContent-Length: 20000\r\n\r\n" + std::string(20000, 'b'));
  BOOST_TEST(talk.end() == kind::answered);
  BOOST_TEST(talk.answer->status == 500);
  BOOST_TEST(talk.answer->body() == std::string(512, 'b'));
  BOOST_TEST(talk.exchange_on(one) == kind::answered);
}

BOOST_AUTO_TEST_CASE(an_idle_connection_that_the_peer_closes_is_not_used_again) {
  conversation talk;
  BOOST_TEST(talk.exchange_once(two_bytes, true) == kind::answered);
  talk.expect_new_connection();
}

/// After an exchange that has ended one way or the other: the next one is answered, wherever it goes.
void expect_answered_next(conversation& talk, std::optional<accepted>& used) {
  talk.begin();
  std::string heard;
  BOOST_REQUIRE(talk.runs_until([&] {
    if (talk.outside.is_called()) used.emplace(talk.outside.accept());
    heard += used->read();
    return heard.size() >= request.size() || talk.has_ended();
  }));
  if (talk.answer) BOOST_TEST(talk.answer->what == kind::answered); // too early: show how it failed
  BOOST_REQUIRE(!talk.has_ended());
  used->write(two_bytes);
  BOOST_TEST(talk.end() == kind::answered);
  BOOST_TEST(talk.answer->body() == "ok");
}

// The socket and the deadline come due together, in each order and at each distance.
BOOST_AUTO_TEST_CASE(an_answer_in_the_turn_of_the_deadline_does_no_harm_to_the_next_exchange) {
  for (int turns_before = 0; turns_before < 6; ++turns_before)
    for (int repeated = 0; repeated < 3; ++repeated)
      BOOST_TEST_CONTEXT(turns_before) {
        conversation talk;
        talk.begin(10ms);
        std::optional<accepted> one = talk.accept_and_hear();
        std::this_thread::sleep_for(11ms); // the loop is late
        talk.context.restart();
        for (int i = 0; i < turns_before; ++i)
          talk.context.poll_one();
        if (!talk.has_ended()) one->write(two_bytes);
        const kind what = talk.end();
        BOOST_TEST((what == kind::answered || what == kind::timed_out));
        for (int i = 0; i < 3; ++i)
          expect_answered_next(talk, one);
      }
}

BOOST_AUTO_TEST_CASE(an_answer_between_the_deadline_and_its_waiter_does_no_harm_to_the_next_exchange) {
  bool was_kept = false;
  for (int posted_before = 0; posted_before < 4; ++posted_before)
    BOOST_TEST_CONTEXT(posted_before) {
      conversation talk;
      talk.begin(1h);
      std::optional<accepted> one = talk.accept_and_hear();
      one->write(two_bytes);
      for (int i = 0; i < posted_before; ++i)
        asio::post(talk.context, [] {});
      // The loop sees the socket in the turn that runs this; the waiter is resumed after both.
      asio::post(talk.context, [&talk] { talk.time.fire(talk.time.now() + 2h); });
      const kind what = talk.end();
      BOOST_TEST((what == kind::answered || what == kind::timed_out));
      was_kept = was_kept || what == kind::answered;
      for (int i = 0; i < 3; ++i)
        expect_answered_next(talk, one);
    }
  BOOST_TEST(was_kept);
}

BOOST_AUTO_TEST_CASE(a_name_that_does_not_resolve_gives_no_connection) {
  conversation talk("nobody.invalid");
  for (int i = 0; i < 3; ++i) {
    const auto start = std::chrono::steady_clock::now();
    talk.begin();
    BOOST_TEST(talk.runs_until([&] { return talk.has_ended(); }));
    BOOST_TEST(talk.is_refused);
    BOOST_TEST((std::chrono::steady_clock::now() - start < 500ms));
    talk.runs_until([&] { return std::chrono::steady_clock::now() - start > 20ms; });
  }
}

// The peer listens on 127.0.0.1 only; ::1 refuses, where the name has it.
BOOST_AUTO_TEST_CASE(a_name_with_an_address_that_refuses_is_reached_at_another) {
  conversation talk("localhost");
  BOOST_REQUIRE(talk.runs_until([&] {
    talk.begin();
    return talk.runs_until([&] { return talk.has_ended() || talk.outside.is_called(); }) && !talk.is_refused;
  }));
  const accepted one = talk.accept_and_hear();
  one.write(two_bytes);
  BOOST_TEST(talk.end() == kind::answered);
  BOOST_TEST(talk.exchange_on(one) == kind::answered);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
