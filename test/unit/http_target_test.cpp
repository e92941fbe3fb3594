#include "server/http_target.hpp"

#include "storage/payment.hpp"

#include <boost/test/unit_test.hpp>

namespace repasse {

BOOST_AUTO_TEST_SUITE(http_target_test)

BOOST_AUTO_TEST_CASE(splits_path_and_query) {
  const auto plain = http_target::parse("GET", "/payments");
  BOOST_REQUIRE(plain);
  BOOST_TEST(plain->path() == "/payments");
  BOOST_TEST(plain->query() == "");
  const auto both = http_target::parse("GET", "/a?b=c?d&e=%20");
  BOOST_REQUIRE(both);
  BOOST_TEST(both->path() == "/a");
  BOOST_TEST(both->query() == "b=c?d&e=%20");
}

BOOST_AUTO_TEST_CASE(takes_the_absolute_form) {
  for (const std::string_view target : {"http://h/a?q", "HTTP://h:80/a?q", "http://[::1]:9999/a?q"}) {
    const auto parsed = http_target::parse("GET", target);
    BOOST_REQUIRE(parsed);
    BOOST_TEST(parsed->path() == "/a");
    BOOST_TEST(parsed->query() == "q");
  }
  BOOST_TEST(http_target::parse("GET", "http://h")->path() == "/");
  BOOST_TEST(http_target::parse("GET", "http://h?q")->query() == "q");
}

BOOST_AUTO_TEST_CASE(decodes_the_path) {
  BOOST_TEST(http_target::parse("GET", "/p%61yments")->path() == "/payments");
  BOOST_TEST(http_target::parse("GET", "/%C3%a4")->path() == "/\xc3\xa4");
  BOOST_TEST(http_target::parse("GET", "/a+b")->path() == "/a+b");
  BOOST_TEST(http_target::parse("GET", "/payments%2fx")->path() == "/payments%2Fx");
  BOOST_TEST(http_target::parse("GET", "/a%3Fb")->query() == "");
}

BOOST_AUTO_TEST_CASE(refuses_what_is_no_target) {
  for (const std::string_view target :
       {"", "*", "payments", "http:/h/", "http://", "http:///a", "http://:80/", "https://h/", "http://u@h/",
        "http://u:p@h/", "http://h:x/", "h:80", "/%", "/%4", "/%zz", "/%00", "/a%0", "/%%41"})
    BOOST_TEST(!http_target::parse("GET", target), target);
  BOOST_TEST(!http_target::parse("CONNECT", "h:80"));
}

BOOST_AUTO_TEST_CASE(the_asterisk_is_for_options) {
  BOOST_REQUIRE(http_target::parse("OPTIONS", "*"));
  BOOST_TEST(http_target::parse("OPTIONS", "*")->path() == "*");
}

BOOST_AUTO_TEST_CASE(gives_parameters_decoded) {
  const auto query = query_parameters::parse("a=1&b=x+y%2Bz&&c&d=&e=f=g&%61b=h");
  BOOST_REQUIRE(query);
  BOOST_TEST(query->find("a").value() == "1");
  BOOST_TEST(query->find("b").value() == "x y+z");
  BOOST_TEST(query->find("c").value() == "");
  BOOST_TEST(query->find("d").value() == "");
  BOOST_TEST(query->find("e").value() == "f=g");
  BOOST_TEST(query->find("ab").value() == "h");
  BOOST_TEST(!query->find("z"));
  BOOST_TEST(!query->repeated());
}

BOOST_AUTO_TEST_CASE(names_the_parameter_that_repeats) {
  BOOST_TEST(query_parameters::parse("a=1&b=2&%61=1")->repeated().value() == "a");
}

BOOST_AUTO_TEST_CASE(refuses_wrong_escapes_and_too_many_parameters) {
  for (const std::string_view query : {"a=%", "a=%4", "%zz=1", "a=%00", "a=1&b=%x1"})
    BOOST_TEST(!query_parameters::parse(query), query);
  std::string many;
  for (std::size_t i = 0; i < query_parameters::count_max; ++i)
    many += "a&";
  BOOST_TEST(query_parameters::parse(many).has_value());
  BOOST_TEST(!query_parameters::parse(many + "a"));
}

BOOST_AUTO_TEST_CASE(mends_the_plus_of_a_zone) {
  BOOST_TEST(restore_zone_plus("2025-07-15T12:34:56 02:00") == "2025-07-15T12:34:56+02:00");
  BOOST_TEST(restore_zone_plus("2025-07-15 12:34:56.5 0200") == "2025-07-15 12:34:56.5+0200");
  BOOST_TEST(restore_zone_plus("2025-07-15 12:34") == "2025-07-15 12:34");
  BOOST_TEST(restore_zone_plus("2025-07-15T12:34:56Z") == "2025-07-15T12:34:56Z");
  BOOST_TEST(restore_zone_plus("") == "");
  BOOST_TEST(!parse_time(restore_zone_plus("2025-07-15T12:34:56Z "), rounding::down));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
