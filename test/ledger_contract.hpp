// What a ledger means: the one suite that every implementation passes unchanged.
// A test's source defines `ledgers_under_test`, a std::tuple of fixtures, then includes this file. Each case
// makes a fixture of its own, which holds an empty ledger and offers
//   ledger& get();
//   T run(task<T>)                  runs a task to its end
//   void advance(milliseconds)      lets the clock that judges beats go on by at least so much
// Epoch numbers need not begin with 1, but no other epoch is alive.
#pragma once

#include "storage/ledger.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

template <>
struct boost::test_tools::tt_detail::print_log_value<repasse::wall_time> {
  void operator()(std::ostream& out, repasse::wall_time time) const { out << repasse::to_string(time); }
};

namespace repasse {

// So that Boost.Test can print what it compares.
template <typename Enum>
requires std::is_enum_v<Enum> std::ostream& operator<<(std::ostream& out, Enum value) {
  return out << static_cast<int>(value);
}
inline std::ostream& operator<<(std::ostream& out, const payment_id& id) { return out << to_string(id); }
inline std::ostream& operator<<(std::ostream& out, const processor_total& total) {
  return out << total.requests << " payments of " << total.amount_cents << " cents";
}

namespace contract {

using namespace std::chrono_literals;
using status = payment_status;
using appended = append_item::verdict;
using settled = settle_item::verdict;

inline constexpr wall_time start{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
inline constexpr processor_index first = 0;
inline constexpr processor_index second = 1;

/// A different id for each number, in no order that the number shows.
inline payment_id id_of(std::uint64_t number) {
  const std::array<std::uint64_t, 2> words{number * 0x9e3779b97f4a7c15, ~number * 0xc2b2ae3d27d4eb4f};
  payment_id id;
  std::memcpy(id.bytes.data(), words.data(), id.bytes.size());
  return id;
}

/// A fixture and the calls that cases make most often, each run to its end and expected to be done.
template <typename Fixture>
class bench : public Fixture {
public:
  epoch_id open() {
    const auto opened = this->run(this->get().open_epoch());
    BOOST_REQUIRE(opened.has_value());
    return *opened;
  }
  beat_answer beat(epoch_id epoch, std::vector<probe> learned = {}) {
    const auto answer = this->run(this->get().beat(epoch, learned));
    BOOST_REQUIRE(answer.has_value());
    return *answer;
  }
  /// Beats until the epoch may take over rows; any other without a beat falls silent meanwhile.
  void make_steady(epoch_id epoch) {
    for (int i = 0; i < 6; ++i) {
      this->advance(1s);
      BOOST_REQUIRE(!beat(epoch).ended);
    }
  }

  ledger_status append_all(epoch_id epoch, std::span<append_item> items) {
    return this->run(this->get().append(epoch, items));
  }
  appended append(epoch_id epoch, const append_item& item) {
    append_item asked = item;
    BOOST_REQUIRE_EQUAL(append_all(epoch, std::span(&asked, 1)), ledger_status::done);
    return asked.answer;
  }
  /// A fresh payment of 19.90.
  void post(epoch_id epoch, std::uint64_t number, processor_index processor = no_processor) {
    BOOST_REQUIRE_EQUAL(append(epoch, item(number, processor)), appended::fresh);
  }
  static append_item item(std::uint64_t number, processor_index processor = no_processor) {
    return {.id = id_of(number),
            .amount_cents = 1990,
            .token = number,
            .accepted_at = start,
            .processor = processor};
  }

  bool amend(epoch_id epoch, const amend_item& item) {
    amend_item asked = item;
    BOOST_REQUIRE_EQUAL(this->run(this->get().amend(epoch, std::span(&asked, 1))), ledger_status::done);
    return asked.applied;
  }

  settled settle(const settle_item& item) {
    settle_item asked = item;
    BOOST_REQUIRE_EQUAL(this->run(this->get().settle(std::span(&asked, 1))), ledger_status::done);
    return asked.answer;
  }
  settled settle(std::uint64_t number, processor_index processor, wall_time requested_at = start + 1s) {
    return settle({.id = id_of(number),
                   .requested_at = requested_at,
                   .processed_at = requested_at + 5ms,
                   .attempts = 1,
                   .processor = processor});
  }

  std::vector<owned_row> adopt(epoch_id epoch, std::size_t rows_max = 100) {
    std::vector<owned_row> rows(rows_max);
    std::size_t taken = 0;
    BOOST_REQUIRE_EQUAL(this->run(this->get().adopt(epoch, rows, taken)), ledger_status::done);
    rows.resize(taken);
    return rows;
  }
  std::vector<owned_row> unsettled(epoch_id epoch, std::size_t step = 100) {
    std::vector<owned_row> all;
    std::vector<owned_row> rows(step);
    std::uint64_t position = 0;
    do {
      std::size_t found = 0;
      BOOST_REQUIRE_EQUAL(this->run(this->get().unsettled(epoch, position, rows, found)),
                          ledger_status::done);
      all.insert(all.end(), rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(found));
    } while (position != 0);
    return all;
  }

  std::optional<payment_record> find(std::uint64_t number) {
    const auto found = this->run(this->get().find(id_of(number)));
    BOOST_REQUIRE(found.has_value());
    return *found;
  }
  payment_record get_payment(std::uint64_t number) {
    const auto found = find(number);
    BOOST_REQUIRE(found.has_value());
    return *found;
  }
  page read_page(const page_query& query) {
    const auto read = this->run(this->get().read_page(query));
    BOOST_REQUIRE(read.has_value());
    return *read;
  }
  summary summarize(time_window window = {}) {
    const auto sums = this->run(this->get().summarize(window));
    BOOST_REQUIRE(sums.has_value());
    return *sums;
  }
  void purge() { BOOST_REQUIRE_EQUAL(this->run(this->get().purge()), ledger_status::done); }
};

} // namespace contract
} // namespace repasse

#include "test/contract/doubts.hpp"
#include "test/contract/model.hpp"
#include "test/contract/ownership.hpp"
#include "test/contract/reads.hpp"
#include "test/contract/writes.hpp"
