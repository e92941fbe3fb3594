// Clients of two instances who do not let go: each posts one payment after the other, and each payment, with
// the same id, until it is answered with 202, at either instance. Some are posted to both at once, some again
// later, some again with another amount.
#pragma once

#include "bench/http_caller.hpp"
#include "bench/strict_audit.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace repasse {

/// Where the instances listen; changes as they come and go.
using instance_ports = std::array<std::atomic<std::uint16_t>, 2>;

class payers {
public:
  struct config {
    std::size_t threads = 12;
    double rate = 600; ///< posts per second of all, at most
    std::uint64_t seed = 1;
    std::uint64_t first = 0; ///< number of the first payment: others with this seed have the earlier ones
    double conflicts = 0.01; ///< share of posts
    /// While PostgreSQL is away Redis may not know what a payment's amount was.
    bool conflicts_may_pass = false;
  };

  /// Post from here on.
  payers(const instance_ports& ports, const config& settings);
  ~payers() { stop(); }
  payers(const payers&) = delete;
  payers& operator=(const payers&) = delete;

  /// No more new payments; each client still has its last one answered, for which it has `end_limit`.
  void stop();
  static constexpr std::chrono::seconds end_limit{30};

  /// After stop(): every payment, once.
  [[nodiscard]] std::vector<posted_entry> posted() const;
  /// After stop(): with the other amount that was answered with 202.
  [[nodiscard]] std::vector<posted_entry> conflicts_let_pass() const;
  /// After stop(): what no instance may do to a client.
  [[nodiscard]] std::vector<std::string> findings() const;

  // At any time.
  [[nodiscard]] std::size_t in_flight(std::size_t instance) const { return in_flight_[instance]; }
  [[nodiscard]] std::size_t accepted() const { return accepted_; } ///< 202
  [[nodiscard]] std::size_t replayed() const { return replayed_; } ///< of these, `Idempotent-Replayed`
  [[nodiscard]] std::size_t conflicts() const { return conflicts_; }
  [[nodiscard]] std::size_t refused(std::size_t instance) const { return refused_[instance]; } ///< 503
  [[nodiscard]] std::size_t unanswered() const { return unanswered_; }

private:
  class client;
  void find(std::string finding);
  void let_pass(const posted_entry& conflict);
  void note_conflict(const payment_id& id);
  /// Redis may know it with the other amount alone.
  [[nodiscard]] bool may_be_in_conflict(const payment_id& id) const;

  const instance_ports& ports_;
  config config_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint64_t> next_;
  std::array<std::atomic<std::size_t>, 2> in_flight_{};
  std::array<std::atomic<std::size_t>, 2> refused_{};
  std::atomic<std::size_t> accepted_ = 0;
  std::atomic<std::size_t> replayed_ = 0;
  std::atomic<std::size_t> conflicts_ = 0;
  std::atomic<std::size_t> unanswered_ = 0;

  struct twin {
    std::uint64_t number = 0;
    std::size_t instance = 0;
  };
  mutable std::mutex mutex_;
  std::deque<twin> twins_; ///< to be posted by whoever comes first, while another posts it elsewhere
  std::vector<std::string> findings_;
  std::set<payment_id> in_conflict_; ///< posted with another amount, too
  std::vector<posted_entry> conflicts_let_pass_;
  std::vector<std::uint64_t> acknowledged_; ///< numbers, perhaps more than once
  std::vector<std::jthread> clients_;
};

} // namespace repasse
