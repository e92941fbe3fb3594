// The document of the API names what the server answers, no more and no less.
#include "server/endpoints.hpp"

#include <boost/json/parse.hpp>
#include <boost/test/unit_test.hpp>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

namespace repasse {
namespace {

using names = std::set<std::string>; ///< `GET /payments`

names documented() {
  std::ifstream file(REPASSE_OPENAPI);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const boost::json::value document = boost::json::parse(text);
  names all;
  for (const auto& [path, item] : document.at("paths").as_object())
    for (const std::string_view method : {"get", "put", "post", "delete", "patch"})
      if (item.as_object().contains(method)) {
        std::string name(method);
        for (char& c : name)
          c = static_cast<char>(c - 'a' + 'A');
        all.insert(name + " " + std::string(path));
      }
  return all;
}

names answered() {
  names all;
  for (const endpoints::route& one : endpoints::routes())
    all.insert(std::string(one.method) + " " + std::string(one.path));
  return all;
}

} // namespace

BOOST_AUTO_TEST_SUITE(openapi)

BOOST_AUTO_TEST_CASE(the_document_has_every_route_and_no_other) {
  BOOST_TEST(documented() == answered(), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
