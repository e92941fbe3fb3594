// The part of the ledger's contract about append, amend and settle; test/ledger_contract.hpp includes it.
#pragma once

namespace repasse::contract {

BOOST_AUTO_TEST_SUITE(ledger_writes)

BOOST_AUTO_TEST_CASE_TEMPLATE(a_fresh_payment_is_found_as_it_was_appended, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  books.post(epoch, 1);
  books.post(epoch, 2, second);

  const payment_record waiting = books.get_payment(1);
  BOOST_TEST(waiting.id == id_of(1));
  BOOST_TEST(waiting.amount_cents == 1990);
  BOOST_TEST(waiting.status == status::accepted);
  BOOST_TEST(waiting.processor == no_processor);
  BOOST_TEST(waiting.accepted_at == start);
  BOOST_TEST(!waiting.requested_at.has_value());
  BOOST_TEST(!waiting.processed_at.has_value());
  BOOST_TEST(waiting.attempts == 0);
  const payment_record sending = books.get_payment(2);
  BOOST_TEST(sending.status == status::sending);
  BOOST_TEST(sending.processor == second);
  BOOST_TEST(!books.find(3).has_value());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_posted_id_is_known_with_its_amount_and_a_conflict_with_another, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  books.post(epoch, 1, first);
  append_item again = books.item(1, second);
  again.token = 99;
  BOOST_TEST(books.append(epoch, again) == appended::known);
  BOOST_TEST(books.append(books.open(), again) == appended::known);
  again.amount_cents = 1991;
  BOOST_TEST(books.append(epoch, again) == appended::conflict);
  BOOST_TEST(books.settle(1, first) == settled::settled);
  BOOST_TEST(books.append(epoch, again) == appended::conflict);
  BOOST_TEST(books.get_payment(1).amount_cents == 1990);
  BOOST_TEST(books.get_payment(1).processor == first);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_append_repeated_after_doubt_recognises_its_untouched_row, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  for (const std::uint64_t number : {1, 2, 3, 4, 5})
    books.post(epoch, number, first);
  BOOST_TEST(books.append(epoch, books.item(1, first)) == appended::fresh);
  BOOST_TEST(books.append(epoch, books.item(1, first)) == appended::fresh);

  append_item other_request = books.item(2, first);
  other_request.token = 98;
  BOOST_TEST(books.append(epoch, other_request) == appended::known);
  BOOST_TEST(books.append(books.open(), books.item(3, first)) == appended::known);
  BOOST_TEST(
      books.amend(epoch, {.id = id_of(4), .version = 1, .status = status::unknown, .processor = first}));
  BOOST_TEST(books.append(epoch, books.item(4, first)) == appended::known);
  BOOST_TEST(books.settle(5, first) == settled::settled);
  BOOST_TEST(books.append(epoch, books.item(5, first)) == appended::known);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_batch_may_hold_an_id_twice, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  std::array<append_item, 4> items{books.item(1), books.item(2), books.item(1), books.item(2)};
  items[2].token = 11;
  items[3].token = 12;
  items[3].amount_cents = 5;
  BOOST_TEST(books.append_all(epoch, items) == ledger_status::done);
  BOOST_TEST(items[0].answer == appended::fresh);
  BOOST_TEST(items[1].answer == appended::fresh);
  BOOST_TEST(items[2].answer == appended::known);
  BOOST_TEST(items[3].answer == appended::conflict);
  BOOST_TEST(books.unsettled(epoch).size() == 2U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_amend_is_applied_from_the_known_version_only, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  books.post(epoch, 1);
  const amend_item choose{.id = id_of(1), .version = 1, .status = status::sending, .processor = first};
  amend_item early = choose;
  early.version = 2;
  BOOST_TEST(!books.amend(epoch, early));
  BOOST_TEST(books.amend(epoch, choose));
  BOOST_TEST(books.get_payment(1).processor == first);
  const amend_item move{
      .id = id_of(1), .version = 2, .attempts = 1, .status = status::sending, .processor = second};
  BOOST_TEST(books.amend(epoch, move));
  BOOST_TEST(!books.amend(epoch, choose));
  BOOST_TEST(books.get_payment(1).processor == second);
  BOOST_TEST(books.get_payment(1).attempts == 1);
  BOOST_TEST(books.unsettled(epoch).at(0).version == 3U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_amend_repeated_after_doubt_recognises_its_own_write, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  books.post(epoch, 1);
  const amend_item choose{.id = id_of(1), .version = 1, .status = status::sending, .processor = first};
  BOOST_TEST(books.amend(epoch, choose));
  BOOST_TEST(books.amend(epoch, choose));
  BOOST_TEST(books.unsettled(epoch).at(0).version == 2U);
  amend_item other = choose;
  other.processor = second;
  BOOST_TEST(!books.amend(epoch, other));
  other = choose;
  other.status = status::unknown;
  BOOST_TEST(!books.amend(epoch, other));
  other = choose;
  other.attempts = 1;
  BOOST_TEST(!books.amend(epoch, other));

  const amend_item reject{.id = id_of(1), .version = 2, .status = status::rejected, .processor = first};
  BOOST_TEST(books.amend(epoch, reject));
  BOOST_TEST(books.amend(epoch, reject));
  BOOST_TEST(books.get_payment(1).status == status::rejected);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_amend_by_a_stranger_or_of_no_row_is_refused, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  books.post(epoch, 1);
  const amend_item choose{.id = id_of(1), .version = 1, .status = status::sending, .processor = first};
  const epoch_id stranger = books.open();
  BOOST_TEST(!books.amend(stranger, choose));
  BOOST_TEST(books.get_payment(1).status == status::accepted);
  amend_item missing = choose;
  missing.id = id_of(2);
  BOOST_TEST(!books.amend(epoch, missing));
  BOOST_TEST(!books.find(2).has_value());
  BOOST_TEST(books.amend(epoch, choose));
  BOOST_TEST(!books.amend(stranger, choose));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_amend_never_touches_a_final_row, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  books.post(epoch, 1, first);
  books.post(epoch, 2, first);
  BOOST_TEST(books.settle(1, first) == settled::settled);
  BOOST_TEST(
      books.amend(epoch, {.id = id_of(2), .version = 1, .status = status::rejected, .processor = first}));
  for (const std::uint64_t number : {1, 2})
    for (const std::uint32_t version : {1U, 2U, 3U})
      BOOST_TEST(!books.amend(
          epoch, {.id = id_of(number), .version = version, .status = status::unknown, .processor = first}));
  BOOST_TEST(books.get_payment(1).status == status::processed);
  BOOST_TEST(books.get_payment(2).status == status::rejected);
  BOOST_TEST(!books.get_payment(2).processed_at.has_value());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_settle_writes_once_whatever_the_repetition_says, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  books.post(epoch, 1, first);
  std::array<settle_item, 2> twice{};
  twice[0] = {.id = id_of(1),
              .requested_at = start + 7ms,
              .processed_at = start + 12ms,
              .attempts = 3,
              .processor = first};
  twice[1] = twice[0];
  twice[1].requested_at += 1s;
  BOOST_TEST(books.run(books.get().settle(twice)) == ledger_status::done);
  BOOST_TEST(twice[0].answer == settled::settled);
  BOOST_TEST(twice[1].answer == settled::known);
  BOOST_TEST(twice[0].accepted_at == start);
  BOOST_TEST(twice[0].owner == epoch);
  BOOST_TEST(books.settle(1, first, start + 2s) == settled::known);
  BOOST_TEST(books.settle(1, second) == settled::mismatch);

  const payment_record done = books.get_payment(1);
  BOOST_TEST(done.status == status::processed);
  BOOST_TEST(done.processor == first);
  BOOST_TEST(done.requested_at.value() == start + 7ms);
  BOOST_TEST(done.processed_at.value() == start + 12ms);
  BOOST_TEST(done.attempts == 3);
  BOOST_TEST(done.owner == epoch);
  const summary sums = books.summarize();
  BOOST_TEST(sums[first] == (processor_total{1, 1990}));
  BOOST_TEST(sums[second] == processor_total{});
}

BOOST_AUTO_TEST_CASE_TEMPLATE(only_a_row_that_names_the_processor_is_settled, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  books.post(epoch, 1);
  books.post(epoch, 2, first);
  books.post(epoch, 3, first);
  books.post(epoch, 4, first);
  BOOST_TEST(
      books.amend(epoch, {.id = id_of(3), .version = 1, .status = status::rejected, .processor = first}));
  BOOST_TEST(
      books.amend(epoch, {.id = id_of(4), .version = 1, .status = status::unknown, .processor = first}));
  BOOST_TEST(books.settle(1, first) == settled::mismatch);
  BOOST_TEST(books.settle(2, second) == settled::mismatch);
  BOOST_TEST(books.settle(3, first) == settled::mismatch);
  BOOST_TEST(books.settle(9, first) == settled::missing);
  BOOST_TEST(books.summarize()[first] == processor_total{});
  BOOST_TEST(books.settle(4, first) == settled::settled);
  BOOST_TEST(books.summarize()[first] == (processor_total{1, 1990}));
  BOOST_TEST(books.unsettled(epoch).size() == 2U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_payment_that_moved_is_settled_where_it_is_now, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  books.post(epoch, 1, first);
  BOOST_TEST(books.amend(epoch, {.id = id_of(1), .version = 1, .status = status::accepted}));
  BOOST_TEST(books.settle(1, first) == settled::mismatch);
  BOOST_TEST(
      books.amend(epoch, {.id = id_of(1), .version = 2, .status = status::sending, .processor = second}));
  BOOST_TEST(books.settle(1, first) == settled::mismatch);
  BOOST_TEST(books.settle(1, second) == settled::settled);
  BOOST_TEST(books.unsettled(epoch).empty());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_payment_in_doubt_that_another_proves_to_have_is_settled_there, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  books.post(epoch, 1, first);
  BOOST_TEST(
      books.amend(epoch, {.id = id_of(1), .version = 1, .status = status::unknown, .processor = first}));
  BOOST_TEST(
      books.amend(epoch, {.id = id_of(1), .version = 2, .status = status::unknown, .processor = second}));
  BOOST_TEST(books.settle(1, first) == settled::mismatch);
  BOOST_TEST(books.settle(1, second) == settled::settled);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(amounts_add_up_to_the_cent, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  std::vector<append_item> items;
  std::vector<settle_item> settles;
  for (std::uint64_t number = 0; number < 1'000; ++number) {
    items.push_back(books.item(number, first));
    items.back().amount_cents = amount_cents_max;
    settles.push_back(
        {.id = id_of(number), .requested_at = start, .processed_at = start, .processor = first});
  }
  BOOST_TEST(books.append_all(epoch, items) == ledger_status::done);
  BOOST_TEST(books.run(books.get().settle(settles)) == ledger_status::done);
  BOOST_TEST(books.summarize()[first] == (processor_total{1'000, 1'000 * amount_cents_max}));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_rejection_tells_when_the_payment_was_accepted, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  books.post(epoch, 1, first);
  std::array<amend_item, 1> one{};
  one[0] = {.id = id_of(1), .version = 1, .attempts = 1, .status = status::rejected, .processor = first};
  for (int i = 0; i < 2; ++i) { // also when it is repeated
    one[0].accepted_at = {};
    BOOST_TEST(books.run(books.get().amend(epoch, one)) == ledger_status::done);
    BOOST_TEST(one[0].applied);
    BOOST_TEST(one[0].accepted_at == start);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_edition_lasts_until_a_purge_and_tells_its_rows_from_older_ones, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const auto edition = [&books] {
    const auto told = books.run(books.get().edition());
    BOOST_REQUIRE(told.has_value());
    BOOST_TEST(told->books != 0U);
    return *told;
  };
  const epoch_id before = books.open();
  const books_edition first_edition = edition();
  BOOST_TEST(first_edition.purged < before);
  books.post(before, 1, first);
  books.settle(1, first);
  BOOST_TEST((edition() == first_edition));
  books.purge();
  const books_edition second_edition = edition();
  BOOST_TEST(second_edition.books == first_edition.books);
  BOOST_TEST(second_edition.purged >= before);
  const epoch_id after = books.open();
  BOOST_TEST(second_edition.purged < after);
  BOOST_TEST((edition() == second_edition));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_purge_forgets_all_payments_and_ends_all_epochs, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  books.post(epoch, 1, first);
  books.post(epoch, 2, first);
  BOOST_TEST(books.settle(1, first) == settled::settled);
  books.purge();

  BOOST_TEST(!books.find(1).has_value());
  BOOST_TEST(books.summarize()[first] == processor_total{});
  BOOST_TEST(books.read_page({}).payments.empty());
  BOOST_TEST(books.unsettled(epoch).empty());
  BOOST_TEST(books.settle(2, first) == settled::missing);
  BOOST_TEST(books.beat(epoch).ended);
  append_item late = books.item(3);
  BOOST_TEST(books.append_all(epoch, std::span(&late, 1)) == ledger_status::epoch_ended);

  const epoch_id next = books.open();
  BOOST_TEST(next > epoch);
  append_item other_amount = books.item(1, second);
  other_amount.amount_cents = 7;
  BOOST_TEST(books.append(next, other_amount) == appended::fresh);
  BOOST_TEST(books.settle(1, second) == settled::settled);
  BOOST_TEST(books.summarize()[second] == (processor_total{1, 7}));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse::contract
