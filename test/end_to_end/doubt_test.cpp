// Payments in doubt as an administrator sees them: listed with age and reason, asked again, declared
// processed or rejected, with all of it real programs, in memory and with PostgreSQL, by the owner and by
// another instance.
#define BOOST_TEST_MODULE doubt
#include "test/comes.hpp"
#include "test/end_to_end/payer.hpp"
#include "test/end_to_end/scraped_metrics.hpp"
#include "test/integration/postgres_server.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

namespace repasse {
namespace {

using namespace requests;
using namespace std::chrono_literals;
using std::this_thread::sleep_for;

constexpr auto patience = 30s;        // for what nobody has promised a time
constexpr auto landing_max = 3 * 60s; // a declared rejection waits a minute behind the last send
constexpr std::size_t cheap = 0;
constexpr std::size_t dear = 1;
const std::string admin_token = "an-admin-token-of-32-characters!";
const std::string ended = "repasse_declarations_ended_total";
const std::string ask = R"({"action":"ask"})";
const std::string long_ago = "2025-07-15T12:34:56.789Z";

std::string declare(std::string_view outcome, std::string_view more = R"(,"reason":"I know it")") {
  return R"({"action":"declare","outcome":")" + std::string(outcome) + '"' + std::string(more) + "}";
}
const std::string declare_processed = R"({"action":"declare","outcome":"processed","requestedAt":")" +
                                      long_ago + R"(","reason":"their \"books\" </script> é"})";

/// One instance, and its administrator.
struct overseen : payer {
  explicit overseen(const server_process& server) : payer{server.caller()} {}

  http_reply resolve(std::size_t number, std::string_view body, std::string_view token = admin_token,
                     std::string_view type = "application/json") {
    http_reply answer =
        caller.call("POST", "/admin/payments/" + id_of(number) + "/resolve", body,
                    {{"X-Admin-Token", std::string(token)}, {"Content-Type", std::string(type)}});
    if (answer.status == 202U)
      for (posted_entry& one : posted)
        if (one.id == parse_payment_id(id_of(number)))
          one.declared = parse_payment_status(member(body, "outcome"));
    return answer;
  }
  std::string shown(std::size_t number) { return get("/payments/" + id_of(number)); }
  std::string status_of(std::size_t number) { return member(shown(number), "status"); }
  bool becomes(std::size_t number, std::string_view status, std::chrono::milliseconds limit = patience) {
    return comes([&] { return status_of(number) == status; }, limit);
  }
  scraped_metrics scrape() { return scraped_metrics::of(caller); }
  void post(std::size_t number) {
    BOOST_TEST(caller.call("POST", "/payments", payment_body(number)).status == 202U);
    posted.push_back({parse_payment_id(id_of(number)).value(), 1990, true});
  }
  std::string trail_of(std::size_t number) {
    return caller
        .call("GET", "/admin/audit?correlationId=" + id_of(number), "", {{"X-Admin-Token", admin_token}})
        .body;
  }
  bool is_in_trail(std::size_t number, std::string_view part) {
    return trail_of(number).find(part) != std::string::npos;
  }

  std::vector<posted_entry> posted; ///< here, with what was declared of it here
};

/// Processors that misbehave, whoever asks them.
struct processors {
  explicit processors(const server_stack& of) : stack(of) {}

  void be_hostile(std::size_t processor, const std::string& mode) const {
    stack.configure_one(processor, "hostile", R"({"mode":")" + mode + R"(","share":1})");
  }
  [[nodiscard]] bool has_taken(std::size_t processor, std::size_t number) const {
    return stack.simulators[processor].caller().call("GET", "/payments/" + id_of(number)).status == 200U;
  }
  /// It answers nobody any more, until SIGCONT.
  void stop(std::size_t processor) const {
    stack.simulators[processor].signal(SIGSTOP);
    http_caller asking = stack.simulators[processor].caller(200ms);
    BOOST_REQUIRE(comes([&] { return !asking.call("GET", "/payments/" + id_of(0)).ok(); }, patience));
  }
  /// By somebody else; false if it was taken before.
  bool charge(std::size_t processor, std::size_t number) const {
    std::string body = payment_body(number);
    body.back() = ',';
    body += R"("requestedAt":")" + long_ago + R"("})";
    return stack.simulators[processor].caller().call("POST", "/payments", body).status == 200U;
  }

  const server_stack& stack;
};

struct doubtful_stack : running_stack, processors, overseen {
  explicit doubtful_stack(variables settings = {})
      : running_stack{server_stack(with_token(std::move(settings)))},
        processors(running_stack::stack),
        overseen(running_stack::stack.server) {}

  static variables with_token(variables settings) {
    settings.try_emplace("ADMIN_TOKEN", admin_token);
    settings.try_emplace("REACTORS", "2");
    return settings;
  }
  /// In doubt at the cheapest, which has not taken it.
  void bring_into_doubt(std::size_t number) {
    be_hostile(cheap, "drop-before-take");
    post(number);
    BOOST_TEST(becomes(number, "unknown"));
  }
  /// What was declared makes no difference between our books and theirs.
  void expect_equal_books() const {
    const audit_report report = running_stack::stack.audit(posted, patience, admin_token);
    BOOST_TEST(report.ok(), report.to_text());
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(in_memory, doubtful_stack)

BOOST_AUTO_TEST_CASE(a_payment_in_doubt_is_listed_with_its_age_and_reason) {
  bring_into_doubt(1);
  sleep_for(1s);
  const std::string page = get("/payments?status=unknown");
  BOOST_TEST(page.find(id_of(1)) != page.npos);
  BOOST_TEST(page.find(R"("doubtReason":"lost")") != page.npos, page);
  BOOST_TEST(page.find(R"("doubtAgeSeconds":0.)") == page.npos, page);
  be_hostile(cheap, "none");
  BOOST_TEST(becomes(1, "processed"));
  BOOST_TEST(shown(1).find("doubt") == std::string::npos);
  BOOST_TEST(get("/payments?status=unknown") == R"({"payments":[],"next":null})");
}

BOOST_AUTO_TEST_CASE(asked_again_it_is_settled_at_once_however_long_its_pause) {
  bring_into_doubt(1);
  be_hostile(cheap, "status-400"); // what is refused is asked about once a minute, in the end
  sleep_for(4s);
  const http_reply before = resolve(1, ask);
  BOOST_TEST(before.status == 200U);
  BOOST_TEST(
      before.body.starts_with(R"({"processorSays":"missing","payment":{"correlationId":")" + id_of(1)));
  be_hostile(cheap, "none");
  sleep_for(50ms);
  charge(cheap, 1);
  const http_reply answer = resolve(1, ask);
  if (answer.status == 409U) return; // its owner was quicker
  BOOST_TEST(answer.status == 200U);
  BOOST_TEST(answer.body.starts_with(R"({"processorSays":"taken")"), answer.body);
  BOOST_TEST(answer.body.find(R"("status":"processed")") != std::string::npos, answer.body);
  BOOST_TEST(is_in_trail(1, R"("event":"asked again by hand","by":"administrator")"), trail_of(1));
  const std::string detail = detail_of(resolve(1, ask), 409);
  BOOST_TEST(detail == "it is processed already");
  BOOST_TEST(get("/payments-summary").find(R"("default":{"totalRequests":1,"totalAmount":19.90})") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_resolved_is_refused) {
  bring_into_doubt(1);
  detail_of(resolve(9, ask), 404);
  detail_of(caller.call("POST", "/admin/payments/nobody/resolve", ask,
                        {{"X-Admin-Token", admin_token}, {"Content-Type", "application/json"}}),
            404);
  detail_of(resolve(1, ask, "wrong"), 401);
  detail_of(resolve(1, ask, admin_token, "text/plain"), 415);
  detail_of(resolve(1, "{"), 400);
  BOOST_TEST(detail_of(resolve(1, R"({"action":"settle"})"), 422).starts_with("action "));
  BOOST_TEST(detail_of(resolve(1, declare("rejected", "")), 422).starts_with("reason "));
  BOOST_TEST(detail_of(resolve(1, declare("processed")), 422).starts_with("requestedAt "));
  for (const char* method : {"GET", "HEAD", "PUT"}) {
    const http_reply answer =
        caller.call(method, "/admin/payments/" + id_of(1) + "/resolve", "", {{"X-Admin-Token", admin_token}});
    BOOST_TEST(answer.status == 405U);
    BOOST_TEST(answer.header("Allow") == "POST");
  }
  BOOST_TEST(status_of(1) == "unknown");
}

BOOST_AUTO_TEST_CASE(nothing_is_declared_against_what_the_processor_says) {
  bring_into_doubt(1);
  BOOST_TEST(detail_of(resolve(1, declare_processed), 409) ==
             "the processor says that it does not have the payment");
  BOOST_TEST(status_of(1) == "unknown");
  // It takes it and does not say so: whoever is asked first settles it, the owner or the administrator.
  be_hostile(cheap, "take-then-drop");
  BOOST_TEST(comes([this] { return has_taken(cheap, 1); }, patience));
  detail_of(resolve(1, declare("rejected")), 409);
  BOOST_TEST(becomes(1, "processed"));
  expect_equal_books();
}

BOOST_AUTO_TEST_CASE(a_silent_processors_payment_is_processed_as_declared) {
  bring_into_doubt(1);
  be_hostile(cheap, "status-400"); // so that it is asked about seldom
  sleep_for(4s);
  be_hostile(cheap, "none");
  if (!charge(cheap, 1)) return; // its owner was quicker
  stop(cheap);
  const http_reply answer = resolve(1, declare_processed);
  if (answer.status == 409U) return;
  BOOST_TEST(answer.status == 202U);
  BOOST_TEST(answer.body.starts_with(R"({"declared":"processed","processorSays":"nothing",)"), answer.body);
  BOOST_TEST(becomes(1, "processed"));
  running_stack::stack.simulators[cheap].signal(SIGCONT);
  BOOST_TEST(member(shown(1), "requestedAt") == long_ago);
  expect_equal_books();
  BOOST_TEST(get("/payments-summary?from=" + long_ago + "&to=" + long_ago)
                 .starts_with(R"({"default":{"totalRequests":1,"totalAmount":19.90},)"));
  BOOST_TEST(is_in_trail(1, R"("event":"declared processed","by":"administrator","detail":")" + long_ago +
                                R"(: their \"books\" </script> é")"),
             trail_of(1));
}

BOOST_AUTO_TEST_CASE(what_is_declared_while_a_processor_is_silent_is_set_aside_once_it_says_otherwise) {
  bring_into_doubt(1);
  stop(cheap);
  const http_reply answer = resolve(1, declare_processed);
  running_stack::stack.simulators[cheap].signal(SIGCONT);
  BOOST_TEST(answer.status == 202U, answer.body);
  BOOST_TEST(comes([this] { return is_in_trail(1, R"("event":"declaration set aside")"); }, patience));
  BOOST_TEST(comes([this] { return scrape()[ended + "{how=\"set_aside\"}"] == 1; }, patience));
  BOOST_TEST(status_of(1) == "unknown");
  be_hostile(cheap, "none"); // and all goes on as without it
  BOOST_TEST(becomes(1, "processed"));
  BOOST_TEST(member(shown(1), "requestedAt") != long_ago);
  expect_equal_books();
}

// A minute and more: no send may land any more before a payment is taken for rejected.
BOOST_AUTO_TEST_CASE(a_payment_declared_rejected_is_never_sent_again_and_one_that_lands_late_is_processed) {
  const auto is_health_known = [this] { return get("/processors").find("null") == std::string::npos; };
  BOOST_REQUIRE(comes(is_health_known, patience)); // nobody asks for it again at once, and sees the delay
  running_stack::stack.configure_one(cheap, "delay", R"({"delay":40000})");
  post(2);       // it is taken 10 s after it was given up
  sleep_for(1s); // by now the other one is better
  be_hostile(dear, "drop-before-take");
  post(1);
  post(3); // of which nothing is declared
  BOOST_TEST(becomes(1, "unknown"));
  const http_reply answer = resolve(1, declare("rejected"));
  BOOST_TEST(answer.status == 202U);
  BOOST_TEST(answer.body.starts_with(R"({"declared":"rejected","processorSays":"missing",)"), answer.body);
  const auto declared = std::chrono::steady_clock::now();
  sleep_for(3s); // so that it is heard of
  BOOST_TEST(comes([this] { return scrape()["repasse_declarations_pending"] == 1; }, patience));
  BOOST_TEST(scrape()["repasse_oldest_declaration_seconds"] > 1);
  be_hostile(dear, "none");

  BOOST_TEST(becomes(2, "unknown", 3 * 30s));
  BOOST_TEST(shown(2).find(R"("doubtReason":"timed out")") != std::string::npos, shown(2));
  BOOST_TEST(resolve(2, declare("rejected")).status == 202U);
  BOOST_TEST(becomes(2, "processed", landing_max));
  BOOST_TEST(status_of(1) == "unknown");
  BOOST_TEST(becomes(1, "rejected", landing_max));
  BOOST_TEST((std::chrono::steady_clock::now() - declared > 55s));
  BOOST_TEST(comes([this] { return scrape()["repasse_declarations_pending"] == 0; }, patience));
  const scraped_metrics told = scrape();
  BOOST_TEST(told["repasse_oldest_declaration_seconds"] == 0);
  BOOST_TEST(told[ended + "{how=\"carried_out\"}"] == 1);
  BOOST_TEST(is_in_trail(1, R"("event":"declared rejected")"), trail_of(1));
  BOOST_TEST(detail_of(resolve(1, ask), 409) == "it is rejected already");
  expect_equal_books();
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

postgres_server& database_server() {
  static postgres_server server;
  if (!server.is_running()) server.start();
  return server;
}

/// Of a database without payments.
variables fresh_database() {
  database_server().sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION repasse");
  return {{"DATABASE_URL", database_server().url()}};
}

/// The owner of what is posted through the stack, and another instance beside it.
struct two_instances : doubtful_stack {
  two_instances() : doubtful_stack(fresh_database()), other_server(settings_of_other()), other(other_server) {
    for (overseen* one : {static_cast<overseen*>(this), &other})
      BOOST_REQUIRE(comes([&] { return one->caller.call("GET", "/readyz").status == 200U; }, patience));
  }

  variables settings_of_other() {
    variables made = with_token({{"DATABASE_URL", database_server().url()}});
    made["PROCESSOR_DEFAULT_URL"] = "http://" + address_of(running_stack::stack.simulators[cheap].port());
    made["PROCESSOR_FALLBACK_URL"] = "http://" + address_of(running_stack::stack.simulators[dear].port());
    return made;
  }

  server_process other_server;
  overseen other;
};

/// Knows none of the processors that the payments of others name.
variables of_a_stranger(const postgres_server& database) {
  return {{"DATABASE_URL", database.url()}, {"ADMIN_TOKEN", admin_token},
          {"PROCESSORS", "third"},          {"PROCESSOR_THIRD_URL", "http://127.0.0.1:1"},
          {"PROCESSOR_THIRD_FEE", "0.05"},  {"REACTORS", "1"}};
}

} // namespace

BOOST_AUTO_TEST_SUITE(with_postgres)

BOOST_AUTO_TEST_CASE(what_another_instance_is_told_the_owner_carries_out) {
  two_instances both;
  both.bring_into_doubt(1);
  BOOST_TEST(both.other.get("/payments?status=unknown").find(R"("doubtReason":"lost")") != std::string::npos);
  BOOST_TEST(both.other.resolve(1, ask).body.starts_with(R"({"processorSays":"missing",)"));
  detail_of(both.other.resolve(1, declare_processed), 409);
  both.running_stack::stack.simulators[cheap].end(SIGKILL);
  BOOST_TEST(both.other.resolve(1, declare_processed).status == 202U);
  BOOST_TEST(both.becomes(1, "processed"));
  BOOST_TEST(member(both.other.shown(1), "requestedAt") == long_ago);
  BOOST_TEST(both.is_in_trail(1, R"(their \"books\" </script> é)"), both.trail_of(1));
  BOOST_TEST(both.is_in_trail(1, R"("event":"asked again by hand","by":"administrator")"));
  for (const server_process* one : {&both.running_stack::stack.server, &both.other_server})
    BOOST_TEST(one->log().find(" critical ") == std::string::npos, one->log());
}

BOOST_AUTO_TEST_CASE(what_names_a_processor_that_nobody_knows_any_more_is_as_declared_at_once) {
  const postgres_server& database = database_server();
  {
    two_instances both;
    both.bring_into_doubt(1);
    both.running_stack::stack.server.end(SIGKILL);
    both.other_server.end(SIGKILL);
  }
  const server_process stranger(of_a_stranger(database));
  overseen hand(stranger);
  BOOST_REQUIRE(comes([&] { return hand.caller.call("GET", "/readyz").status == 200U; }, patience));
  detail_of(hand.resolve(1, declare_processed), 409); // whoever knew it was there a moment ago
  BOOST_REQUIRE(
      comes([&] { return database.sql("SELECT count(*) FROM epochs WHERE NOT marked") == "1"; }, patience));
  detail_of(hand.resolve(1, ask), 409);
  detail_of(hand.resolve(1, declare_processed), 409);
  database.sql("UPDATE epochs SET last_beat = last_beat - interval '1 min' WHERE marked AND epoch > 0");
  BOOST_TEST(hand.resolve(1, declare_processed).status == 200U);
  BOOST_TEST(hand.status_of(1) == "processed");
  detail_of(hand.resolve(1, declare("rejected")), 409);
  BOOST_TEST(hand.is_in_trail(1, R"("event":"declared processed")"));

  const server_process again(variables{{"DATABASE_URL", database.url()}});
  payer knows{again.caller()};
  BOOST_REQUIRE(comes([&] { return knows.caller.call("GET", "/readyz").status == 200U; }, patience));
  BOOST_TEST(knows.get("/payments-summary?from=" + long_ago + "&to=" + long_ago)
                 .starts_with(R"({"default":{"totalRequests":1,"totalAmount":19.90},)"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
