// The log: one line per change of state, and per traced payment; none per payment. Written to standard error,
// never waiting for its reader; bounded (log_bound), so that no storm fills a disk or takes a core.
#pragma once

#include "server/config.hpp"

#include <spdlog/common.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

/// Once, by main, before anything is logged. `json` writes one object per line.
void open_log(log_level level, log_format format);

/// What a line holds beside its text: members of its object, in text ` name=value` behind it. What would make
/// it longer than `bytes_max` is left out.
class log_fields {
public:
  static constexpr std::size_t bytes_max = 3000;

  log_fields& add(std::string_view name, std::string_view value);
  /// `value` is JSON already.
  log_fields& add_json(std::string_view name, std::string_view value);

  [[nodiscard]] const std::string& members() const { return members_; }
  [[nodiscard]] const std::string& text() const { return text_; }

private:
  void put(std::string_view name, std::string_view json, std::string_view text);

  std::string members_; ///< each with a comma before it
  std::string text_;    ///< each with a space before it
};
/// Fills the fields of a line once it is sure that this is written: of a storm most lines are not.
class log_filler {
public:
  /// Refers to `fill`, which is called with log_fields&.
  template <typename Fill>
  log_filler(const Fill& fill)
      : fill_(&fill), call_([](const void* of, log_fields& to) { (*static_cast<const Fill*>(of))(to); }) {}

  void operator()(log_fields& to) const { call_(fill_, to); }

private:
  const void* fill_;
  void (*call_)(const void*, log_fields&);
};
void log_with(spdlog::level::level_enum level, std::string_view text, const log_filler& fill);
/// A line of level info, bounded apart from all others.
void log_trace(std::string_view text, const log_filler& fill);
/// Of the line that is being written in this thread; null if it has none. For formatters.
[[nodiscard]] const log_fields* fields_of_line();

/// One of the last lines of level info and above, traces excepted.
struct recent_line {
  std::uint64_t number = 0; ///< from 1 on
  std::chrono::system_clock::time_point at;
  spdlog::level::level_enum level = spdlog::level::info;
  std::string text; ///< at most 500 bytes, perhaps cut within a character
};
inline constexpr std::size_t recent_lines_max = 50;
/// Of those after the `after`th the last `most`, oldest first; from any thread. Empty before open_log().
[[nodiscard]] std::vector<recent_line> recent_lines(std::uint64_t after, std::size_t most);

/// Lines by spdlog's number of their level, since the start.
struct log_figures {
  std::array<std::uint64_t, 6> written{};
  std::array<std::uint64_t, 6> dropped{}; ///< beyond the bound, or not taken by the reader
};
[[nodiscard]] log_figures log_counts();
/// Tells how many lines were dropped since it was told last, if any were; called once a second, from any
/// thread.
void tell_dropped_lines();

} // namespace repasse
