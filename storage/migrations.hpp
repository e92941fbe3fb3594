// The steps of the schema, and how they come into the database: storage/migrations/NNNNNN_name.up.sql and
// .down.sql, embedded in the program, applied in order by whichever instance comes first.
//
// The first line of an .up.sql is `-- works with: N`: programs whose own schema version is N or later may go
// on once it is applied, so that two versions run side by side on one schema. A second line `-- without a
// transaction` is for a single statement that PostgreSQL refuses in one (CREATE INDEX CONCURRENTLY).
#pragma once

#include "storage/clock.hpp"
#include "storage/pg_connection.hpp"
#include "storage/schema_state.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

struct migration {
  int version = 0; ///< 1, 2, 3, …
  std::string_view name;
  std::string_view up;
  std::string_view down;

  /// `000001_create_payments`
  [[nodiscard]] std::string title() const;
  /// Of `up`: what was applied must not change any more.
  [[nodiscard]] std::string checksum() const;
  /// 0 where the first line does not say.
  [[nodiscard]] int works_with() const;
  [[nodiscard]] bool is_in_transaction() const;
};

/// What this program was built with, in order; their last version is the program's own.
[[nodiscard]] std::span<const migration> embedded_migrations();

/// A row of the table schema_migrations.
struct applied_migration {
  int version = 0;
  std::string name;
  std::string checksum;
  int works_with = 0;
  bool dirty = false; ///< begun without a transaction, and not ended
  std::string at;
};

enum class schema_verdict : std::uint8_t {
  right,      ///< this program can work with it
  behind,     ///< up() would make it right
  unusable,   ///< a person has to act: see the reason
  unavailable ///< not known; the same may work later
};

struct migration_report {
  schema_verdict verdict = schema_verdict::unavailable;
  int version = 0;    ///< the highest that is applied
  std::string reason; ///< why it is not right and how to go on, one line without secrets; empty if right
  std::vector<std::string> steps; ///< a line for each migration, known or applied
  std::vector<std::string> done;  ///< a line for each that this call applied or undid
};

/// What the rows mean to a program built with `known`.
[[nodiscard]] migration_report judge(std::span<const migration> known,
                                     std::span<const applied_migration> applied);

/// Built by whoever migrates, over a connection of its own that is already running.
class migrations {
public:
  /// For pg_connection::config::settings: a lock that is not to be had soon is left to those who pay.
  static constexpr const char* connection_setting = "SET lock_timeout = '3s'";

  explicit migrations(pg_connection& connection, std::span<const migration> known = embedded_migrations())
      : connection_(connection), known_(known) {}

  /// Looks, and writes nothing.
  task<migration_report> status(steady_time due);
  /// Applies what is missing, each step in a transaction with its row, under an advisory lock. Any number of
  /// instances may do so at once.
  task<migration_report> up(steady_time due);
  /// Undoes the last one, also one that did not end.
  task<migration_report> down(steady_time due);

  /// About how many payments are held, as of the last vacuum or analyze, without a scan; nullopt if there is
  /// no telling.
  task<std::optional<std::int64_t>> payments_held(steady_time due);

private:
  task<pg_connection::script_result> apply(migration step, int from, steady_time due);

  pg_connection& connection_;
  std::span<const migration> known_;
};

} // namespace repasse
