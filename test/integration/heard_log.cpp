#include "test/integration/heard_log.hpp"

#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>

#include <string>

namespace repasse {

struct heard_log::kept {
  std::shared_ptr<spdlog::sinks::ringbuffer_sink_st> lines =
      std::make_shared<spdlog::sinks::ringbuffer_sink_st>(10'000);
  std::shared_ptr<spdlog::logger> before = spdlog::default_logger();
};

heard_log::heard_log() : kept_(std::make_unique<kept>()) {
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("heard", kept_->lines));
}

heard_log::~heard_log() { spdlog::set_default_logger(kept_->before); }

std::size_t heard_log::count(std::string_view text) const {
  const std::vector<std::string> lines = kept_->lines->last_formatted();
  return static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
    return line.find(text) != std::string::npos;
  }));
}

} // namespace repasse
