// repasse and its database from the outside: a start without it, its return, its schema by command, payments
// that outlive the process.
#define BOOST_TEST_MODULE database
#include "test/comes.hpp"
#include "test/end_to_end/payer.hpp"
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

const std::string admin_token = "an-admin-token-of-32-characters!";
const std::string nowhere = "postgresql://pay:not-a-secret@127.0.0.1:1/pay";

postgres_server& server_with_empty_schema() {
  static postgres_server server;
  if (!server.is_running()) server.start();
  server.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION repasse");
  return server;
}

bool is_ready(const server_process& server) { return server.caller().call("GET", "/readyz").status == 200U; }

std::size_t count_of(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

finished_run migrate(const std::string& step, const std::string& url) {
  return run_repasse({"migrate", step}, {{"DATABASE_URL", url}, {"DATABASE_CONN_TIMEOUT", "2s"}});
}

} // namespace

BOOST_AUTO_TEST_SUITE(command)

BOOST_AUTO_TEST_CASE(migrate_brings_the_schema_up_and_down_and_tells_how_it_stands) {
  const postgres_server& database = server_with_empty_schema();
  const auto status_is = [&](int exit_status, std::string_view line) {
    const finished_run run = migrate("status", database.url());
    BOOST_TEST(run.status == exit_status);
    BOOST_TEST(run.output.find(line) != run.output.npos, run.output);
  };
  status_is(1, "000001_create_payments  pending\n");
  const finished_run up = migrate("up", database.url());
  BOOST_TEST(up.status == 0, up.errors);
  BOOST_TEST(up.output.starts_with("applied 000001_create_payments\n"));
  BOOST_TEST(up.errors == "");
  status_is(0, "000001_create_payments  applied ");
  BOOST_TEST(migrate("up", database.url()).status == 0);
  const finished_run down = migrate("down", database.url());
  BOOST_TEST(down.status == 0, down.errors);
  BOOST_TEST(down.output.starts_with("undid 0000"));
}

BOOST_AUTO_TEST_CASE(migrate_without_a_database_says_so_in_time) {
  const auto begun = std::chrono::steady_clock::now();
  const finished_run away = migrate("up", nowhere);
  BOOST_TEST((std::chrono::steady_clock::now() - begun < 10s));
  BOOST_TEST(away.status == 1);
  BOOST_TEST(away.output == "");
  BOOST_TEST(away.errors.find("refused") != away.errors.npos, away.errors);
  BOOST_TEST(away.errors.find("not-a-secret") == away.errors.npos);
  BOOST_TEST(migrate("up", "").status == 2);
  BOOST_TEST(migrate("up", "mysql://db").status == 2);
  BOOST_TEST(migrate("", nowhere).status == 2);
  BOOST_TEST(migrate("sideways", nowhere).status == 2);
  BOOST_TEST(run_repasse({"migrate"}, {}).status == 2);
  BOOST_TEST(run_repasse({"migrate", "up", "down"}, {}).status == 2);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(away)

BOOST_AUTO_TEST_CASE(a_server_without_its_database_stays_up_and_refuses_with_503) {
  server_process server{{{"DATABASE_URL", nowhere}, {"REACTORS", "1"}, {"ADMIN_TOKEN", admin_token}}};
  http_caller caller = server.caller();
  const auto refuses = [&](const char* method, const std::string& target, const std::string& body) {
    bool was_in_time = false;
    for (int attempt = 0; attempt < 3 && !was_in_time; ++attempt) { // the machine may be busy
      const auto begun = std::chrono::steady_clock::now();
      const http_reply refusal = caller.call(method, target, body, {{"X-Admin-Token", admin_token}});
      was_in_time = std::chrono::steady_clock::now() - begun < 1s;
      BOOST_TEST_CONTEXT(target) {
        detail_of(refusal, 503);
        BOOST_TEST(refusal.header("Retry-After") == "1");
      }
    }
    BOOST_TEST(was_in_time, target);
  };
  BOOST_TEST(comes([&] { return caller.call("GET", "/readyz").body.find("refused") != std::string::npos; }));
  refuses("POST", "/payments", payment_body(1));
  for (const std::string& target :
       {"/payments/" + id_of(1), std::string("/payments"), std::string("/payments-summary"),
        "/admin/audit?correlationId=" + id_of(1)})
    refuses("GET", target, "");
  refuses("POST", "/purge-payments", "");
  BOOST_TEST(caller.call("GET", "/healthz").status == 200U);
  BOOST_TEST(caller.call("GET", "/processors").status == 200U);
  const http_reply ready = caller.call("GET", "/readyz");
  BOOST_TEST(ready.status == 503U);
  BOOST_TEST(ready.body.starts_with("database: away, payments live in PostgreSQL, latency "), ready.body);
  BOOST_TEST(ready.body.find("refused") != ready.body.npos, ready.body);
  BOOST_TEST(server.end(SIGTERM) == 0);
  const std::string log = server.log();
  BOOST_TEST(count_of(log, "no payments are taken yet, goes on trying: ") == 1U, log);
  BOOST_TEST(log.find("not-a-secret") == log.npos);
  BOOST_TEST(count_of(log, "\n") < 20U, log);
}

BOOST_AUTO_TEST_CASE(purges_that_meet_leave_no_epoch_behind_that_lives_without_an_owner) {
  postgres_server& database = server_with_empty_schema();
  server_process server{{{"DATABASE_URL", database.url()}, {"REACTORS", "2"}, {"ALLOW_PURGE", "true"}}};
  BOOST_REQUIRE(comes([&] { return is_ready(server); }));
  for (int round = 0; round < 20; ++round) {
    std::vector<std::jthread> purgers;
    for (int i = 0; i < 4; ++i)
      purgers.emplace_back([&] { server.caller().call("POST", "/purge-payments"); });
    purgers.clear();
    const auto alive = [&] { return database.sql("SELECT count(*) FROM epochs WHERE NOT marked"); };
    BOOST_REQUIRE(comes([&] { return alive() == "2"; }, 4500ms)); // others end one without beats after 5 s
  }
}

BOOST_AUTO_TEST_CASE(one_reactor_of_two_without_its_connection_makes_it_unready_and_says_why) {
  postgres_server& database = server_with_empty_schema();
  server_process server{{{"DATABASE_URL", database.url()}, {"REACTORS", "2"}}};
  BOOST_REQUIRE(comes([&] { return is_ready(server); }));
  database.sql("ALTER ROLE repasse CONNECTION LIMIT 5");
  database.sql(
      "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'repasse "
      "append 1'");
  BOOST_TEST(comes([&] {
    const http_reply ready = server.caller().call("GET", "/readyz");
    return ready.status == 503U && ready.body.find("too many connections") != std::string::npos;
  }));
  for (int i = 0; i < 20; ++i) { // whichever reactor answers
    BOOST_TEST(!is_ready(server));
    std::this_thread::sleep_for(10ms);
  }
  database.sql("ALTER ROLE repasse CONNECTION LIMIT -1");
  BOOST_TEST(comes([&] { return is_ready(server); }), server.log());
}

BOOST_AUTO_TEST_CASE(a_database_that_comes_later_is_found_within_a_second) {
  postgres_server& database = server_with_empty_schema();
  database.stop();
  server_process server{{{"DATABASE_URL", database.url()}, {"REACTORS", "2"}}};
  BOOST_TEST(comes([&] { return server.log().find("goes on trying") != std::string::npos; }));
  database.start();
  BOOST_TEST(comes([&] { return is_ready(server); }, 10s), server.log()); // with a schema to make
  BOOST_TEST(server.caller().call("POST", "/payments", payment_body(1)).status == 202U);
  BOOST_TEST(
      comes([&] { return server.log().find(", applied 000001_create_payments") != std::string::npos; }),
      server.log());
  BOOST_TEST(server.log().find("payments held") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(books)

BOOST_AUTO_TEST_CASE(payments_outlive_the_process) {
  const postgres_server& database = server_with_empty_schema();
  const variables settings = {
      {"DATABASE_URL", database.url()}, {"REACTORS", "2"}, {"ADMIN_TOKEN", admin_token}};
  whole_stack first{settings};
  BOOST_REQUIRE(comes([&] { return is_ready(first.stack.server); }));
  const std::string shown = first.processed(1);
  first.stack.server.end(SIGKILL);
  whole_stack second{settings};
  BOOST_REQUIRE(comes([&] { return is_ready(second.stack.server); }));
  BOOST_TEST(second.get("/payments/" + id_of(1)) == shown);
  BOOST_TEST(second.get("/payments-summary") == summary_of_one);
  const http_reply audit = second.caller.call("GET", "/admin/audit?correlationId=" + id_of(1), "",
                                              {{"X-Admin-Token", admin_token}});
  BOOST_TEST(audit.status == 200U);
  BOOST_TEST(count_of(audit.body, R"("event")") == 3U, audit.body);
  BOOST_TEST(second.stack.server.end(SIGTERM) == 0);
}

BOOST_AUTO_TEST_CASE(a_schema_that_is_not_to_be_used_is_told_and_waited_for) {
  const postgres_server& database = server_with_empty_schema();
  BOOST_TEST(migrate("up", database.url()).status == 0);
  database.sql("UPDATE schema_migrations SET checksum = 'another'");
  server_process server{{{"DATABASE_URL", database.url()}, {"REACTORS", "1"}}};
  BOOST_TEST(
      comes([&] { return server.log().find("is not the one that was applied") != std::string::npos; }));
  const http_reply ready = server.caller().call("GET", "/readyz");
  BOOST_TEST(ready.status == 503U);
  BOOST_TEST(ready.body.find("is not the one that was applied") != ready.body.npos, ready.body);
  BOOST_TEST(server.caller().call("POST", "/payments", payment_body(1)).status == 503U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
