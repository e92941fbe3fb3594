// Payments taken in by Redis while PostgreSQL is away: a stream, and a key for each payment until it is
// imported. payment_flow takes in, the importer takes out. It never authorises a send, and a payment leaves
// it only once the ledger has it.
//
// It is open while a 202 would be true: a single Redis that syncs every write before it answers, and evicts
// nothing of ours. What this instance took in it also remembers until the import, and takes in anew if Redis
// has lost it: each instance has a consumer of its own in the stream's group, which is gone with whatever is
// lost by an emptied Redis; what a cut file may have lost is looked for after each reconnection.
//   intake.cpp         taking in, taking out, purge
//   intake_watch.cpp   whether it may be open, what Redis has lost
#pragma once

#include "storage/redis_connection.hpp"
#include "storage/redis_names.hpp"

#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace repasse {

/// One payment, as it was accepted, and its place in the stream.
struct taken_payment {
  payment_id id{};
  std::int64_t amount_cents = 0;
  wall_time accepted_at{};
  std::uint64_t entry_millis = 0;
  std::uint64_t entry_number = 0;
};

struct intake_item {
  enum class verdict : std::uint8_t {
    taken,      ///< in Redis, durably
    known,      ///< was in Redis before, with this amount
    conflict,   ///< was in Redis before, with another amount
    full,       ///< no room for another payment
    unavailable ///< not known to be there
  };
  payment_id id{};
  std::int64_t amount_cents = 0;
  wall_time accepted_at{};
  verdict answer = verdict::unavailable;
};

struct intake_figures {
  std::uint64_t taken = 0;
  std::uint64_t imported = 0;
  std::uint64_t lost = 0; ///< gone from Redis before the import, and taken in again
  std::size_t remembered = 0;
  // Of the stream, whoever took them in, as of the last look.
  std::uint64_t entries = 0;
  std::optional<wall_time> oldest{}; ///< by Redis' clock; empty: there is none
};

/// Built by its reactor after its connection to Redis; start() spawns its watch, stop() ends it.
class intake {
public:
  struct config {
    std::size_t payments_max = 1'000'000;   ///< in the stream, those of other instances included
    std::size_t remembered_max = 1'000'000; ///< taken in here; of more only Redis knows
    std::string consumer;                   ///< no other instance or reactor has this name
    std::chrono::nanoseconds take_limit = std::chrono::seconds{1};
    std::chrono::nanoseconds find_limit = std::chrono::milliseconds{200};
  };

  intake(clock& time, redis_connection& redis, const redis_names& names, config settings);

  void start() { tasks_.spawn(watch()); }
  void stop();

  /// A connection that is new has to be looked at first.
  [[nodiscard]] bool is_open() const {
    return is_open_ && !leaving_ && is_reached() && redis_.generation() == checked_generation_;
  }
  /// Why it is not, in one line; empty while it is.
  [[nodiscard]] const std::string& trouble() const { return is_open_ ? redis_.trouble() : trouble_; }
  [[nodiscard]] intake_figures figures() const;

  /// At most batch_max; every item has its answer within `take_limit`, whatever hangs.
  task<> take_in(std::span<intake_item> items);
  static constexpr std::size_t batch_max = 250;

  /// Outer empty: Redis does not answer. Inner empty: not taken in, or imported since.
  task<std::optional<std::optional<taken_payment>>> find(payment_id id);

  // For the importer.

  /// Up to `count` payments to import, oldest first: what this instance remembers, then what nobody has taken
  /// out of the stream, then what a consumer took out 5 s ago and has not imported, then once for each
  /// connection whatever else Redis holds: also while nothing more is taken in. Empty also while Redis does
  /// not answer.
  task<std::vector<taken_payment>> next(std::size_t count);
  /// Could not be imported now.
  void put_back(std::span<const taken_payment> payments);
  /// They are in the ledger.
  task<> forget(std::vector<taken_payment> payments);

  /// After a purge: what this instance remembers, and what Redis holds.
  void forget_remembered() { remembered_.clear(); }
  task<bool> purge();

private:
  static constexpr std::string_view group = "repasse";
  static constexpr std::chrono::nanoseconds look_limit = std::chrono::seconds{1};
  static constexpr const char* no_room = "as many payments wait for PostgreSQL as are allowed";
  static std::string_view script_text();

  [[nodiscard]] bool is_reached() const { return redis_.now_in() == redis_connection::state::connected; }
  task<> watch();
  task<> look();
  task<bool> check();
  task<bool> renew_consumer(bool makes_stream);
  task<> take_in_again();
  void close(std::string why);
  task<std::vector<taken_payment>> read(bool of_dead_consumers, std::size_t count);
  task<std::vector<taken_payment>> sweep(std::size_t count);
  void read_entries(const redis_reply& entries, bool is_in_hand, std::vector<taken_payment>& to);

  clock& clock_;
  redis_connection& redis_;
  const redis_names& names_;
  config config_;
  bool is_open_ = false;
  bool leaving_ = false;
  std::string trouble_ = "not looked at yet";
  std::string script_; ///< its hash, while Redis knows it
  std::uint64_t checked_generation_ = 0;
  bool may_have_lost_ = false;
  std::uint64_t searches_ = 0;      ///< for what Redis may have lost
  std::uint64_t searches_seen_ = 0; ///< when the importer last took something out of what is remembered
  bool has_consumer_ = false;
  std::deque<taken_payment> remembered_;
  steady_time claim_at_{};
  std::uint64_t swept_generation_ = 0;
  std::string sweep_from_; ///< empty: to the end
  intake_figures figures_;
  event wake_;
  task_group tasks_;
};

} // namespace repasse
