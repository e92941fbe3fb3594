// What an error of the server means for the transaction that met it: the one place that knows SQLSTATEs.
// Source: PostgreSQL 15, appendix A. Pure.
#pragma once

#include "storage/pg_connection.hpp"

#include <string_view>

namespace repasse {

struct pg_error_meaning {
  pg_verdict verdict = pg_verdict::refused;
  /// The connection cannot serve such statements any more, another may.
  bool leave_connection = false;
};

/// Of severity ERROR: the transaction has been rolled back. FATAL and PANIC mean a lost connection instead,
/// since they may come after the commit.
[[nodiscard]] constexpr pg_error_meaning meaning_of(std::string_view sqlstate) {
  constexpr auto later = pg_verdict::unavailable;
  const auto is = [&](std::string_view code) { return sqlstate == code; };
  const std::string_view kind = sqlstate.substr(0, 2);
  if (is("23505")) return {pg_verdict::overtaken, false};
  if (is("40003")) return {pg_verdict::in_doubt, true}; // statement completion unknown
  if (is("25006")) return {later, true};                // read-only: a standby, another host may write
  if (is("0A000") || is("26000")) return {later, true}; // altered tables, lost statements: prepared anew
  if (is("55P03") || is("57014") || is("57P03")) return {later, false}; // lock, statement time-out, starting
  if (kind == "40" || kind == "53") return {later, false};              // rolled back by others, resources
  if (kind == "08" || kind == "58") return {later, false};              // what lies behind it is out of order
  return {};
}

} // namespace repasse
