// What is said about variables that nothing reads.
#include "server/config_advice.hpp"

#include <boost/test/unit_test.hpp>

namespace repasse {
namespace {

/// The line about one variable, beside a processor `default`; empty if there is none.
std::string advice_for(const std::string& name) {
  config settings;
  settings.processors.resize(1);
  settings.processors[0].name = "default";
  const auto lines = advise({{name, "x"}}, settings);
  return lines.empty() ? "" : lines.front();
}

} // namespace

BOOST_AUTO_TEST_SUITE(config_advice_test)

BOOST_AUTO_TEST_CASE(a_variable_of_an_older_design_is_answered_with_the_one_to_use) {
  const std::map<std::string, std::string> successors{
      {"DB_HOST", "DATABASE_URL"},
      {"DB_PORT", "DATABASE_URL"},
      {"DB_USER", "DATABASE_URL"},
      {"DB_PASSWORD", "DATABASE_URL"},
      {"DB_NAME", "DATABASE_URL"},
      {"REDIS_ADDR", "REDIS_URL"},
      {"REDIS_HOST", "REDIS_URL"},
      {"USE_REDIS_CACHE", "USE_REDIS_SESSION_CACHE"},
      {"USE_POSTGRES_STORAGE", "USE_DATABASE_STORAGE"},
      {"PAYMENT_PROCESSOR_URL_DEFAULT", "PROCESSOR_DEFAULT_URL"},
      {"PAYMENT_PROCESSOR_URL_FALLBACK", "PROCESSOR_FALLBACK_URL"},
      {"PORT", "LISTEN"}};
  for (const auto& [name, successor] : successors)
    BOOST_TEST(advice_for(name) == name + " is of an older design and not read: use " + successor);
}

BOOST_AUTO_TEST_CASE(an_unknown_variable_with_our_prefix_is_answered_with_the_nearest_name) {
  const std::map<std::string, std::string> nearest{{"PROCESSOR_DEFUALT_URL", "PROCESSOR_DEFAULT_URL"},
                                                   {"PROCESSOR_MAX_INFLIGHT", "PROCESSOR_MAX_IN_FLIGHT"},
                                                   {"DATABASE_URI", "DATABASE_URL"},
                                                   {"REDIS_PASS", "REDIS_PASSWORD"}};
  for (const auto& [name, known] : nearest)
    BOOST_TEST(advice_for(name) == name + " is not known and not read: use " + known);
}

BOOST_AUTO_TEST_CASE(a_variable_of_a_processor_not_named_is_answered_with_the_list_of_names) {
  BOOST_TEST(advice_for("PROCESSOR_BACKUP_URL") ==
             "PROCESSOR_BACKUP_URL is not read: name its processor in PROCESSORS");
}

BOOST_AUTO_TEST_CASE(known_variables_empty_ones_and_those_of_others_need_no_advice) {
  for (const auto* name :
       {"PROCESSOR_DEFAULT_URL", "LISTEN", "DATABASE_URL", "PATH", "PROCESSOR", "MY_REDIS_URL"})
    BOOST_TEST(advice_for(name).empty(), name);
  BOOST_TEST(advise({{"DB_HOST", ""}, {"REDIS_ADDR", ""}}, config{}).empty());
}

BOOST_AUTO_TEST_CASE(advice_never_repeats_a_value) {
  BOOST_TEST(advise({{"DB_PASSWORD", "Hu5h"}, {"REDIS_PASSWORT", "Hu5h"}}, config{}).size() == 2);
  for (const auto& line : advise({{"DB_PASSWORD", "Hu5h"}, {"REDIS_PASSWORT", "Hu5h"}}, config{}))
    BOOST_TEST(line.find("Hu5h") == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
