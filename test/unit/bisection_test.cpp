// A difference between two books is followed to the millisecond, by few questions.
#include "server/bisection.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <random>

namespace repasse {
namespace {

/// Payments by time, a cent each more than the one before.
using books = std::multimap<std::int64_t, std::int64_t>;

wall_time at(std::int64_t millis) { return wall_time{std::chrono::milliseconds{millis}}; }

processor_total sum(const books& of, const time_window& window) {
  processor_total total;
  for (auto one = of.lower_bound(window.from.time_since_epoch().count());
       one != of.end() && one->first <= window.to.time_since_epoch().count(); ++one) {
    ++total.requests;
    total.amount_cents += one->second;
  }
  return total;
}

struct compared {
  std::vector<bisection::part> found;
  std::size_t questions = 0;
};

compared compare(const books& ours, const books& theirs, std::int64_t millis,
                 std::size_t questions_max = 10'000) {
  const time_window whole{at(0), at(millis - 1)};
  bisection parts({whole, sum(ours, whole), sum(theirs, whole)}, questions_max);
  compared made;
  for (auto half = parts.next(); half; half = parts.next()) {
    ++made.questions;
    parts.answer(sum(ours, *half), sum(theirs, *half));
  }
  made.found = parts.found();
  return made;
}

books some_books(std::int64_t millis, std::size_t count) {
  std::mt19937_64 random(7);
  books made;
  for (std::size_t i = 0; i < count; ++i)
    made.emplace(static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(millis)),
                 100 + std::int64_t(i));
  return made;
}

constexpr std::int64_t hour = 3'600'000;

} // namespace

BOOST_AUTO_TEST_SUITE(bisecting)

BOOST_AUTO_TEST_CASE(equal_books_raise_no_question) {
  const books ours = some_books(hour, 5000);
  const compared made = compare(ours, ours, hour);
  BOOST_TEST(made.questions == 0U);
  BOOST_TEST(made.found.empty());
}

BOOST_AUTO_TEST_CASE(one_payment_more_is_found_to_the_millisecond) {
  const books ours = some_books(hour, 5000);
  for (const std::int64_t when : {std::int64_t{0}, std::int64_t{1}, std::int64_t{1'234'567}, hour - 1}) {
    books theirs = ours;
    theirs.emplace(when, 1990);
    const compared made = compare(ours, theirs, hour);
    BOOST_TEST(made.questions <= 22U);
    BOOST_REQUIRE(made.found.size() == 1U);
    BOOST_TEST((made.found[0].window.from == at(when) && made.found[0].window.to == at(when)));
    BOOST_TEST(made.found[0].theirs.requests == made.found[0].ours.requests + 1);
    BOOST_TEST(made.found[0].theirs.amount_cents == made.found[0].ours.amount_cents + 1990);
  }
}

BOOST_AUTO_TEST_CASE(another_amount_and_another_time_are_found) {
  books ours = some_books(hour, 500);
  books theirs = ours;
  ours.emplace(1000, 1990);
  theirs.emplace(1000, 2990);
  ours.emplace(5000, 700);
  theirs.emplace(3'000'000, 700);
  const compared made = compare(ours, theirs, hour);
  std::int64_t apart = 0;
  for (const bisection::part& part : made.found) {
    BOOST_TEST(part.differs());
    apart += part.theirs.amount_cents - part.ours.amount_cents;
  }
  BOOST_TEST(made.found.size() == 3U);
  BOOST_TEST(apart == 1000);
}

BOOST_AUTO_TEST_CASE(what_they_have_nothing_of_is_not_divided) {
  books ours;
  for (int i = 0; i < 5000; ++i)
    ours.emplace(i * 100, 100);
  const compared made = compare(ours, {}, hour);
  BOOST_TEST(made.questions == 0U);
  BOOST_REQUIRE(made.found.size() == 1U);
  BOOST_TEST(made.found[0].ours.requests == 5000U);
}

BOOST_AUTO_TEST_CASE(questions_end_and_nothing_is_lost) {
  const books ours = some_books(hour, 2000);
  books theirs = some_books(hour, 1500);
  const compared made = compare(ours, theirs, hour, 50);
  BOOST_TEST(made.questions == 50U);
  BOOST_TEST(
      std::ranges::any_of(made.found, [](const auto& one) { return one.window.to > one.window.from; }));
  std::uint64_t missing = 0;
  for (const bisection::part& part : made.found)
    missing += part.ours.requests - part.theirs.requests;
  BOOST_TEST(missing == 500U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
