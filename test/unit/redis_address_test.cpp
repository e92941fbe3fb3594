// The URL of a Redis: every form that is taken, and what is refused.
#include "storage/redis_address.hpp"

#include <boost/test/unit_test.hpp>

namespace repasse {
namespace {

redis_target read(std::string_view url) {
  redis_target target;
  const std::string problem = parse_redis_url(url, target);
  BOOST_TEST(problem == "", url);
  return target;
}

std::string problem_of(std::string_view url) {
  redis_target ignored;
  return parse_redis_url(url, ignored);
}

} // namespace

BOOST_AUTO_TEST_SUITE(redis_address_test)

BOOST_AUTO_TEST_CASE(a_server_is_read_with_all_its_parts) {
  const redis_target all = read("redis://a%40lice:p%3A%2fw%25:d@cache.local:6380/12");
  BOOST_TEST_REQUIRE(all.hosts.size() == 1U);
  BOOST_TEST(all.hosts.front().text() == "cache.local:6380");
  BOOST_TEST(all.user == "a@lice");
  BOOST_TEST(all.password == "p:/w%:d");
  BOOST_TEST((all.db == 12U));
  BOOST_TEST(!all.is_sentinel());
  BOOST_TEST(all.path.empty());
}

BOOST_AUTO_TEST_CASE(parts_may_be_left_out) {
  for (const auto* url : {"redis://there", "redis://there/", "redis://there:6379", "redis://@there"}) {
    const redis_target target = read(url);
    BOOST_TEST(target.hosts.front().text() == "there:6379");
    BOOST_TEST(target.user.empty());
    BOOST_TEST(target.password.empty());
    BOOST_TEST(!target.db.has_value());
  }
  BOOST_TEST(read("redis://:secret@there").password == "secret");
  BOOST_TEST(read("redis://:secret@there").user.empty());
  BOOST_TEST(read("redis://alice@there").user == "alice");
  BOOST_TEST(read("redis://alice@there").password.empty());
}

BOOST_AUTO_TEST_CASE(addresses_are_read) {
  BOOST_TEST(read("redis://[::1]:7000").hosts.front().name == "::1");
  BOOST_TEST(read("redis://[::1]:7000").hosts.front().text() == "[::1]:7000");
  BOOST_TEST(read("redis://[fe80::1]").hosts.front().port == 6'379);
  BOOST_TEST(read("redis://10.0.0.1").hosts.front().name == "10.0.0.1");
}

BOOST_AUTO_TEST_CASE(a_socket_file_is_read) {
  for (const auto* url : {"unix:/run/redis.sock", "unix:///run/redis.sock", "redis+unix:///run/redis.sock"}) {
    BOOST_TEST(read(url).path == "/run/redis.sock");
    BOOST_TEST(read(url).hosts.empty());
  }
  BOOST_TEST((read("unix:/a%20b?db=3").db == 3U));
  BOOST_TEST(read("unix:/a%20b?db=3").path == "/a b");
}

BOOST_AUTO_TEST_CASE(sentinels_are_read) {
  const redis_target all = read("redis-sentinel://u:p@one,two:26380,[::1]/pay%2Fments/4");
  BOOST_TEST_REQUIRE(all.hosts.size() == 3U);
  BOOST_TEST(all.hosts[0].text() == "one:26379");
  BOOST_TEST(all.hosts[1].text() == "two:26380");
  BOOST_TEST(all.hosts[2].text() == "[::1]:26379");
  BOOST_TEST(all.is_sentinel());
  BOOST_TEST(all.master == "pay/ments");
  BOOST_TEST((all.db == 4U));
  BOOST_TEST(all.password == "p");
  BOOST_TEST(!read("redis-sentinel://one/pay/").db.has_value());
}

BOOST_AUTO_TEST_CASE(what_stands_beside_the_url_fills_its_gaps) {
  const redis_target filled = target_of({.url = "redis://u@there", .password = "beside", .db = 5});
  BOOST_TEST(filled.password == "beside");
  BOOST_TEST((filled.db == 5U));
  const redis_target own = target_of({.url = "redis://u:own@there/0", .password = "beside", .db = 5});
  BOOST_TEST(own.password == "own");
  BOOST_TEST((own.db == 0U));
}

BOOST_AUTO_TEST_CASE(refuses_what_is_not_well_formed) {
  for (const auto* url : {"",
                          "there",
                          "there:6379",
                          "redis:there",
                          "redis://",
                          "redis:///0",
                          "redis://:6379",
                          "redis://u:p@",
                          "redis://there:0",
                          "redis://there:65536",
                          "redis://there:x",
                          "redis://there:",
                          "redis://a b",
                          "redis://[::1",
                          "redis://[there]",
                          "redis://[::1]x",
                          "redis://::1",
                          "redis://there/x",
                          "redis://there/-1",
                          "redis://there/1/2",
                          "redis://there/2147483648",
                          "redis://there/99999999999",
                          "redis://a,b",
                          "redis://a@b@c",
                          "redis://u:%@there",
                          "redis://u:%4@there",
                          "redis://u:%zz@there",
                          "redis://u:p w@there",
                          "redis://there?db=1",
                          "redis://there#1",
                          "rediss://there",
                          "redis-sentinel://there",
                          "redis-sentinel://there/",
                          "redis-sentinel://,b/pay",
                          "redis-sentinel://a,/pay",
                          "redis-sentinel://a/%/1",
                          "redis-sentinel://a/pay/x",
                          "unix:",
                          "unix:run",
                          "unix://run/x",
                          "unix:/a?x=1",
                          "unix:/a?db=",
                          "unix:/a?db=x",
                          "unix:/a%00b",
                          "http://there"})
    BOOST_TEST(problem_of(url) != "", url);
  std::string many = "redis-sentinel://h";
  for (int i = 0; i < 16; ++i)
    many += ",h";
  BOOST_TEST(problem_of(many + "/pay") != "");
  BOOST_TEST(problem_of("unix:/" + std::string(107, 'x')) != "");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
