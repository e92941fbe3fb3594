// Places for so many at once: first come, first served.
#include "server/places.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/test/unit_test.hpp>

#include <exception>
#include <string>

namespace repasse {
namespace {

/// Visitors by one letter each, who note how they fared: `a` has a place, `-a` has none.
class house {
public:
  explicit house(std::size_t most) : places_(time_, most) {}
  ~house() {
    time_.abandon();
    turn();
  }

  void visit(char who, std::chrono::nanoseconds patience = std::chrono::hours{1}) {
    asio::co_spawn(context_.get_executor(), enter(who, patience), [](const std::exception_ptr& thrown) {
      if (thrown) std::terminate();
    });
    turn();
  }
  void leave() {
    places_.give_back();
    turn();
  }
  void dismiss() {
    places_.dismiss();
    turn();
  }
  void force() { places_.force(); }
  void fire(std::chrono::nanoseconds later) {
    time_.fire(time_.now() + later);
    turn();
  }
  [[nodiscard]] const std::string& notes() const { return notes_; }

private:
  void turn() {
    context_.restart();
    context_.poll();
  }
  task<> enter(char who, std::chrono::nanoseconds patience) {
    bool has_place = places_.take();
    if (!has_place) has_place = co_await places_.wait_until(time_.now() + patience);
    if (!has_place) notes_ += '-';
    notes_ += who;
  }

  asio::io_context context_{1};
  clock time_{context_};
  places places_;
  std::string notes_;
};

BOOST_AUTO_TEST_SUITE(places_test)

BOOST_AUTO_TEST_CASE(who_waited_longest_gets_the_next_place) {
  house one(2);
  for (const char who : {'a', 'b', 'c', 'd'})
    one.visit(who);
  BOOST_TEST(one.notes() == "ab");
  one.leave();
  BOOST_TEST(one.notes() == "abc");
  one.visit('e');
  one.leave();
  one.leave();
  BOOST_TEST(one.notes() == "abcde");
  one.leave();
  one.leave();
  one.visit('f');
  BOOST_TEST(one.notes() == "abcdef");
}

BOOST_AUTO_TEST_CASE(who_waited_in_vain_takes_no_place) {
  house one(1);
  one.visit('a');
  one.visit('b', std::chrono::seconds{1});
  one.visit('c');
  one.fire(std::chrono::seconds{2});
  BOOST_TEST(one.notes() == "a-b");
  one.leave();
  BOOST_TEST(one.notes() == "a-bc");
}

BOOST_AUTO_TEST_CASE(those_who_are_dismissed_leave_the_places_to_others) {
  house one(1);
  for (const char who : {'a', 'b', 'c'})
    one.visit(who);
  one.dismiss();
  BOOST_TEST(one.notes() == "a-b-c");
  one.visit('d');
  one.leave();
  BOOST_TEST(one.notes() == "a-b-cd");
}

BOOST_AUTO_TEST_CASE(a_place_beyond_the_limit_is_not_passed_on) {
  house one(1);
  one.visit('a');
  one.force();
  one.visit('b');
  one.leave();
  BOOST_TEST(one.notes() == "a");
  one.leave();
  BOOST_TEST(one.notes() == "ab");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace repasse
