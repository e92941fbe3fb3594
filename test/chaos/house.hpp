// Two instances of repasse on one PostgreSQL, perhaps with one Redis, and two processors, all of them real
// programs: what the kill tests and `./dev chaos` break and repair. All of it belongs to the thread that made
// it, and ends with it.
#pragma once

#include "bench/strict_audit.hpp"
#include "test/chaos/network.hpp"
#include "test/chaos/payers.hpp"
#include "test/end_to_end/server_process.hpp"
#include "test/end_to_end/simulator_process.hpp"
#include "test/integration/postgres_server.hpp"
#include "test/integration/redis_server.hpp"

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace repasse {

/// How a processor behaves.
enum class mood : std::uint8_t { well, slow, failing, slow_and_failing, dropping };
inline constexpr std::size_t mood_count = 5;
[[nodiscard]] std::string_view to_string(mood one);

/// While it lives, a PostgreSQL whose every process is stopped: its machine hangs, and wakes later.
class silent_postgres {
public:
  explicit silent_postgres(const postgres_server& server);
  ~silent_postgres();
  silent_postgres(const silent_postgres&) = delete;
  silent_postgres& operator=(const silent_postgres&) = delete;

private:
  std::vector<pid_t> stopped_;
};

class house {
public:
  static constexpr std::array<const char*, 2> names = {"default", "fallback"};
  static constexpr const char* admin_token = "an-admin-token-of-32-characters!";

  enum class with : std::uint8_t { postgres_alone, redis };

  /// The stores and the processors; no instance yet. With Redis every instance reaches each store by a
  /// network of its own.
  explicit house(with stores = with::postgres_alone);

  /// Starts an instance, the first one with two reactors, on a new port; it serves, and is perhaps not ready.
  /// `unusual`: variables beside the usual ones, or in their place.
  void start(std::size_t instance, variables unusual = {});
  /// The usual ones, of an instance with one reactor.
  [[nodiscard]] variables settings(std::size_t instance = 0) const;
  /// Sends that signal and waits for the end; its status, or 128 and the signal that ended it.
  int end(std::size_t instance, int signal);
  /// The status of an instance that has ended by itself, which is taken down as by end().
  std::optional<int> ended(std::size_t instance);
  [[nodiscard]] bool runs(std::size_t instance) const { return servers_[instance] != nullptr; }
  [[nodiscard]] const server_process& server(std::size_t instance) const { return *servers_[instance]; }
  /// `/readyz` says 200; false after that time.
  [[nodiscard]] bool becomes_ready(std::size_t instance, std::chrono::milliseconds limit) const;

  void make(std::size_t processor, mood one) const;

  /// A commit is under way at an instance, of a payment that is posted, and a send.
  [[nodiscard]] bool is_busy(std::size_t instance, const payers& load) const;
  /// Unsettled payments that belong to epochs of a process, which need not live.
  [[nodiscard]] std::size_t left_by(pid_t process) const;
  /// Of unsettled payments: those that belong to nobody.
  [[nodiscard]] std::size_t released() const;
  /// How long from `since` until one of the payments that a process has left was taken over; nullopt: none
  /// was within `limit`.
  [[nodiscard]] std::optional<std::chrono::milliseconds>
  takeover_after(pid_t process, std::chrono::steady_clock::time_point since,
                 std::chrono::milliseconds limit) const;

  /// What the intake holds, for people.
  [[nodiscard]] std::string intake_text() const;
  /// Redis holds no payment that PostgreSQL does not have; false after that time.
  [[nodiscard]] bool intake_empties(std::chrono::milliseconds limit) const;
  /// In the stream; none while Redis does not answer.
  [[nodiscard]] std::size_t in_intake() const;
  /// Settles which amount of each stands, which is the one that PostgreSQL had first, in `posted`; what is
  /// not in the audit trail, in words.
  std::vector<std::string> judge_conflicts(std::span<const posted_entry> let_pass,
                                           std::vector<posted_entry>& posted) const;

  /// The strict audit, asked through one instance; it waits a minute longer if something was declared.
  [[nodiscard]] audit_report audit(std::span<const posted_entry> posted, std::size_t through,
                                   std::uint64_t seed = 1) const;

  /// Everything that the instances have logged, those that are gone first.
  [[nodiscard]] std::string log() const;
  /// Lines of the logs that no run may have; that a conflict was let pass is none.
  [[nodiscard]] std::vector<std::string> alarms() const;
  /// Payments taken over, as the logs tell.
  [[nodiscard]] std::size_t taken_over() const;

  postgres_server database;
  std::optional<redis_server> redis;
  std::array<std::unique_ptr<network>, 2> to_database; ///< of each instance; none without Redis
  std::array<std::unique_ptr<network>, 2> to_redis;
  std::array<simulator_process, 2> processors;
  instance_ports ports{};

private:
  std::array<std::unique_ptr<server_process>, 2> servers_;
  std::string past_log_;
};

} // namespace repasse
