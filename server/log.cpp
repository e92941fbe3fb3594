#include "server/log.hpp"

#include "server/log_sink.hpp"
#include "server/payment_json.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

namespace repasse {
namespace {

// One for the process, as spdlog's default logger is.
std::shared_ptr<log_sink> opened;
std::shared_ptr<spdlog::logger> traces;
/// Of the line that is being logged.
struct current_fields {
  const log_filler* fill = nullptr;
  std::optional<log_fields> filled;
};
thread_local current_fields current;

bool is_plain(std::string_view value) {
  return !value.empty() && std::all_of(value.begin(), value.end(), [](char one) {
    return one > ' ' && one < 0x7f && one != '"' && one != '=' && one != '\\';
  });
}

void log_to(spdlog::logger& log, spdlog::level::level_enum level, std::string_view text,
            const log_filler& fill) {
  current.fill = &fill;
  log.log(level, spdlog::string_view_t{text.data(), text.size()});
  current = {};
}

} // namespace

void open_log(log_level level, log_format format) {
  opened = std::make_shared<log_sink>(STDERR_FILENO, level, format);
  auto log = std::make_shared<spdlog::logger>("repasse", opened);
  log->set_level(std::min(to_spdlog(level), spdlog::level::info)); // the sink keeps the last lines, too
  spdlog::set_default_logger(std::move(log));
  traces = std::make_shared<spdlog::logger>(std::string{log_sink::traces}, opened);
}

log_fields& log_fields::add(std::string_view name, std::string_view value) {
  std::string quoted;
  write_json_string(quoted, value);
  put(name, quoted, is_plain(value) ? value : quoted);
  return *this;
}

log_fields& log_fields::add_json(std::string_view name, std::string_view value) {
  put(name, value, value);
  return *this;
}

void log_fields::put(std::string_view name, std::string_view json, std::string_view text) {
  if (members_.size() + name.size() + json.size() > bytes_max) return;
  members_.append(",\"").append(name).append("\":").append(json);
  text_.append(" ").append(name).append("=").append(text);
}

void log_with(spdlog::level::level_enum level, std::string_view text, const log_filler& fill) {
  log_to(*spdlog::default_logger_raw(), level, text, fill);
}

void log_trace(std::string_view text, const log_filler& fill) {
  log_to(traces ? *traces : *spdlog::default_logger_raw(), spdlog::level::info, text, fill);
}

const log_fields* fields_of_line() {
  if (current.fill == nullptr) return nullptr;
  if (!current.filled) (*current.fill)(current.filled.emplace());
  return &*current.filled;
}

std::vector<recent_line> recent_lines(std::uint64_t after, std::size_t most) {
  return opened ? opened->recent(after, most) : std::vector<recent_line>{};
}

log_figures log_counts() { return opened ? opened->figures() : log_figures{}; }

void tell_dropped_lines() {
  if (opened) opened->tell_dropped();
}

} // namespace repasse
