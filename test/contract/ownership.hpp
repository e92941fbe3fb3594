// The part of the ledger's contract about epochs and takeover; test/ledger_contract.hpp includes it.
#pragma once

namespace repasse::contract {

BOOST_AUTO_TEST_SUITE(ledger_ownership)

BOOST_AUTO_TEST_CASE_TEMPLATE(epochs_rise_and_the_lowest_unmarked_one_is_the_eldest, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id a = books.open();
  const epoch_id b = books.open();
  const epoch_id c = books.open();
  BOOST_TEST(a != 0U);
  BOOST_TEST(a < b);
  BOOST_TEST(b < c);
  BOOST_TEST(books.beat(a).eldest);
  BOOST_TEST(!books.beat(b).eldest);
  BOOST_TEST(books.run(books.get().end_epoch(b)) == ledger_status::done);
  BOOST_TEST(!books.beat(c).eldest);
  BOOST_TEST(books.run(books.get().end_epoch(a)) == ledger_status::done);
  BOOST_TEST(books.beat(c).eldest);
  BOOST_TEST(books.open() > c);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_beat_brings_what_the_beats_of_others_have_carried, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id asking = books.open();
  const epoch_id other = books.open();
  const auto is_about = [](const probe& one, processor_index processor, bool failing,
                           std::chrono::milliseconds min_response_time, epoch_id from,
                           std::chrono::milliseconds age) {
    return one.processor == processor && one.failing == failing &&
           one.min_response_time == min_response_time && one.from == from && one.age >= age &&
           one.age < age + 5s;
  };
  const auto of = [](const beat_answer& answer, processor_index processor) {
    for (const probe& one : answer.probes)
      if (one.processor == processor) return one;
    BOOST_FAIL("nothing is known of it");
    return probe{};
  };
  BOOST_TEST(books.beat(other).probes.empty());
  const probe well{.processor = first, .min_response_time = 12ms, .age = 1s};
  const probe ill{.processor = second, .failing = true, .min_response_time = 3'600s, .age = 10s};
  BOOST_TEST(books.beat(asking, {ill, well}).probes.size() == 2U);
  beat_answer heard = books.beat(other);
  BOOST_TEST(heard.probes.size() == 2U);
  BOOST_TEST(is_about(of(heard, first), first, false, 12ms, asking, 1s));
  BOOST_TEST(is_about(of(heard, second), second, true, 3'600s, asking, 10s));

  // What is older than what is known changes nothing, what is newer does.
  probe older = ill;
  older.failing = false;
  older.age = 20s;
  probe newer = well;
  newer.failing = true;
  newer.age = 0s;
  BOOST_TEST(books.beat(other, {older, newer}).probes.size() == 2U);
  heard = books.beat(asking);
  BOOST_TEST(is_about(of(heard, first), first, true, 12ms, other, 0s));
  BOOST_TEST(is_about(of(heard, second), second, true, 3'600s, asking, 10s));

  // An epoch that is over tells nothing any more; what it has told stays.
  BOOST_TEST(books.run(books.get().end_epoch(asking)) == ledger_status::done);
  probe late = ill;
  late.failing = false;
  late.age = 0s;
  BOOST_TEST(books.beat(asking, {late}).ended);
  BOOST_TEST(is_about(of(books.beat(other), second), second, true, 3'600s, asking, 10s));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_a_processor_said_long_ago_is_not_known_any_more, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  const probe old{.processor = first, .age = probe_age_max + 1s};
  BOOST_TEST(books.beat(epoch, {old}).probes.empty());
  BOOST_TEST(books.beat(epoch, {{.processor = first, .failing = true, .age = 29s}}).probes.size() <= 1U);
  BOOST_TEST(books.beat(epoch, {{.processor = second, .age = 5s}}).probes.size() >= 1U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_marked_epoch_is_over_for_ever, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  books.post(epoch, 1, first);
  BOOST_TEST(books.run(books.get().end_epoch(epoch)) == ledger_status::done);
  BOOST_TEST(books.run(books.get().end_epoch(epoch)) == ledger_status::done);
  BOOST_TEST(books.beat(epoch).ended);
  BOOST_TEST(!books.beat(epoch).eldest);

  append_item posted = books.item(2);
  BOOST_TEST(books.append_all(epoch, std::span(&posted, 1)) == ledger_status::epoch_ended);
  BOOST_TEST(!books.find(2).has_value());
  amend_item change{.id = id_of(1), .version = 1, .status = status::accepted};
  BOOST_TEST(books.run(books.get().amend(epoch, std::span(&change, 1))) == ledger_status::epoch_ended);
  BOOST_TEST(books.get_payment(1).status == status::sending);
  std::array<owned_row, 1> rows;
  std::size_t taken = 1;
  BOOST_TEST(books.run(books.get().adopt(epoch, rows, taken)) == ledger_status::epoch_ended);
  BOOST_TEST(taken == 0U);
  BOOST_TEST(books.settle(1, first) == settled::settled);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_late_beat_is_as_good_as_any_until_the_epoch_is_marked, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id sleeper = books.open();
  const epoch_id taker = books.open();
  books.make_steady(taker);
  BOOST_TEST(!books.beat(sleeper).ended);
  BOOST_TEST(books.adopt(taker).empty());
  BOOST_TEST(!books.beat(sleeper).ended);
  books.make_steady(taker);
  BOOST_TEST(books.adopt(taker).empty());
  BOOST_TEST(books.beat(sleeper).ended);
  BOOST_TEST(books.beat(taker).eldest);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(only_a_taker_that_has_beaten_without_a_gap_adopts, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id dead = books.open();
  books.post(dead, 1, first);
  books.advance(10s);
  const epoch_id taker = books.open();
  BOOST_TEST(books.adopt(taker).empty());
  for (int i = 0; i < 4; ++i) {
    books.advance(1s);
    BOOST_TEST(!books.beat(taker).ended);
    BOOST_TEST(books.adopt(taker).empty());
  }
  books.advance(2s);
  BOOST_TEST(!books.beat(taker).ended);
  BOOST_TEST(books.adopt(taker).empty());
  BOOST_TEST(!books.beat(dead).ended);
  books.make_steady(taker);
  books.advance(2s);
  BOOST_TEST(books.adopt(taker).empty());
  BOOST_TEST(!books.beat(taker).ended);
  books.make_steady(taker);
  BOOST_TEST(books.adopt(taker).size() == 1U);
  BOOST_TEST(books.beat(dead).ended);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(rows_of_the_living_are_not_adopted, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id living = books.open();
  const epoch_id taker = books.open();
  books.post(living, 1, first);
  books.post(taker, 2, first);
  for (int i = 0; i < 6; ++i) {
    books.advance(1s);
    books.beat(living);
    books.beat(taker);
  }
  BOOST_TEST(books.adopt(taker).empty());
  BOOST_TEST(books.unsettled(living).size() == 1U);
  BOOST_TEST(books.run(books.get().end_epoch(living)) == ledger_status::done);
  BOOST_TEST(books.adopt(taker).size() == 1U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(adopted_rows_are_as_their_owner_left_them_but_in_doubt, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id dead = books.open();
  books.post(dead, 1);
  books.post(dead, 2, first);
  books.post(dead, 3, second);
  BOOST_TEST(books.amend(
      dead, {.id = id_of(3), .version = 1, .attempts = 4, .status = status::unknown, .processor = second}));
  const epoch_id taker = books.open();
  books.make_steady(taker);

  std::array<owned_row, 3> by_number;
  const std::vector<owned_row> taken = books.adopt(taker);
  BOOST_REQUIRE(taken.size() == 3U);
  for (const owned_row& row : taken)
    for (const std::uint64_t number : {1, 2, 3})
      if (row.id == id_of(number)) by_number[number - 1] = row;
  BOOST_TEST(taken[2].id == id_of(1));
  BOOST_TEST(by_number[0].status == status::accepted);
  BOOST_TEST(by_number[0].processor == no_processor);
  BOOST_TEST(by_number[0].amount_cents == 1990);
  BOOST_TEST(by_number[0].accepted_at == start);
  BOOST_TEST(by_number[0].version == 2U);
  for (const owned_row& row : taken)
    BOOST_TEST(row.former == dead);
  BOOST_TEST(by_number[1].status == status::unknown);
  BOOST_TEST(by_number[1].processor == first);
  BOOST_TEST(by_number[1].version == 2U);
  BOOST_TEST(by_number[2].status == status::unknown);
  BOOST_TEST(by_number[2].processor == second);
  BOOST_TEST(by_number[2].attempts == 4);
  BOOST_TEST(by_number[2].version == 3U);
  BOOST_TEST(books.get_payment(2).status == status::unknown);
  BOOST_TEST(books.unsettled(dead).empty());
  BOOST_TEST(books.unsettled(taker).size() == 3U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(rows_that_name_a_processor_are_adopted_first_and_no_more_than_asked, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id dead_a = books.open();
  const epoch_id dead_b = books.open();
  std::uint64_t number = 0;
  for (const epoch_id dead : {dead_a, dead_b})
    for (int i = 0; i < 20; ++i)
      books.post(dead, ++number, i % 2 == 0 ? no_processor : first);
  BOOST_TEST(books.settle(2, first) == settled::settled);
  const epoch_id taker = books.open();
  books.make_steady(taker);

  std::vector<owned_row> all;
  for (auto step = books.adopt(taker, 7); !step.empty(); step = books.adopt(taker, 7)) {
    BOOST_TEST(step.size() <= 7U);
    all.insert(all.end(), step.begin(), step.end());
  }
  BOOST_REQUIRE(all.size() == 39U);
  for (std::size_t i = 0; i < all.size(); ++i)
    BOOST_TEST(all[i].status == (i < 19 ? status::unknown : status::accepted));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(released_rows_are_adopted_at_once_while_their_owner_lives, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id owner = books.open();
  const epoch_id taker = books.open();
  for (std::uint64_t number = 1; number <= 5; ++number)
    books.post(owner, number, number == 1 ? first : no_processor);
  BOOST_TEST(books.settle(1, first) == settled::settled);
  books.post(owner, 6, second);
  for (int i = 0; i < 6; ++i) {
    books.advance(1s);
    books.beat(owner);
    books.beat(taker);
  }
  std::size_t released = 0;
  BOOST_TEST(books.run(books.get().release(owner, 3, released)) == ledger_status::done);
  BOOST_TEST(released == 3U);
  BOOST_TEST(books.adopt(taker).size() == 3U);
  BOOST_TEST(books.run(books.get().release(owner, 3, released)) == ledger_status::done);
  BOOST_TEST(released == 1U);
  const std::vector<owned_row> taken = books.adopt(taker);
  BOOST_REQUIRE(taken.size() == 1U);
  BOOST_TEST(taken[0].version == 3U);
  BOOST_TEST(taken[0].former == 0U);
  BOOST_TEST(taken[0].status == status::accepted);
  BOOST_TEST(
      !books.amend(owner, {.id = taken[0].id, .version = 1, .status = status::sending, .processor = first}));
  BOOST_TEST(books.unsettled(owner).size() == 1U);
  BOOST_TEST(!books.beat(owner).ended);
  BOOST_TEST(books.run(books.get().end_epoch(owner)) == ledger_status::done);
  BOOST_TEST(books.run(books.get().release(owner, 3, released)) == ledger_status::epoch_ended);
  BOOST_TEST(released == 0U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_former_owner_can_settle_but_not_amend, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id dead = books.open();
  books.post(dead, 1, first);
  books.post(dead, 2);
  const epoch_id taker = books.open();
  books.make_steady(taker);
  BOOST_TEST(books.adopt(taker).size() == 2U);

  amend_item late{.id = id_of(2), .version = 2, .status = status::sending, .processor = second};
  BOOST_TEST(books.run(books.get().amend(dead, std::span(&late, 1))) == ledger_status::epoch_ended);
  BOOST_TEST(!books.amend(books.open(), late));
  BOOST_TEST(books.amend(taker, late));
  BOOST_TEST(books.settle(1, first) == settled::settled);
  BOOST_TEST(
      !books.amend(taker, {.id = id_of(1), .version = 2, .status = status::unknown, .processor = first}));
  BOOST_TEST(books.settle(1, first) == settled::known);
  BOOST_TEST(books.summarize()[first] == (processor_total{1, 1990}));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_append_repeated_by_the_taker_of_its_row_is_known, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id dead = books.open();
  books.post(dead, 1);
  const epoch_id taker = books.open();
  books.make_steady(taker);
  BOOST_TEST(books.adopt(taker).size() == 1U);
  BOOST_TEST(books.append(taker, books.item(1)) == appended::known);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(rows_are_adopted_from_one_taker_by_the_next, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id owner = books.open();
  books.post(owner, 1, first);
  epoch_id taker = owner;
  epoch_id before = owner;
  for (std::uint32_t version = 2; version < 5; ++version) {
    taker = books.open();
    books.make_steady(taker);
    const std::vector<owned_row> taken = books.adopt(taker);
    BOOST_REQUIRE(taken.size() == 1U);
    BOOST_TEST(taken[0].version == version);
    BOOST_TEST(taken[0].former == std::exchange(before, taker));
  }
  BOOST_TEST(
      books.amend(taker, {.id = id_of(1), .version = 4, .status = status::rejected, .processor = first}));
  const epoch_id last = books.open();
  books.make_steady(last);
  BOOST_TEST(books.adopt(last).empty());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(unsettled_rows_are_found_in_steps_of_any_size, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  const epoch_id other = books.open();
  for (std::uint64_t number = 0; number < 30; ++number)
    books.post(number % 3 == 0 ? other : epoch, number, first);
  for (const std::uint64_t number : {1, 2, 28, 29})
    BOOST_TEST(books.settle(number, first) == settled::settled);
  for (const std::size_t step : {1U, 2U, 7U, 16U, 17U}) {
    std::vector<owned_row> rows = books.unsettled(epoch, step);
    BOOST_TEST(rows.size() == 16U);
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    for (std::size_t i = 1; i < rows.size(); ++i)
      BOOST_TEST(rows[i - 1].id < rows[i].id);
  }
  BOOST_TEST(books.unsettled(other).size() == 10U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse::contract
