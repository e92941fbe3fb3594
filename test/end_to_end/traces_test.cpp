// Traces from the client to the processor, into the log and the audit trail; and what the log costs when all
// goes wrong, or nobody reads it.
#define BOOST_TEST_MODULE traces
#include "test/comes.hpp"
#include "test/end_to_end/noting_processor.hpp"
#include "test/end_to_end/requests.hpp"
#include "test/end_to_end/server_stack.hpp"
#include "test/integration/postgres_server.hpp"
#include "test/integration/redis_server.hpp"

#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <sstream>

namespace repasse {
namespace {

using namespace requests;
using namespace std::chrono_literals;

const std::string admin_token = "an-admin-token-of-32-characters!";
const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string parent = "00f067aa0ba902b7";
const http_headers sampled = {{"traceparent", "00-" + trace + "-" + parent + "-01"}};
const http_headers unsampled = {{"traceparent", "00-" + trace + "-" + parent + "-00"}};

postgres_server& database() {
  static postgres_server server;
  return server;
}

/// repasse with one processor that notes what it gets, on a fresh database, its log in JSON.
struct traced_house {
  explicit traced_house(const variables& more = {}) : server(settings(more)) {
    BOOST_TEST_REQUIRE(comes([&] { return server.caller().call("GET", "/readyz").status == 200U; }));
  }

  [[nodiscard]] variables settings(const variables& more) const {
    database().sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION repasse");
    variables all = {{"PROCESSORS", "default"},
                     {"PROCESSOR_DEFAULT_URL", "http://" + address_of(processor.port())},
                     {"DATABASE_URL", database().url()},
                     {"REACTORS", "1"},
                     {"ADMIN_TOKEN", admin_token},
                     {"LOG_FORMAT", "json"}};
    for (const auto& [name, value] : more)
      all[name] = value;
    return all;
  }

  unsigned post(std::size_t number, const http_headers& headers = {},
                std::string_view amount = "19.90") const {
    return server.caller().call("POST", "/payments", payment_body(number, amount), headers).status;
  }
  [[nodiscard]] bool is_settled(std::size_t number) const {
    return server.caller().call("GET", "/payments/" + id_of(number)).body.find("processed\"") !=
           std::string::npos;
  }
  [[nodiscard]] std::string audit(std::size_t number) const {
    return server.caller()
        .call("GET", "/admin/audit?correlationId=" + id_of(number), "", {{"X-Admin-Token", admin_token}})
        .body;
  }
  /// Lines of the log that hold `part`.
  [[nodiscard]] std::vector<std::string> lines(std::string_view part = "") const {
    std::istringstream text(server.log());
    std::vector<std::string> found;
    for (std::string line; std::getline(text, line);)
      if (line.find(part) != line.npos) found.push_back(line);
    return found;
  }
  /// Those of payments that are traced, once there is one.
  [[nodiscard]] std::vector<std::string> payment_lines() const {
    comes([&] { return !lines(R"("message":"payment","traceId")").empty(); });
    return lines(R"("message":"payment","traceId")");
  }
  /// So that what follows is no sample.
  void take_sample() const {
    BOOST_TEST(post(999) == 202U);
    BOOST_TEST(payment_lines().size() == 1U);
    BOOST_TEST(comes([&] { return is_settled(999); }));
  }

  noting_processor processor;
  server_process server;
};

struct seen_span {
  std::string name;
  double at = 0;
  double ms = 0;
};
std::vector<seen_span> spans_of(const std::string& line) {
  std::vector<seen_span> all;
  for (std::size_t at = line.find(R"({"span":")"); at != line.npos; at = line.find(R"({"span":")", at + 1)) {
    const std::string text = line.substr(at, line.find('}', at) + 1 - at);
    const auto members = flat_json::read(text);
    BOOST_TEST_REQUIRE(members.has_value(), line);
    all.push_back({std::string(members->string("span").value_or("")),
                   std::stod(std::string(members->number("at").value_or("-1"))),
                   std::stod(std::string(members->number("ms").value_or("-1")))});
  }
  return all;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

void check_json(const std::vector<std::string>& lines) {
  for (const std::string& line : lines)
    BOOST_TEST(flat_json::read(line).has_value(), line);
}

} // namespace

BOOST_AUTO_TEST_SUITE(traces)

BOOST_AUTO_TEST_CASE(a_clients_trace_goes_through_to_the_processor_and_its_spans_are_logged) {
  redis_server redis;
  const traced_house house(variables{{"REDIS_URL", redis.url()}});
  house.take_sample();
  BOOST_TEST(house.post(1, sampled) == 202U);
  BOOST_TEST(comes([&] { return house.lines(trace).size() == 1U; }));
  const std::string line = house.lines(trace).at(0);
  BOOST_TEST(has(line, R"("correlationId":")" + id_of(1) + '"'), line);
  BOOST_TEST(has(line, R"("parentId":")" + parent + '"'), line);
  BOOST_TEST(has(line, R"("outcome":"settled")"), line);
  BOOST_TEST(has(line, R"("processor":"default","attempt":1,"seen":"taken")"), line);

  const std::vector<seen_span> spans = spans_of(line);
  std::string names;
  for (const seen_span& one : spans)
    names += one.name + ' ';
  BOOST_TEST_REQUIRE(names == "accept append charge settle cache ", line);
  BOOST_TEST(spans[0].at == 0.0);
  for (std::size_t i = 1; i < spans.size(); ++i)
    BOOST_TEST(spans[i].at >= spans[i - 1].at, line);
  BOOST_TEST(spans[1].at + spans[1].ms <= spans[2].at + 0.001, line); // sent only when durable
  BOOST_TEST(spans[2].at + spans[2].ms <= spans[3].at + 0.001, line);
  for (const seen_span& one : spans)
    BOOST_TEST(one.ms > 0.0, line);

  const std::vector<noting_processor::request> requests = house.processor.requests();
  const std::string& theirs = requests.back().traceparent;
  BOOST_TEST(theirs.starts_with("00-" + trace + "-"), theirs);
  BOOST_TEST(theirs.ends_with("-01"), theirs);
  BOOST_TEST(!has(theirs, parent), theirs);
  BOOST_TEST(has(line, R"("spanId":")" + theirs.substr(36, 16) + '"'), line);
  check_json(house.lines());
}

BOOST_AUTO_TEST_CASE(what_the_client_does_not_sample_is_passed_on_and_not_logged) {
  const traced_house house;
  house.take_sample();
  BOOST_TEST(house.post(1, unsampled) == 202U);
  BOOST_TEST(comes([&] { return house.is_settled(1); }));
  const std::string theirs = house.processor.requests().back().traceparent;
  BOOST_TEST(theirs.starts_with("00-" + trace + "-"), theirs);
  BOOST_TEST(theirs.ends_with("-00"), theirs);
  BOOST_TEST(house.lines(trace).empty());
}

BOOST_AUTO_TEST_CASE(what_is_malformed_or_repeated_begins_nothing) {
  const traced_house house;
  house.take_sample();
  BOOST_TEST(house.post(1, {{"traceparent", "00-" + trace + "-" + parent + "-01-more"}}) == 202U);
  BOOST_TEST(house.post(2, {sampled[0], sampled[0]}) == 202U);
  BOOST_TEST(comes([&] { return house.is_settled(1) && house.is_settled(2); }));
  const std::vector<noting_processor::request> requests = house.processor.requests();
  for (std::size_t i = 1; i < requests.size(); ++i)
    BOOST_TEST(requests[i].traceparent == "");
  BOOST_TEST(house.payment_lines().size() == 1U);
}

BOOST_AUTO_TEST_CASE(of_many_payments_without_a_trace_few_are_traced) {
  const auto begun = std::chrono::steady_clock::now();
  const traced_house house;
  http_caller caller = house.server.caller();
  for (std::size_t i = 1; i <= 2'000; ++i)
    caller.call("POST", "/payments", payment_body(i));
  BOOST_TEST(comes([&] { return house.is_settled(2'000); }));
  const auto tens = static_cast<std::size_t>((std::chrono::steady_clock::now() - begun) / 10s);
  BOOST_TEST(house.payment_lines().size() <= tens + 1);
  std::size_t traced = 0;
  for (const noting_processor::request& one : house.processor.requests())
    if (!one.traceparent.empty()) ++traced;
  BOOST_TEST(traced >= 1U);
  BOOST_TEST(traced <= tens + 1);
}

BOOST_AUTO_TEST_CASE(doubt_names_the_trace_in_the_log_and_the_audit_trail_and_so_does_each_question) {
  traced_house house;
  house.take_sample();
  house.processor.posts_to_lose = 1;
  BOOST_TEST(house.post(1, sampled) == 202U);
  BOOST_TEST(comes([&] { return house.is_settled(1); }));
  BOOST_TEST(house.lines("payment in doubt").size() == 1U);
  BOOST_TEST(has(house.lines("payment in doubt").at(0), trace));
  const std::string audit = house.audit(1);
  BOOST_TEST(has(audit, R"("event":"in doubt")"), audit);
  BOOST_TEST(has(audit, "default, trace " + trace + ", 1 sends"), audit);
  BOOST_TEST(has(audit, "2 sends, trace " + trace), audit); // the settle

  const std::string line = house.lines(R"("message":"payment")").back();
  BOOST_TEST(has(line, R"("span":"amend")"), line);
  BOOST_TEST(has(line, R"("span":"ask")"), line);
  BOOST_TEST(has(line, R"("attempt":2,"seen":"taken")"), line);
  std::size_t questions = 0;
  for (const noting_processor::request& one : house.processor.requests()) {
    if (!has(one.line, id_of(1)) && one.line != "POST /payments") continue;
    if (one.line.starts_with("GET")) {
      ++questions;
      BOOST_TEST(one.traceparent.starts_with("00-" + trace), one.line);
    }
  }
  BOOST_TEST(questions >= 1U);
}

BOOST_AUTO_TEST_CASE(a_conflict_names_the_trace_of_who_posted_again) {
  const traced_house house;
  BOOST_TEST(house.post(1) == 202U);
  BOOST_TEST(house.post(1, sampled, "1.00") == 409U);
  const std::string audit = house.audit(1);
  BOOST_TEST(has(audit, "posted again with 1.00, trace " + trace), audit);
  BOOST_TEST(house.post(1, {}, "2.00") == 409U);
  BOOST_TEST(has(house.audit(1), R"("posted again with 2.00")"), house.audit(1));
  BOOST_TEST(has(house.lines(trace).at(0), R"("outcome":"conflict")"));
}

BOOST_AUTO_TEST_CASE(a_rejection_names_the_trace) {
  traced_house house;
  house.take_sample();
  house.processor.post_status = 400;
  BOOST_TEST(house.post(1, sampled) == 202U);
  BOOST_TEST(comes([&] { return !house.lines(R"("outcome":"rejected")").empty(); }));
  for (const std::string_view message : {"payment rejected", "a payment came back: refused"}) {
    const std::vector<std::string> lines = house.lines(message);
    BOOST_TEST_REQUIRE(lines.size() == 1U);
    BOOST_TEST(has(lines[0], R"("traceId":")" + trace + '"'), lines[0]);
    BOOST_TEST(has(lines[0], R"("correlationId":")" + id_of(1) + '"'), lines[0]);
  }
  BOOST_TEST(has(house.audit(1), "trace " + trace), house.audit(1));
}

BOOST_AUTO_TEST_CASE(other_requests_are_traced_too) {
  const traced_house house;
  http_caller caller = house.server.caller();
  caller.call("GET", "/payments/" + id_of(1), "", sampled);
  caller.call("GET", "/payments-summary?from=2026-01-01T00:00:00Z", "", sampled);
  caller.call("GET", "/healthz", "", unsampled);
  const std::vector<std::string> lines = house.lines(R"("message":"request")");
  BOOST_TEST_REQUIRE(lines.size() == 2U);
  BOOST_TEST(has(lines[0], R"("status":404)"), lines[0]);
  BOOST_TEST(has(lines[0], R"("span":"ledger")"), lines[0]);
  BOOST_TEST(has(lines[1], R"("span":"flush")"), lines[1]);
  check_json(house.lines());
}

BOOST_AUTO_TEST_CASE(slow_requests_are_named_with_where_their_time_went) {
  const traced_house house(variables{{"SLOW_QUERY", "5ms"}}); // so slow is 25 ms
  house.take_sample();
  database().sql("CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS "
                 "'BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END'; "
                 "CREATE TRIGGER nap AFTER INSERT ON payments FOR EACH STATEMENT EXECUTE FUNCTION nap()");
  BOOST_TEST(house.post(1, sampled) == 202U);
  const std::vector<std::string> posts =
      house.lines(R"("message":"slow request: POST /payments","correlationId":")" + id_of(1));
  BOOST_TEST_REQUIRE(posts.size() == 1U);
  BOOST_TEST(has(posts[0], R"("ledgerMs":)"), posts[0]);
  BOOST_TEST(has(posts[0], R"("batchMs":)"), posts[0]);
  BOOST_TEST(has(posts[0], trace), posts[0]);

  std::jthread locking([](const std::stop_token& stop) {
    while (!stop.stop_requested())
      database().sql("BEGIN; LOCK TABLE payments IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(0.3); COMMIT");
  });
  const auto is_named = [&] {
    house.server.caller().call("GET", "/payments?limit=1");
    for (const std::string& page : house.lines(R"("target":"/payments?limit=1")"))
      if (has(page, R"("message":"slow request")") && spans_of(page).at(0).ms > 20.0) return true;
    return false;
  };
  BOOST_TEST(comes(is_named), house.server.log());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(storms)

BOOST_AUTO_TEST_CASE(a_storm_of_errors_leaves_the_log_bounded_and_every_payment_settled) {
  database().sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION repasse");
  server_stack stack({{"DATABASE_URL", database().url()}, {"LOG_FORMAT", "json"}, {"SLOW_QUERY", "1ms"}});
  BOOST_TEST_REQUIRE(comes([&] { return stack.server.caller().call("GET", "/readyz").status == 200U; }));
  stack.post(1, 1); // with an amount of 1.00
  stack.configure("failure", R"({"failure":true})");
  const auto begun = std::chrono::steady_clock::now();
  std::atomic<bool> over = false;
  std::atomic<std::size_t> bad = 0;
  std::vector<std::jthread> enemies;
  for (int i = 0; i < 3; ++i)
    enemies.emplace_back([&, i] {
      http_caller caller = stack.server.caller();
      for (std::size_t n = 0; !over; ++n, ++bad) {
        if (i == 0) caller.call("POST", "/payments", "{not json", sampled);
        if (i == 1)
          caller.call("POST", "/payments",
                      R"({"correlationId":"00000000-0000-0000-0000-000000000000","amount":2.00})", sampled);
        if (i == 2) caller.call("GET", "/payments/" + id_of(n), "", sampled);
      }
    });
  stack.post(2'000, 8);
  std::this_thread::sleep_until(begun + 3s);
  over = true;
  enemies.clear();
  stack.configure("failure", R"({"failure":false})");
  const audit_report report = stack.audit();
  BOOST_TEST(report.ok(), report.to_text());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  std::istringstream text(stack.server.log());
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);)
    lines.push_back(line);
  BOOST_TEST(bad.load() > 300U);
  // Each level, and traces: what they may in a burst, then what they may a second.
  BOOST_TEST(static_cast<double>(lines.size()) < 5 * 200 + 5 * 50 * seconds);
  check_json(lines);
  BOOST_TEST(!lines.empty());
  BOOST_TEST(has(stack.server.log(), "lines of this log were dropped: "));
}

BOOST_AUTO_TEST_CASE(a_storm_of_alarms_comes_down_to_some_lines_and_their_number) {
  traced_house house;
  house.processor.post_status = 400; // so each payment is rejected, which is a line
  const auto begun = std::chrono::steady_clock::now();
  http_caller caller = house.server.caller();
  for (std::size_t i = 1; i <= 1'000; ++i)
    BOOST_TEST_REQUIRE(
        comes([&] { return caller.call("POST", "/payments", payment_body(i)).status == 202U; }));
  const auto is_rejected = [&](std::size_t i) {
    return has(caller.call("GET", "/payments/" + id_of(i)).body, R"("status":"rejected")");
  };
  for (std::size_t i = 1; i <= 1'000; ++i)
    BOOST_TEST_REQUIRE(comes([&] { return is_rejected(i); }));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  const auto told = house.lines(R"("message":"payment rejected")").size();
  BOOST_TEST(told >= 50U);
  BOOST_TEST(static_cast<double>(told) < 52 + 10 * seconds);
  BOOST_TEST(comes([&] { return !house.lines("lines of this log were dropped: ").empty(); }));
  check_json(house.lines());
}

BOOST_AUTO_TEST_CASE(a_storm_that_is_logged_takes_little_more_cpu_than_one_that_is_not) {
  const server_process server{{{"REACTORS", "1"}, {"LOG_FORMAT", "json"}}};
  http_caller caller = server.caller();
  const auto cpu_of_storm = [&](const http_headers& headers) {
    const auto before = server.cpu_time();
    for (std::size_t i = 1; i <= 2'000; ++i)
      caller.call("GET", "/payments/" + id_of(i), "", headers);
    return std::chrono::duration<double, std::micro>(server.cpu_time() - before).count() / 2'000;
  };
  double logged = 0;
  double not_logged = 0;
  for (int turn = 0; turn < 10; ++turn) { // in turns: the machine's other work disturbs both
    logged += cpu_of_storm(sampled) / 10;
    not_logged += cpu_of_storm(unsampled) / 10;
  }
  BOOST_TEST_MESSAGE("CPU of a request, logged and not: " << logged << ", " << not_logged << " us");
  BOOST_TEST(logged < 1.5 * not_logged, logged << " us, without a log " << not_logged);
  BOOST_TEST(has(server.log(), "lines of this log were dropped: "));
}

BOOST_AUTO_TEST_CASE(a_log_that_nobody_reads_any_more_stops_no_payment) {
  const server_folder folder("repasse-log");
  const std::string path = folder.path() / "pipe";
  BOOST_TEST_REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const int reader = ::open(path.c_str(), O_RDWR | O_CLOEXEC); // and never read
  ::fcntl(reader, F_SETPIPE_SZ, 4096);
  const noting_processor processor;
  const std::uint16_t port = free_port();
  child_process server({"/bin/sh", "-c", "exec \"$0\" 2> \"$1\"", REPASSE_SERVER, path},
                       {{"LISTEN", address_of(port)},
                        {"PROCESSORS", "default"},
                        {"PROCESSOR_DEFAULT_URL", "http://" + address_of(processor.port())},
                        {"LOG_LEVEL", "debug"},
                        {"REACTORS", "1"}});
  http_caller caller("127.0.0.1", port);
  BOOST_TEST(comes([&] { return caller.call("GET", "/healthz").status == 200U; }));
  for (std::size_t i = 1; i <= 500; ++i)
    BOOST_TEST_REQUIRE(caller.call("POST", "/payments", payment_body(i), sampled).status == 202U);
  BOOST_TEST(
      comes([&] { return has(caller.call("GET", "/payments-summary").body, R"("totalRequests":500)"); }));
  server.signal(SIGTERM);
  BOOST_TEST(server.wait(15s).value_or(-1) == 0);
  ::close(reader);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
