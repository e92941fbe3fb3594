// The URL of a database: what is taken, what is refused, and that no form of it shows its password.
#include "server/config_database.hpp"

#include <boost/test/unit_test.hpp>

#include <map>

namespace repasse {

BOOST_AUTO_TEST_SUITE(config_database_test)

BOOST_AUTO_TEST_CASE(takes_every_form_that_libpq_takes) {
  for (const auto* url :
       {"postgresql://", "postgres://db", "postgresql://pay:secret@db:5432/payments?sslmode=verify-full",
        "postgresql://db1:5432,db2:5433/pay?target_session_attrs=read-write", "postgresql://[::1]/pay",
        "postgresql:///pay?host=/run/postgresql&user=pay", "postgresql://%2Frun%2Fpostgresql/pay",
        "host=db dbname=pay user=pay password='with space'", "host = db"})
    BOOST_TEST(database_url_problem(url) == "", url);
}

BOOST_AUTO_TEST_CASE(refuses_what_is_no_url_of_postgresql) {
  for (const auto* url : {"db", "db:5432/pay", "mysql://db/pay", "http://db", "postgresql:/db", "pay@db",
                          "postgresql://[::1", "postgresql://db/pay?colour=red", "postgresql://db/%zz",
                          "host=db password='open", "host=db colour=red", "host db=x"})
    BOOST_TEST(database_url_problem(url).starts_with("expected postgresql://"), url);
}

BOOST_AUTO_TEST_CASE(no_problem_repeats_a_secret) {
  for (const auto* url : {"Hu5h", "mysql://u:Hu5h@db", "postgresql://u:Hu5h@[::1",
                          "postgresql://u:Hu5h@db/x?Hu5h", "postgresql://u@db?password=Hu5h&colour=red",
                          "postgresql://u:Hu5h%zz@db", "postgresql://u:%00Hu5h@db", "host=db password='Hu5h",
                          "host=db password=Hu5h colour=red", "host=db Hu5h", "password=Hu5h Hu5h=1"}) {
    BOOST_TEST(!database_url_problem(url).empty(), url);
    BOOST_TEST(database_url_problem(url).find("Hu5h") == std::string::npos, database_url_problem(url));
  }
}

BOOST_AUTO_TEST_CASE(a_url_is_shown_with_its_password_hidden) {
  const std::map<std::string, std::string> texts{
      {"postgresql://pay:Hu5h@db:5432/pay?sslmode=require",
       "postgresql://pay:***@db:5432/pay?sslmode=require"},
      {"postgres://pay@db", "postgres://pay@db"},
      {"postgres://:Hu5h@db", "postgres://:***@db"},
      {"postgresql://[::1]:5432,b:1/pay", "postgresql://[::1]:5432,b:1/pay"},
      {"postgresql://%2Frun/pay?user=pay&password=Hu5h", "postgresql://%2Frun/pay?user=pay&password=***"},
      {"postgresql:///pay?host=/run&sslpassword=Hu5h", "postgresql:///pay?host=/run&sslpassword=***"},
      {"host=db password=Hu5h dbname=pay", "host=db password=*** dbname=pay"},
      {"host = db  password = 'Hu5h \\' Hu5h' user=pay", "host=db password=*** user=pay"},
      {"", ""}};
  for (const auto& [url, text] : texts)
    BOOST_TEST(database_url_text(url) == text);
}

BOOST_AUTO_TEST_CASE(what_is_not_understood_is_not_shown) {
  for (const auto* url : {"postgresql://u:Hu5h", "postgresql://u:p@Hu5h@db", "postgresql://u:Hu/5h@db",
                          "postgresql://Hu5h:x@y:z@db", "postgresql://u:Hu?5h@db",
                          "postgresql://u:p/Hu5h@db/x", "postgresql://db/x?p%61ssword=Hu5h",
                          "postgresql://db?Hu5h", "password='Hu5h", "password Hu5h", "u:Hu5h@db"})
    BOOST_TEST(database_url_text(url).ends_with("***"), database_url_text(url));
  BOOST_TEST(database_url_text("host='db@Hu5h' options='-c x=Hu5h'") == "host=*** options=***");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
