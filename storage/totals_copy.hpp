// A copy of the totals in Redis, by which summaries are answered while PostgreSQL is away: the hash `totals`,
// with a field for each span and processor (`s:1764301419:default` a second, `m:`, `h:`, `d:` coarser ones;
// value requests and cents), and what it is as of. The eldest writes what changed each second, all of it in
// one script, so that a reader never sees half a copy; a copy is of one snapshot of the books, and never made
// up from anything else.
//
// The writer keeps an image of the whole in its memory (some 12,000 sums for each processor, read from
// PostgreSQL in steps once it becomes the eldest), so that an emptied Redis gets all of it again within a
// second; a whole copy is written beside the old one and takes its place in one step. Each script looks
// whether it may still write: its epoch is younger than the last purge (as in cached_ledger), no younger
// epoch has written, and none of its own later scripts. What was in doubt is followed by a whole copy.
#pragma once

#include "storage/cached_ledger.hpp"
#include "storage/postgres_ledger.hpp"
#include "storage/totals_image.hpp"

namespace repasse {

struct copy_figures {
  std::uint64_t copies = 0; ///< written, of changes or whole
  std::uint64_t whole = 0;  ///< of those
  std::uint64_t checked = 0;
  std::uint64_t mismatches = 0; ///< found by the check, and mended
  steady_time last_written{};

  void add(const copy_figures& other);
};

/// Built by its reactor after the cache; start() spawns the writer, stop() ends it.
class totals_copy {
public:
  struct config {
    std::vector<std::string> processors; ///< names, in configured order
    std::chrono::nanoseconds period = std::chrono::seconds{1};
    std::chrono::nanoseconds check_period = std::chrono::minutes{1};
    std::chrono::nanoseconds read_limit = std::chrono::milliseconds{500};
    std::uint64_t seed = 1; ///< of the choice of what is checked
  };

  totals_copy(clock& time, postgres_ledger& books, cached_ledger& cache, redis_connection& redis,
              const redis_names& names, config settings);

  void start();
  void stop();
  /// After stop().
  [[nodiscard]] bool has_stopped() const { return tasks_.running() == 0; }

  struct copied_summary {
    summary sums{};
    wall_time as_of{};
    time_window
        window; ///< what the sums are of: the whole seconds within the bounds; longer ago minutes or hours
  };
  /// For while PostgreSQL is away. Empty: there is no copy that can be believed.
  task<std::optional<copied_summary>> read(time_window wanted);

  /// One round of the writer; true if the copy is as of now. For tests, which cannot wait for its turn.
  task<bool> copy();
  /// Compares some of the image with the books, and of Redis with the image; what differs is written anew.
  task<> check();

  [[nodiscard]] const copy_figures& figures() const { return figures_; }

private:
  task<> copy_while_eldest();
  task<bool> fill(std::int64_t now);
  using copied_total = postgres_ledger::copied_total;
  task<bool> apply_changes();
  void apply_seconds(std::span<const copied_total> seconds);
  std::size_t note_old(std::span<const copied_total> seconds, std::vector<copied_total>& old) const;
  task<bool> read_old(std::span<const copied_total> old);
  task<bool> write_changes();
  task<bool> write_whole();
  task<bool> is_image_right();
  task<bool> is_redis_right();
  [[nodiscard]] std::string field_of(const total_key& key) const;
  void add_state(std::vector<std::string>& words) const;

  clock& clock_;
  postgres_ledger& books_;
  cached_ledger& cache_;
  redis_connection& redis_;
  const redis_names& names_;
  config config_;

  cached_ledger::eldest_rights rights_;
  std::optional<totals_image> image_; ///< of the books, by these rights
  wall_time as_of_{};
  std::uint64_t sequence_ = 0;     ///< of scripts and attempts
  bool is_whole_in_redis_ = false; ///< all but the changes that the image still holds
  std::uint64_t written_by_ = 0;   ///< the connection (its generation) that did it
  std::uint64_t random_;
  steady_time next_check_{};

  copy_figures figures_;
  bool stopped_ = false;
  event stopping_;
  task_group tasks_;
};

} // namespace repasse
