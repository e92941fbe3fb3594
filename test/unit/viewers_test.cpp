// Who hears events: a slow one is dropped while the others go on, no more than are allowed, and all are let
// go when the server stops.
#include "server/listener.hpp"
#include "storage/memory_ledger.hpp"

#include <boost/test/unit_test.hpp>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;

task<http_response> stream(endpoint_request) {
  http_response response;
  response.is_stream = true;
  response.content_type = "text/event-stream";
  response.body = "begin\n\n";
  co_return response;
}

struct client {
  /// `room`: bytes that the kernel takes for it before it reads; 0: as many as the kernel likes.
  explicit client(std::uint16_t port, int room = 0) : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (room > 0) ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    BOOST_REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
    const std::string request = "GET /events HTTP/1.1\r\nHost: h\r\n\r\n";
    BOOST_REQUIRE(::send(fd, request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()));
  }
  ~client() { ::close(fd); }
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  void read() {
    std::vector<char> bytes(1 << 20);
    for (ssize_t size = 1; size > 0;) {
      size = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (size > 0) received.append(bytes.data(), static_cast<std::size_t>(size));
      has_ended = has_ended || size == 0;
    }
  }
  [[nodiscard]] std::size_t events() const {
    std::size_t count = 0;
    for (std::size_t at = received.find("event!"); at != std::string::npos;
         at = received.find("event!", at + 1))
      ++count;
    return count;
  }

  int fd;
  std::string received;
  bool has_ended = false;
};

struct one_listener {
  one_listener() {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof name;
    BOOST_REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
    BOOST_REQUIRE(::listen(socket, 16) == 0);
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size);
    port = ntohs(name.sin_port);
    listens.listen(socket);
    listens.start();
  }
  ~one_listener() {
    listens.stop();
    polled.close();
    time.abandon();
    context.restart();
    context.poll();
  }
  template <typename Condition>
  bool run_until(Condition holds) {
    for (int i = 0; i < 2000 && !holds(); ++i)
      context.run_for(5ms);
    return holds();
  }
  [[nodiscard]] std::size_t viewers() const { return counts.viewers.load(); }

  asio::io_context context{1};
  clock time{context};
  poller polled{context};
  memory_ledger books{{}};
  std::vector<std::unique_ptr<processor>> none;
  payment_flow flow{time, books, nullptr, none, {}};
  process_connections counts;
  listener listens{time, polled, flow, stream, counts, {.viewers_max = 2}};
  std::uint16_t port = 0;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(viewers, one_listener)

BOOST_AUTO_TEST_CASE(a_slow_one_is_dropped_while_the_others_go_on) {
  client reads(port);
  const client sleeps(port);
  BOOST_REQUIRE(run_until([&] { return viewers() == 2; }));
  const auto event = std::make_shared<const std::string>("event!" + std::string(12 << 20, '.') + "\n\n");
  for (std::size_t told = 1; told <= 12; ++told) {
    listens.tell_viewers(event);
    BOOST_REQUIRE(run_until([&] {
      reads.read();
      return reads.received.size() >= told * event->size();
    }));
    context.run_for(100ms); // its kernel may acknowledge the last of it 40 ms late
  }
  BOOST_TEST(reads.events() == 12U);
  BOOST_TEST(viewers() == 1U);
  BOOST_TEST(listens.connections() == 1U);
  BOOST_TEST(!reads.has_ended);
}

BOOST_AUTO_TEST_CASE(one_that_takes_nothing_is_dropped_before_the_kernel_has_taken_much_for_it) {
  client reads(port);
  const client sleeps(port, 4096);
  BOOST_REQUIRE(run_until([&] { return viewers() == 2; }));
  const auto event = std::make_shared<const std::string>("event!" + std::string(8192, '.') + "\n\n");
  constexpr std::size_t told_max = 24; // 192 KiB
  for (std::size_t told = 1; told <= told_max; ++told) {
    listens.tell_viewers(event);
    BOOST_REQUIRE(run_until([&] {
      reads.read();
      return reads.received.ends_with(".\n\n") && reads.events() == told;
    }));
  }
  BOOST_TEST(viewers() == 1U);
  BOOST_TEST(!reads.has_ended);
}

BOOST_AUTO_TEST_CASE(one_that_catches_up_in_time_stays) {
  client slow(port);
  BOOST_REQUIRE(run_until([&] { return viewers() == 1; }));
  const auto event = std::make_shared<const std::string>("event!" + std::string(12 << 20, '.') + "\n\n");
  for (int round = 0; round < 4; ++round) {
    slow.received.clear();
    for (int told = 0; told < 4; ++told) {
      listens.tell_viewers(event);
      context.run_for(20ms);
    }
    BOOST_REQUIRE(run_until([&] {
      slow.read();
      return slow.received.ends_with(".\n\n");
    }));
    context.run_for(100ms); // its kernel may acknowledge the last of it 40 ms late
  }
  BOOST_TEST(viewers() == 1U);
}

BOOST_AUTO_TEST_CASE(no_more_than_are_allowed_and_one_that_goes_makes_room) {
  auto first = std::make_unique<client>(port);
  client second(port);
  BOOST_REQUIRE(run_until([&] { return viewers() == 2; }));
  client third(port);
  BOOST_TEST(run_until([&] {
    third.read();
    return third.received.starts_with("HTTP/1.1 503 ");
  }));
  BOOST_TEST(third.received.find("Retry-After: 1\r\n") != std::string::npos);
  first.reset();
  BOOST_TEST(run_until([&] { return viewers() == 1; }));
  client fourth(port);
  BOOST_TEST(run_until([&] {
    fourth.read();
    return fourth.received.ends_with("begin\n\n");
  }));
}

BOOST_AUTO_TEST_CASE(all_are_let_go_when_it_retires_and_none_is_taken_then) {
  client one(port);
  BOOST_REQUIRE(run_until([&] { return viewers() == 1; }));
  listens.retire();
  BOOST_TEST(viewers() == 0U);
  BOOST_TEST(run_until([&] {
    one.read();
    return one.has_ended;
  }));
  client late(port);
  BOOST_TEST(run_until([&] {
    late.read();
    return late.received.starts_with("HTTP/1.1 503 ") && late.has_ended;
  }));
  BOOST_TEST(late.received.find("the server stops") != std::string::npos, late.received);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
