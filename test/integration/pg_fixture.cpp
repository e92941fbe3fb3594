#include "test/integration/pg_fixture.hpp"

#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>

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

postgres_server& shared_server() {
  static postgres_server server;
  static const std::string created =
      server.sql("SET ROLE repasse;"
                 "CREATE TABLE notes (id bigint PRIMARY KEY, text text);"
                 "CREATE FUNCTION fail_with(state text) RETURNS bigint LANGUAGE plpgsql AS $$"
                 "BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = state; END $$");
  if (!server.is_running()) server.start();
  return server;
}

pg_connection::config config_of(const std::string& url) {
  pg_connection::config how;
  how.url = url;
  how.application_name = "repasse test";
  how.statements = {&insert_note.prototype(), &find_note.prototype(), &count_notes.prototype(),
                    &doze.prototype(),        &fail_with.prototype(), &backend.prototype()};
  how.settings = {"SET synchronous_commit = on"};
  return how;
}

} // namespace repasse
