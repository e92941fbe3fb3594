// What the reference load looks at each second while it runs: what the processors have taken, and what
// containers and processes use. It asks repasse nothing, so that it costs what is measured nothing.
#pragma once

#include "bench/audit_reader.hpp"
#include "bench/container_samples.hpp"
#include "bench/strict_audit.hpp"

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace repasse {

/// A container if it has folders, else a process.
struct watched_config {
  std::string name;
  std::optional<container_folders> folders;
  pid_t pid = 0;
};

struct watched {
  std::string name;
  bool is_container = false;
  container_limits limits;
  std::vector<timed_sample> samples;
};

struct takings_sample {
  double second = 0;                 ///< of the load
  std::vector<told_takings> takings; ///< by processor
};

/// Belongs to one thread.
class reference_sampler {
public:
  reference_sampler(const audit_config& servers, const std::vector<watched_config>& looked_at);

  /// Now and then each second from `start` on, until it is stopped; then once more.
  void run(const std::stop_token& stop, std::chrono::steady_clock::time_point start);

  [[nodiscard]] std::vector<takings_sample>& takings() { return takings_; }
  [[nodiscard]] std::vector<watched>& all_watched() { return watched_; }

private:
  void sample(double second);

  const std::vector<watched_config>& looked_at_;
  std::size_t processors_;
  audit_reader reader_;
  std::vector<takings_sample> takings_; ///< what one processor did not tell is left out
  std::vector<watched> watched_;
};

} // namespace repasse
