// What the files of postgres_ledger share: rows as statements give them, and which statements each of its
// connections prepares. For those files alone.
#pragma once

#include "storage/ledger.hpp"
#include "storage/pg_connection.hpp"

#include <string>
#include <vector>

namespace repasse::postgres {

using namespace std::chrono_literals;

/// How long a server may be silent where nobody waits; the other limits are in postgres_ledger::config.
inline constexpr std::chrono::nanoseconds change_limit = 5s;

/// Statuses as the column has them are those of payment_status, by number.
inline constexpr std::int16_t number_of(payment_status status) { return static_cast<std::int16_t>(status); }
inline constexpr payment_status status_of(std::int16_t number) { return static_cast<payment_status>(number); }

struct flag {
  bool is_set;
};
struct numbered {
  std::int32_t number = 0;
};

/// A row of `payments` as far as those who change rows want to know it.
struct open_payment {
  payment_id id{};
  std::int64_t amount_cents = 0;
  wall_time accepted_at{};
  std::int64_t token = 0;
  std::int32_t owner = 0;
  std::int32_t version = 0;
  std::int16_t attempts = 0;
  std::int16_t status = 0;
  std::optional<std::int16_t> processor;
};

inline constexpr pg_statement<open_payment(std::span<const payment_id>)> read_back{"read_back", R"(
SELECT p.correlation_id, p.amount_cents, p.accepted_at, p.token, p.owner, p.version, p.attempts, p.status, p.processor
  FROM unnest($1::uuid[]) AS w (id) JOIN payments p ON p.correlation_id = w.id)"};

inline constexpr pg_statement<flag(std::int32_t)> is_marked{
    "is_marked", "SELECT NOT EXISTS (SELECT FROM epochs WHERE epoch = $1 AND NOT marked)"};

/// Run on each new connection: how its statements are planned, and how long they may take.
[[nodiscard]] std::vector<std::string> session_settings(std::chrono::milliseconds statement_limit,
                                                        bool may_write);
[[nodiscard]] std::vector<const pg_prototype*> statements_of_appends();
[[nodiscard]] std::vector<const pg_prototype*> statements_of_changes();
[[nodiscard]] std::vector<const pg_prototype*> statements_of_reads();
void add_write_statements(std::vector<const pg_prototype*>& to);
void add_epoch_statements(std::vector<const pg_prototype*>& to);
void add_takeover_statements(std::vector<const pg_prototype*>& to);
void add_fold_statements(std::vector<const pg_prototype*>& to);
void add_word_statements(std::vector<const pg_prototype*>& to);
void add_word_reads(std::vector<const pg_prototype*>& to);
void add_copy_statements(std::vector<const pg_prototype*>& to);
void add_reconciliation_changes(std::vector<const pg_prototype*>& to);
void add_reconciliation_reads(std::vector<const pg_prototype*>& to);

/// What a caller may do about it.
[[nodiscard]] inline ledger_status status_of(pg_verdict verdict) {
  switch (verdict) {
  case pg_verdict::done:
    return ledger_status::done;
  case pg_verdict::in_doubt:
    return ledger_status::in_doubt;
  case pg_verdict::unavailable:
  case pg_verdict::overtaken:
  case pg_verdict::refused:
    break;
  }
  return ledger_status::unavailable;
}

} // namespace repasse::postgres
