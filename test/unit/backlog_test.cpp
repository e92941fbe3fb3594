// The payments in memory: their order, the index by id against a plain map, and what each of them costs.
#include "server/backlog.hpp"

#include <boost/test/unit_test.hpp>

#include <malloc.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <random>
#include <vector>

namespace repasse {
namespace {

payment_id id_of(std::uint64_t number) {
  payment_id id;
  std::memcpy(id.bytes.data(), &number, sizeof number);
  return id;
}

held_payment payment_of(const payment_id& id, std::uint64_t amount_cents = 1) {
  held_payment held{};
  held.id = id;
  held.amount_cents = amount_cents & 0xff'ffff'ffff;
  return held;
}

/// Ids that all want the last place of an index of 64, so that they probe around its end.
std::vector<payment_id> colliding_ids(std::size_t count) {
  std::vector<payment_id> ids;
  for (std::uint64_t number = 0; ids.size() < count; ++number)
    if (hash_of(id_of(number)) % 64 == 63) ids.push_back(id_of(number));
  return ids;
}

/// Takes all that wait, in turn; their numbers in that order.
std::vector<held_slot> taken_in_turn(backlog& held) {
  std::vector<held_slot> order;
  while (held.waiting() > 0) {
    order.push_back(held.next());
    held.take_next();
  }
  return order;
}

/// Bytes that malloc has given out, its own overhead included; nothing is counted under a sanitizer.
std::size_t allocated_bytes() {
  const struct mallinfo2 counts = mallinfo2();
  return counts.uordblks + counts.hblkhd;
}

} // namespace

BOOST_AUTO_TEST_SUITE(backlog_test)

BOOST_AUTO_TEST_CASE(an_empty_one_holds_nothing) {
  const backlog held;
  BOOST_TEST(held.size() == 0U);
  BOOST_TEST(held.waiting() == 0U);
  BOOST_TEST(!held.holds(id_of(0)));
}

BOOST_AUTO_TEST_CASE(keeps_what_it_is_told_of_a_payment) {
  backlog held;
  held_payment told = payment_of(id_of(7), amount_cents_max);
  told.attempts = 0xffff;
  told.version = 0xffffffff;
  told.since_ms = 0xfffffffe;
  const held_payment kept = held[held.hold(told)];
  BOOST_TEST((kept.id == id_of(7)));
  BOOST_TEST((kept.amount_cents == amount_cents_max));
  BOOST_TEST((kept.attempts == 0xffff));
  BOOST_TEST(kept.version == 0xffffffff);
  BOOST_TEST(kept.since_ms == 0xfffffffe);
}

BOOST_AUTO_TEST_CASE(three_times_the_oldest_is_next_then_once_the_newest) {
  backlog held;
  for (held_slot slot = 0; slot < 10; ++slot)
    held.wait(slot);
  const std::vector<held_slot> expected = {0, 1, 2, 9, 3, 4, 5, 8, 6, 7};
  BOOST_TEST(taken_in_turn(held) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(looking_at_the_next_takes_no_turn) {
  backlog held;
  for (held_slot slot = 0; slot < 3; ++slot)
    held.wait(slot);
  for (int i = 0; i < 10; ++i)
    BOOST_TEST(held.next() == 0U);
}

BOOST_AUTO_TEST_CASE(what_waits_first_goes_before_all_others) {
  backlog held;
  held.wait(1);
  held.wait(2);
  held.wait_first(3);
  BOOST_TEST(held.oldest() == 3U);
  const std::vector<held_slot> expected = {3, 1, 2};
  BOOST_TEST(taken_in_turn(held) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(taking_the_oldest_out_of_turn_is_a_turn) {
  backlog held;
  for (held_slot slot = 0; slot < 6; ++slot)
    held.wait(slot);
  for (held_slot slot = 0; slot < 3; ++slot) {
    BOOST_TEST(held.oldest() == slot);
    held.take_oldest();
  }
  BOOST_TEST(held.next() == 5U);
  BOOST_TEST(held.oldest() == 3U);
  held.take_oldest();
  BOOST_TEST(held.next() == 4U);
}

BOOST_AUTO_TEST_CASE(a_long_backlog_starves_neither_the_old_nor_the_new) {
  backlog held;
  for (held_slot slot = 0; slot < 1000; ++slot)
    held.wait(slot);
  std::size_t new_taken = 0;
  for (held_slot slot = 1000; slot < 1400; ++slot) {
    held.wait(slot);
    new_taken += held.next() >= 1000 ? 1 : 0;
    held.take_next();
  }
  BOOST_TEST(new_taken == 100U);
  BOOST_TEST(held.oldest() == 300U);
}

BOOST_AUTO_TEST_CASE(a_released_payment_is_held_no_more_and_its_slot_is_used_again) {
  backlog held;
  const held_slot first = held.hold(payment_of(id_of(1)));
  const held_slot second = held.hold(payment_of(id_of(2)));
  held.release(first);
  BOOST_TEST(!held.holds(id_of(1)));
  BOOST_TEST(held.holds(id_of(2)));
  BOOST_TEST(held.size() == 1U);
  BOOST_TEST(held.hold(payment_of(id_of(3))) == first);
  BOOST_TEST((held[second].id == id_of(2)));
}

BOOST_AUTO_TEST_CASE(equal_ids_stand_side_by_side) {
  backlog held;
  const held_slot first = held.hold(payment_of(id_of(1), 100));
  const held_slot second = held.hold(payment_of(id_of(1), 200));
  BOOST_TEST(held.size() == 2U);
  held.release(first);
  BOOST_TEST(held.holds(id_of(1)));
  BOOST_TEST((held[second].amount_cents == 200));
  held.release(second);
  BOOST_TEST(!held.holds(id_of(1)));
}

BOOST_AUTO_TEST_CASE(ids_that_meet_in_the_index_are_told_apart_in_whatever_order_they_leave) {
  const std::vector<payment_id> ids = colliding_ids(40);
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    backlog held;
    std::vector<held_slot> slots;
    for (const payment_id& id : ids)
      slots.push_back(held.hold(payment_of(id)));
    std::shuffle(slots.begin(), slots.end(), std::mt19937_64(seed));
    while (!slots.empty()) {
      const payment_id gone = held[slots.back()].id;
      held.release(slots.back());
      slots.pop_back();
      BOOST_REQUIRE(!held.holds(gone));
      for (const held_slot slot : slots)
        BOOST_REQUIRE(held.holds(held[slot].id));
    }
  }
}

BOOST_AUTO_TEST_CASE(random_holding_and_releasing_agrees_with_a_map) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    const std::uint64_t ids = seed % 2 == 0 ? 40 : 4'000;
    backlog held;
    std::multimap<payment_id, held_slot> model;
    std::vector<held_slot> slots;
    for (int step = 0; step < 20'000; ++step) {
      const bool growing = step / 5'000 % 2 == 0;
      if (slots.empty() || random() % 4 < (growing ? 3U : 1U)) {
        const payment_id id = id_of(random() % ids);
        slots.push_back(held.hold(payment_of(id, slots.size())));
        model.emplace(id, slots.back());
      } else {
        std::swap(slots[random() % slots.size()], slots.back());
        auto gone = model.find(held[slots.back()].id);
        while (gone->second != slots.back())
          ++gone;
        model.erase(gone);
        held.release(slots.back());
        slots.pop_back();
      }
      const payment_id asked = id_of(random() % ids);
      BOOST_REQUIRE(held.holds(asked) == model.contains(asked));
      BOOST_REQUIRE(held.size() == model.size());
    }
    for (const auto& [id, slot] : model)
      BOOST_REQUIRE((held[slot].id == id));
  }
}

BOOST_AUTO_TEST_CASE(random_waiting_and_taking_agrees_with_a_plain_queue) {
  std::mt19937_64 random(15);
  backlog held;
  std::deque<held_slot> model;
  std::size_t turn = 0;
  for (held_slot slot = 0; slot < 50'000; ++slot) {
    if (random() % 2 == 0) {
      held.wait(slot);
      model.push_back(slot);
    } else if (random() % 4 == 0) {
      held.wait_first(slot);
      model.push_front(slot);
    } else if (!model.empty() && random() % 8 == 0) {
      BOOST_REQUIRE(held.oldest() == model.front());
      held.take_oldest();
      model.pop_front();
      ++turn;
    } else if (!model.empty()) {
      const bool newest = turn++ % 4 == 3;
      BOOST_REQUIRE(held.next() == (newest ? model.back() : model.front()));
      held.take_next();
      newest ? model.pop_back() : model.pop_front();
    }
    BOOST_REQUIRE(held.waiting() == model.size());
  }
}

BOOST_AUTO_TEST_CASE(forgetting_what_waits_leaves_what_is_under_way) {
  backlog held;
  std::vector<held_slot> slots;
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    slots.push_back(held.hold(payment_of(id_of(i))));
    if (i % 3 != 0) held.wait(slots.back());
  }
  held.forget_waiting();
  BOOST_TEST(held.waiting() == 0U);
  BOOST_TEST(held.size() == 334U);
  for (std::uint64_t i = 0; i < 1'000; ++i)
    BOOST_TEST(held.holds(id_of(i)) == (i % 3 == 0));
  held.forget_waiting();
  BOOST_TEST(held.size() == 334U);
}

BOOST_AUTO_TEST_CASE(a_waiting_payment_takes_at_most_48_bytes) {
  constexpr std::size_t count = 1'000'000;
  const std::size_t before = allocated_bytes();
  backlog held;
  for (std::uint64_t i = 0; i < count; ++i)
    held.wait(held.hold(payment_of(id_of(i))));
  const std::size_t bytes = allocated_bytes() - before;
  BOOST_TEST(bytes <= 48 * count, static_cast<double>(bytes) / count << " bytes each");
}

BOOST_AUTO_TEST_CASE(a_backlog_that_fills_again_takes_no_more_memory_but_for_the_free_slots) {
  constexpr std::size_t count = 100'000;
  backlog held;
  const auto fill_and_empty = [&held] {
    for (std::uint64_t i = 0; i < count; ++i)
      held.wait(held.hold(payment_of(id_of(i))));
    held.forget_waiting();
  };
  fill_and_empty();
  const std::size_t before = allocated_bytes();
  for (int i = 0; i < 5; ++i)
    fill_and_empty();
  BOOST_TEST(allocated_bytes() <= before);
  BOOST_TEST(held.size() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
