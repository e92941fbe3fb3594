// How a database's URL is read from the configuration, and shown without its secrets. Used by the
// configuration's table and by main's lines for people. Nothing is connected or resolved here.
#pragma once

#include "server/config.hpp"
#include "server/config_value.hpp"

#include <string>
#include <string_view>

namespace repasse {

/// What is wrong with a URL of PostgreSQL, `postgresql://user:password@host1,host2/db?sslmode=…` or
/// `host=… dbname=…`, in words that hold no secret; empty if it is well-formed.
[[nodiscard]] std::string database_url_problem(std::string_view url);

/// The URL with `***` for each password and for every value that is not known to be harmless. What is not
/// entirely understood is `***` from its scheme on.
[[nodiscard]] std::string database_url_text(std::string_view url);

template <auto Member>
std::string read_database_url(std::string_view text, config& to, std::size_t) {
  std::string problem = database_url_problem(text);
  if (problem.empty()) to.*Member = text;
  return problem;
}

template <auto Member>
std::string show_database_url(const config& from, std::size_t) {
  return (from.*Member).empty() ? "none" : database_url_text(from.*Member);
}

} // namespace repasse
