// The part of the ledger's contract that needs no words: thousands of random calls, each answered like a map
// from id to row would; test/ledger_contract.hpp includes it.
#pragma once

#include <map>
#include <random>
#include <set>

namespace repasse::contract {

/// The naive ledger.
struct model {
  struct row {
    append_item appended;
    epoch_id owner = 0;
    std::uint32_t version = 1;
    std::uint16_t attempts = 0;
    payment_status status = status::accepted;
    processor_index processor = no_processor;
    wall_time requested_at{};
  };

  appended append(epoch_id epoch, const append_item& item) {
    const auto [found, inserted] = rows.try_emplace(item.id);
    row& own = found->second;
    if (inserted) {
      own = {.appended = item, .owner = epoch, .processor = item.processor};
      own.status = item.processor == no_processor ? status::accepted : status::sending;
      return appended::fresh;
    }
    if (own.appended.amount_cents != item.amount_cents) return appended::conflict;
    const bool repeated = own.owner == epoch && own.version == 1 && own.appended.token == item.token &&
                          own.appended.processor == item.processor && !is_final(own.status);
    return repeated ? appended::fresh : appended::known;
  }

  bool amend(epoch_id epoch, const amend_item& item) {
    const auto found = rows.find(item.id);
    if (found == rows.end() || found->second.owner != epoch) return false;
    row& own = found->second;
    if (own.version == item.version + 1)
      return own.status == item.status && own.processor == item.processor && own.attempts == item.attempts;
    if (own.version != item.version || is_final(own.status)) return false;
    ++own.version;
    own.status = item.status;
    own.processor = item.processor;
    own.attempts = item.attempts;
    return true;
  }

  settled settle(const settle_item& item) {
    const auto found = rows.find(item.id);
    if (found == rows.end()) return settled::missing;
    row& own = found->second;
    if (own.processor != item.processor || own.status == status::rejected) return settled::mismatch;
    if (own.status == status::processed) return settled::known;
    ++own.version;
    own.status = status::processed;
    own.requested_at = item.requested_at;
    return settled::settled;
  }

  /// Takes over one row as the ledger says that it did; false if it could not have.
  bool adopt(epoch_id taker, const owned_row& taken) {
    const auto found = rows.find(taken.id);
    if (found == rows.end()) return false;
    row& own = found->second;
    if (!marked.contains(own.owner) || is_final(own.status) || taken.former != own.owner) return false;
    own.owner = taker;
    ++own.version;
    if (own.processor != no_processor) own.status = status::unknown;
    return own.version == taken.version && own.status == taken.status && own.processor == taken.processor &&
           own.attempts == taken.attempts && own.appended.amount_cents == taken.amount_cents;
  }

  std::map<payment_id, row> rows;
  std::set<epoch_id> marked;
};

/// Makes random calls to a ledger and to the model, and compares the answers.
template <typename Fixture>
class comparison {
public:
  explicit comparison(std::uint64_t seed) : random_(seed) {
    for (epoch_id& each : living_)
      each = books_.open();
  }

  void step() {
    switch (random_() % 8) {
    case 0:
    case 1:
      return append();
    case 2:
    case 3:
    case 4:
      return amend();
    case 5:
    case 6:
      return settle();
    default:
      return adopt();
    }
  }

  /// One epoch ends, another begins, and all live long enough to take over.
  void restart_one() {
    epoch_id& chosen = living_[random_() % living_.size()];
    BOOST_REQUIRE(books_.run(books_.get().end_epoch(chosen)) == ledger_status::done);
    model_.marked.insert(chosen);
    chosen = books_.open();
    for (int i = 0; i < 6; ++i) {
      books_.advance(1s);
      for (const epoch_id each : living_)
        BOOST_REQUIRE(!books_.beat(each).ended);
    }
  }

  void compare_all() {
    std::map<epoch_id, std::size_t> open;
    summary sums{};
    for (std::uint64_t number = 0; number < numbers; ++number) {
      const auto expected = model_.rows.find(id_of(number));
      const auto found = books_.find(number);
      BOOST_TEST_REQUIRE(found.has_value() == (expected != model_.rows.end()));
      if (!found) continue;
      const model::row& own = expected->second;
      BOOST_TEST_REQUIRE(found->status == own.status);
      BOOST_TEST_REQUIRE(found->processor == own.processor);
      if (!is_final(own.status)) ++open[own.owner];
      if (own.status != status::processed) continue;
      BOOST_TEST_REQUIRE(found->requested_at.value() == own.requested_at);
      ++sums[own.processor].requests;
      sums[own.processor].amount_cents += own.appended.amount_cents;
    }
    BOOST_TEST_REQUIRE((books_.summarize() == sums));
    for (const epoch_id each : living_)
      BOOST_TEST_REQUIRE(books_.unsettled(each, 10).size() == open[each]);
  }

private:
  static constexpr std::uint64_t numbers = 400;

  std::uint64_t any_number() { return random_() % numbers; }
  epoch_id any_epoch() { return living_[random_() % living_.size()]; }
  processor_index any_processor() { return static_cast<processor_index>(random_() % 2); }

  void append() {
    const epoch_id epoch = any_epoch();
    std::vector<append_item> items(1 + random_() % 4);
    for (append_item& each : items) {
      each = books_.item(any_number(), random_() % 3 == 0 ? no_processor : any_processor());
      if (random_() % 10 == 0) ++each.amount_cents;
      if (random_() % 4 == 0) each.token += numbers;
    }
    BOOST_TEST_REQUIRE(books_.append_all(epoch, items) == ledger_status::done);
    for (const append_item& each : items)
      BOOST_TEST_REQUIRE(each.answer == model_.append(epoch, each));
  }

  void amend() {
    const epoch_id epoch = any_epoch();
    std::vector<amend_item> items(1 + random_() % 4);
    for (amend_item& each : items) {
      each.id = id_of(any_number());
      const auto known = model_.rows.find(each.id);
      each.version = known == model_.rows.end() ? 1 : known->second.version;
      if (random_() % 4 == 0) each.version -= 1;
      each.attempts = static_cast<std::uint16_t>(random_() % 2);
      each.status = random_() % 10 == 0 ? status::rejected : static_cast<status>(random_() % 3);
      if (each.status != status::accepted) each.processor = any_processor();
    }
    BOOST_TEST_REQUIRE(books_.run(books_.get().amend(epoch, items)) == ledger_status::done);
    for (const amend_item& each : items)
      BOOST_TEST_REQUIRE(each.applied == model_.amend(epoch, each));
  }

  void settle() {
    std::vector<settle_item> items(1 + random_() % 2);
    for (settle_item& each : items)
      each = {.id = id_of(any_number()),
              .requested_at = start + std::chrono::milliseconds{random_() % 1'000},
              .processed_at = start + 1s,
              .attempts = 1,
              .processor = any_processor()};
    BOOST_TEST_REQUIRE(books_.run(books_.get().settle(items)) == ledger_status::done);
    for (const settle_item& each : items)
      BOOST_TEST_REQUIRE(each.answer == model_.settle(each));
  }

  void adopt() {
    const epoch_id taker = any_epoch();
    const std::size_t rows_max = 1 + random_() % 5;
    const std::vector<owned_row> taken = books_.adopt(taker, rows_max);
    if (taken.empty() || taken.size() > rows_max) {
      BOOST_TEST_REQUIRE(taken.empty());
      return;
    }
    for (const owned_row& each : taken)
      BOOST_TEST_REQUIRE(model_.adopt(taker, each));
    if (taken.size() == rows_max) return;
    for (const auto& [id, row] : model_.rows)
      BOOST_TEST_REQUIRE((is_final(row.status) || !model_.marked.contains(row.owner)));
  }

  bench<Fixture> books_;
  model model_;
  std::mt19937_64 random_;
  std::array<epoch_id, 3> living_{};
};

BOOST_AUTO_TEST_SUITE(ledger_model)

BOOST_AUTO_TEST_CASE_TEMPLATE(random_calls_are_answered_as_the_model_answers_them, Fixture,
                              ledgers_under_test) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      comparison<Fixture> both(seed);
      for (int i = 0; i < 2'000; ++i) {
        if (i % 400 == 399) both.restart_one();
        both.step();
      }
      both.compare_all();
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse::contract
