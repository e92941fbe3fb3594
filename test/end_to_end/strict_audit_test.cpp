// The strict audit against two real simulators and a fake repasse whose books can be made wrong: each
// kind of wrong book is found, right books give no finding.
#define BOOST_TEST_MODULE strict_audit
#include "bench/http_caller.hpp"
#include "bench/http_scanner.hpp"
#include "bench/strict_audit.hpp"
#include "bench/taken_payments.hpp"
#include "test/end_to_end/simulator_process.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace repasse {
namespace {

namespace asio = boost::asio;

std::string amount_of(std::int64_t cents) {
  std::array<char, 24> text{};
  return {text.data(), write_amount(text.data(), cents)};
}

/// What repasse would answer: payments as they were put in, summaries of its own totals.
class fake_repasse {
public:
  fake_repasse() : acceptor_(context_, {asio::ip::address_v4::loopback(), 0}) {
    acceptor_thread_ = std::jthread([this] { accept(); });
  }
  ~fake_repasse() {
    ::shutdown(acceptor_.native_handle(), SHUT_RD);
    acceptor_thread_.join();
  }
  fake_repasse(const fake_repasse&) = delete;
  fake_repasse& operator=(const fake_repasse&) = delete;

  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  void put(const payment_id& id, std::string_view status, std::size_t processor, std::int64_t cents,
           wall_time requested_at) {
    bodies["/payments/" + to_string(id)] =
        R"({"correlationId":")" + to_string(id) + R"(","amount":)" + amount_of(cents) + R"(,"status":")" +
        std::string(status) + R"(","processor":")" + names.at(processor) + R"(","requestedAt":")" +
        to_string(requested_at) + R"(","acceptedAt":null,"processedAt":null,"attempts":1})";
  }

  static constexpr std::array<const char*, 2> names = {"default", "fallback"};
  std::unordered_map<std::string, std::string> bodies; ///< by target; not changed while an audit runs
  std::array<taken_payments, 2> books;

private:
  void accept() {
    for (;;) {
      asio::ip::tcp::socket socket(context_);
      boost::system::error_code error;
      acceptor_.accept(socket, error);
      if (error) return;
      sessions_.emplace_back([this, socket = std::move(socket)]() mutable { serve(socket); });
    }
  }

  void serve(asio::ip::tcp::socket& socket) const {
    std::string received;
    std::array<char, 16384> bytes{};
    for (boost::system::error_code error;;) {
      received.append(bytes.data(), socket.read_some(asio::buffer(bytes), error));
      if (error) return;
      std::string answers;
      for (;;) {
        const scanned_request request = scan_request(received);
        if (request.what != scan_verdict::complete) break;
        append_answer(std::string(request.target), answers);
        received.erase(0, request.size_bytes);
      }
      asio::write(socket, asio::buffer(answers), error);
    }
  }

  void append_answer(const std::string& target, std::string& to) const {
    const auto found = bodies.find(target);
    const bool is_summary = target.starts_with("/payments-summary");
    const std::string body = is_summary ? summary(target) : found != bodies.end() ? found->second : "{}";
    to.append(is_summary || found != bodies.end() ? "HTTP/1.1 200 OK" : "HTTP/1.1 404 Not Found")
        .append("\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }

  [[nodiscard]] std::string summary(const std::string& target) const {
    constexpr std::size_t from_at = std::string_view("/payments-summary?from=").size();
    constexpr std::size_t to_at = from_at + 24 + std::string_view("&to=").size();
    std::string body;
    for (std::size_t p = 0; p < books.size(); ++p) {
      const bool bounded = target.size() > to_at;
      const taken_totals totals = bounded
                                      ? books[p].within(*parse_time(target.substr(from_at, 24), rounding::up),
                                                        *parse_time(target.substr(to_at, 24), rounding::down))
                                      : books[p].all();
      body.append(p == 0 ? "{\"" : ",\"").append(names[p]).append(R"(":{"totalRequests":)");
      body.append(std::to_string(totals.requests)).append(R"(,"totalAmount":)");
      body.append(amount_of(totals.amount_cents)).append("}");
    }
    return body + "}";
  }

  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_;
  std::vector<std::jthread> sessions_;
  std::jthread acceptor_thread_;
};

/// Some payments in equal books everywhere, every third at the fallback.
struct equal_books {
  static constexpr std::size_t count = 500;

  equal_books() {
    std::array callers = {simulators[0].caller(), simulators[1].caller()};
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t p = i % 3 == 0 ? 1 : 0;
      posted.push_back({id_of(i), 1990, true});
      take(callers[p], id_of(i), 1990, time_of(i));
      repasse.put(id_of(i), "processed", p, 1990, time_of(i));
      repasse.books[p].take(id_of(i), {1990, time_of(i)});
    }
    config.port = repasse.port();
    config.windows = 200;
    config.settle_within = std::chrono::seconds(0);
    for (std::size_t p = 0; p < 2; ++p)
      config.processors.push_back({fake_repasse::names[p], "127.0.0.1", simulators[p].port(), "123"});
  }

  static payment_id id_of(std::size_t number) {
    payment_id id;
    for (std::size_t i = 0; i < 8; ++i)
      id.bytes[i] = static_cast<std::uint8_t>(number >> (8 * i));
    return id;
  }

  static wall_time time_of(std::size_t number) {
    return *parse_time("2025-07-15T12:00:00Z", rounding::down) + std::chrono::milliseconds(number * 7);
  }

  static void take(http_caller& caller, const payment_id& id, std::int64_t cents, wall_time time) {
    const http_reply answer =
        caller.call("POST", "/payments",
                    R"({"correlationId":")" + to_string(id) + R"(","amount":)" + amount_of(cents) +
                        R"(,"requestedAt":")" + to_string(time) + "\"}");
    BOOST_REQUIRE(answer.status == 200U);
  }

  void take_at(std::size_t processor, const payment_id& id, std::int64_t cents) {
    http_caller caller = simulators[processor].caller();
    take(caller, id, cents, time_of(0));
  }

  /// The first finding, after a check that there is one.
  std::string first_finding() {
    const audit_report report = audit_strictly(config, posted);
    BOOST_TEST(!report.ok());
    return report.findings.empty() ? "" : report.findings.front();
  }

  void expect(std::string_view words) {
    const std::string finding = first_finding();
    BOOST_TEST(finding.find(words) != finding.npos, finding);
  }

  std::array<simulator_process, 2> simulators;
  fake_repasse repasse;
  audit_config config;
  std::vector<posted_entry> posted;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(strict_audit, equal_books)

BOOST_AUTO_TEST_CASE(finds_nothing_in_equal_books) {
  posted.push_back({id_of(9000), 1990, false}); // neither acknowledged nor known
  const audit_report report = audit_strictly(config, posted);
  BOOST_TEST(report.ok(), report.to_text());
  BOOST_TEST(report.processed == count);
  BOOST_TEST(report.unknown_to_repasse == 1U);
  BOOST_TEST(report.windows == 200U);
}

BOOST_AUTO_TEST_CASE(lets_a_rejected_payment_be_at_a_processor_with_another_amount_only) {
  posted.push_back({id_of(9000), 1990, true});
  repasse.put(id_of(9000), "rejected", 0, 1990, time_of(0));
  BOOST_TEST(audit_strictly(config, posted).ok());
  take_at(1, id_of(9000), 1990);
  expect("where it should not be");
}

BOOST_AUTO_TEST_CASE(holds_what_was_declared_against_the_audit_trail_and_the_processors) {
  posted.push_back({id_of(9000), 1990, true, payment_status::rejected});
  repasse.put(id_of(9000), "rejected", 0, 1990, time_of(0));
  expect("has an audit trail without a usable answer");
  std::string& trail = repasse.bodies["/admin/audit?correlationId=" + to_string(id_of(9000))];
  trail = R"({"entries":[{"event":"declared processed","by":"administrator","detail":""}]})";
  expect("was declared rejected, which is not in its audit trail");
  trail = R"({"entries":[{"event":"declared rejected","by":"administrator","detail":""}]})";
  BOOST_TEST(audit_strictly(config, posted).ok());

  // What a processor says comes before it, and nothing else does.
  posted[1].declared = payment_status::rejected;
  repasse.bodies["/admin/audit?correlationId=" + to_string(id_of(1))] = trail;
  BOOST_TEST(audit_strictly(config, posted).ok());
  posted.back().declared = payment_status::processed;
  trail = R"({"entries":[{"event":"declared processed","by":"administrator","detail":""}]})";
  expect("was declared processed, and is rejected against no processor's word");
}

BOOST_AUTO_TEST_CASE(finds_an_acknowledged_payment_that_is_lost) {
  posted.push_back({id_of(9000), 1990, true});
  expect("repasse does not know it");
}

BOOST_AUTO_TEST_CASE(finds_a_payment_that_no_processor_has_taken) {
  posted.push_back({id_of(9000), 1990, true});
  repasse.put(id_of(9000), "processed", 0, 1990, time_of(0));
  expect("which has not taken it");
}

BOOST_AUTO_TEST_CASE(finds_a_payment_charged_twice) {
  take_at(1, id_of(1), 1990);
  expect("is at fallback, where it should not be");
}

BOOST_AUTO_TEST_CASE(finds_another_amount_and_another_time) {
  repasse.put(id_of(1), "processed", 0, 1990, time_of(1) + std::chrono::milliseconds(1));
  expect("requestedAt");
  repasse.put(id_of(1), "processed", 0, 1991, time_of(1));
  expect("was posted with 19.90, repasse has it with 19.91");
}

BOOST_AUTO_TEST_CASE(finds_a_payment_unsettled) {
  repasse.put(id_of(1), "unknown", 0, 1990, time_of(1));
  expect("is still unknown");
}

BOOST_AUTO_TEST_CASE(finds_a_payment_that_is_not_ours) {
  take_at(0, id_of(9000), 1990);
  expect("default has taken");
}

BOOST_AUTO_TEST_CASE(finds_a_taken_payment_that_repasse_does_not_know) {
  posted.push_back({id_of(9000), 1990, false});
  take_at(0, id_of(9000), 1990);
  expect("where it should not be");
}

BOOST_AUTO_TEST_CASE(finds_a_summary_that_is_a_millisecond_off) {
  repasse.books[0].clear();
  for (std::size_t i = 0; i < count; ++i)
    if (i % 3 != 0)
      repasse.books[0].take(id_of(i), {1990, time_of(i) + std::chrono::milliseconds(i == 250 ? 1 : 0)});
  config.windows = 2000;
  expect("repasse tells");
}

BOOST_AUTO_TEST_CASE(tells_when_nobody_answers) {
  config.processors[1].port = 1;
  expect("processor fallback gave no usable answer");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
