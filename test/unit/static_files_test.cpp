// The files within the program, and when gzip is taken.
#include "server/static_files.hpp"

#include <boost/test/unit_test.hpp>

#include <set>
#include <string>

namespace repasse {

BOOST_AUTO_TEST_SUITE(of_static_files)

BOOST_AUTO_TEST_CASE(holds_the_page_and_all_that_it_names) {
  std::set<std::string_view> paths;
  std::set<std::string_view> tags;
  for (const static_file& one : static_files()) {
    paths.insert(one.path);
    tags.insert(one.etag);
    tags.insert(one.packed_etag);
    BOOST_TEST(!one.content.empty(), one.path);
    BOOST_TEST(one.packed.substr(0, 2) == "\x1f\x8b", one.path);
  }
  BOOST_TEST(paths.size() == static_files().size());
  BOOST_TEST(tags.size() == 2 * static_files().size());
  for (const std::string_view page : {"/", "/dashboard/api.html"}) {
    const std::string html = static_answer(page, "", "").body;
    for (std::size_t at = html.find("\"/dashboard/"); at != std::string::npos;
         at = html.find("\"/dashboard/", at + 1)) {
      const std::string named = html.substr(at + 1, html.find('"', at + 1) - at - 1);
      BOOST_TEST(paths.contains(named), named);
    }
  }
}

BOOST_AUTO_TEST_CASE(sends_gzip_to_those_alone_who_take_it) {
  for (const std::string_view taken :
       {"gzip", "br, GZip", "gzip;q=0.1", "*", "x-gzip", " deflate ,\tgzip ; q=1", "gzip, *;q=0"}) {
    BOOST_TEST(takes_gzip(taken), taken);
  }
  for (const std::string_view refused :
       {"", "identity", "gzip;q=0", "gzip; Q=0.000", "*;q=0", "br, gzipped", "gzip;q=0, *", ",,", ";"}) {
    BOOST_TEST(!takes_gzip(refused), refused);
  }
  BOOST_TEST(static_answer("/", "gzip", "").headers.find("Content-Encoding: gzip\r\n") != std::string::npos);
  BOOST_TEST(static_answer("/", "", "").headers.find("Content-Encoding") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(sends_again_what_the_asker_has_not_in_the_same_coding) {
  const static_file& page = static_files().front();
  const std::string both = "\"x\", W/" + std::string(page.etag);
  BOOST_TEST(static_answer(page.path, "", both).status == 304);
  BOOST_TEST(static_answer(page.path, "", both).body.empty());
  BOOST_TEST(static_answer(page.path, "gzip", both).status == 200);
  BOOST_TEST(static_answer(page.path, "gzip", page.packed_etag).status == 304);
  BOOST_TEST(static_answer(page.path, "gzip", " * ").status == 304);
  BOOST_TEST(static_answer(page.path, "", "\"*\"").status == 200);
  BOOST_TEST(static_answer("/dashboard/", "", "*").status == 404);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
