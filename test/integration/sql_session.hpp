// A session of a test's own beside the ledgers, which can hold a transaction open, and a place where it can
// make a statement of theirs stand still.
#pragma once

#include "test/integration/ledger_server.hpp"

namespace repasse {

class sql_session {
public:
  sql_session(loop& of, const std::string& url) : loop_(of), link_(of.time, config_of(url)) {
    loop_.start(link_.run());
    loop_.until([this] { return link_.now_in() == pg_connection::state::connected; });
  }
  ~sql_session() {
    link_.stop();
    loop_.turn();
  }
  sql_session(const sql_session&) = delete;
  sql_session& operator=(const sql_session&) = delete;

  /// Any number of statements; rows of the last.
  std::vector<std::vector<std::string>> rows(const std::string& text) {
    pg_connection::script_result result = loop_.await(link_.script(text, loop_.time.now() + loop::patience));
    BOOST_REQUIRE_MESSAGE(result.verdict == pg_verdict::done, result.error + " in " + text);
    return std::move(result.rows);
  }
  /// The single value that they answer.
  std::string value(const std::string& text) {
    const auto all = rows(text);
    BOOST_REQUIRE(all.size() == 1 && all[0].size() == 1);
    return all[0][0];
  }
  void run(const std::string& text) { rows(text); }

private:
  static pg_connection::config config_of(const std::string& url) {
    pg_connection::config how;
    how.url = url;
    how.application_name = "repasse test session";
    return how;
  }

  loop& loop_;
  pg_connection link_;
};

/// Statements of the connection `application` that do `what` (`BEFORE UPDATE`, …) to payments stand still,
/// their snapshot taken, until let_go().
class standstill {
public:
  standstill(sql_session& by, const std::string& what, const std::string& application) : by_(by) {
    by_.run("CREATE OR REPLACE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF current_setting('application_name') = '" +
            application +
            "' THEN PERFORM pg_advisory_xact_lock_shared(42); END IF; RETURN NULL; END $$;"
            "CREATE TRIGGER standstill " +
            what +
            " ON payments FOR EACH STATEMENT EXECUTE FUNCTION stand_still();"
            "SELECT pg_advisory_lock(42)");
  }
  ~standstill() {
    let_go();
    by_.run("DROP TRIGGER standstill ON payments");
  }
  standstill(const standstill&) = delete;
  standstill& operator=(const standstill&) = delete;

  /// Until one stands there.
  void until_reached(loop& of) {
    of.until([this] {
      return by_.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") != "0";
    });
  }
  void let_go() {
    if (std::exchange(is_held_, false)) by_.run("SELECT pg_advisory_unlock(42)");
  }

private:
  sql_session& by_;
  bool is_held_ = true;
};

} // namespace repasse
