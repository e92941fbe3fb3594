// What /metrics makes of the reports of several reactors. That it agrees with the books is metrics_test's of
// end_to_end.
#include "server/endpoints.hpp"
#include "server/http_figures.hpp"
#include "server/http_response.hpp"
#include "server/metrics.hpp"
#include "server/process_figures.hpp"
#include "server/reactor.hpp"
#include "test/end_to_end/scraped_metrics.hpp"
#include "test/unit/two_processors.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <span>
#include <sstream>

namespace repasse {
namespace {

using namespace std::chrono_literals;
namespace tt = boost::test_tools;

constexpr steady_time now{1h};

reactor_report report_of_one() {
  reactor_report report;
  report.books.kind = "memory";
  report.processors.resize(2);
  report.figures.processors.resize(2);
  report.figures.flow.settled.resize(2);
  return report;
}

/// All that is optional is there.
reactor_report full_report() {
  reactor_report report = report_of_one();
  report.books.kind = "postgresql";
  report.books.ahead = -40ms;
  report.processors[0].health = health_report{.failing = true, .min_response_time = 250ms, .heard = now - 3s};
  report.redis.emplace().hears = true;
  report.taking_in.emplace().is_open = true;
  report.copy.last_written = now - 1s;
  report.figures.database = postgres_ledger::pools{{}, {}, {}, pg_figures{}};
  report.figures.redis = redis_figures{};
  report.figures.heard = watcher::figures{};
  report.figures.cached = cached_ledger::content{.payments = 7, .memory_bytes = 700};
  report.figures.is_eldest = true;
  report.figures.beat_age = 20ms;
  return report;
}

config full_config() {
  config settings = two_processors();
  settings.use_database_storage = true;
  settings.use_redis_session_cache = true;
  return settings;
}

/// Of what has counted something in each family, and holds something.
reactor_report busy_report() {
  reactor_report report = full_report();
  report.held = 7;
  report.flow.accepted = report.flow.settled = report.flow.epochs_lost = 7;
  report.flow.of(refusal::backlog) = 7;
  report.cache.hits = report.copy.copies = report.taking_in->figures.taken = 7;
  reactor_figures& figures = report.figures;
  figures.flow.settled[0] = {.requests = 7, .amount_cents = 700};
  figures.flow.accept.observe(7ms);
  figures.flow.append.observe(7ms, 7);
  figures.processors[0].seen[0] = figures.processors[0].opened = figures.processors[0].connections.busy = 7;
  figures.processors[0].charges.observe(7ms);
  figures.epochs.begun = figures.imports.known = figures.compared.done = figures.http.turned_away = 7;
  figures.database->appends.connected = 7;
  figures.database->appends.transactions = 7;
  figures.redis->in_flight = 7;
  figures.redis->commands = figures.heard->messages[0] = 7;
  figures.http.count(endpoint_kind::totals, 200);
  figures.compared.open.emplace().front() = 7;
  figures.lag.observe(7ms);
  return report;
}

std::string text_of(const config& settings, std::vector<last_report> reports) {
  metrics_source from(settings, std::move(reports));
  from.now = now;
  from.wall = wall_time{1h};
  return metrics_text(from);
}

last_report answered(const reactor_report& said) { return {std::make_shared<const reactor_report>(said)}; }

std::string text_of(const config& settings, const std::vector<reactor_report>& reports) {
  std::vector<last_report> all;
  for (const reactor_report& one : reports)
    all.push_back(answered(one));
  return text_of(settings, std::move(all));
}

/// `name{labels} value` is a line of it.
bool has(const std::string& text, const std::string& line) {
  return text.find("\n" + line + "\n") != text.npos;
}

/// Of the lines `# TYPE name kind`.
std::set<std::string> families_in(const std::string& text) {
  std::set<std::string> names;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("# TYPE ")) names.insert(line.substr(7, line.find(' ', 7) - 7));
  return names;
}

/// What the document shows as code, and is a name.
std::set<std::string> documented_names() {
  std::ifstream file(REPASSE_METRICS_DOCUMENT);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::set<std::string> names;
  for (std::size_t at = text.find('`'); at != text.npos; at = text.find('`', at + 1)) {
    const std::size_t end = text.find('`', at + 1);
    if (end == text.npos) break;
    const std::string word = text.substr(at + 1, end - at - 1);
    if (word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == word.npos) names.insert(word);
    at = end;
  }
  return names;
}

/// Those of `text` that others choose, or that are numbers, left out.
std::set<std::string> label_values_in(const std::string& text) {
  static const std::set<std::string> open = {"processor", "reactor", "le", "code", "version", "revision"};
  std::set<std::string> values;
  for (std::size_t at = text.find("=\""); at != text.npos; at = text.find("=\"", at + 1)) {
    const std::size_t name = text.find_last_of("{,", at) + 1;
    if (!open.contains(text.substr(name, at - name)))
      values.insert(text.substr(at + 2, text.find('"', at + 2) - at - 2));
  }
  return values;
}

endpoint_kind kind_of(std::string_view path) { return endpoints::find_route("GET", path).kind; }

} // namespace

BOOST_AUTO_TEST_SUITE(metrics)

BOOST_AUTO_TEST_CASE(reactors_are_added_up) {
  std::vector<reactor_report> reports(2, report_of_one());
  reports[0].flow.accepted = 3;
  reports[1].flow.accepted = 4;
  reports[0].flow.of(refusal::backlog) = 5;
  reports[1].figures.flow.settled[1] = {.requests = 2, .amount_cents = 1'005};
  reports[0].figures.flow.end_to_end.observe(5ms);
  reports[1].figures.flow.end_to_end.observe(7ms);
  reports[1].figures.processors[0].seen[static_cast<std::size_t>(evidence::timed_out)] = 9;
  const std::string text = text_of(two_processors(), reports);
  BOOST_TEST(has(text, R"(repasse_payments_posted_total{outcome="accepted"} 7)"), text);
  BOOST_TEST(has(text, R"(repasse_payments_posted_total{outcome="refused"} 5)"));
  BOOST_TEST(has(text, R"(repasse_payments_refused_total{reason="backlog"} 5)"));
  BOOST_TEST(has(text, R"(repasse_payments_settled_total{processor="fallback"} 2)"));
  BOOST_TEST(has(text, R"(repasse_settled_amount_cents_total{processor="fallback"} 1005)"));
  BOOST_TEST(has(text, R"(repasse_settled_fees_cents_total{processor="fallback"} 150.75)"));
  BOOST_TEST(has(text, R"(repasse_end_to_end_duration_seconds_bucket{le="0.0025"} 0)"));
  BOOST_TEST(has(text, R"(repasse_end_to_end_duration_seconds_bucket{le="0.005"} 1)"));
  BOOST_TEST(has(text, R"(repasse_end_to_end_duration_seconds_bucket{le="0.01"} 2)"));
  BOOST_TEST(has(text, R"(repasse_end_to_end_duration_seconds_bucket{le="+Inf"} 2)"));
  BOOST_TEST(has(text, "repasse_end_to_end_duration_seconds_count 2"));
  BOOST_TEST(has(text, "repasse_end_to_end_duration_seconds_sum 0.012"));
  BOOST_TEST(has(text, R"(repasse_sends_total{processor="default",evidence="timed_out"} 9)"));
}

BOOST_AUTO_TEST_CASE(a_reactor_that_has_never_answered_is_left_out_and_shown) {
  reactor_report other = report_of_one();
  other.held = 6;
  const std::string text = text_of(two_processors(), {{.is_late = true}, answered(other)});
  BOOST_TEST(has(text, R"(repasse_reactor_up{reactor="0"} 0)"), text);
  BOOST_TEST(has(text, R"(repasse_reactor_up{reactor="1"} 1)"));
  BOOST_TEST(has(text, "repasse_payments_held 6"));
  BOOST_TEST(has(text, R"(repasse_ledger_up{kind="memory"} 1)"));
  BOOST_TEST(text.find(R"(repasse_epoch{reactor="0"})") == text.npos);
}

BOOST_AUTO_TEST_CASE(what_a_late_reactor_has_counted_stays_counted_and_what_it_holds_is_left_out) {
  std::vector<last_report> reports{answered(busy_report()), answered(busy_report())};
  const scraped_metrics before(text_of(full_config(), reports));
  BOOST_TEST(before["repasse_payments_held"] == 14);
  BOOST_TEST(before["repasse_payments_posted_total{outcome=\"accepted\"}"] == 14);
  reports[0].is_late = true;
  const scraped_metrics one_late(text_of(full_config(), reports));
  BOOST_TEST(one_late.gone_back_since(before) == std::vector<std::string>{}, tt::per_element());
  for (const char* held : {"repasse_payments_held", "repasse_redis_commands_in_flight",
                           "repasse_database_connections{use=\"append\"}",
                           "repasse_processor_connections{processor=\"default\",state=\"busy\"}"})
    BOOST_TEST(one_late[held] == 7, held);
  BOOST_TEST(one_late["repasse_reactor_up{reactor=\"0\"}"] == 0);
  reports[1].is_late = true;
  const scraped_metrics all_late(text_of(full_config(), reports));
  BOOST_TEST(all_late.gone_back_since(before) == std::vector<std::string>{}, tt::per_element());
  BOOST_TEST(before["repasse_reconciliation_findings_open"] == 7);
  for (const char* held : {"repasse_payments_held", "repasse_reconciliation_findings_open"})
    BOOST_TEST(all_late[held] == 0, held); // an eldest that is late is soon none
  for (const char* state :
       {"repasse_ledger_up{kind=\"postgresql\"}", "repasse_redis_up", "repasse_redis_hears",
        "repasse_intake_open", "repasse_breaker_state{processor=\"default\",state=\"closed\"}"})
    BOOST_TEST(!all_late.has(state), state);
}

BOOST_AUTO_TEST_CASE(all_may_be_late_from_the_beginning) {
  const std::string text = text_of(full_config(), std::vector<last_report>(2, {.is_late = true}));
  BOOST_TEST(has(text, R"(repasse_reactor_up{reactor="1"} 0)"), text);
}

BOOST_AUTO_TEST_CASE(the_oldest_is_the_oldest_of_all) {
  std::vector<reactor_report> reports(2, report_of_one());
  reports[0].figures.oldest_in_doubt = 1500ms;
  reports[1].figures.oldest_in_doubt = 300ms;
  reports[1].figures.oldest_waiting = 20ms;
  const std::string text = text_of(two_processors(), reports);
  BOOST_TEST(has(text, "repasse_oldest_in_doubt_seconds 1.5"), text);
  BOOST_TEST(has(text, "repasse_oldest_waiting_seconds 0.02"));
}

BOOST_AUTO_TEST_CASE(a_breaker_is_in_one_state_and_it_is_the_worst) {
  std::vector<reactor_report> reports(2, report_of_one());
  reports[1].processors[0].circuit = breaker::state::open;
  const std::string text = text_of(two_processors(), reports);
  BOOST_TEST(has(text, R"(repasse_breaker_state{processor="default",state="open"} 1)"), text);
  BOOST_TEST(has(text, R"(repasse_breaker_state{processor="default",state="closed"} 0)"));
  BOOST_TEST(has(text, R"(repasse_breaker_state{processor="fallback",state="closed"} 1)"));
}

BOOST_AUTO_TEST_CASE(what_is_not_configured_is_missing_rather_than_zero) {
  const std::string text = text_of(two_processors(), {report_of_one()});
  for (const std::string prefix : {"repasse_database_", "repasse_redis_", "repasse_cache_", "repasse_totals_",
                                   "repasse_intake_", "repasse_clock_", "repasse_health_"})
    BOOST_TEST(text.find("# TYPE " + prefix) == text.npos, prefix);
}

BOOST_AUTO_TEST_CASE(the_intake_is_as_old_as_its_oldest_payment) {
  std::vector<reactor_report> reports(2, full_report());
  reports[0].taking_in->figures.entries = 3;
  reports[0].taking_in->figures.oldest = wall_time{1h} - 2500ms;
  reports[1].taking_in->figures.oldest = wall_time{1h} - 500ms;
  reports[1].taking_in->is_open = false;
  const std::string text = text_of(full_config(), reports);
  BOOST_TEST(has(text, "repasse_intake_lag_seconds 2.5"), text);
  BOOST_TEST(has(text, "repasse_intake_entries 3"));
  BOOST_TEST(has(text, "repasse_intake_open 0"));
}

BOOST_AUTO_TEST_CASE(behind_sentinel_the_intake_is_not_said_to_be_closed) {
  reactor_report report = full_report();
  report.taking_in->is_open = false;
  config settings = full_config();
  settings.redis_url = "redis://redis";
  BOOST_TEST(has(text_of(settings, {report}), "repasse_intake_open 0"));
  settings.redis_url = "redis-sentinel://one,two/primary";
  const std::string text = text_of(settings, {report});
  BOOST_TEST(text.find("repasse_intake_open") == text.npos, text);
  BOOST_TEST(has(text, "repasse_intake_entries 0"));
}

BOOST_AUTO_TEST_CASE(the_document_names_every_family_and_no_other) {
  const std::set<std::string> shown = families_in(text_of(full_config(), {full_report()}));
  const std::set<std::string> documented = documented_names();
  for (const std::string& name : shown)
    BOOST_TEST(documented.contains(name), name << " is not documented");
  for (const std::string& name : documented)
    if (name.starts_with("repasse_") || name.starts_with("process_"))
      BOOST_TEST(shown.contains(name), name << " is not shown");
}

BOOST_AUTO_TEST_CASE(the_document_names_every_value_of_a_label_that_is_ours) {
  reactor_report report = full_report();
  for (std::size_t i = 0; i < static_cast<std::size_t>(endpoint_kind::count); ++i)
    report.figures.http.count(static_cast<endpoint_kind>(i), 200);
  const std::set<std::string> documented = documented_names();
  const std::set<std::string> shown = label_values_in(text_of(full_config(), {report}));
  BOOST_TEST(shown.size() > 60U);
  for (const std::string& value : shown)
    BOOST_TEST(documented.contains(value), value << " is not documented");
}

BOOST_AUTO_TEST_CASE(paths_are_of_few_kinds_whatever_clients_think_of) {
  for (const endpoints::route& one : endpoints::routes())
    BOOST_TEST(to_string(one.kind) != "other", one.path);
  BOOST_TEST(to_string(kind_of("/payments-summary")) == "summary");
  BOOST_TEST(to_string(kind_of("/payments")) == "payments");
  BOOST_TEST(to_string(endpoints::find_route("PUT", "/payments").kind) == "payments");
  BOOST_TEST(to_string(kind_of("/payments/4a7901b8")) == "payment");
  BOOST_TEST(to_string(kind_of("/admin/whatever/there/is")) == "admin");
  BOOST_TEST(to_string(kind_of("/dashboard/dashboard.js")) == "dashboard");
  for (const char* path : {"", "*", "/payments/a/b", "/openapi", "/../etc/passwd"})
    BOOST_TEST(to_string(kind_of(path)) == "other", path);
}

BOOST_AUTO_TEST_CASE(every_status_that_is_answered_is_told_apart_and_no_other) {
  const auto told_apart = std::span{http_figures::statuses}.first(http_figures::statuses.size() - 1);
  for (int status = 100; status < 600; ++status) {
    const bool is_answered = reason_phrase(status) != reason_phrase(999);
    BOOST_TEST((std::ranges::find(told_apart, status) != told_apart.end()) == is_answered, status);
  }
}

BOOST_AUTO_TEST_CASE(a_status_that_nobody_expects_is_counted_with_all_such) {
  http_figures answers;
  answers.count(endpoint_kind::payment, 299);
  answers.count(endpoint_kind::payment, 777);
  answers.count(endpoint_kind::payment, 404);
  BOOST_TEST(answers.answers(endpoint_kind::payment, http_figures::statuses.size() - 1) == 2U);
  http_figures sum;
  sum.add(answers);
  sum.add(answers);
  std::vector<reactor_report> reports{report_of_one()};
  reports[0].figures.http = sum;
  const std::string text = text_of(two_processors(), reports);
  BOOST_TEST(has(text, R"(repasse_http_requests_total{endpoint="payment",code="other"} 4)"), text);
  BOOST_TEST(has(text, R"(repasse_http_requests_total{endpoint="payment",code="404"} 2)"));
}

BOOST_AUTO_TEST_CASE(the_system_tells_of_this_process) {
  const process_figures told = read_process_figures();
  BOOST_TEST(told.cpu_seconds > 0);
  BOOST_TEST(told.resident_bytes > 1'000'000U);
  BOOST_TEST(told.max_fds > 0U);
  BOOST_REQUIRE(told.open_fds.has_value());
  const std::size_t before = *told.open_fds;
  const std::ifstream one_more("/proc/self/statm");
  BOOST_TEST(read_process_figures().open_fds.value_or(0) == before + 1);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
