// A house under load, broken and repaired at random: one event loop that kills, stops and starts, from a
// seed. What it does is drawn from the seed; when a thing happens is the machine's.
#pragma once

#include "test/chaos/house.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace repasse {

enum class trouble : std::uint8_t {
  instance_killed,
  instance_stopped, ///< SIGSTOP, and SIGCONT 8 s later
  instance_drained, ///< SIGTERM
  postmaster_killed,
  postgres_restarted, ///< `-m immediate`
  postgres_away,      ///< the same, and seconds without it
  postgres_silent,    ///< SIGSTOP of all its processes, and SIGCONT seconds later
  backend_killed,     ///< SIGKILL, after which PostgreSQL ends all others
  backend_terminated, ///< pg_terminate_backend
  all_killed,         ///< both instances and PostgreSQL
  // With Redis alone.
  redis_killed,         ///< and seconds without it
  redis_silent,         ///< SIGSTOP, and SIGCONT seconds later
  redis_full,           ///< `maxmemory 1` for seconds
  redis_slow,           ///< it sleeps
  redis_replica,        ///< for seconds
  redis_emptied,        ///< FLUSHALL
  redis_lost,           ///< restarted with nothing
  redis_cut,            ///< restarted with its file cut
  postgres_unreachable, ///< of one instance, one way or both, for seconds
  redis_unreachable,
};
inline constexpr std::size_t trouble_count = 20;
[[nodiscard]] std::string_view to_string(trouble one);

class rampage {
public:
  struct config {
    std::chrono::seconds lasts{60};
    std::uint64_t seed = 1;
    double rate = 600; ///< payments per second
    bool redis = true;
    bool speaks = false; ///< prints each trouble as it comes
  };
  struct report {
    struct count {
      std::size_t times = 0;
      std::size_t under_load = 0; ///< with a send and a commit under way
    };
    std::array<count, trouble_count> troubles{};
    std::array<std::size_t, mood_count> moods{};
    std::size_t taken_over = 0; ///< payments
    std::size_t takeovers = 0;  ///< timed: nothing else happened meanwhile
    std::chrono::milliseconds slowest_takeover{0};
    std::size_t accepted = 0;
    std::size_t replayed = 0;
    std::size_t conflicts = 0;
    std::size_t let_pass = 0; ///< conflicts that PostgreSQL alone knew of, while it was away
    std::size_t declared = 0; ///< payments, of what became of which an instance has noted a word
    std::size_t refused = 0;
    std::size_t unanswered = 0;
    audit_report audit;
    std::vector<std::string> findings; ///< besides those of the audit

    [[nodiscard]] bool ok() const { return audit.ok() && findings.empty(); }
    [[nodiscard]] std::string to_text() const;
  };

  explicit rampage(const config& settings);

  /// All of it, once.
  report run();
  [[nodiscard]] const house& where() const { return house_; }

private:
  using time_point = std::chrono::steady_clock::time_point;
  enum class condition : std::uint8_t { up, down, stopped, draining, wrong };
  struct part {
    condition now_in = condition::up;
    time_point due{}; ///< of its repair
  };
  /// An instance was killed whose payments nobody has taken over yet.
  struct watch {
    pid_t process = -1;
    time_point since{};
    std::size_t left = 0;
  };

  void set_up();
  void make_trouble();
  [[nodiscard]] trouble next_trouble();
  bool hit(trouble one);
  bool kill_instance(std::size_t which);
  bool stop_instance(std::size_t which);
  bool drain_instance(std::size_t which);
  bool kill_all();
  bool end_postgres(int signal, std::chrono::milliseconds away);
  bool silence_postgres();
  bool hit_backend(bool by_signal);
  bool hit_redis(trouble one);
  bool lose_in_redis(trouble how);
  bool cut_network(std::array<part, 2>& parts, const std::array<std::unique_ptr<network>, 2>& networks);
  void change_mood();
  void repair(time_point now);
  void repair_stores(time_point now);
  void repair_instance(std::size_t which);
  void repair_redis();
  /// Nothing waits for PostgreSQL, neither in Redis nor in an instance's memory.
  [[nodiscard]] bool is_intake_clear() const;
  void look_at_intake();
  void look_at_takeover();
  void look_at_instances();
  void settle_down();

  [[nodiscard]] bool is_under_load() const;
  [[nodiscard]] std::chrono::milliseconds between(int least_ms, int most_ms);
  void say(const std::string& line) const;
  void find(std::string finding) { report_.findings.push_back(std::move(finding)); }

  config config_;
  std::mt19937_64 random_;
  time_point begun_{};
  house house_;
  std::array<part, 2> instances_{};
  part postgres_{};
  part redis_{};
  std::array<part, 2> to_database_{}; ///< networks: `stopped` while cut
  std::array<part, 2> to_redis_{};
  /// What an instance took in is lost if it ends, and Redis loses it, before the import: nobody promises
  /// that.
  bool instance_ended_ = false;            ///< since the intake was last clear
  bool redis_has_lost_ = false;            ///< since then
  std::size_t clear_looks_ = 0;            ///< one after the other
  std::optional<silent_postgres> silence_; ///< while postgres_ is stopped
  std::vector<trouble> to_come_;
  std::optional<watch> watch_;
  const payers* clients_ = nullptr; ///< while they post
  report report_;
};

} // namespace repasse
