// How the connections of clients begin, go on and end: keep-alive, pipelining, bodies in pieces, and every
// form in which two readers could see different requests.
#define BOOST_TEST_MODULE http_connection
#include "test/end_to_end/raw_connection.hpp"
#include "test/end_to_end/requests.hpp"
#include "test/end_to_end/server_process.hpp"
#include "test/unit/http_requests.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {
namespace {

using namespace requests;
using namespace std::chrono_literals;

/// One repasse and one connection to it, for a case.
struct one_server {
  server_process server{{{"ALLOW_PURGE", "true"}}};
  raw_connection client{server.port()};

  [[nodiscard]] unsigned status_of_payment(std::size_t number) const {
    return server.caller().call("GET", "/payments/" + id_of(number)).status;
  }

  /// Checks that nothing more comes and the connection ends.
  void expect_end() { BOOST_TEST(client.rest().value_or("still open") == ""); }
};

std::string chunk_of(std::string_view text, std::string_view extension = "") {
  char size[20];
  std::snprintf(size, sizeof size, "%zx", text.size());
  return size + std::string(extension) + "\r\n" + std::string(text) + "\r\n";
}

std::string chunked_payment(std::size_t number) {
  const std::string body = payment_body(number);
  return "POST /payments HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
         "Transfer-Encoding: chunked\r\n\r\n" +
         chunk_of(body.substr(0, 5), ";name=\"a;b\"") + chunk_of(body.substr(5)) + "0\r\nTrailer: x\r\n\r\n";
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(keeping, one_server)

BOOST_AUTO_TEST_CASE(keeps_a_connection_until_it_is_told_otherwise) {
  client.send(get("/healthz"));
  BOOST_TEST(client.next().header("Connection") == "");
  client.send(post_payment(1, "1.00", "Connection: close\r\n"));
  const http_reply last = client.next();
  BOOST_TEST(last.status == 202U);
  BOOST_TEST(last.header("Connection") == "close");
  expect_end();
}

BOOST_AUTO_TEST_CASE(executes_nothing_behind_a_request_that_closes) {
  client.send(get("/healthz", "Connection: close\r\n") + post_payment(1));
  BOOST_TEST(client.next().status == 200U);
  expect_end();
  BOOST_TEST(status_of_payment(1) == 404U);
}

BOOST_AUTO_TEST_CASE(closes_after_HTTP_1_0_unless_it_asks_to_be_kept) {
  client.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  BOOST_TEST(client.next().header("Connection") == "keep-alive");
  const std::string body = payment_body(1);
  client.send("POST /payments HTTP/1.0\r\nConnection: Keep-Alive\r\nContent-Type: application/json\r\n"
              "Content-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  const http_reply accepted = client.next();
  BOOST_TEST(accepted.status == 202U);
  BOOST_TEST(accepted.header("Connection") == "keep-alive");
  client.send("GET /healthz HTTP/1.0\r\n\r\n");
  const http_reply last = client.next();
  BOOST_TEST(last.status == 200U);
  BOOST_TEST(last.header("Connection") == "close");
  expect_end();
}

BOOST_AUTO_TEST_CASE(answers_a_client_that_has_closed_its_side) {
  client.send(post_payment(1) + get("/payments/" + id_of(1)) + post_payment(2));
  client.end_input();
  BOOST_TEST(client.next().status == 202U);
  BOOST_TEST(member(client.next().body, "correlationId") == id_of(1));
  BOOST_TEST(client.next().status == 202U);
  expect_end();
}

BOOST_AUTO_TEST_CASE(executes_no_request_that_is_cut_off) {
  const std::string request = post_payment(1);
  client.send(request.substr(0, request.size() - 1));
  client.end_input();
  expect_end();
  BOOST_TEST(status_of_payment(1) == 404U);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(bodies, one_server)

BOOST_AUTO_TEST_CASE(reads_a_request_that_comes_byte_by_byte) {
  for (const std::string& request : {post_payment(1), chunked_payment(2), get("/payments/" + id_of(2))}) {
    for (const char byte : request)
      client.send({&byte, 1});
    const http_reply answer = client.next();
    BOOST_TEST(answer.status / 100 == 2U, request << " is answered with " << answer.status);
    BOOST_TEST(answer.header("Idempotent-Replayed") == "");
  }
}

BOOST_AUTO_TEST_CASE(reads_chunked_bodies) {
  client.send(chunked_payment(1) + chunked_payment(2) + get("/payments/" + id_of(2)));
  BOOST_TEST(client.next().status == 202U);
  BOOST_TEST(client.next().status == 202U);
  BOOST_TEST(client.next().status == 200U);
}

BOOST_AUTO_TEST_CASE(tells_a_client_that_waits_to_continue) {
  const std::string request = post_payment(1, "1.00", "Expect: 100-continue\r\n");
  const std::size_t head_bytes = request.find("\r\n\r\n") + 4;
  client.send(request.substr(0, head_bytes));
  const http_reply interim = client.next();
  BOOST_TEST(interim.status == 100U);
  BOOST_TEST(interim.headers.empty());
  client.send(request.substr(head_bytes));
  BOOST_TEST(client.next().status == 202U);
  client.send(request); // does not wait, and needs no word
  BOOST_TEST(client.next().status == 202U);
}

BOOST_AUTO_TEST_CASE(tells_a_client_to_continue_in_its_turn_only) {
  const std::string request = post_payment(2, "1.00", "Expect: 100-continue\r\n");
  const std::size_t head_bytes = request.find("\r\n\r\n") + 4;
  client.send(post_payment(1) + get("/payments/" + id_of(1)) + request.substr(0, head_bytes));
  BOOST_TEST(client.next().status == 202U);
  BOOST_TEST(client.next().status == 200U);
  BOOST_TEST(client.next().status == 100U);
  client.send(request.substr(head_bytes) + get("/payments/" + id_of(2)));
  BOOST_TEST(client.next().status == 202U);
  BOOST_TEST(client.next().status == 200U);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(pipelining, one_server)

BOOST_AUTO_TEST_CASE(answers_100_mixed_requests_of_one_write_in_order) {
  std::string requests;
  for (std::size_t i = 0; i < 20; ++i)
    requests += post_payment(i) + get("/payments/" + id_of(i)) + get("/nowhere") + post_payment(i, "7.00") +
                post("/payments", "{");
  client.send(requests);
  for (std::size_t i = 0; i < 20; ++i) {
    BOOST_TEST(client.next().status == 202U);
    BOOST_TEST(member(client.next().body, "correlationId") == id_of(i));
    BOOST_TEST(client.next().status == 404U);
    BOOST_TEST(client.next().status == 409U);
    BOOST_TEST(client.next().status == 400U);
  }
}

BOOST_AUTO_TEST_CASE(answers_more_payments_than_one_read_can_hold) {
  constexpr std::size_t count = 2000;
  std::string requests;
  for (std::size_t i = 0; i < count; ++i)
    requests += post_payment(i);
  client.send(requests);
  client.end_input();
  std::size_t accepted = 0;
  while (client.next().status == 202U)
    ++accepted;
  BOOST_TEST(accepted == count);
}

BOOST_AUTO_TEST_CASE(executes_the_requests_of_a_connection_one_after_the_other) {
  client.send(post_payment(1) + get("/payments/" + id_of(2)) + post_payment(2) + post("/purge-payments", "") +
              post_payment(3) + get("/payments/" + id_of(3)) + get("/payments/" + id_of(1)));
  for (const unsigned expected : {202U, 404U, 202U, 200U, 202U, 200U, 404U})
    BOOST_TEST(client.next().status == expected);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(smuggling, one_server)

BOOST_AUTO_TEST_CASE(refuses_every_ambiguous_request_and_executes_nothing_behind_it) {
  std::size_t number = 0;
  for (const http_requests::refused_request& each : http_requests::refused_requests()) {
    raw_connection attacker(server.port());
    attacker.send(each.text + "\r\n\r\n" + post_payment(++number));
    BOOST_TEST_CONTEXT(each.text.substr(0, 200)) {
      detail_of(attacker.next(), static_cast<unsigned>(each.status));
      BOOST_TEST(attacker.rest().value_or("still open") == "");
    }
  }
  http_caller caller = server.caller();
  BOOST_TEST(caller.call("GET", "/payments").body == R"({"payments":[],"next":null})");
}

BOOST_AUTO_TEST_CASE(answers_what_comes_before_an_ambiguous_request) {
  client.send(post_payment(1) + get("/payments/" + id_of(1)) +
              "POST /payments HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
              "0\r\n\r\n" +
              post_payment(2));
  BOOST_TEST(client.next().status == 202U);
  BOOST_TEST(client.next().status == 200U);
  const http_reply refusal = client.next();
  detail_of(refusal, 400);
  BOOST_TEST(refusal.header("Connection") == "close");
  expect_end();
  BOOST_TEST(status_of_payment(2) == 404U);
}

BOOST_AUTO_TEST_CASE(takes_a_body_that_looks_like_a_request_as_a_body) {
  client.send(post("/payments", post_payment(1)));
  BOOST_TEST(client.next().status == 400U);
  client.send(get("/healthz"));
  BOOST_TEST(client.next().body == "ok\n");
  BOOST_TEST(status_of_payment(1) == 404U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
