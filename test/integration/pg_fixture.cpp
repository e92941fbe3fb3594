#include "test/integration/pg_fixture.hpp"

namespace repasse {

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
  how.patience = std::chrono::seconds{5};
  return how;
}

} // namespace repasse
