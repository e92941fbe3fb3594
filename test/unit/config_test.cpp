// The configuration: what is taken, and above all what is refused, all at once and without a secret.
#include "server/config.hpp"
#include "server/config_table.hpp"
#include "storage/payment.hpp"
#include "test/certificates.hpp"

#include <boost/test/unit_test.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <set>

namespace repasse {
namespace {

constexpr machine_limits roomy{.cores = 2, .open_files = 1'000'000};
const std::string token(32, 't');
const std::string database = "postgresql://pay:Hu5h@db/pay";

parsed_config parsed(const environment& variables) { return parse_config(variables, roomy); }

bool has_line(const std::vector<std::string>& lines, std::string_view part) {
  return std::ranges::any_of(lines, [&](const auto& line) { return line.find(part) != std::string::npos; });
}

/// The only error that the variables give; fails if there is another number of them.
std::string only_error(const environment& variables) {
  const auto result = parsed(variables);
  BOOST_TEST(!result.value);
  BOOST_TEST_REQUIRE(result.errors.size() == 1);
  return result.errors.front();
}

bool accepts(const environment& variables) { return parsed(variables).value.has_value(); }

bool refuses(const std::string& name, const std::string& value) {
  const auto result = parsed({{name, value}});
  return !result.value && result.errors.size() == 1 && result.errors.front().starts_with(name + "=");
}

/// A file that goes with the test.
class file_with {
public:
  explicit file_with(std::string_view content) { std::ofstream(path_) << content; }
  ~file_with() { std::remove(path_.c_str()); }
  file_with(const file_with&) = delete;
  file_with& operator=(const file_with&) = delete;
  const std::string& path() const { return path_; }

private:
  std::string path_ = "config_test." + std::to_string(getpid());
};

} // namespace

BOOST_AUTO_TEST_SUITE(config_test)

BOOST_AUTO_TEST_CASE(an_empty_environment_gives_the_documented_defaults) {
  const auto result = parsed({});
  BOOST_TEST_REQUIRE(result.value.has_value());
  BOOST_TEST(result.warnings.empty());
  const std::vector<std::string> expected{
      "LISTEN=0.0.0.0:9999",
      "REACTORS=2",
      "PROCESSORS=default,fallback",
      "PROCESSOR_DEFAULT_URL=http://127.0.0.1:8001",
      "PROCESSOR_FALLBACK_URL=http://127.0.0.1:8002",
      "PROCESSOR_DEFAULT_FEE=0.05",
      "PROCESSOR_FALLBACK_FEE=0.15",
      "ROUTING_POLICY=cheapest",
      "SETTLE_WITHIN=1s",
      "CHEAPEST_PATIENCE=2s",
      "PROCESSOR_MAX_IN_FLIGHT=300",
      "DATABASE_URL=none",
      "DATABASE_MAX_CONNECTIONS=25",
      "DATABASE_CONN_TIMEOUT=5s",
      "DATABASE_CONN_LIFETIME=1h",
      "DATABASE_REPLICA_URL=none",
      "REDIS_URL=none",
      "REDIS_DB=0",
      "REDIS_PASSWORD=none",
      "REDIS_CONN_TIMEOUT=5s",
      "REDIS_PREFIX=repasse",
      "USE_DATABASE_STORAGE=false",
      "USE_REDIS_HEALTH_MONITORING=false",
      "USE_REDIS_SESSION_CACHE=false",
      "CACHE_TTL=1h",
      "ASK_FIRST=false",
      "ADMIN_TOKEN=none",
      "ALLOW_PURGE=false",
      "RECONCILE_EVERY=1h",
      "PROCESSOR_DEFAULT_ADMIN_TOKEN=none",
      "PROCESSOR_FALLBACK_ADMIN_TOKEN=none",
      "PROCESSOR_DEFAULT_CA_FILE=none",
      "PROCESSOR_FALLBACK_CA_FILE=none",
      "MAX_BACKLOG=1000000",
      "MAX_CONNECTIONS=10000",
      "MEMORY_PAYMENTS_MAX=10000000",
      "SHUTDOWN_TIMEOUT=10s",
      "LOG_LEVEL=info",
      "LOG_FORMAT=text",
      "SLOW_QUERY=100ms",
  };
  BOOST_TEST(describe(*result.value) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_config_made_by_hand_starts_from_the_same_defaults) {
  auto by_hand = config{};
  const auto defaults = parsed({}).value.value();
  by_hand.listen = defaults.listen;
  by_hand.reactors = defaults.reactors;
  by_hand.processors = defaults.processors;
  BOOST_TEST(describe(by_hand) == describe(defaults), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_table_has_every_variable_of_the_contract_and_no_other) {
  const std::set<std::string_view> contract{"LISTEN",
                                            "REACTORS",
                                            "PROCESSORS",
                                            "PROCESSOR_<NAME>_URL",
                                            "PROCESSOR_<NAME>_FEE",
                                            "ROUTING_POLICY",
                                            "SETTLE_WITHIN",
                                            "CHEAPEST_PATIENCE",
                                            "PROCESSOR_MAX_IN_FLIGHT",
                                            "DATABASE_URL",
                                            "DATABASE_MAX_CONNECTIONS",
                                            "DATABASE_CONN_TIMEOUT",
                                            "DATABASE_CONN_LIFETIME",
                                            "DATABASE_REPLICA_URL",
                                            "REDIS_URL",
                                            "REDIS_DB",
                                            "REDIS_PASSWORD",
                                            "REDIS_CONN_TIMEOUT",
                                            "REDIS_PREFIX",
                                            "USE_DATABASE_STORAGE",
                                            "USE_REDIS_HEALTH_MONITORING",
                                            "USE_REDIS_SESSION_CACHE",
                                            "CACHE_TTL",
                                            "ASK_FIRST",
                                            "ADMIN_TOKEN",
                                            "ADMIN_TOKEN_FILE",
                                            "ALLOW_PURGE",
                                            "RECONCILE_EVERY",
                                            "PROCESSOR_<NAME>_ADMIN_TOKEN",
                                            "PROCESSOR_<NAME>_CA_FILE",
                                            "MAX_BACKLOG",
                                            "MAX_CONNECTIONS",
                                            "MEMORY_PAYMENTS_MAX",
                                            "SHUTDOWN_TIMEOUT",
                                            "LOG_LEVEL",
                                            "LOG_FORMAT",
                                            "SLOW_QUERY"};
  std::set<std::string_view> table;
  const auto help = help_text();
  for (const auto& variable : config_table()) {
    BOOST_TEST(table.insert(variable.name).second, variable.name);
    BOOST_TEST(help.find("  " + std::string(variable.name) + " ") != std::string::npos, variable.name);
  }
  BOOST_TEST(table == contract, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(all_errors_come_at_once_each_with_variable_value_and_what_is_expected) {
  const auto result = parsed({{"LISTEN", "9999"},
                              {"REACTORS", "none"},
                              {"PROCESSORS", "default,fallback,Third"},
                              {"PROCESSOR_DEFAULT_FEE", "5%"},
                              {"SETTLE_WITHIN", "soon"},
                              {"ALLOW_PURGE", "yes"},
                              {"LOG_LEVEL", "loud"}});
  BOOST_TEST(!result.value);
  BOOST_TEST(result.errors.size() == 7);
  for (const auto* part :
       {"LISTEN=9999: expected", "REACTORS=none: expected a whole number from 1 to 256",
        "PROCESSORS=default,fallback,Third: expected", "PROCESSOR_DEFAULT_FEE=5%: expected",
        "SETTLE_WITHIN=soon: expected a duration", "ALLOW_PURGE=yes: expected true",
        "LOG_LEVEL=loud: expected one of debug, info, warn, error"})
    BOOST_TEST(has_line(result.errors, part), part);
}

BOOST_AUTO_TEST_CASE(an_empty_value_counts_as_not_set) {
  BOOST_TEST(accepts({{"LISTEN", ""}, {"DATABASE_URL", ""}, {"PROCESSOR_DEFAULT_FEE", ""}}));
}

BOOST_AUTO_TEST_CASE(an_error_shows_a_value_on_one_printable_line) {
  const auto error = only_error({{"LOG_LEVEL", "a\nb\x1b" + std::string(5'000, 'x')}});
  BOOST_TEST(error.starts_with("LOG_LEVEL=a?b?xxx"));
  BOOST_TEST(error.size() < 300);
}

BOOST_AUTO_TEST_CASE(reads_durations_in_hours_minutes_seconds_and_milliseconds) {
  using namespace std::chrono_literals;
  for (const auto& [text, expected] : std::map<std::string, std::chrono::milliseconds>{
           {"500ms", 500ms}, {"1s", 1s}, {"1m", 1min}, {"1h30m", 90min}, {"1m5s10ms", 65'010ms}}) {
    const auto settings = parsed({{"CHEAPEST_PATIENCE", text}}).value.value();
    BOOST_TEST((settings.cheapest_patience == expected), text);
    BOOST_TEST(has_line(describe(settings), "CHEAPEST_PATIENCE=" + text));
  }
}

BOOST_AUTO_TEST_CASE(refuses_durations_without_unit_order_or_sense) {
  for (const auto* value : {"1", "s", "1 s", "-1s", "1.5s", "1s1s", "1s1h", "1ms1s", "1d", "1hour", "0s",
                            "25h", "99999999999999999999h"})
    BOOST_TEST(refuses("SETTLE_WITHIN", value), value);
}

BOOST_AUTO_TEST_CASE(refuses_numbers_outside_their_bounds) {
  for (const auto* value : {"0", "-1", "+1", "1e3", "0x10", " 5", "5 ", "1000001", "18446744073709551617"})
    BOOST_TEST(refuses("MAX_CONNECTIONS", value), value);
  BOOST_TEST(refuses("REACTORS", "257"));
}

BOOST_AUTO_TEST_CASE(keeps_a_fee_exactly) {
  for (const auto& [text, ppm] : std::map<std::string, std::int64_t>{
           {"0", 0}, {"0.05", 50'000}, {"0.000001", 1}, {"0.123456", 123'456}, {"1", 1'000'000}}) {
    const auto settings = parsed({{"PROCESSOR_DEFAULT_FEE", text}}).value.value();
    BOOST_TEST(settings.processors[0].fee_ppm == ppm);
    BOOST_TEST(has_line(describe(settings), "PROCESSOR_DEFAULT_FEE=" + text));
  }
  for (const auto* value : {"-0.1", "5", "1.000001", "0.0000001", ".05", "0.", "0,05", "5e-2", "00.5", "nan"})
    BOOST_TEST(refuses("PROCESSOR_DEFAULT_FEE", value), value);
}

BOOST_AUTO_TEST_CASE(a_processor_that_speaks_https_is_believed_by_the_authorities_of_its_file) {
  const pem_file issuers(certificate_authority().pem());
  const auto settings = parsed({{"PROCESSOR_DEFAULT_URL", "https://bank.example/v1"},
                                {"PROCESSOR_DEFAULT_CA_FILE", issuers.path()}})
                            .value.value();
  BOOST_TEST((settings.processors[0].trust != nullptr));
  BOOST_TEST((settings.processors[1].trust == nullptr));
  BOOST_TEST(has_line(describe(settings), "PROCESSOR_DEFAULT_URL=https://bank.example/v1"));
  BOOST_TEST(has_line(describe(settings), "PROCESSOR_DEFAULT_CA_FILE=" + issuers.path()));
  BOOST_TEST(has_line(describe(settings), "PROCESSOR_FALLBACK_CA_FILE=none"));
}

BOOST_AUTO_TEST_CASE(refuses_files_of_authorities_that_hold_none) {
  const pem_file no_certificate(certificate_authority().issue().key);
  for (const std::string& path : {std::string("/nowhere/ca.pem"), std::string("/"), no_certificate.path()}) {
    const auto error =
        only_error({{"PROCESSOR_DEFAULT_URL", "https://bank"}, {"PROCESSOR_DEFAULT_CA_FILE", path}});
    BOOST_TEST(error.starts_with("PROCESSOR_DEFAULT_CA_FILE=" + path + ": expected a file "), error);
  }
}

BOOST_AUTO_TEST_CASE(a_health_check_leaves_the_authorities_alone) {
  const environment variables{{"PROCESSOR_DEFAULT_URL", "https://bank"},
                              {"PROCESSOR_DEFAULT_CA_FILE", "/nowhere"}};
  BOOST_TEST(!accepts(variables));
  BOOST_TEST(parse_config(variables, roomy, authorities::left_out).value.has_value());
}

BOOST_AUTO_TEST_CASE(authorities_without_https_are_an_error) {
  const pem_file issuers(certificate_authority().pem());
  BOOST_TEST(only_error({{"PROCESSOR_DEFAULT_CA_FILE", issuers.path()}}) ==
             "PROCESSOR_DEFAULT_CA_FILE=" + issuers.path() +
                 ": expected PROCESSOR_DEFAULT_URL to be https://");
  BOOST_TEST(only_error({{"PROCESSOR_DEFAULT_URL", "ftp://bank"}, {"PROCESSOR_DEFAULT_CA_FILE", "/nowhere"}})
                 .starts_with("PROCESSOR_DEFAULT_URL=ftp://bank: "));
}

BOOST_AUTO_TEST_CASE(refuses_a_list_with_one_bad_address) {
  BOOST_TEST(accepts({{"LISTEN", "127.0.0.1:9999, unix:/run/repasse.sock"}}));
  BOOST_TEST(refuses("LISTEN", "127.0.0.1:9999,"));
  BOOST_TEST(only_error({{"LISTEN", "127.0.0.1:9999,here"}}).ends_with("not 'here'"));
}

BOOST_AUTO_TEST_CASE(a_processor_of_another_name_must_have_url_and_fee) {
  const auto result = parsed({{"PROCESSORS", "default,my-bank"}});
  BOOST_TEST(result.errors.size() == 2);
  BOOST_TEST(has_line(result.errors, "PROCESSOR_MY_BANK_URL is not set: expected http://"));
  BOOST_TEST(has_line(result.errors, "PROCESSOR_MY_BANK_FEE is not set: expected a decimal"));
  BOOST_TEST(accepts({{"PROCESSORS", "my-bank"},
                      {"PROCESSOR_MY_BANK_URL", "http://bank"},
                      {"PROCESSOR_MY_BANK_FEE", "0.01"}}));
}

BOOST_AUTO_TEST_CASE(refuses_processors_that_are_no_names_or_share_their_variables) {
  for (const auto* value : {"Default", "-default", "_default", "default,", "default,default", "fall back"})
    BOOST_TEST(refuses("PROCESSORS", value), value);
  BOOST_TEST(has_line(parsed({{"PROCESSORS", "a-b,a_b"}}).errors, "PROCESSOR_A_B_URL; not 'a-b' and 'a_b'"));
}

BOOST_AUTO_TEST_CASE(refuses_more_processors_than_fit) {
  environment variables{{"PROCESSORS", "p0"}};
  for (std::size_t i = 0; i <= processors_max; ++i) {
    if (i != 0) variables["PROCESSORS"] += ",p" + std::to_string(i);
    variables["PROCESSOR_P" + std::to_string(i) + "_URL"] = "http://bank";
    variables["PROCESSOR_P" + std::to_string(i) + "_FEE"] = "0.1";
  }
  BOOST_TEST(has_line(parsed(variables).errors, "expected at most 64 names"));
}

BOOST_AUTO_TEST_CASE(a_processor_may_have_an_admin_token_which_is_never_printed) {
  const auto read = parsed({{"PROCESSOR_FALLBACK_ADMIN_TOKEN", "not-to-be-seen"}, {"RECONCILE_EVERY", "5m"}});
  BOOST_TEST(read.value.value().processors[0].admin_token == "");
  BOOST_TEST(read.value.value().processors[1].admin_token == "not-to-be-seen");
  BOOST_TEST((read.value.value().reconcile_every == std::chrono::minutes{5}));
  for (const std::string& line : describe(*read.value))
    BOOST_TEST(line.find("not-to-be-seen") == line.npos);
  BOOST_TEST(refuses("PROCESSOR_DEFAULT_ADMIN_TOKEN", "two words"));
  BOOST_TEST(refuses("PROCESSOR_DEFAULT_ADMIN_TOKEN", "one\r\nX-Other:"));
  for (const char* value : {"1ms", "999ms", "25h"})
    BOOST_TEST(refuses("RECONCILE_EVERY", value), value);
  BOOST_TEST((parsed({{"RECONCILE_EVERY", "1s"}}).value.value().reconcile_every == std::chrono::seconds{1}));
  BOOST_TEST(parsed({{"RECONCILE_EVERY", "0s"}}).value.value().reconcile_every.count() == 0);
}

BOOST_AUTO_TEST_CASE(processors_are_asked_first_only_where_that_is_switched_on) {
  BOOST_TEST(!parsed({}).value.value().ask_first);
  BOOST_TEST(!parsed({{"ASK_FIRST", "0"}}).value.value().ask_first);
  BOOST_TEST(parsed({{"ASK_FIRST", "true"}}).value.value().ask_first);
  BOOST_TEST(refuses("ASK_FIRST", "on"));
}

BOOST_AUTO_TEST_CASE(the_admin_token_comes_from_its_variable_or_its_file) {
  BOOST_TEST(parsed({{"ADMIN_TOKEN", token}}).value.value().admin_token == token);
  const file_with file(token + "\r\n");
  BOOST_TEST(parsed({{"ADMIN_TOKEN_FILE", file.path()}}).value.value().admin_token == token);
}

BOOST_AUTO_TEST_CASE(refuses_admin_tokens_that_are_short_or_long_or_twice_or_out_of_reach) {
  BOOST_TEST(refuses("ADMIN_TOKEN", std::string(31, 't')));
  BOOST_TEST(refuses("ADMIN_TOKEN", std::string(1'025, 't')));
  BOOST_TEST(refuses("ADMIN_TOKEN", token + " t"));
  BOOST_TEST(refuses("ADMIN_TOKEN_FILE", "/nowhere/token"));
  BOOST_TEST(refuses("ADMIN_TOKEN_FILE", "/"));
  const file_with file(token);
  BOOST_TEST(has_line(parsed({{"ADMIN_TOKEN", token}, {"ADMIN_TOKEN_FILE", file.path()}}).errors,
                      "expected only one of them"));
  const file_with empty("\n");
  BOOST_TEST(refuses("ADMIN_TOKEN_FILE", empty.path()));
}

BOOST_AUTO_TEST_CASE(no_error_warning_or_description_holds_a_secret) {
  const std::string secret = "Hu5h";
  const file_with file(secret);
  std::vector<environment> cases{{{"ADMIN_TOKEN", secret}, {"DB_PASSWORD", secret}},
                                 {{"ADMIN_TOKEN", token + secret}},
                                 {{"ADMIN_TOKEN", secret + "\n"}, {"ADMIN_TOKEN_FILE", file.path()}},
                                 {{"REDIS_PASSWORD", secret}, {"REDIS_PASSWORT", secret}},
                                 {{"PROCESSOR_DEFAULT_ADMIN_TOKEN", secret}}};
  for (const auto* name : {"DATABASE_URL", "DATABASE_REPLICA_URL", "REDIS_URL", "PROCESSOR_DEFAULT_URL"})
    for (const auto* before : {"http://user:", "http://", "postgres://u:p/", "user:", "http://h/?password=a@",
                               "host=a password=", "http://h#"})
      for (const auto* after : {"@host", "@host/x?y", "@"})
        cases.push_back({{name, before + secret + after}});
  cases.push_back({{"REDIS_URL", "redis://:" + secret}});
  cases.push_back({{"DATABASE_URL", "postgres://user:" + secret}});
  for (const auto& variables : cases) {
    const auto result = parsed(variables);
    BOOST_TEST(!has_line(result.errors, secret));
    BOOST_TEST(!has_line(result.warnings, secret));
    BOOST_TEST((result.value && !has_line(describe(*result.value), secret)) == result.errors.empty());
  }
}

BOOST_AUTO_TEST_CASE(an_error_shows_a_url_without_a_secret) {
  BOOST_TEST(only_error({{"DATABASE_URL", "mysql://db:5432/pay"}})
                 .starts_with("DATABASE_URL=mysql://db:5432/pay: "));
  BOOST_TEST(only_error({{"DATABASE_URL", "mysql://u:p@db/pay"}}).starts_with("DATABASE_URL=mysql://***: "));
}

BOOST_AUTO_TEST_CASE(payments_live_in_the_database_when_its_url_is_set) {
  const auto with = parsed({{"DATABASE_URL", database}}).value.value();
  BOOST_TEST(with.use_database_storage);
  BOOST_TEST(with.database_url == database);
  BOOST_TEST(has_line(describe(with), "DATABASE_URL=postgresql://pay:***@db/pay"));
  BOOST_TEST(has_line(describe(with), "USE_DATABASE_STORAGE=true"));
  BOOST_TEST(!parsed({}).value.value().use_database_storage);
  BOOST_TEST(!parsed({{"DATABASE_URL", database}, {"USE_DATABASE_STORAGE", "false"}})
                  .value.value()
                  .use_database_storage);
  BOOST_TEST(accepts({{"DATABASE_URL", database}, {"USE_DATABASE_STORAGE", "1"}}));
}

BOOST_AUTO_TEST_CASE(storage_in_a_database_needs_its_url) {
  BOOST_TEST(only_error({{"USE_DATABASE_STORAGE", "true"}}) ==
             "USE_DATABASE_STORAGE=true: expected DATABASE_URL to be set");
  BOOST_TEST(refuses("USE_DATABASE_STORAGE", "off"));
  BOOST_TEST(
      only_error({{"USE_DATABASE_STORAGE", "true"}, {"DATABASE_URL", "db"}}).starts_with("DATABASE_URL=db"));
  BOOST_TEST(only_error({{"DATABASE_REPLICA_URL", "postgresql://db2"}}) ==
             "DATABASE_REPLICA_URL=postgresql://db2: expected DATABASE_URL to be set too");
  BOOST_TEST(accepts({{"DATABASE_URL", database}, {"DATABASE_REPLICA_URL", "postgresql://db2"}}));
  BOOST_TEST(only_error({{"DATABASE_URL", database}, {"DATABASE_REPLICA_URL", "db2"}})
                 .starts_with("DATABASE_REPLICA_URL=db2: expected postgresql://"));
}

BOOST_AUTO_TEST_CASE(each_reactor_has_three_connections_to_the_database) {
  const auto reactors = [](environment variables, std::size_t cores) {
    variables.emplace("DATABASE_URL", database);
    return parse_config(variables, {.cores = cores, .open_files = 1'000'000}).value.value().reactors;
  };
  BOOST_TEST(reactors({}, 4) == 4);
  BOOST_TEST(reactors({}, 100) == 8);
  BOOST_TEST(reactors({{"DATABASE_MAX_CONNECTIONS", "5"}}, 4) == 1);
  BOOST_TEST(reactors({{"DATABASE_MAX_CONNECTIONS", "5"}, {"USE_DATABASE_STORAGE", "false"}}, 4) == 4);
  BOOST_TEST(reactors({{"REACTORS", "8"}, {"DATABASE_MAX_CONNECTIONS", "24"}}, 2) == 8);
  BOOST_TEST(only_error({{"DATABASE_URL", database}, {"REACTORS", "9"}}) ==
             "DATABASE_MAX_CONNECTIONS=25: expected at least 27, 3 for each of REACTORS=9");
  BOOST_TEST(accepts({{"DATABASE_MAX_CONNECTIONS", "5"}, {"REACTORS", "9"}}));
  for (const auto* value : {"0", "2", "10001", "-3", "many"})
    BOOST_TEST(refuses("DATABASE_MAX_CONNECTIONS", value), value);
}

BOOST_AUTO_TEST_CASE(refuses_times_of_the_database_without_sense) {
  for (const auto* value : {"99ms", "0s", "25h", "5", "never"})
    BOOST_TEST(refuses("DATABASE_CONN_TIMEOUT", value), value);
  for (const auto* value : {"999ms", "25h", "1"})
    BOOST_TEST(refuses("DATABASE_CONN_LIFETIME", value), value);
  for (const auto* value : {"0s", "0", "100"})
    BOOST_TEST(refuses("SLOW_QUERY", value), value);
}

BOOST_AUTO_TEST_CASE(limits_that_reactors_share_leave_none_with_nothing) {
  BOOST_TEST(accepts({{"REACTORS", "8"}, {"PROCESSOR_MAX_IN_FLIGHT", "8"}, {"MAX_CONNECTIONS", "8"}}));
  const auto errors =
      parsed({{"REACTORS", "8"}, {"PROCESSOR_MAX_IN_FLIGHT", "7"}, {"MAX_CONNECTIONS", "7"}}).errors;
  BOOST_TEST(errors.size() == 2);
  BOOST_TEST(has_line(errors, "PROCESSOR_MAX_IN_FLIGHT=7: expected at least REACTORS=8"));
  BOOST_TEST(has_line(errors, "MAX_CONNECTIONS=7: expected at least REACTORS=8"));
}

BOOST_AUTO_TEST_CASE(limits_must_fit_the_open_files) {
  const auto errors = parse_config({}, {.cores = 1, .open_files = 10'600}).errors;
  BOOST_TEST_REQUIRE(errors.size() == 1);
  BOOST_TEST(
      errors[0].starts_with("MAX_CONNECTIONS=10000 and PROCESSOR_MAX_IN_FLIGHT=300 with 2 processors"));
  BOOST_TEST(
      parse_config({{"MAX_CONNECTIONS", "9000"}}, {.cores = 1, .open_files = 10'600}).value.has_value());
}

BOOST_AUTO_TEST_CASE(connections_to_the_database_count_among_the_open_files) {
  const auto fits = [](const environment& variables, std::size_t open_files) {
    return parse_config(variables, {.cores = 1, .open_files = open_files}).value.has_value();
  };
  const std::size_t in_memory = 10'000 + 2 * (300 + 40) + 8 + 1 + 64;
  BOOST_TEST(fits({}, in_memory));
  BOOST_TEST(!fits({}, in_memory - 1));
  BOOST_TEST(fits({{"DATABASE_URL", database}}, in_memory + 6));
  BOOST_TEST(!fits({{"DATABASE_URL", database}}, in_memory + 5));
  BOOST_TEST(fits({{"DATABASE_URL", database}, {"USE_DATABASE_STORAGE", "0"}}, in_memory));
  const environment with_replica{{"DATABASE_URL", database}, {"DATABASE_REPLICA_URL", database}};
  BOOST_TEST(fits(with_replica, in_memory + 8));
  BOOST_TEST(!fits(with_replica, in_memory + 7));
}

BOOST_AUTO_TEST_CASE(there_is_a_reactor_for_each_usable_core_up_to_the_most) {
  BOOST_TEST(parse_config({}, {.cores = 3, .open_files = 100'000}).value.value().reactors == 3);
  BOOST_TEST(parse_config({}, {.cores = 1'000, .open_files = 100'000}).value.value().reactors ==
             reactors_max);
}

BOOST_AUTO_TEST_CASE(warnings_come_with_a_config_and_with_errors) {
  BOOST_TEST(parsed({{"DB_HOST", "x"}}).value.has_value());
  BOOST_TEST(parsed({{"DB_HOST", "x"}}).warnings.size() == 1);
  BOOST_TEST(parsed({{"DB_HOST", "x"}, {"REACTORS", "x"}}).warnings.size() == 1);
}

BOOST_AUTO_TEST_CASE(reads_the_environment_of_the_process) {
  BOOST_TEST(read_environment().contains("PATH"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
