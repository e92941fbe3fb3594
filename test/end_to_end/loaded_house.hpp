// The house of a test binary, and the load of one of its cases, which ends with equal books.
#pragma once

#include "test/chaos/house.hpp"
#include "test/comes.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

namespace repasse {

/// Of this binary: as its first caller wants it. A case that wants an instance to be other than usual starts
/// it before its load.
inline house& shared_house(house::with stores = house::with::postgres_alone) {
  static house shared(stores);
  return shared;
}

/// All of it is up and well at the beginning of a case. It begins without a schema, and with two instances
/// that both want to make it.
inline house& whole_house() {
  house& shared = shared_house();
  if (!shared.database.is_running()) shared.database.start();
  if (shared.redis && !shared.redis->is_running()) shared.redis->start();
  for (std::size_t p = 0; p < 2; ++p)
    shared.make(p, mood::well);
  for (std::size_t i = 0; i < 2; ++i)
    if (!shared.runs(i)) shared.start(i);
  for (std::size_t i = 0; i < 2; ++i) {
    const bool is_ready = shared.becomes_ready(i, std::chrono::seconds(30)); // perhaps by Redis alone
    BOOST_REQUIRE_MESSAGE(is_ready, "instance " << i << " does not become ready:\n"
                                                << shared.server(i).caller().call("GET", "/readyz").body
                                                << shared.log());
    const auto has_database = [&] {
      return shared.server(i).caller().call("GET", "/readyz").body.starts_with("database: up");
    };
    BOOST_REQUIRE(comes(has_database, std::chrono::seconds(30)));
  }
  return shared;
}

class loaded_house {
public:
  explicit loaded_house(double rate = 500) : loaded_house(payers::config{.rate = rate}) {}
  /// All but their seed and their first number.
  explicit loaded_house(payers::config clients) {
    clients.seed = 7;
    clients.first = next();
    load_.emplace(all.ports, clients);
    const bool is_under_way = comes([&] { return is_busy(0) && is_busy(1); }, std::chrono::seconds(30));
    BOOST_REQUIRE_MESSAGE(is_under_way, all.log());
  }

  [[nodiscard]] const payers& load() const { return *load_; }

  [[nodiscard]] bool is_busy(std::size_t instance) const { return all.is_busy(instance, *load_); }
  /// Waits for a moment, another one each time, in which all instances that run are busy.
  void until_busy() {
    std::this_thread::sleep_for(std::chrono::milliseconds(200 + (moment_ += 137) % 300));
    const auto busy = [&] { return (!all.runs(0) || is_busy(0)) && (!all.runs(1) || is_busy(1)); };
    BOOST_REQUIRE(comes(busy, std::chrono::seconds(30)));
  }

  struct killed {
    pid_t process;
    std::chrono::steady_clock::time_point at;
  };
  /// SIGKILL, at such a moment.
  killed kill(std::size_t instance) {
    until_busy();
    const pid_t process = all.server(instance).id();
    all.end(instance, SIGKILL);
    return {process, std::chrono::steady_clock::now()};
  }

  /// Posted beside the load; it may or may not be known.
  void also_posted(const posted_entry& payment) { books().push_back(payment); }

  /// The end of a case: the load ends, with every payment acknowledged, and the books are equal, those of the
  /// cases before included. Nothing may be unsettled 30 s later.
  void agree(std::size_t through = 0) {
    load_->stop();
    for (const std::string& finding : load_->findings())
      BOOST_ERROR(finding);
    std::vector<posted_entry> posted = load_->posted();
    next() += posted.size();
    BOOST_TEST(std::ranges::all_of(posted, &posted_entry::acknowledged));
    if (all.redis && !all.intake_empties(std::chrono::seconds(20))) BOOST_ERROR(all.intake_text());
    for (const std::string& finding : all.judge_conflicts(load_->conflicts_let_pass(), posted))
      BOOST_ERROR(finding);
    books().insert(books().end(), posted.begin(), posted.end());
    const audit_report report = all.audit(books(), through, books().size());
    BOOST_TEST_MESSAGE(report.to_text());
    BOOST_TEST(report.ok(), report.to_text());
    if (!report.ok()) BOOST_TEST_MESSAGE(all.log());
    for (const std::string& line : all.alarms())
      BOOST_ERROR(line);
    load_.reset();
  }

  house& all = whole_house();

private:
  static std::vector<posted_entry>& books() {
    static std::vector<posted_entry> all_posted;
    return all_posted;
  }

  static std::uint64_t& next() {
    static std::uint64_t next_number = 0;
    return next_number;
  }

  std::optional<payers> load_;
  unsigned moment_ = 0;
};

} // namespace repasse
