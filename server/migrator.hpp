// Brings the schema up while the process already serves: with the database away, or its schema not to be
// used, it says so, once for each reason, and goes on trying. It never ends the process.
#pragma once

#include "server/config.hpp"
#include "storage/migrations.hpp"
#include "storage/pg_connection.hpp"
#include "storage/schema_state.hpp"

#include <string>

namespace repasse {

/// A connection of its own for `repasse migrate` and the migrator.
[[nodiscard]] pg_connection::config migration_connection(const config& settings);

/// Built by the first reactor alone, and started and stopped by it; its connection ends with its work.
class migrator {
public:
  migrator(clock& time, const config& settings, schema_state& schema);

  void start();
  void stop();

  /// Why the schema is not known to be right, one line without secrets; empty once it is.
  [[nodiscard]] const std::string& reason() const { return reason_; }

private:
  task<> live();
  task<bool> look();
  void note(std::string reason);
  task<> tell(migration_report found);

  clock& clock_;
  schema_state& schema_;
  steady_time started_;
  pg_connection connection_;
  migrations migrations_;
  std::string reason_;
  schema_verdict verdict_ = schema_verdict::unavailable;
  bool stopped_ = false;
  event wake_;
  task_group tasks_;
};

} // namespace repasse
