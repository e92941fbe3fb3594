// An open-loop load: payments are posted at their intended moments, whatever the answers do, and latency
// counts from the intended moment, so that a server that stalls is not spared the payments that would have
// come meanwhile (coordinated omission). Run by `load` and by `reference`, on the thread that calls it.
// Each client has a connection of its own, and posts with a fixed period (post_schedule.hpp); if it still
// waits for an answer then, the post is pipelined.
#pragma once

#include "storage/payment.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace repasse {

struct open_loop_config {
  std::string host = "127.0.0.1"; ///< an IPv4 address
  std::uint16_t port = 9999;
  std::size_t connections = 64; ///< one of each client
  double rate = 1000;           ///< payments per second
  double seconds = 10;
  bool ramps = false;            ///< the clients, and the rate with them, grow from 0 to these
  std::int64_t amount_cents = 0; ///< of each payment; 0: random, 1.00 to 200.00
  double repeated_share = 0;     ///< of the posts; each posts a payment of the last second again
  std::chrono::milliseconds answers_within{10'000}; ///< how long to wait for answers after the last post
  std::uint64_t seed = 0;                           ///< of ids and amounts; 0: another one each time
  /// When the first client comes; at once if that is over.
  std::chrono::steady_clock::time_point start{};
};

/// A payment, once, however often it was posted.
struct open_loop_payment {
  payment_id id;
  std::int64_t amount_cents = 0;
  bool acknowledged = false; ///< by at least one 202
};

/// One post. Its moments are microseconds.
struct open_loop_post {
  std::uint64_t intended = 0; ///< from the start
  std::uint32_t payment = 0;  ///< index
  std::uint32_t lateness = 0; ///< from the intended moment until it was handed to the socket
  std::uint32_t latency = 0;  ///< from the intended moment to its answer
  std::uint16_t status = 0;   ///< of its answer; 0: none
  bool sent = false;
};

struct open_loop_result {
  std::vector<open_loop_payment> payments;
  std::vector<open_loop_post> posts; ///< by intended moment
  std::chrono::steady_clock::time_point start{};
  std::size_t repeated = 0;                 ///< posts
  std::size_t replayed = 0;                 ///< answers that say `Idempotent-Replayed`
  std::size_t unanswered = 0;               ///< the connection broke, or the time was over
  std::map<unsigned, std::size_t> statuses; ///< of answers

  /// In microseconds: of each answered post, and of each that was sent.
  [[nodiscard]] std::vector<std::uint32_t> latencies() const;
  [[nodiscard]] std::vector<std::uint32_t> lateness() const;
};

/// Throws std::system_error if the first connection cannot be made.
[[nodiscard]] open_loop_result run_open_loop(const open_loop_config& config);

/// Of values in any order, which it reorders; 0 if there are none. `share` is 0 to 1, where 1 is the maximum.
[[nodiscard]] std::uint32_t percentile(std::vector<std::uint32_t>& values, double share);

} // namespace repasse
