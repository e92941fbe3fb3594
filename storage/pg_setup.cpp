#include "storage/pg_setup.hpp"

#include "storage/planted_sql.hpp"

#include <fmt/core.h>
#include <libpq-fe.h>

namespace repasse {
namespace {

constexpr std::size_t trouble_bytes_max = 300;

struct options_closer {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using owned_options = std::unique_ptr<PQconninfoOption, options_closer>;

std::string type_name(pg_oid oid) {
  struct named {
    pg_oid oid;
    const char* name;
  };
  static constexpr named known[] = {{16, "boolean"},
                                    {17, "bytea"},
                                    {19, "name"},
                                    {20, "bigint"},
                                    {21, "smallint"},
                                    {23, "integer"},
                                    {25, "text"},
                                    {26, "oid"},
                                    {114, "json"},
                                    {700, "real"},
                                    {701, "double"},
                                    {705, "unknown"},
                                    {1000, "boolean[]"},
                                    {1005, "smallint[]"},
                                    {1007, "integer[]"},
                                    {1009, "text[]"},
                                    {1016, "bigint[]"},
                                    {1042, "char"},
                                    {1043, "varchar"},
                                    {1082, "date"},
                                    {1114, "timestamp"},
                                    {1184, "timestamptz"},
                                    {1185, "timestamptz[]"},
                                    {1186, "interval"},
                                    {1700, "numeric"},
                                    {2278, "void"},
                                    {2950, "uuid"},
                                    {2951, "uuid[]"},
                                    {3802, "jsonb"}};
  for (const named& one : known)
    if (one.oid == oid) return one.name;
  return "the type with OID " + std::to_string(oid);
}

/// Compares what the server makes of a statement with what its C++ types need.
std::string mismatch(const pg_prototype& wanted, const PGresult* described) {
  const auto parameters = static_cast<std::size_t>(PQnparams(described));
  if (parameters != wanted.parameters.size())
    return fmt::format("it has {} parameters here and {} there", wanted.parameters.size(), parameters);
  for (std::size_t i = 0; i < parameters; ++i) {
    const pg_oid found = PQparamtype(described, static_cast<int>(i));
    if (found != wanted.parameters[i])
      return fmt::format("parameter ${} is {} here and {} there", i + 1, type_name(wanted.parameters[i]),
                         type_name(found));
  }
  const auto columns = static_cast<std::size_t>(PQnfields(described));
  if (columns != wanted.columns.size())
    return fmt::format("it has {} columns here and {} there", wanted.columns.size(), columns);
  for (std::size_t i = 0; i < columns; ++i) {
    const pg_oid found = PQftype(described, static_cast<int>(i));
    if (found != wanted.columns[i])
      return fmt::format("column {} ({}) is {} here and {} there", i + 1,
                         PQfname(described, static_cast<int>(i)), type_name(wanted.columns[i]),
                         type_name(found));
  }
  return {};
}

/// One line of a few hundred bytes, without the place in the server's sources and libpq's guesses.
std::string one_line(std::string_view text) {
  std::string line;
  text = text.substr(0, text.find("\nLOCATION:"));
  text = text.substr(0, text.find("\n\t"));
  for (const char each : text.substr(0, trouble_bytes_max)) {
    const bool is_space = static_cast<unsigned char>(each) <= ' ';
    if (is_space && (line.empty() || line.back() == ' ')) continue;
    line.push_back(is_space ? ' ' : each);
  }
  if (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

} // namespace

std::optional<std::vector<pg_option>> pg_read_url(const std::string& url) {
  char* error = nullptr;
  const owned_options parsed{PQconninfoParse(url.c_str(), &error)};
  PQfreemem(error); // it quotes the url, which may hold a password
  if (!parsed) return std::nullopt;
  std::vector<pg_option> options;
  for (const PQconninfoOption* one = parsed.get(); one->keyword != nullptr; ++one)
    if (one->val != nullptr) options.emplace_back(one->keyword, one->val);
  return options;
}

std::string pg_default(std::string_view keyword) {
  const owned_options defaults{PQconndefaults()};
  for (const PQconninfoOption* one = defaults.get(); one != nullptr && one->keyword != nullptr; ++one)
    if (one->keyword == keyword && one->val != nullptr) return one->val;
  return {};
}

pg_connect_words::pg_connect_words(const pg_connection::config& settings, const pg_hosts& hosts,
                                   const pg_hosts::candidate& where) {
  for (const auto& [keyword, value] : hosts.options())
    if (keyword != "application_name" && keyword != "client_encoding") set(keyword.c_str(), value);
  set("host", where.name);
  set("hostaddr", where.address);
  set("port", where.port);
  set("application_name", settings.application_name);
  set_default("client_encoding", "UTF8");
  set_default("gssencmode", "disable"); // asking for tickets blocks
  if (settings.may_write) set_default("target_session_attrs", "read-write");
  set_default("keepalives_idle", "15"); // so that an idle connection is known to be dead before it is needed
  set_default("keepalives_interval", "5");
  set_default("keepalives_count", "3");
  keywords_.push_back(nullptr);
  values_.push_back(nullptr);
}

void pg_connect_words::set(const char* keyword, const std::string& value) {
  if (value.empty()) return;
  keywords_.push_back(keyword);
  values_.push_back(value.c_str());
}

void pg_connect_words::set_default(const char* keyword, const char* value) {
  const auto is_same = [&](std::string_view one) { return one == keyword; };
  if (std::any_of(keywords_.begin(), keywords_.end(), is_same)) return;
  keywords_.push_back(keyword);
  values_.push_back(value);
}

std::string pg_setup_begin(PGconn* connection, const pg_connection::config& settings) {
  const char* const encoding = PQparameterStatus(connection, "server_encoding");
  if (encoding == nullptr || std::string_view{encoding} != "UTF8")
    return fmt::format("the database's encoding is {}, and must be UTF8",
                       encoding == nullptr ? "unknown" : encoding);
  const auto run = [&](const char* sql) {
    return PQsendQueryParams(connection, sql, 0, nullptr, nullptr, nullptr, nullptr, 0) == 1;
  };
  bool is_sent = PQsetnonblocking(connection, 1) == 0 && PQenterPipelineMode(connection) == 1;
  for (const std::string& each : settings.settings)
    is_sent = is_sent && run(each.c_str());
  if (settings.may_write) is_sent = is_sent && run("SHOW fsync");
  for (const pg_prototype* each : settings.statements) {
    is_sent = is_sent && PQsendPrepare(connection, each->name, sql_of(*each).c_str(), 0, nullptr) == 1 &&
              PQsendDescribePrepared(connection, each->name) == 1;
  }
  is_sent = is_sent && PQpipelineSync(connection) == 1;
  return is_sent ? std::string{} : pg_trouble(connection).text;
}

std::string pg_setup_error(const PGconn* connection, const pg_connection::config& settings,
                           std::size_t number, const PGresult* reply) {
  const bool is_error = PQresultStatus(reply) == PGRES_FATAL_ERROR;
  if (is_error && pg_sqlstate(reply).empty()) return pg_trouble(connection).text;
  if (number < settings.settings.size())
    return is_error ? fmt::format("{}: {}", settings.settings[number], pg_error_text(reply)) : std::string{};
  number -= settings.settings.size();
  if (settings.may_write) {
    if (number == 0) {
      if (is_error) return pg_error_text(reply);
      const bool is_durable = PQntuples(reply) == 1 && std::string_view{PQgetvalue(reply, 0, 0)} == "on";
      return is_durable ? std::string{} : "the server runs with fsync=off, and would lose payments";
    }
    --number;
  }
  if (number / 2 >= settings.statements.size()) return is_error ? pg_error_text(reply) : std::string{};
  const pg_prototype& statement = *settings.statements[number / 2];
  std::string error;
  if (is_error)
    error = pg_error_text(reply);
  else if (number % 2 == 1)
    error = mismatch(statement, reply);
  return error.empty() ? error : fmt::format("statement {}: {}", statement.name, error);
}

std::string pg_error_text(const PGresult* error) {
  const char* const words = PQresultErrorField(error, PG_DIAG_MESSAGE_PRIMARY);
  if (words == nullptr) return one_line(PQresultErrorMessage(error));
  return fmt::format("{} (SQLSTATE {})", one_line(words), pg_sqlstate(error));
}

std::string_view pg_sqlstate(const PGresult* error) {
  const char* const state = PQresultErrorField(error, PG_DIAG_SQLSTATE);
  return state == nullptr ? std::string_view{} : state;
}

pg_libpq_trouble pg_trouble(const PGconn* connection) {
  pg_libpq_trouble why;
  why.text = one_line(PQerrorMessage(connection));
  if (why.text.empty()) why.text = "the connection failed";
  // `FATAL:  28P01: password authentication failed for user "x"`; FATAL may be translated, and has no digit.
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_code = [&](std::string_view text) {
    return std::any_of(text.begin(), text.end(), is_digit) &&
           std::all_of(text.begin(), text.end(),
                       [&](char c) { return is_digit(c) || (c >= 'A' && c <= 'Z'); });
  };
  for (std::size_t at = why.text.find(": "); at != std::string::npos; at = why.text.find(": ", at + 2)) {
    const std::string_view rest = std::string_view{why.text}.substr(at + 2);
    if (rest.size() < 7 || rest.substr(5, 2) != ": " || !is_code(rest.substr(0, 5))) continue;
    why.sqlstate = rest.substr(0, 5);
    break;
  }
  return why;
}

} // namespace repasse
