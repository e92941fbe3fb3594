// The statements of the PostgreSQL ledger as SQL that a test's own session can prepare and execute.
#pragma once

#include "storage/planted_sql.hpp"
#include "storage/postgres_statements.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>

namespace repasse {

inline std::vector<const pg_prototype*> all_statements() {
  std::vector<const pg_prototype*> all = postgres::statements_of_appends();
  for (const auto& more : {postgres::statements_of_changes(), postgres::statements_of_reads()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

inline std::string type_name(pg_oid oid) {
  switch (oid) {
  case 16:
    return "boolean";
  case 20:
    return "bigint";
  case 21:
    return "smallint";
  case 23:
    return "integer";
  case 25:
    return "text";
  case 1005:
    return "smallint[]";
  case 1007:
    return "integer[]";
  case 1009:
    return "text[]";
  case 1016:
    return "bigint[]";
  case 1184:
    return "timestamptz";
  case 1185:
    return "timestamptz[]";
  case 2950:
    return "uuid";
  case 2951:
    return "uuid[]";
  }
  BOOST_FAIL("no name for type " << oid);
  return {};
}

inline std::string prepare_of(const pg_prototype& statement) {
  std::string types;
  for (const pg_oid oid : statement.parameters)
    types += (types.empty() ? "(" : ", ") + type_name(oid);
  return std::string{"PREPARE "} + statement.name + types + (types.empty() ? "" : ")") + " AS " +
         sql_of(statement);
}

inline std::string prepare_of(std::string_view name) {
  for (const pg_prototype* const one : all_statements())
    if (one->name == name) return prepare_of(*one);
  BOOST_FAIL("no statement " << name);
  return {};
}

} // namespace repasse
