// How a new connection to PostgreSQL is opened: what libpq is told, what the server is asked before the first
// transaction, and what is wrong with its answers. Only pg_link uses it.
#pragma once

#include "storage/pg_connection.hpp"
#include "storage/pg_hosts.hpp"

#include <string>
#include <string_view>
#include <vector>

struct pg_conn; // libpq's PGconn

namespace repasse {

/// What a url says; empty if it is malformed. Values hold secrets.
[[nodiscard]] std::optional<std::vector<pg_option>> pg_read_url(const std::string& url);
/// What libpq takes for what the url leaves out: from PGHOST and its like.
[[nodiscard]] std::string pg_default(std::string_view keyword);

/// The arguments of PQconnectStartParams.
class pg_connect_words {
public:
  pg_connect_words(const pg_connection::config& settings, const pg_hosts& hosts,
                   const pg_hosts::candidate& where);

  [[nodiscard]] const char* const* keywords() const { return keywords_.data(); }
  [[nodiscard]] const char* const* values() const { return values_.data(); }

private:
  void set(const char* keyword, const std::string& value);
  /// Unless the url says otherwise.
  void set_default(const char* keyword, const char* value);

  std::vector<const char*> keywords_; // both end with a null
  std::vector<const char*> values_;
};

/// Enters pipeline mode and sends all that prepares a connection, as one transaction. Empty, or why not.
[[nodiscard]] std::string pg_setup_begin(pg_conn* connection, const pg_connection::config& settings);
/// What is wrong with the `number`th reply to that; empty if nothing is.
[[nodiscard]] std::string pg_setup_error(const pg_conn* connection, const pg_connection::config& settings,
                                         std::size_t number, const pg_result* reply);

/// The server's words and SQLSTATE, in one line.
[[nodiscard]] std::string pg_error_text(const pg_result* error);
/// Empty for an error of libpq's own.
[[nodiscard]] std::string_view pg_sqlstate(const pg_result* error);

/// What libpq says of a connection that failed, in one line, and the SQLSTATE if the server said it.
struct pg_libpq_trouble {
  std::string text;
  std::string sqlstate;
};
[[nodiscard]] pg_libpq_trouble pg_trouble(const pg_conn* connection);

} // namespace repasse
