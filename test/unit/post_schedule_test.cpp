// Who posts when: each client with the same period from its arrival on, in order, a ramp as slow as asked.
#include "bench/post_schedule.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstddef>
#include <map>
#include <vector>

namespace repasse {
namespace {

std::vector<post_schedule::post> posts_of(post_schedule schedule, double seconds) {
  std::vector<post_schedule::post> posts;
  for (auto due = schedule.next(); due.second + 1e-9 < seconds; due = schedule.next())
    posts.push_back(due);
  return posts;
}

bool is_in_order(const std::vector<post_schedule::post>& posts) {
  for (std::size_t i = 1; i < posts.size(); ++i)
    if (posts[i].second < posts[i - 1].second) return false;
  return true;
}

BOOST_AUTO_TEST_SUITE(post_schedules)

BOOST_AUTO_TEST_CASE(without_a_ramp_the_rate_is_even_and_clients_take_turns) {
  const auto posts = posts_of(post_schedule(64, 1000, 10, false), 10);
  BOOST_TEST(posts.size() == 10'000U);
  for (std::size_t i = 0; i < posts.size(); ++i) {
    BOOST_REQUIRE(std::abs(posts[i].second - static_cast<double>(i) / 1000) < 1e-6);
    BOOST_REQUIRE(posts[i].client == i % 64);
  }
}

BOOST_AUTO_TEST_CASE(in_a_ramp_each_client_posts_once_a_second_from_its_arrival_on) {
  const auto posts = posts_of(post_schedule(550, 550, 60, true), 60);
  BOOST_TEST(is_in_order(posts));
  std::map<std::size_t, double> last;
  for (const auto& each : posts) {
    const auto before = last.find(each.client);
    if (before != last.end())
      BOOST_REQUIRE(std::abs(each.second - before->second - 1) < 1e-6);
    else
      BOOST_REQUIRE(std::abs(each.second - static_cast<double>(each.client) * 60 / 550) < 0.11);
    last[each.client] = each.second;
  }
  BOOST_TEST(last.size() == 550U);
}

BOOST_AUTO_TEST_CASE(a_ramp_posts_half_of_what_its_end_would_and_spreads_it) {
  const auto posts = posts_of(post_schedule(550, 550, 60, true), 60);
  BOOST_TEST(posts.size() > 16'500U);
  BOOST_TEST(posts.size() < 16'900U);
  std::map<int, int> in_millisecond;
  for (const auto& each : posts)
    if (each.second >= 59) ++in_millisecond[static_cast<int>(each.second * 1000)];
  for (const auto& [millisecond, count] : in_millisecond)
    BOOST_TEST(count <= 3);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
