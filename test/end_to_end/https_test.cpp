// Processors that are reached by https alone, through the real repasse: settled, asked, probed, and never
// paid where the certificate is wrong. What each cut means is http_client_tls_test's.
#define BOOST_TEST_MODULE https
#include "test/certificates.hpp"
#include "test/comes.hpp"
#include "test/end_to_end/payer.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace repasse {
namespace {

using namespace requests;
using namespace std::chrono_literals;

/// The files of one authority, and of a certificate that it gave.
struct issued_files {
  explicit issued_files(const certificate_claims& claims = {})
      : issued_files(certificate_authority(), claims) {}
  issued_files(const certificate_authority& from, const certificate_claims& claims)
      : issued_files(from.pem(), from.issue(claims)) {}
  issued_files(const std::string& authority_pem, const certificate& own)
      : authority(authority_pem), chain(own.chain), key(own.key) {}

  [[nodiscard]] std::vector<std::string> simulator_options() const {
    return {"--certificate", chain.path(), "--key", key.path()};
  }

  pem_file authority;
  pem_file chain;
  pem_file key;
};

struct sealed_stack : issued_files, server_stack {
  sealed_stack()
      : server_stack({{"PROCESSOR_DEFAULT_CA_FILE", authority.path()},
                      {"PROCESSOR_FALLBACK_CA_FILE", authority.path()}},
                     simulator_options()) {}
};

std::size_t times(const std::string& part, const std::string& text) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

/// What one processor's own summary says that it took.
std::string taken_by(const simulator_process& processor) {
  http_caller caller = processor.caller();
  return caller.call("GET", "/admin/payments-summary", "", {{"X-Rinha-Token", "123"}}).body;
}

} // namespace

BOOST_AUTO_TEST_SUITE(https)

BOOST_AUTO_TEST_CASE(the_books_agree_with_processors_that_fail_drop_and_lie) {
  sealed_stack stack;
  stack.post(300, 8);
  stack.configure_one(0, "failure", R"({"failure":true})");
  stack.post(300, 8);
  stack.configure_one(0, "failure", R"({"failure":false})");
  for (const char* const mode : {"take-then-drop", "take-then-reset", "half-answer", "nonsense",
                                 "error-when-taken", "drop-before-take"})
    stack.configure("hostile", std::string(R"({"mode":")") + mode + R"(","share":0.1})");
  stack.post(600, 8);
  stack.configure("hostile", R"({"mode":"none"})");
  BOOST_TEST(stack.acknowledged() == 1200U);
  const audit_report report = stack.audit(45s);
  BOOST_TEST(report.ok(), report.to_text());
  BOOST_TEST(report.processed == 1200U);
}

BOOST_AUTO_TEST_CASE(a_processor_that_comes_again_is_paid_again) {
  const issued_files files;
  const std::uint16_t port = free_port();
  const std::uint16_t https_port = free_port();
  auto options = files.simulator_options();
  options.insert(options.end(), {"--https-port", std::to_string(https_port)});
  const server_process server{{{"PROCESSORS", "default"},
                               {"PROCESSOR_DEFAULT_URL", "https://" + address_of(https_port)},
                               {"PROCESSOR_DEFAULT_CA_FILE", files.authority.path()}}};
  payer client{server.caller()};
  for (std::size_t life = 0; life < 3; ++life) {
    simulator_process bank(options, port);
    client.processed(life);
    BOOST_TEST(taken_by(bank).starts_with(R"({"totalRequests":1,)"));
    bank.end(SIGKILL);
  }
}

BOOST_AUTO_TEST_CASE(health_is_asked_by_https_too) {
  sealed_stack stack;
  http_caller caller = stack.server.caller();
  BOOST_TEST(comes(
      [&] {
        return times(R"("failing":false)", caller.call("GET", "/processors").body) == stack.simulators.size();
      },
      30s));
}

BOOST_AUTO_TEST_CASE(no_payment_goes_to_a_processor_with_a_wrong_certificate_and_the_log_says_why) {
  const certificate_authority authority;
  const issued_files expired(authority, {.until = -1min});
  const issued_files good(authority, {});
  const simulator_process cheap(expired.simulator_options());
  const simulator_process dear(good.simulator_options());
  const server_process server{{{"PROCESSOR_DEFAULT_URL", cheap.url()},
                               {"PROCESSOR_DEFAULT_CA_FILE", expired.authority.path()},
                               {"PROCESSOR_FALLBACK_URL", dear.url()},
                               {"PROCESSOR_FALLBACK_CA_FILE", good.authority.path()},
                               {"CHEAPEST_PATIENCE", "0s"},
                               {"REACTORS", "2"}}};
  payer client{server.caller()};
  for (std::size_t i = 0; i < 50; ++i)
    BOOST_TEST_REQUIRE(member(client.processed(i), "processor") == "fallback");
  BOOST_TEST(taken_by(cheap).starts_with(R"({"totalRequests":0,)"));
  BOOST_TEST(taken_by(dear).starts_with(R"({"totalRequests":50,)"));
  const std::string log = server.log();
  const std::string told = "processor default: TLS handshake failed: certificate has expired";
  BOOST_TEST(times(told, log) >= 1U, log);
  BOOST_TEST(times("handshake failed", log) <= 10U, log); // one in 10 s
  const std::string ready = client.caller.call("GET", "/readyz").body;
  BOOST_TEST(ready.find("TLS handshake failed: certificate has expired") != ready.npos, ready);
}

BOOST_AUTO_TEST_CASE(without_a_file_the_systems_authorities_decide) {
  const issued_files own;
  const simulator_process bank(own.simulator_options());
  const server_process server{{{"PROCESSORS", "default"}, {"PROCESSOR_DEFAULT_URL", bank.url()}}};
  http_caller caller = server.caller();
  BOOST_TEST(caller.call("POST", "/payments", payment_body(1)).status == 202U);
  BOOST_TEST(comes(
      [&] { return server.log().find("unable to get local issuer certificate") != std::string::npos; }, 30s));
  BOOST_TEST(taken_by(bank).starts_with(R"({"totalRequests":0,)"));
}

BOOST_AUTO_TEST_CASE(a_bad_file_of_authorities_is_found_by_the_check_of_the_configuration) {
  const finished_run run =
      run_repasse({"--check-config"}, {{"PROCESSOR_DEFAULT_URL", "https://bank.example"},
                                       {"PROCESSOR_DEFAULT_CA_FILE", "/nowhere/ca.pem"}});
  BOOST_TEST(run.status == 2);
  BOOST_TEST(run.errors ==
             "error: PROCESSOR_DEFAULT_CA_FILE=/nowhere/ca.pem: expected a file that can be read: "
             "No such file or directory\n");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
