// The connections to a processor, against a peer on loopback that says byte for byte what a case wants. No
// servers; no case sleeps for long. What TLS adds is http_client_tls_test's.
#include "test/unit/http_conversation.hpp"

#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

namespace repasse {
namespace {

using namespace conversations;

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

BOOST_AUTO_TEST_CASE(what_is_given_up_is_reset_so_that_nothing_of_it_arrives_later) {
  conversation talk;
  talk.begin(30ms);
  const accepted one = talk.accept_and_hear();
  BOOST_TEST(talk.end() == kind::timed_out);
  talk.turn();
  BOOST_TEST(one.is_reset());
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
    BOOST_TEST((std::chrono::steady_clock::now() - start < 5s));
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
