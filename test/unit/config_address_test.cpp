// Where to listen and where processors are: what is read, and what is refused.
#include "server/config_address.hpp"

#include <boost/test/unit_test.hpp>

namespace repasse {

BOOST_AUTO_TEST_SUITE(config_address_test)

BOOST_AUTO_TEST_CASE(listens_at_addresses_of_every_kind) {
  for (const auto* text :
       {"127.0.0.1:9999", "[::1]:9998", "0.0.0.0:1", "[::]:65535", "unix:/run/repasse.sock"}) {
    const auto address = parse_listen_address(text);
    BOOST_TEST_REQUIRE(address.has_value(), text);
    BOOST_TEST(listen_text(*address) == text);
  }
  BOOST_TEST(parse_listen_address("unix:/a")->unix_path == "/a");
  BOOST_TEST(listen_text(*parse_listen_address(":9997")) == "0.0.0.0:9997");
}

BOOST_AUTO_TEST_CASE(refuses_addresses_that_are_none) {
  for (const auto* text : {"", "9999", "localhost:9999", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",
                           "127.0.0.1:65536", "127.0.0.1:+1", "::1:9999", "[::1]", "[127.0.0.1]:9999",
                           "[]:9999", "[::1]9999", "[::1:9999", "unix:", "unix:relative"})
    BOOST_TEST(!parse_listen_address(text), text);
  BOOST_TEST(!parse_listen_address("unix:/" + std::string(107, 'x')));
}

BOOST_AUTO_TEST_CASE(reads_the_parts_of_a_processors_url) {
  processor_settings plain;
  BOOST_TEST(parse_processor_url("http://bank.example/", plain));
  BOOST_TEST(plain.host == "bank.example");
  BOOST_TEST(plain.port == 80);
  BOOST_TEST(plain.path_prefix.empty());
  BOOST_TEST(plain.authority() == "bank.example");
  processor_settings full;
  BOOST_TEST(parse_processor_url("http://[::1]:8001/v1/api/", full));
  BOOST_TEST(full.host == "::1");
  BOOST_TEST(full.authority() == "[::1]:8001");
  BOOST_TEST(full.path_prefix == "/v1/api");
  BOOST_TEST(url_text(full) == "http://[::1]:8001/v1/api");
}

BOOST_AUTO_TEST_CASE(the_port_of_the_scheme_may_be_left_out) {
  for (const auto* text : {"https://bank.example", "https://bank.example:443/"}) {
    processor_settings sealed;
    BOOST_TEST(parse_processor_url(text, sealed));
    BOOST_TEST(sealed.is_https);
    BOOST_TEST(sealed.port == 443);
    BOOST_TEST(sealed.authority() == "bank.example");
    BOOST_TEST(url_text(sealed) == "https://bank.example");
  }
  processor_settings odd;
  BOOST_TEST(parse_processor_url("https://[::1]:80/v1", odd));
  BOOST_TEST(odd.authority() == "[::1]:80");
  BOOST_TEST(url_text(odd) == "https://[::1]:80/v1");
  BOOST_TEST(parse_processor_url("http://bank:443", odd));
  BOOST_TEST(!odd.is_https);
  BOOST_TEST(odd.authority() == "bank:443");
}

BOOST_AUTO_TEST_CASE(refuses_urls_with_anything_but_host_port_and_prefix) {
  for (const auto* text : {"",
                           "bank:8001",
                           "ftp://bank",
                           "https:/bank",
                           "https://",
                           "https://:443",
                           "https://user:pw@bank",
                           "http://",
                           "http:///path",
                           "http://:8001",
                           "http://bank:",
                           "http://bank:0",
                           "http://bank:99999",
                           "http://user:pw@bank",
                           "http://bank?x=1",
                           "http://bank/#part",
                           "http://ba nk",
                           "http://[::1",
                           "http://[bank]",
                           "http://[fe80::1%eth0]",
                           "http://bank/a b",
                           "http://bank\\x",
                           "http://-bank",
                           "http://bank\r\nX: y"}) {
    processor_settings ignored;
    BOOST_TEST(!parse_processor_url(text, ignored), text);
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
