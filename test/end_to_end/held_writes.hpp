// Writes of one process that stand still in PostgreSQL between their last statement and their commit, so that
// a test can stop that process at exactly this step.
#pragma once

#include "test/integration/postgres_server.hpp"

#include <string>

namespace repasse {

/// For a database whose schema is there.
class held_writes {
public:
  explicit held_writes(const postgres_server& database) : database_(database) {
    database_.sql(R"(
CREATE TABLE holds (process integer PRIMARY KEY, step text NOT NULL);
GRANT SELECT ON holds TO repasse;
CREATE FUNCTION hold_write() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  its_process constant integer :=
    (SELECT NULLIF(split_part(instance, ':', 2), '') FROM epochs WHERE epoch = NEW.owner);
  its_step constant text := CASE WHEN TG_OP = 'INSERT' THEN 'append' WHEN NEW.status = 3 THEN 'settle'
                                 WHEN NEW.owner <> OLD.owner THEN 'takeover' WHEN NEW.status = 2 THEN 'doubt'
                                 WHEN OLD.status = 0 THEN 'choice' ELSE 'another choice' END;
BEGIN
  WHILE EXISTS (SELECT FROM holds WHERE process = its_process AND step = its_step) LOOP
    PERFORM pg_advisory_xact_lock_shared(its_process), pg_sleep(0.01);
  END LOOP;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER hold_write AFTER INSERT OR UPDATE ON payments DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION hold_write();)");
  }

  /// `step`: `append`, `choice`, `another choice`, `doubt`, `settle`, of a payment that the process owns.
  void hold(pid_t process, const std::string& step) const {
    database_.sql("INSERT INTO holds VALUES (" + std::to_string(process) + ", '" + step + "')");
  }
  /// One stands there.
  [[nodiscard]] bool is_reached(pid_t process) const {
    return database_.sql("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = " +
                         std::to_string(process) + ")") == "t";
  }
  void let_go(pid_t process) const {
    database_.sql("DELETE FROM holds WHERE process = " + std::to_string(process));
  }

private:
  const postgres_server& database_;
};

} // namespace repasse
