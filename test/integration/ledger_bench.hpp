// The calls that tests of the PostgreSQL ledger make most often, each run to its end: two or more of these on
// one loop are as many instances.
#pragma once

#include "test/integration/ledger_server.hpp"

#include <cstring>
#include <ostream>
#include <span>
#include <type_traits>

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

using namespace std::chrono_literals;
using appended = append_item::verdict;
using settled = settle_item::verdict;

inline constexpr wall_time start{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

/// A different id for each number, in no order that the number shows.
inline payment_id id_of(std::uint64_t number) {
  const std::array<std::uint64_t, 2> words{number * 0x9e3779b97f4a7c15, ~number * 0xc2b2ae3d27d4eb4f};
  payment_id id;
  std::memcpy(id.bytes.data(), words.data(), id.bytes.size());
  return id;
}

inline append_item posted(std::uint64_t number, processor_index processor = no_processor,
                          wall_time accepted_at = start, std::int64_t amount_cents = 1990) {
  return {.id = id_of(number),
          .amount_cents = amount_cents,
          .token = number,
          .accepted_at = accepted_at,
          .processor = processor};
}
inline settle_item witness(std::uint64_t number, processor_index processor,
                           wall_time requested_at = start + 1s) {
  return {.id = id_of(number),
          .requested_at = requested_at,
          .processed_at = requested_at + 5ms,
          .attempts = 1,
          .processor = processor};
}

class ledger_bench {
public:
  ledger_bench(loop& of, const std::string& url, std::uint32_t number = 0,
               std::vector<std::string> processors = {"default", "fallback", "third"})
      : loop_(of), ledger_(of, url, number, std::move(processors)) {
    ledger_.until_up();
  }

  postgres_ledger& get() { return ledger_.get(); }
  void until_up() { ledger_.until_up(); }
  template <typename T>
  T run(task<T> work) {
    return loop_.await(std::move(work));
  }

  epoch_id open() {
    const auto opened = run(get().open_epoch());
    BOOST_REQUIRE(opened.has_value());
    return *opened;
  }
  void beat(epoch_id epoch) {
    const auto answer = run(get().beat(epoch, {}));
    BOOST_REQUIRE(answer.has_value());
    BOOST_REQUIRE(!answer->ended);
  }
  /// From now on, while it beats, it may take over.
  void make_steady(epoch_id epoch) {
    ledger_server_running().sql(
        "UPDATE epochs SET steady_since = steady_since - interval '6 s' WHERE epoch = " +
        std::to_string(epoch));
    beat(epoch);
  }
  void end(epoch_id epoch) { BOOST_REQUIRE(run(get().end_epoch(epoch)) == ledger_status::done); }

  /// All fresh.
  void append(epoch_id epoch, std::vector<append_item> items) {
    BOOST_REQUIRE(run(get().append(epoch, items)) == ledger_status::done);
    for (const append_item& item : items)
      BOOST_REQUIRE_EQUAL(item.answer, appended::fresh);
  }
  bool amend(epoch_id epoch, amend_item item) {
    BOOST_REQUIRE(run(get().amend(epoch, std::span(&item, 1))) == ledger_status::done);
    return item.applied;
  }
  settled settle(settle_item item) {
    BOOST_REQUIRE(run(get().settle(std::span(&item, 1))) == ledger_status::done);
    return item.answer;
  }
  std::vector<owned_row> adopt(epoch_id epoch, std::size_t rows_max = 100) {
    std::vector<owned_row> rows(rows_max);
    std::size_t taken = 0;
    BOOST_REQUIRE(run(get().adopt(epoch, rows, taken)) == ledger_status::done);
    rows.resize(taken);
    return rows;
  }
  /// Until nothing is left.
  std::vector<owned_row> adopt_all(epoch_id epoch, std::size_t rows_max = 100) {
    std::vector<owned_row> all;
    for (auto step = adopt(epoch, rows_max); !step.empty(); step = adopt(epoch, rows_max))
      all.insert(all.end(), step.begin(), step.end());
    return all;
  }
  std::vector<owned_row> unsettled(epoch_id epoch) {
    std::vector<owned_row> all;
    std::vector<owned_row> rows(100);
    std::uint64_t position = 0;
    do {
      std::size_t found = 0;
      BOOST_REQUIRE(run(get().unsettled(epoch, position, rows, found)) == ledger_status::done);
      all.insert(all.end(), rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(found));
    } while (position != 0);
    return all;
  }
  summary summarize(time_window window = {}) {
    const auto sums = run(get().summarize(window));
    BOOST_REQUIRE(sums.has_value());
    return *sums;
  }
  void fold() { BOOST_REQUIRE(run(get().fold()) == ledger_status::done); }

private:
  loop& loop_;
  test_ledger ledger_;
};

/// Unsettled rows that were accepted in no span that their epoch tells of: a takeover would not find them.
inline constexpr const char* count_out_of_bounds =
    "SELECT count(*) FROM payments p JOIN epochs e ON e.epoch = p.owner WHERE p.status < 3 AND NOT EXISTS ("
    " SELECT FROM unnest(e.open_from, e.open_until) AS s (begins, ends)"
    "  WHERE p.accepted_at >= s.begins AND p.accepted_at < s.ends)";
inline std::string rows_out_of_bounds() { return ledger_server_running().sql(count_out_of_bounds); }

} // namespace repasse
