#include "server/log_sink.hpp"

#include "server/payment_json.hpp"

#include <spdlog/pattern_formatter.h>

#include <algorithm>
#include <iterator>

namespace repasse {
namespace {

constexpr std::size_t recent_bytes_max = 500;
constexpr std::chrono::nanoseconds told_pause = std::chrono::seconds{1};

void append(spdlog::memory_buf_t& to, std::string_view text) {
  to.append(text.data(), text.data() + text.size());
}

/// What the sink itself has to say has none, and no logger's name.
const log_fields* fields_of(const spdlog::details::log_msg& line) {
  return line.logger_name.size() == 0 ? nullptr : fields_of_line();
}

/// The message as a JSON string, and the fields as members behind it.
class json_message : public spdlog::custom_flag_formatter {
public:
  void format(const spdlog::details::log_msg& line, const std::tm&, spdlog::memory_buf_t& to) override {
    std::string text;
    write_json_string(text, {line.payload.data(), line.payload.size()});
    append(to, text);
    if (const log_fields* const fields = fields_of(line)) append(to, fields->members());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<json_message>();
  }
};

/// The message with its control characters shown, so that whatever it quotes begins no line of its own.
class text_message : public spdlog::custom_flag_formatter {
public:
  void format(const spdlog::details::log_msg& line, const std::tm&, spdlog::memory_buf_t& to) override {
    for (const char one : line.payload)
      if (static_cast<unsigned char>(one) < ' ' || one == 0x7f)
        append(to, fmt::format("\\x{:02x}", one));
      else
        to.push_back(one);
    if (const log_fields* const fields = fields_of(line)) append(to, fields->text());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<text_message>();
  }
};

/// The level, in its colour.
class coloured_level : public spdlog::custom_flag_formatter {
public:
  void format(const spdlog::details::log_msg& line, const std::tm&, spdlog::memory_buf_t& to) override {
    constexpr std::array<std::string_view, log_bound::levels> colours = {
        "\033[37m", "\033[36m", "\033[32m", "\033[33m\033[1m", "\033[31m\033[1m", "\033[1m\033[41m"};
    const auto name = spdlog::level::to_string_view(line.level);
    append(to, colours[std::min<std::size_t>(line.level, colours.size() - 1)]);
    append(to, {name.data(), name.size()});
    append(to, "\033[m");
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<coloured_level>();
  }
};

std::unique_ptr<spdlog::formatter> make_formatter(log_format format, bool in_colour) {
  auto made = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc, "\n");
  made->add_flag<json_message>('j').add_flag<text_message>('w').add_flag<coloured_level>('k');
  if (format == log_format::json)
    made->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":%j})");
  else
    made->set_pattern(in_colour ? "%Y-%m-%dT%H:%M:%S.%eZ %k %w" : "%Y-%m-%dT%H:%M:%S.%eZ %l %w");
  return made;
}

} // namespace

spdlog::level::level_enum to_spdlog(log_level level) {
  switch (level) {
  case log_level::debug:
    return spdlog::level::debug;
  case log_level::info:
    return spdlog::level::info;
  case log_level::warn:
    return spdlog::level::warn;
  case log_level::error:
    return spdlog::level::err;
  }
  return spdlog::level::info;
}

log_sink::log_sink(int file, log_level level, log_format format)
    : output_(file), level_(to_spdlog(level)), recent_(recent_lines_max) {
  formatter_ = make_formatter(format, output_.is_terminal());
}

void log_sink::sink_it_(const spdlog::details::log_msg& line) {
  const steady_time now = std::chrono::steady_clock::now();
  const std::string_view text{line.payload.data(), line.payload.size()};
  const std::string_view logger{line.logger_name.data(), line.logger_name.size()};
  if (logger == traces) {
    if (line.level < level_) return;
    if (bound_.admits_trace(now)) return write(line);
    ++figures_.dropped[line.level];
  } else if (bound_.admits(line.level, text, now)) {
    put(line);
  } else if (line.level >= level_) {
    ++figures_.dropped[line.level];
  }
  tell_dropped(now);
}

void log_sink::put(const spdlog::details::log_msg& line) {
  if (line.level >= spdlog::level::info) {
    const std::string_view text{line.payload.data(), line.payload.size()};
    const std::uint64_t number = recent_.empty() ? 1 : recent_.back().number + 1;
    recent_.push_back({number, line.time, line.level, std::string{text.substr(0, recent_bytes_max)}});
  }
  if (line.level >= level_) write(line);
}

void log_sink::write(spdlog::details::log_msg line) {
  spdlog::memory_buf_t formatted;
  formatter_->format(line, formatted);
  while (formatted.size() > log_output::line_bytes_max) {
    line.payload = {line.payload.data(), line.payload.size() / 2};
    formatted.clear();
    formatter_->format(line, formatted);
  }
  const bool written = output_.write({formatted.data(), formatted.size()});
  ++(written ? figures_.written : figures_.dropped)[line.level];
}

void log_sink::tell_dropped() {
  const std::lock_guard lock(mutex_);
  tell_dropped(std::chrono::steady_clock::now());
}

void log_sink::tell_dropped(steady_time now) {
  if (figures_.dropped == told_ || now - told_at_ < told_pause) return;
  told_at_ = now;
  std::string text;
  for (std::size_t i = 0; i < log_bound::levels; ++i) {
    const std::uint64_t count = figures_.dropped[i] - told_[i];
    const auto name = spdlog::level::to_string_view(static_cast<spdlog::level::level_enum>(i));
    if (count > 0)
      fmt::format_to(std::back_inserter(text), "{}{} {}", text.empty() ? "" : ", ", count,
                     std::string_view{name.data(), name.size()});
  }
  told_ = figures_.dropped;
  text.insert(0, "lines of this log were dropped: ");
  put({spdlog::string_view_t{}, spdlog::level::warn, text});
}

std::vector<recent_line> log_sink::recent(std::uint64_t after, std::size_t most) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t last = recent_.empty() ? 0 : recent_.back().number;
  const std::uint64_t wanted = std::min<std::uint64_t>(
      {last - std::min(after, last), most, recent_.size()}); // their numbers have no gaps
  return {recent_.end() - static_cast<std::ptrdiff_t>(wanted), recent_.end()};
}

log_figures log_sink::figures() {
  const std::lock_guard lock(mutex_);
  return figures_;
}

} // namespace repasse
