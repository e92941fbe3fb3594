// The program before it serves: its arguments, its configuration, and one clear word when it cannot start.
#define BOOST_TEST_MODULE command_line
#include "test/comes.hpp"
#include "test/end_to_end/raw_connection.hpp"
#include "test/end_to_end/requests.hpp"
#include "test/end_to_end/server_process.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>
#include <string_view>

namespace repasse {
namespace {

const std::string secret = "a-secret-of-more-than-32-characters";

void expect_parts(const std::string& text, const std::vector<std::string_view>& parts) {
  for (const std::string_view part : parts)
    BOOST_TEST(text.find(part) != text.npos, part << " is not in: " << text);
}

std::size_t lines_in(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

/// A folder of its own, removed with this object.
struct own_folder {
  own_folder() {
    std::string name = "/tmp/repasse-test-XXXXXX";
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~own_folder() { std::filesystem::remove_all(path); }
  own_folder(const own_folder&) = delete;
  own_folder& operator=(const own_folder&) = delete;

  std::string path;
};

} // namespace

BOOST_AUTO_TEST_SUITE(arguments)

BOOST_AUTO_TEST_CASE(help_prints_the_table_of_variables) {
  const finished_run help = run_repasse({"--help"}, {{"REACTORS", "not looked at"}});
  BOOST_TEST(help.status == 0);
  BOOST_TEST(help.errors == "");
  expect_parts(help.output, {"usage:", "LISTEN", "0.0.0.0:9999", "PROCESSOR_<NAME>_URL", "MAX_BACKLOG",
                             "SHUTDOWN_TIMEOUT", "SLOW_QUERY"});
}

BOOST_AUTO_TEST_CASE(version_prints_one_line) {
  const finished_run version = run_repasse({"--version"}, {});
  BOOST_TEST(version.status == 0);
  BOOST_TEST(version.output.starts_with("repasse "));
  BOOST_TEST(lines_in(version.output) == 1U);
}

BOOST_AUTO_TEST_CASE(unknown_arguments_are_told_with_status_2) {
  const finished_run unknown = run_repasse({"--serve"}, {});
  BOOST_TEST(unknown.status == 2);
  expect_parts(unknown.errors, {"--serve", "usage:"});
  BOOST_TEST(run_repasse({"--version", "--help"}, {}).status == 2);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(configuration)

BOOST_AUTO_TEST_CASE(a_good_one_is_printed_without_secrets) {
  const finished_run check = run_repasse(
      {"--check-config"}, {{"ADMIN_TOKEN", secret}, {"LISTEN", "127.0.0.1:1"}, {"REACTORS", "3"}});
  BOOST_TEST(check.status == 0);
  expect_parts(check.output, {"LISTEN=127.0.0.1:1\n", "REACTORS=3\n", "PROCESSOR_FALLBACK_FEE=0.15\n",
                              "ADMIN_TOKEN=***\n"});
  BOOST_TEST((check.output + check.errors).find(secret) == std::string::npos);
}

BOOST_AUTO_TEST_CASE(all_errors_of_a_bad_one_are_told_at_once) {
  const variables bad = {{"LISTEN", "somewhere"},
                         {"REACTORS", "0"},
                         {"PROCESSOR_DEFAULT_FEE", "2"},
                         {"PROCESSOR_FALLBACK_URL", "ftp://there"},
                         {"SETTLE_WITHIN", "soon"},
                         {"ADMIN_TOKEN", "too-short-secret"},
                         {"REDIS_URL", "rediss://user:redis-secret@there"}};
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--check-config"}, {}}) {
    const finished_run run = run_repasse(arguments, bad);
    BOOST_TEST(run.status == 2);
    BOOST_TEST(run.output == "");
    BOOST_TEST(lines_in(run.errors) == bad.size(), run.errors);
    for (const auto& [name, value] : bad)
      expect_parts(run.errors, {"error: " + name});
    expect_parts(run.errors, {"somewhere", "soon", "ftp://there"});
    BOOST_TEST(run.errors.find("secret") == std::string::npos, run.errors);
  }
}

BOOST_AUTO_TEST_CASE(variables_of_an_older_design_are_warned_about) {
  const finished_run run = run_repasse(
      {"--check-config"}, {{"DB_HOST", "there"}, {"REDIS_ADDR", "there:1"}, {"PROCESSOR_DEFAULT_URI", "x"}});
  BOOST_TEST(run.status == 0);
  expect_parts(run.errors, {"warning: ", "DB_HOST", "DATABASE_URL", "REDIS_ADDR", "REDIS_URL",
                            "PROCESSOR_DEFAULT_URI", "PROCESSOR_DEFAULT_URL"});
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(listening)

BOOST_AUTO_TEST_CASE(a_taken_port_is_told_in_one_line) {
  const server_process first;
  const finished_run second = run_repasse({}, {{"LISTEN", address_of(first.port())}});
  BOOST_TEST(second.status == 1);
  BOOST_TEST(lines_in(second.errors) == 1U, second.errors);
  expect_parts(second.errors, {address_of(first.port()), "Address already in use"});
  BOOST_TEST(first.caller().call("GET", "/healthz").status == 200U);
}

BOOST_AUTO_TEST_CASE(the_health_check_tells_whether_it_serves) {
  server_process server;
  const variables settings = {{"LISTEN", address_of(server.port())}};
  BOOST_TEST(comes([&] { return run_repasse({"--healthcheck"}, settings).status == 0; })); // it has 2 s
  server.end(SIGKILL);
  BOOST_TEST(run_repasse({"--healthcheck"}, settings).status == 1);
}

BOOST_AUTO_TEST_CASE(it_listens_on_a_unix_socket_and_cleans_up_behind_itself) {
  const own_folder folder;
  const std::string path = folder.path + "/repasse.sock";
  const std::string tcp = address_of(free_port());
  const variables settings = {{"LISTEN", "unix:" + path + "," + tcp}, {"REACTORS", "2"}};
  server_process killed(settings);
  for (int i = 0; i < 20; ++i) {
    raw_connection client(path);
    client.send(requests::post_payment(1));
    BOOST_TEST(client.next().status == 202U);
  }
  BOOST_TEST(comes([&] { return run_repasse({"--healthcheck"}, settings).status == 0; })); // it has 2 s
  const finished_run second = run_repasse({}, {{"LISTEN", "unix:" + path}});
  BOOST_TEST(second.status == 1);
  BOOST_TEST(lines_in(second.errors) == 1U, second.errors);

  BOOST_TEST(killed.end(SIGKILL) == 128 + SIGKILL);
  BOOST_TEST(std::filesystem::exists(path));
  server_process restarted(settings);
  BOOST_TEST(raw_connection(path).is_connected());
  BOOST_TEST(restarted.end(SIGTERM) == 0);
  BOOST_TEST(!std::filesystem::exists(path));
}

BOOST_AUTO_TEST_CASE(a_file_that_is_no_socket_is_left_alone) {
  const own_folder folder;
  const finished_run run = run_repasse({}, {{"LISTEN", "unix:" + folder.path}});
  BOOST_TEST(run.status == 1);
  BOOST_TEST(lines_in(run.errors) == 1U, run.errors);
  BOOST_TEST(std::filesystem::is_directory(folder.path));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
