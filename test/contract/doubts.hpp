// The part of the ledger's contract about payments in doubt: since when and why they are so;
// test/ledger_contract.hpp includes it.
#pragma once

namespace repasse::contract {

/// A change of a payment that one send was made of.
inline amend_item change_to(status wished, std::uint64_t number, std::uint32_t version, processor_index at,
                            std::string_view reason = {}) {
  return {.id = id_of(number),
          .version = version,
          .attempts = 1,
          .status = wished,
          .processor = at,
          .reason = reason};
}

/// Requires that it is in doubt for that reason, for at least `least`.
inline void require_doubt(const payment_record& of, std::string_view reason,
                          std::chrono::milliseconds least) {
  BOOST_REQUIRE(of.status == status::unknown);
  BOOST_REQUIRE(of.doubt.has_value());
  BOOST_TEST(of.doubt->reason == reason);
  BOOST_TEST((of.doubt->age >= least && of.doubt->age < least + 30s));
}

BOOST_AUTO_TEST_SUITE(ledger_doubts)

BOOST_AUTO_TEST_CASE_TEMPLATE(a_payment_in_doubt_tells_since_when_and_why_and_no_other_does, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  books.post(epoch, 1, first);
  books.post(epoch, 2, first);
  books.post(epoch, 3);
  BOOST_TEST(!books.get_payment(1).doubt.has_value());
  BOOST_TEST(books.amend(epoch, change_to(status::unknown, 1, 1, first, "timed out")));
  books.advance(2s);
  require_doubt(books.get_payment(1), "timed out", 2s);
  BOOST_TEST(!books.get_payment(2).doubt.has_value());
  BOOST_TEST(!books.get_payment(3).doubt.has_value());

  // What it is in doubt for is what it came to be in doubt for.
  BOOST_TEST(books.amend(epoch, change_to(status::unknown, 1, 2, first, "lost")));
  books.advance(2s);
  require_doubt(books.get_payment(1), "timed out", 4s);

  page_query wanted;
  wanted.status = status::unknown;
  const page in_doubt = books.read_page(wanted);
  BOOST_TEST_REQUIRE(in_doubt.payments.size() == 1U);
  require_doubt(in_doubt.payments[0], "timed out", 4s);
  for (const payment_record& each : books.read_page({}).payments)
    BOOST_TEST(each.doubt.has_value() == (each.id == id_of(1)));

  BOOST_TEST(books.settle(1, first) == settled::settled);
  BOOST_TEST(!books.get_payment(1).doubt.has_value());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_payment_taken_over_on_its_way_is_in_doubt_since_then, Fixture,
                              ledgers_under_test) {
  bench<Fixture> books;
  const epoch_id former = books.open();
  books.post(former, 1, first);
  books.post(former, 2, first);
  books.post(former, 3);
  BOOST_TEST(books.amend(former, change_to(status::unknown, 2, 1, first, "lost")));
  const epoch_id taker = books.open();
  books.make_steady(taker);
  BOOST_TEST(books.adopt(taker).size() == 3U);
  const std::string taken = "taken over from epoch " + std::to_string(former);
  require_doubt(books.get_payment(1), taken, 0s);
  require_doubt(books.get_payment(2), "lost", 6s);
  BOOST_TEST(!books.get_payment(3).doubt.has_value());

  // Nor does another takeover begin it anew.
  BOOST_TEST(books.run(books.get().end_epoch(taker)) == ledger_status::done);
  const epoch_id last = books.open();
  books.make_steady(last);
  BOOST_TEST(books.adopt(last).size() == 3U);
  require_doubt(books.get_payment(1), taken, 6s);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_purge_forgets_what_was_in_doubt, Fixture, ledgers_under_test) {
  bench<Fixture> books;
  epoch_id epoch = books.open();
  books.post(epoch, 1, first);
  BOOST_TEST(books.amend(epoch, change_to(status::unknown, 1, 1, first, "timed out")));
  books.purge();
  epoch = books.open();
  books.advance(2s);
  books.post(epoch, 1, first);
  BOOST_TEST(!books.get_payment(1).doubt.has_value());
  BOOST_TEST(books.amend(epoch, change_to(status::unknown, 1, 1, first, "nonsense")));
  books.advance(2s);
  require_doubt(books.get_payment(1), "nonsense", 2s);
  BOOST_TEST((books.get_payment(1).doubt->age < 4s));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_is_declared_of_a_payment_in_doubt_stands_until_it_is_set_aside, Fixture,
                              ledgers_under_test) {
  using declared = declaration::verdict;
  bench<Fixture> books;
  const epoch_id epoch = books.open();
  for (const std::uint64_t number : {1, 2, 3, 4})
    books.post(epoch, number, first);
  books.post(epoch, 5);
  for (const std::uint64_t number : {1, 2, 3})
    BOOST_TEST(books.amend(epoch, change_to(status::unknown, number, 1, first, "lost")));
  const auto declare = [&books](std::uint64_t number, status outcome, std::string reason) {
    declaration word{
        .id = id_of(number), .outcome = outcome, .requested_at = start + 7ms, .reason = std::move(reason)};
    BOOST_REQUIRE(books.run(books.get().declare(word)) == ledger_status::done);
    return word.answer;
  };
  const auto standing = [&books] {
    const std::array ids{id_of(1), id_of(2), id_of(3), id_of(4), id_of(6)};
    auto found = books.run(books.get().declarations(ids));
    BOOST_REQUIRE(found.has_value());
    return *found;
  };
  BOOST_TEST(standing().empty());
  BOOST_TEST(declare(1, status::rejected, R"(a"b\c', 2 sends, <script> é)") == declared::noted);
  BOOST_TEST(declare(2, status::processed, "it: says so") == declared::noted);
  books.advance(2s);
  std::vector<declaration> words = standing();
  BOOST_TEST_REQUIRE(words.size() == 2U);
  BOOST_TEST(words[0].id == id_of(1));
  BOOST_TEST(words[0].outcome == status::rejected);
  BOOST_TEST(words[0].reason == R"(a"b\c', 2 sends, <script> é)");
  BOOST_TEST((words[0].age >= 2s && words[0].age < 30s));
  BOOST_TEST(words[1].id == id_of(2));
  BOOST_TEST(words[1].outcome == status::processed);
  BOOST_TEST(words[1].requested_at == start + 7ms);
  BOOST_TEST(words[1].reason == "it: says so");

  // The last word counts, and what comes behind it may set it aside.
  BOOST_TEST(declare(1, status::processed, "after all") == declared::noted);
  audit_entry aside{
      .at = start, .by = epoch, .what = std::string{set_aside_event}, .detail = "it does not have it"};
  BOOST_TEST(books.run(books.get().note(id_of(2), aside)) == ledger_status::done);
  words = standing();
  BOOST_TEST_REQUIRE(words.size() == 1U);
  BOOST_TEST(words[0].reason == "after all");
  BOOST_TEST((words[0].age < 2s));

  // That it is rejected is declared as another word is about to be set aside: it stands.
  BOOST_TEST(declare(2, status::processed, "it is") == declared::noted);
  BOOST_TEST(declare(2, status::rejected, "it is not") == declared::noted);
  BOOST_TEST(books.run(books.get().note(id_of(2), aside)) == ledger_status::done);
  words = standing();
  BOOST_TEST_REQUIRE(words.size() == 2U);
  BOOST_TEST(words[1].outcome == status::rejected);
  BOOST_TEST(words[1].reason == "it is not");

  // It is for payments in doubt alone, and changes nothing by itself.
  for (const std::uint64_t number : {4, 5, 6})
    BOOST_TEST(declare(number, status::rejected, "no") == declared::refused);
  BOOST_TEST(books.settle(3, first) == settled::settled);
  BOOST_TEST(declare(3, status::rejected, "no") == declared::refused);
  BOOST_TEST(books.get_payment(1).status == status::unknown);
  const auto trail = books.run(books.get().audit(id_of(1)));
  BOOST_REQUIRE(trail.has_value());
  std::size_t by_hand = 0;
  for (const audit_entry& each : *trail)
    if (each.by == 0) ++by_hand;
  BOOST_TEST(by_hand == 2U);

  books.purge();
  BOOST_TEST(standing().empty());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse::contract
