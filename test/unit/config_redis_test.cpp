// What concerns Redis: what is taken, what is refused, and that no form of it shows its password.
#include "server/config_redis.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>

namespace repasse {
namespace {

constexpr machine_limits roomy{.cores = 2, .open_files = 1'000'000};

parsed_config parsed(const environment& variables) { return parse_config(variables, roomy); }

/// The only error that the variables give.
std::string only_error(const environment& variables) {
  const auto result = parsed(variables);
  BOOST_TEST(!result.value);
  BOOST_TEST_REQUIRE(result.errors.size() == 1);
  return result.errors.front();
}

bool shows(const config& settings, const std::string& line) {
  const std::vector<std::string> lines = describe(settings);
  return std::ranges::find(lines, line) != lines.end();
}

} // namespace

BOOST_AUTO_TEST_SUITE(config_redis_test)

BOOST_AUTO_TEST_CASE(without_a_url_there_is_no_redis) {
  const auto result = parsed({{"REDIS_DB", "3"}, {"REDIS_PASSWORD", "Hu5h"}});
  BOOST_TEST_REQUIRE(result.value.has_value());
  const config& settings = *result.value;
  BOOST_TEST(settings.redis_url.empty());
  BOOST_TEST(!settings.use_redis_health_monitoring);
  BOOST_TEST(!settings.use_redis_session_cache);
  BOOST_TEST(settings.redis_prefix == "repasse");
  BOOST_TEST((settings.redis_conn_timeout == std::chrono::seconds{5}));
  BOOST_TEST((settings.cache_ttl == std::chrono::hours{1}));
  BOOST_TEST(shows(settings, "REDIS_URL=none"));
  BOOST_TEST(shows(settings, "REDIS_PASSWORD=***"));
}

BOOST_AUTO_TEST_CASE(a_url_switches_on_what_uses_it) {
  const auto result = parsed({{"REDIS_URL", "redis://cache:Hu5h@there:6380/2"},
                              {"REDIS_DB", "3"},
                              {"REDIS_CONN_TIMEOUT", "250ms"},
                              {"REDIS_PREFIX", "pay:{eu}"},
                              {"CACHE_TTL", "10s"}});
  BOOST_TEST_REQUIRE(result.value.has_value());
  const config& settings = *result.value;
  BOOST_TEST(settings.use_redis_health_monitoring);
  BOOST_TEST(settings.use_redis_session_cache);
  BOOST_TEST(settings.redis_db == 3U);
  for (const auto* line :
       {"REDIS_URL=redis://cache:***@there:6380/2", "REDIS_DB=3", "REDIS_PASSWORD=none",
        "REDIS_CONN_TIMEOUT=250ms", "REDIS_PREFIX=pay:{eu}", "USE_REDIS_HEALTH_MONITORING=true",
        "USE_REDIS_SESSION_CACHE=true", "CACHE_TTL=10s"})
    BOOST_TEST(shows(settings, line), line);
}

BOOST_AUTO_TEST_CASE(what_uses_it_may_be_switched_off_one_by_one_and_not_on_without_it) {
  for (const auto* name : {"USE_REDIS_HEALTH_MONITORING", "USE_REDIS_SESSION_CACHE"}) {
    const auto off = parsed({{"REDIS_URL", "redis://there"}, {name, "false"}});
    BOOST_TEST_REQUIRE(off.value.has_value());
    BOOST_TEST(off.value->use_redis_health_monitoring != off.value->use_redis_session_cache);
    BOOST_TEST(parsed({{name, "0"}}).value.has_value());
    BOOST_TEST(only_error({{name, "1"}}) == std::string(name) + "=1: expected REDIS_URL to be set");
    BOOST_TEST(only_error({{"REDIS_URL", "redis://there"}, {name, "on"}}).starts_with(name));
  }
}

BOOST_AUTO_TEST_CASE(a_prefix_set_to_nothing_is_no_prefix) {
  const auto none = parsed({{"REDIS_PREFIX", ""}});
  BOOST_TEST_REQUIRE(none.value.has_value());
  BOOST_TEST(none.value->redis_prefix.empty());
  BOOST_TEST(shows(*none.value, "REDIS_PREFIX="));
  BOOST_TEST(only_error({{"REDIS_PREFIX", "a b"}}).starts_with("REDIS_PREFIX=a b: "));
  BOOST_TEST(only_error({{"REDIS_PREFIX", std::string(65, 'x')}}).starts_with("REDIS_PREFIX="));
}

BOOST_AUTO_TEST_CASE(refuses_numbers_and_times_that_cannot_be) {
  for (const auto& [name, value] : std::map<std::string, std::string>{
           {"REDIS_DB", "-1"}, {"REDIS_DB", "x"}, {"REDIS_CONN_TIMEOUT", "5"}, {"CACHE_TTL", "10ms"}})
    BOOST_TEST(only_error({{name, value}}).starts_with(name + "="));
  BOOST_TEST(only_error({{"REDIS_DB", "2147483648"}}).starts_with("REDIS_DB="));
}

BOOST_AUTO_TEST_CASE(no_problem_repeats_a_secret) {
  for (const auto* url :
       {"Hu5h", "rediss://u:Hu5h@there", "redis://u:Hu5h@", "redis://u:Hu5h", "redis://u:Hu/5h@there",
        "redis://u:p@Hu5h@there", "redis://u:Hu5h%zz@there", "redis://u:Hu5h@there/x", "redis://there?p=Hu5h",
        "redis://there#Hu5h", "redis-sentinel://u:Hu5h@there", "unix:Hu5h", "unix:/a?password=Hu5h",
        "http://u:Hu5h@there"}) {
    const std::string error = only_error({{"REDIS_URL", url}});
    BOOST_TEST(error.starts_with("REDIS_URL="), error);
    if (std::string_view{url} != "Hu5h") BOOST_TEST(error.find("u5h") == std::string::npos, error);
    BOOST_TEST(redis_url_text(url).ends_with("***"), url);
    BOOST_TEST(redis_url_text(url).find("u5h") == std::string::npos, url);
  }
  BOOST_TEST(only_error({{"REDIS_URL", "rediss://there"}}).find("TLS to Redis is not supported") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_url_is_shown_with_its_password_hidden) {
  const std::map<std::string, std::string> texts{
      {"redis://there", "redis://there"},
      {"redis://:Hu5h@[::1]:1/2", "redis://:***@[::1]:1/2"},
      {"redis://cache:Hu5h@there", "redis://cache:***@there"},
      {"redis://Hu5h@there", "redis://***@there"},
      {"redis-sentinel://u:Hu5h@a,b:1/pay/2", "redis-sentinel://u:***@a,b:1/pay/2"},
      {"unix:/run/a@b?db=1", "unix:/run/a@b?db=1"}};
  for (const auto& [url, text] : texts)
    BOOST_TEST(redis_url_text(url) == text);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
