// The text of a statement as a connection prepares it: as it stands, or with a planted error in it. Only a
// test's build can tell the two apart.
#pragma once

#include "storage/pg_statement.hpp"

#include <string>

namespace repasse {

#ifdef REPASSE_PLANTED_ERRORS
[[nodiscard]] std::string sql_of(const pg_prototype& statement);
#else
[[nodiscard]] inline std::string sql_of(const pg_prototype& statement) { return statement.sql; }
#endif

} // namespace repasse
