// What one Redis holds and does with the commands of the intake, one at a time: keys, the stream and its
// group, MULTI, the one script. Pure: links, time limits and faults are redis_network's. A command that
// nobody here sends is a failed check.
#pragma once

#include "storage/payment.hpp"
#include "storage/redis_reply.hpp"

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace repasse::simulation {

/// A life of one instance; 0: nobody's, as of one that is dead or dying.
using instance_life = std::uint64_t;

class simulated_redis {
public:
  /// What the server keeps of one connection.
  struct client {
    bool is_queueing = false; ///< between MULTI and EXEC
    std::vector<std::vector<std::string>> queued;
  };

  /// Carries out one command, given as RESP has it.
  [[nodiscard]] redis_reply execute(client& of, std::string_view command, wall_time now);
  /// FLUSHALL, or a start with nothing.
  void clear();
  /// A start: it forgets the script.
  void start();
  /// Its file ends within what that command, just carried out, wrote: the entry is gone, and comes back at a
  /// start once more has been taken in behind it.
  void tear(std::string_view command, const redis_reply& reply);

  /// `life` has been told that it took in what `reply` says of `command`, so it remembers.
  void told(std::string_view command, const redis_reply& reply, instance_life life);
  /// Who was told last that it took the payment in, by key.
  [[nodiscard]] const std::map<std::string, instance_life>& payments() const { return payments_; }
  [[nodiscard]] bool holds(const std::string& key) const { return texts_.contains(key); }
  [[nodiscard]] bool is_empty() const { return texts_.empty() && (!stream_ || stream_->entries.empty()); }
  [[nodiscard]] std::uint64_t claimed() const { return claimed_; }
  [[nodiscard]] std::uint64_t brought_back() const { return brought_back_; }

private:
  using words = std::vector<std::string>;
  struct entry_id {
    std::uint64_t millis = 0;
    std::uint64_t number = 0;
    friend auto operator<=>(const entry_id&, const entry_id&) = default;
  };
  struct pending {
    std::string consumer;
    wall_time delivered{};
  };
  struct group {
    entry_id last{};
    std::map<std::string, bool> consumers;
    std::map<entry_id, pending> open;
  };
  struct stream {
    entry_id last{};
    std::map<entry_id, words> entries;
    std::optional<group> readers; ///< there is but one group
  };
  struct torn_entry {
    entry_id id{};
    words members;
    bool comes_back = false; ///< the file has the end of a script behind it
  };

  [[nodiscard]] redis_reply carry_out(const words& command, wall_time now);
  [[nodiscard]] redis_reply take_in(const words& command, wall_time now);
  [[nodiscard]] redis_reply change_group(const words& command);
  [[nodiscard]] redis_reply read_group(const words& command, wall_time now);
  [[nodiscard]] redis_reply claim(const words& command, wall_time now);
  [[nodiscard]] redis_reply count_pending();
  [[nodiscard]] redis_reply read_range(const words& command);
  [[nodiscard]] redis_reply acknowledge(const words& command);
  [[nodiscard]] redis_reply remove_entries(const words& command);
  [[nodiscard]] redis_reply remove_keys(const words& command);
  [[nodiscard]] redis_reply entry_reply(const entry_id& id, const words& members) const;
  static entry_id entry_id_of(std::string_view text);
  static std::string text_of(const entry_id& id);

  std::map<std::string, std::string> texts_;
  std::string stream_name_; ///< there is but one stream
  std::optional<stream> stream_;
  std::optional<torn_entry> torn_;
  bool knows_script_ = false;
  std::map<std::string, instance_life> payments_;
  std::uint64_t claimed_ = 0;
  std::uint64_t brought_back_ = 0;
};

} // namespace repasse::simulation
