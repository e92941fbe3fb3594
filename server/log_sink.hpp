// What becomes of a line: bounded, kept for who looks at the last ones, written in the form that is set. From
// any thread; one short lock a line. Built by log.cpp; tests give it a file of their own.
#pragma once

#include "server/config.hpp"
#include "server/log.hpp"
#include "server/log_bound.hpp"
#include "server/log_output.hpp"

#include <spdlog/sinks/base_sink.h>

#include <boost/circular_buffer.hpp>

#include <mutex>

namespace repasse {

class log_sink : public spdlog::sinks::base_sink<std::mutex> {
public:
  /// A logger of this name writes traces: they have a bound of their own, and are no recent lines.
  static constexpr std::string_view traces = "trace";

  /// Writes to `file` what is of `level` or above.
  log_sink(int file, log_level level, log_format format);

  /// As recent_lines().
  [[nodiscard]] std::vector<recent_line> recent(std::uint64_t after = 0, std::size_t most = recent_lines_max);
  [[nodiscard]] log_figures figures();
  void tell_dropped();

private:
  void sink_it_(const spdlog::details::log_msg& line) override;
  void flush_() override {}

  void tell_dropped(steady_time now);
  void put(const spdlog::details::log_msg& line);
  void write(spdlog::details::log_msg line);

  log_output output_;
  spdlog::level::level_enum level_;
  log_bound bound_;
  boost::circular_buffer<recent_line> recent_;
  log_figures figures_;
  std::array<std::uint64_t, log_bound::levels> told_{}; ///< of the dropped
  steady_time told_at_{};
};

[[nodiscard]] spdlog::level::level_enum to_spdlog(log_level level);

} // namespace repasse
