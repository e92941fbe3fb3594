// The dashboard's files as a browser gets them: by gzip or not, once, and again only when they have changed.
#define BOOST_TEST_MODULE pages
#include "server/static_files.hpp"
#include "test/end_to_end/raw_connection.hpp"
#include "test/end_to_end/requests.hpp"
#include "test/end_to_end/server_process.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <fstream>
#include <string>

namespace repasse {
namespace {

using namespace requests;

struct one_server {
  server_process server;
  raw_connection client{server.port()};

  http_reply ask(std::string_view target, std::string_view fields = "", std::string_view method = "GET") {
    client.send(get(target, fields, method));
    return client.next(method == "HEAD");
  }
};

/// By the program that everyone has.
std::string unpack(const std::string& packed) {
  const std::string name = "/tmp/repasse-pages-" + std::to_string(::getpid());
  std::ofstream(name + ".gz", std::ios::binary) << packed;
  BOOST_REQUIRE(std::system(("gzip -df " + name + ".gz").c_str()) == 0);
  std::ifstream file(name, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::remove(name.c_str());
  return text;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(files, one_server)

BOOST_AUTO_TEST_CASE(are_the_same_by_gzip_and_without) {
  for (const static_file& one : static_files()) {
    const http_reply plain = ask(one.path);
    BOOST_TEST(plain.status == 200U);
    BOOST_TEST(plain.header("Content-Encoding") == "");
    BOOST_TEST(plain.header("Content-Type") == one.content_type);
    BOOST_TEST((plain.body == one.content), one.path);
    const http_reply packed = ask(one.path, "Accept-Encoding: br, gzip\r\n");
    BOOST_TEST(packed.header("Content-Encoding") == "gzip");
    BOOST_TEST((unpack(packed.body) == plain.body), one.path);
    BOOST_TEST(packed.header("ETag") != plain.header("ETag"));
    BOOST_TEST(packed.header("Vary") == "Accept-Encoding");
    BOOST_TEST(packed.header("Cache-Control") == "no-cache");
    BOOST_TEST(packed.header("X-Content-Type-Options") == "nosniff");
    BOOST_TEST(packed.header("Referrer-Policy") == "no-referrer");
    const std::string policy{packed.header("Content-Security-Policy")};
    BOOST_TEST(policy.starts_with("default-src 'none'; script-src 'self';"), policy);
    BOOST_TEST(policy.find("unsafe") == std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(are_not_sent_again_to_who_has_them) {
  const std::string tag{ask("/").header("ETag")};
  const http_reply again = ask("/", "If-None-Match: " + tag + "\r\n");
  BOOST_TEST(again.status == 304U);
  BOOST_TEST(again.header("ETag") == tag);
  BOOST_TEST(again.header("Content-Length") == "");
  BOOST_TEST(again.header("Content-Type") == "");
  BOOST_TEST(again.body == "");
  BOOST_TEST(ask("/healthz").status == 200U); // the connection goes on behind an answer without a length
  BOOST_TEST(ask("/", "If-None-Match: \"of another\"\r\n").status == 200U);
}

BOOST_AUTO_TEST_CASE(tell_their_size_to_HEAD) {
  const http_reply head = ask("/dashboard/chart.js", "", "HEAD");
  BOOST_TEST(head.status == 200U);
  BOOST_TEST(head.header("Content-Length") == std::to_string(ask("/dashboard/chart.js").body.size()));
}

BOOST_AUTO_TEST_CASE(are_those_alone_and_only_read) {
  for (const std::string_view none :
       {"/dashboard", "/dashboard/", "/dashboard/index.html", "/dashboard/../healthz", "/dashboard/%2e%2e/",
        "/dashboard/..%2f..%2fetc%2fpasswd", "/dashboard/a/b", "/dashboard/CHART.JS", "/index.html"})
    detail_of(ask(none), 404);
  BOOST_TEST(ask("/dashboard/chart%2Ejs").status == 200U);
  BOOST_TEST(ask("/?a=b").status == 200U);
  for (const std::string_view malformed : {"/dashboard/%", "/dashboard/%zz", "/dashboard/%00", "/?a=1&a=2"})
    detail_of(ask(malformed), 400);
  client.send(post("/", "{}"));
  const http_reply refused = client.next();
  detail_of(refused, 405);
  BOOST_TEST(refused.header("Allow") == "GET, HEAD");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
