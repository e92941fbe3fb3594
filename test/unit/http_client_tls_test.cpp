// What TLS adds to the connections to a processor: whom they trust, and what each cut of a stream of records
// means. The peer's TLS is real, and runs between two turns of the client's loop.
#include "server/tls_stream.hpp"
#include "test/unit/tls_peer.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <openssl/ssl.h>

#include <csignal>
#include <memory>
#include <thread>

namespace repasse {
namespace {

using namespace conversations;

const std::string much(std::size_t{32} << 20, 'x'); ///< more than a socket takes

/// A processor with a good certificate, and a client that trusts whose it is.
struct tls_conversation {
  explicit tls_conversation(const certificate_claims& claims = {}) : tls_conversation(issued(claims), {}) {}
  tls_conversation(const certificate& own, const tls_peer::habits& how, const std::string& host = "127.0.0.1")
      : trust(host), bank(own, how), talk(host, &trust) {
    std::signal(SIGPIPE, SIG_IGN);
    BOOST_REQUIRE(trust.read(ca_file().path()).empty());
  }

  static const certificate_authority& authority() {
    static const certificate_authority one;
    return one;
  }
  static const pem_file& ca_file() {
    static const pem_file one(authority().pem());
    return one;
  }

  static certificate issued(const certificate_claims& claims = {}) { return authority().issue(claims); }

  /// Takes the connection of an exchange that has been begun, its handshake done.
  void accept() {
    wire = std::make_unique<accepted>(talk.accept());
    tls = std::make_unique<sealed>(*wire, bank);
    BOOST_REQUIRE(talk.runs_until([this] { return tls->shake(); }));
  }
  void hear() {
    std::string heard;
    BOOST_REQUIRE(talk.runs_until([&] { return (heard += tls->read()).size() >= request.size(); }));
    BOOST_TEST(heard == request);
  }
  void accept_and_hear() {
    talk.begin();
    accept();
    hear();
  }
  /// One whole exchange on the connection that is there.
  void exchange() {
    talk.begin();
    hear();
    tls->write(two_bytes);
    BOOST_TEST(talk.end() == kind::answered);
    BOOST_TEST(talk.answer->body() == "ok");
  }
  /// The client closes the connection by itself.
  void expect_goodbye() {
    BOOST_REQUIRE(talk.runs_until([this] { return tls->was_told_goodbye(); }));
  }
  /// The next exchange needs a new connection, and works.
  void expect_new_connection() {
    accept_and_hear();
    tls->write(two_bytes);
    BOOST_TEST(talk.end() == kind::answered);
  }
  /// No connection comes of it, and not a byte of the request is sent.
  void expect_refused(std::string_view why) {
    talk.begin();
    wire = std::make_unique<accepted>(talk.accept());
    tls = std::make_unique<sealed>(*wire, bank);
    BOOST_REQUIRE(talk.runs_until([this] {
      if (!tls->has_failed()) tls->shake();
      return talk.has_ended();
    }));
    BOOST_TEST(talk.is_refused);
    BOOST_TEST(talk.client.trouble() == why);
    BOOST_TEST(tls->read() == "");
  }

  tls_trust trust;
  tls_peer bank;
  conversation talk;
  std::unique_ptr<accepted> wire;
  std::unique_ptr<sealed> tls;
};

BOOST_AUTO_TEST_SUITE(http_client_tls_test)

BOOST_AUTO_TEST_CASE(several_exchanges_use_one_connection) {
  tls_conversation bank;
  bank.accept_and_hear();
  bank.tls->write("HTTP/1.1 422 No\r\nContent-Length: 5\r\n\r\nagain");
  BOOST_TEST(bank.talk.end() == kind::answered);
  BOOST_TEST(bank.talk.answer->status == 422);
  BOOST_TEST(bank.talk.answer->body() == "again");
  for (int i = 0; i < 20; ++i)
    bank.exchange();
  BOOST_TEST(!bank.talk.outside.is_called());
  BOOST_TEST(bank.tls->protocol() == "http/1.1");
  BOOST_TEST(bank.tls->host_named() == ""); // of an address there is none
}

BOOST_DATA_TEST_CASE(tls_of_either_version_is_spoken,
                     boost::unit_test::data::make({TLS1_2_VERSION, TLS1_3_VERSION}), version) {
  tls_conversation bank(tls_conversation::issued(), {.version_min = version, .version_max = version});
  bank.accept_and_hear();
  bank.tls->write(two_bytes);
  BOOST_TEST(bank.talk.end() == kind::answered);
}

BOOST_AUTO_TEST_CASE(older_tls_is_refused) {
  tls_conversation bank(tls_conversation::issued(), {.version_max = TLS1_1_VERSION});
  bank.expect_refused("tlsv1 alert protocol version");
}

BOOST_AUTO_TEST_CASE(another_protocol_than_http_1_is_refused) {
  tls_conversation bank(tls_conversation::issued(), {.protocol = "h2"});
  bank.expect_refused("tlsv1 alert no application protocol");
}

BOOST_AUTO_TEST_CASE(a_certificate_for_another_host_is_refused) {
  for (const auto* names : {"DNS:bank.example", "DNS:127.0.0.1", "IP:127.0.0.2", ""})
    BOOST_TEST_CONTEXT(names) {
      tls_conversation bank({.names = names, .subject = "127.0.0.1"});
      bank.expect_refused("IP address mismatch");
    }
}

BOOST_AUTO_TEST_CASE(a_certificate_out_of_its_time_is_refused) {
  tls_conversation late({.until = -1min});
  late.expect_refused("certificate has expired");
  tls_conversation early({.since = 1min});
  early.expect_refused("certificate is not yet valid");
}

BOOST_AUTO_TEST_CASE(a_certificate_that_nobody_trusted_has_signed_is_refused) {
  const certificate_authority other("an authority"); // of the same name
  tls_conversation bank(other.issue(), {});
  bank.expect_refused("certificate signature failure");
  const certificate_authority stranger("a stranger");
  tls_conversation strange(stranger.issue(), {});
  strange.expect_refused("unable to get local issuer certificate");
  tls_conversation alone(self_signed(), {});
  alone.expect_refused("self-signed certificate");
}

BOOST_AUTO_TEST_CASE(nobody_is_trusted_but_the_authorities_of_the_file) {
  const pem_file other(certificate_authority("another").pem());
  tls_conversation bank;
  tls_trust trust("127.0.0.1");
  BOOST_REQUIRE(trust.read(other.path()).empty());
  conversation talk("127.0.0.1", &trust);
  talk.begin();
  const accepted wire = talk.accept();
  sealed tls(wire, bank.bank);
  BOOST_REQUIRE(talk.runs_until([&] {
    if (!tls.has_failed()) tls.shake();
    return talk.has_ended();
  }));
  BOOST_TEST(talk.is_refused);
}

BOOST_AUTO_TEST_CASE(a_name_is_told_to_the_peer_and_looked_for_in_its_certificate) {
  const auto resolved = [](conversation& talk) {
    BOOST_REQUIRE(talk.runs_until([&] {
      talk.begin();
      return talk.runs_until([&] { return talk.has_ended() || talk.outside.is_called(); }) &&
             !talk.is_refused;
    }));
  };
  tls_conversation bank(tls_conversation::issued({.names = "DNS:localhost"}), {}, "localhost");
  resolved(bank.talk);
  bank.accept();
  bank.hear();
  BOOST_TEST(bank.tls->host_named() == "localhost");
  bank.tls->write(two_bytes);
  BOOST_TEST(bank.talk.end() == kind::answered);
  BOOST_TEST(bank.talk.client.trouble() == "");

  for (const certificate_claims& claims :
       {certificate_claims{.names = "IP:127.0.0.1"}, certificate_claims{.names = "DNS:*host"},
        certificate_claims{.names = "", .subject = "localhost"}}) {
    tls_conversation other(tls_conversation::issued(claims), {}, "localhost");
    resolved(other.talk);
    other.wire = std::make_unique<accepted>(other.talk.accept());
    other.tls = std::make_unique<sealed>(*other.wire, other.bank);
    BOOST_REQUIRE(other.talk.runs_until([&] {
      if (!other.tls->has_failed()) other.tls->shake();
      return other.talk.client.trouble() == "hostname mismatch";
    }));
  }
}

BOOST_AUTO_TEST_CASE(a_peer_that_speaks_plain_http_is_refused) {
  tls_conversation bank;
  bank.talk.begin();
  const accepted wire = bank.talk.accept();
  wire.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  BOOST_REQUIRE(bank.talk.runs_until([&] { return bank.talk.has_ended(); }));
  BOOST_TEST(bank.talk.is_refused);
  BOOST_TEST(bank.talk.client.trouble() == "wrong version number");
}

BOOST_AUTO_TEST_CASE(a_handshake_that_hangs_or_is_cut_is_no_connection) {
  for (const std::size_t part : {std::size_t{0}, std::size_t{1}, std::size_t{200}})
    for (const bool is_cut : {false, true})
      BOOST_TEST_CONTEXT(part << " bytes, " << is_cut) {
        tls_conversation bank;
        bank.talk.begin(is_cut ? 30s : 500ms);
        accepted wire = bank.talk.accept();
        sealed tls(wire, bank.bank);
        std::string answer;
        BOOST_REQUIRE(bank.talk.runs_until([&] { return !(answer += tls.shake_unsent()).empty(); }));
        if (part > 0) wire.write(answer.substr(0, part));
        if (is_cut) wire.close();
        BOOST_REQUIRE(bank.talk.runs_until([&] { return bank.talk.has_ended(); }));
        BOOST_TEST(bank.talk.is_refused);
        BOOST_TEST(bank.talk.client.trouble() ==
                   (is_cut ? "unexpected eof while reading" : "the peer does not go on with it"));
        if (!is_cut) wire.close();
        bank.expect_new_connection();
        BOOST_TEST(bank.talk.client.trouble() == "");
      }
}

BOOST_AUTO_TEST_CASE(everything_may_come_byte_by_byte) {
  tls_conversation bank;
  bank.talk.begin();
  const accepted wire = bank.talk.accept();
  sealed tls(wire, bank.bank);
  const auto drip = [&](const std::string& bytes) {
    for (const char& each : bytes) {
      wire.write({&each, 1});
      bank.talk.turn();
      bank.talk.turn();
    }
  };
  std::string heard;
  BOOST_REQUIRE(bank.talk.runs_until([&] {
    drip(tls.shake_unsent());
    return !(heard += tls.read()).empty();
  }));
  BOOST_TEST(heard == request);
  const std::string response = tls.seal(two_bytes);
  drip(response.substr(0, response.size() - 1));
  BOOST_TEST(!bank.talk.has_ended());
  drip(response.substr(response.size() - 1));
  BOOST_TEST(bank.talk.end() == kind::answered);
  BOOST_TEST(bank.talk.answer->body() == "ok");
}

BOOST_AUTO_TEST_CASE(records_that_come_together_are_all_read) {
  tls_conversation bank;
  bank.accept_and_hear();
  std::string together;
  for (const char each : std::string(two_bytes))
    together += bank.tls->seal({&each, 1});
  bank.wire->write(together);
  BOOST_TEST(bank.talk.end() == kind::answered);
  BOOST_TEST(bank.talk.answer->body() == "ok");
  bank.exchange();
  bank.talk.begin();
  bank.hear();
  bank.tls->write("HTTP/1.1 500 Oh\r\nContent-Length: 60000\r\n\r\n" + std::string(60000, 'b'));
  BOOST_TEST(bank.talk.end() == kind::answered);
  BOOST_TEST(bank.talk.answer->body() == std::string(512, 'b'));
  bank.exchange();
  BOOST_TEST(!bank.talk.outside.is_called());
}

BOOST_AUTO_TEST_CASE(a_cut_after_the_whole_request_is_lost) {
  const auto cuts = {+[](tls_conversation& bank) { bank.wire->reset(); },
                     +[](tls_conversation& bank) { bank.wire->close(); },
                     +[](tls_conversation& bank) { bank.wire->write(bank.tls->goodbye()); }};
  for (const auto& cut : cuts) {
    tls_conversation bank;
    bank.accept_and_hear();
    cut(bank);
    BOOST_TEST(bank.talk.end() == kind::lost);
    bank.expect_new_connection();
  }
}

BOOST_AUTO_TEST_CASE(a_response_that_is_cut_is_lost) {
  for (const std::string_view part : {"H", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
                                      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"})
    for (const bool says_so : {false, true}) {
      tls_conversation bank;
      bank.accept_and_hear();
      bank.tls->write(part);
      if (says_so) bank.wire->write(bank.tls->goodbye());
      bank.wire->close();
      BOOST_TEST(bank.talk.end() == kind::lost);
      bank.expect_new_connection();
    }
}

BOOST_AUTO_TEST_CASE(only_a_peer_that_says_goodbye_ends_a_response_by_its_end) {
  for (const bool says_so : {false, true}) {
    tls_conversation bank;
    bank.accept_and_hear();
    bank.tls->write("HTTP/1.1 200 OK\r\n\r\nuntil the end");
    if (says_so) bank.wire->write(bank.tls->goodbye());
    bank.wire->close();
    BOOST_TEST(bank.talk.end() == (says_so ? kind::answered : kind::lost));
    bank.expect_new_connection();
  }
}

BOOST_AUTO_TEST_CASE(a_response_whose_length_is_told_needs_no_goodbye) {
  tls_conversation bank;
  bank.accept_and_hear();
  bank.tls->write(two_bytes);
  bank.wire->close();
  BOOST_TEST(bank.talk.end() == kind::answered);
}

BOOST_AUTO_TEST_CASE(a_record_that_was_tampered_with_is_lost) {
  tls_conversation bank;
  bank.accept_and_hear();
  std::string record = bank.tls->seal(two_bytes);
  record.back() = static_cast<char>(record.back() ^ 1);
  bank.wire->write(record);
  BOOST_TEST(bank.talk.end() == kind::lost);
  bank.expect_new_connection();
}

BOOST_AUTO_TEST_CASE(silence_after_the_whole_request_times_out) {
  tls_conversation bank;
  bank.talk.begin(1s);
  bank.accept();
  bank.hear();
  bank.wire->write(bank.tls->seal(two_bytes).substr(0, 10));
  BOOST_TEST(bank.talk.end() == kind::timed_out);
  bank.expect_new_connection();
}

BOOST_AUTO_TEST_CASE(a_request_that_is_cut_before_its_last_byte_is_not_sent) {
  const auto cuts = {+[](tls_conversation&) {}, // the time limit
                     +[](tls_conversation& bank) { bank.wire->reset(); },
                     +[](tls_conversation& bank) { bank.wire->write(bank.tls->goodbye()); }};
  for (const auto& cut : cuts) {
    tls_conversation bank;
    bank.talk.begin(1s, much);
    bank.accept();
    bank.talk.turn();
    cut(bank);
    BOOST_TEST(bank.talk.end() == kind::not_sent);
    bank.expect_new_connection();
  }
}

BOOST_AUTO_TEST_CASE(a_request_that_the_peer_takes_slowly_is_sent) {
  tls_conversation bank;
  bank.talk.begin(5s, much);
  bank.accept();
  std::size_t heard = 0;
  BOOST_REQUIRE(bank.talk.runs_until([&] {
    for (std::string part = bank.tls->read(); !part.empty(); part = bank.tls->read())
      heard += part.size();
    return heard == much.size();
  }));
  bank.tls->write(two_bytes);
  BOOST_TEST(bank.talk.end() == kind::answered);
}

BOOST_AUTO_TEST_CASE(an_answer_to_half_a_request_ends_the_connection) {
  tls_conversation bank;
  bank.talk.begin(2s, much);
  bank.accept();
  bank.talk.turn();
  bank.tls->write("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  BOOST_TEST(bank.talk.end() == kind::answered);
  BOOST_TEST(bank.talk.answer->status == 413);
  bank.expect_new_connection();
}

BOOST_AUTO_TEST_CASE(bytes_behind_a_response_end_the_connection) {
  for (const bool in_one_record : {false, true}) {
    tls_conversation bank;
    bank.accept_and_hear();
    std::string together = bank.tls->seal(std::string(two_bytes).append(in_one_record ? "x" : ""));
    if (!in_one_record) together += bank.tls->seal("x");
    bank.wire->write(together);
    BOOST_TEST(bank.talk.end() == kind::answered);
    bank.expect_new_connection();
  }
}

BOOST_AUTO_TEST_CASE(an_idle_connection_ends_by_a_word_or_a_goodbye_and_not_by_a_ticket) {
  tls_conversation bank;
  bank.accept_and_hear();
  bank.tls->write(two_bytes);
  BOOST_TEST(bank.talk.end() == kind::answered);
  for (int i = 0; i < 3; ++i) {
    bank.wire->write(bank.tls->ticket());
    bank.talk.turn();
    bank.exchange();
  }
  bank.tls->write("x");
  bank.expect_goodbye();
  bank.expect_new_connection();
  bank.wire->write(bank.tls->goodbye());
  bank.expect_goodbye();
  bank.expect_new_connection();
}

BOOST_AUTO_TEST_CASE(a_ticket_behind_a_response_ends_nothing) {
  tls_conversation bank;
  bank.accept_and_hear();
  std::string together = bank.tls->seal(two_bytes);
  together += bank.tls->ticket();
  bank.wire->write(together);
  BOOST_TEST(bank.talk.end() == kind::answered);
  bank.exchange();
}

BOOST_DATA_TEST_CASE(a_second_connection_resumes_the_session_of_the_first,
                     boost::unit_test::data::make({TLS1_2_VERSION, TLS1_3_VERSION}), version) {
  tls_conversation bank(tls_conversation::issued(), {.version_min = version, .version_max = version});
  bank.accept_and_hear();
  BOOST_TEST(!bank.tls->is_resumed());
  bank.tls->write(two_bytes);
  BOOST_TEST(bank.talk.end() == kind::answered);
  for (int i = 0; i < 3; ++i) {
    bank.talk.begin();
    bank.hear();
    bank.wire->reset(); // however it ended
    BOOST_TEST(bank.talk.end() == kind::lost);
    bank.expect_new_connection();
    BOOST_TEST(bank.tls->is_resumed());
  }
}

BOOST_AUTO_TEST_CASE(a_peer_that_has_forgotten_the_session_is_connected_to_all_the_same) {
  const certificate own = tls_conversation::issued();
  tls_conversation bank(own, {});
  bank.accept_and_hear();
  bank.tls->write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  BOOST_TEST(bank.talk.end() == kind::answered);
  const tls_peer restarted(own);
  bank.talk.begin();
  bank.wire = std::make_unique<accepted>(bank.talk.accept());
  bank.tls = std::make_unique<sealed>(*bank.wire, restarted);
  BOOST_REQUIRE(bank.talk.runs_until([&] { return bank.tls->shake(); }));
  bank.hear();
  BOOST_TEST(!bank.tls->is_resumed());
  bank.tls->write(two_bytes);
  BOOST_TEST(bank.talk.end() == kind::answered);
}

BOOST_AUTO_TEST_CASE(the_peer_is_told_of_the_end) {
  std::unique_ptr<accepted> wire;
  std::unique_ptr<sealed> tls;
  {
    tls_conversation bank;
    bank.accept_and_hear();
    bank.tls->write(two_bytes);
    BOOST_TEST(bank.talk.end() == kind::answered);
    wire = std::move(bank.wire);
    tls = std::move(bank.tls);
  }
  const auto late = std::chrono::steady_clock::now() + 5s;
  while (!tls->was_told_goodbye() && std::chrono::steady_clock::now() < late)
    std::this_thread::yield();
  BOOST_TEST(tls->was_told_goodbye());
}

BOOST_AUTO_TEST_CASE(failures_are_told_once_in_ten_seconds) {
  const tls_trust trust("bank");
  const steady_time start = std::chrono::steady_clock::now();
  BOOST_TEST(trust.may_be_told(start));
  BOOST_TEST(!trust.may_be_told(start));
  BOOST_TEST(!trust.may_be_told(start + 9s));
  BOOST_TEST(trust.may_be_told(start + 10s));
  BOOST_TEST(!trust.may_be_told(start + 11s));
}

BOOST_AUTO_TEST_CASE(a_file_without_certificates_is_told) {
  BOOST_TEST(tls_trust("bank").read("/nowhere/ca.pem") ==
             "expected a file that can be read: No such file or directory");
  for (const std::string& content : {std::string{}, std::string("no PEM\n"), tls_conversation::issued().key,
                                     tls_conversation::authority().pem().substr(0, 200)}) {
    const pem_file file(content);
    BOOST_TEST(tls_trust("bank").read(file.path()) == "expected a file of certificates, PEM");
  }
  BOOST_TEST(tls_trust("bank").read("/") == "expected a file of certificates, PEM");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
