#include "server/config_database.hpp"

#include "storage/pg_connection.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace repasse {
namespace {

constexpr std::string_view hidden = "***";
constexpr std::array<std::string_view, 2> schemes{"postgresql://", "postgres://"};

/// Whose values are no secret; libpq knows more, and those are not shown.
constexpr std::array<std::string_view, 10> harmless{"application_name",
                                                    "connect_timeout",
                                                    "dbname",
                                                    "host",
                                                    "hostaddr",
                                                    "port",
                                                    "sslmode",
                                                    "sslrootcert",
                                                    "user",
                                                    "target_session_attrs"};

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// Whether it is of letters, digits and `more`; an `@`, `=` or `:` out of place may have a secret behind it.
bool is_plain(std::string_view text, std::string_view more) {
  return std::ranges::all_of(text,
                             [more](char c) { return is_letter_or_digit(c) || more.find(c) != more.npos; });
}

/// `host`, `host:5432`, `[::1]:5432`, `%2Frun`: whatever stands before the comma.
bool is_place(std::string_view text) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == text.npos || !is_plain(text.substr(1, end - 1), ":.%")) return false;
    text.remove_prefix(end + 1);
    if (!text.empty() && text.front() != ':') return false;
  }
  const auto colon = text.find(':');
  const auto port = colon == text.npos ? std::string_view{} : text.substr(colon + 1);
  return is_plain(text.substr(0, colon), "._%-") &&
         std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view shown_value(std::string_view keyword, std::string_view value) {
  const bool show = std::ranges::find(harmless, keyword) != harmless.end() && is_plain(value, "._%,/:-");
  return show ? value : hidden;
}

bool is_keyword(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

/// Behind the question mark; nullopt where it is not understood.
std::optional<std::string> query_text(std::string_view query) {
  std::string text;
  for (;;) {
    const auto end = query.find('&');
    const auto pair = query.substr(0, end);
    const auto equals = pair.find('=');
    if (equals == pair.npos || !is_keyword(pair.substr(0, equals))) return std::nullopt;
    const auto keyword = pair.substr(0, equals);
    text.append(keyword).append("=").append(shown_value(keyword, pair.substr(equals + 1)));
    if (end == query.npos) return text;
    text.push_back('&');
    query.remove_prefix(end + 1);
  }
}

/// Behind the scheme: `[user[:password]@][place,…][/database][?query]`.
std::optional<std::string> uri_text(std::string_view rest) {
  std::string text;
  const auto question = rest.find('?');
  const auto query = question == rest.npos ? std::string_view{} : rest.substr(question + 1);
  rest = rest.substr(0, question);
  const auto slash = rest.find('/');
  const auto database = slash == rest.npos ? std::string_view{} : rest.substr(slash);
  rest = rest.substr(0, slash);
  if (const auto at = rest.find('@'); at != rest.npos) {
    const auto user = rest.substr(0, std::min(at, rest.find(':')));
    if (!is_plain(user, "._%-")) return std::nullopt;
    text.append(user).append(user.size() < at ? ":***@" : "@");
    rest.remove_prefix(at + 1);
  }
  const auto places = parse_list(rest);
  if (!std::ranges::all_of(places, is_place) || !is_plain(database, "/._%-")) return std::nullopt;
  text.append(rest).append(database);
  if (question == std::string_view::npos) return text;
  const auto parameters = query_text(query);
  return parameters ? std::optional(text + "?" + *parameters) : std::nullopt;
}

/// Takes one value of `keyword = 'value' …`; nullopt where a quote is not closed.
std::optional<std::string> take_value(std::string_view& text) {
  std::string value;
  const bool quoted = text.starts_with('\'');
  std::size_t at = quoted ? 1 : 0;
  for (; at < text.size() && text[at] != (quoted ? '\'' : ' '); ++at) {
    if (text[at] == '\\' && ++at == text.size()) break;
    value.push_back(text[at]);
  }
  if (quoted && at >= text.size()) return std::nullopt;
  text.remove_prefix(std::min(text.size(), at + (quoted ? 1 : 0)));
  return value;
}

void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.size(), text.find_first_not_of(' ')));
}

std::optional<std::string> keywords_text(std::string_view rest) {
  std::string text;
  for (skip_blanks(rest); !rest.empty(); skip_blanks(rest)) {
    const auto keyword = rest.substr(0, rest.find_first_of(" ="));
    rest.remove_prefix(keyword.size());
    skip_blanks(rest);
    if (!is_keyword(keyword) || !rest.starts_with('=')) return std::nullopt;
    rest.remove_prefix(1);
    skip_blanks(rest);
    const auto value = take_value(rest);
    if (!value) return std::nullopt;
    text.append(text.empty() ? "" : " ").append(keyword).append("=").append(shown_value(keyword, *value));
  }
  return text;
}

} // namespace

std::string database_url_problem(std::string_view url) {
  // libpq takes anything without a scheme of its own for keyword=value, and its complaint would mislead.
  const bool has_scheme =
      std::ranges::any_of(schemes, [url](auto scheme) { return url.starts_with(scheme); });
  if (!has_scheme && url.find('=') == url.npos)
    return "expected postgresql://user:password@host:5432/database";
  const std::string problem = pg_url_error(std::string(url));
  return problem.empty() ? problem : "expected postgresql://user:password@host:5432/database: " + problem;
}

std::string database_url_text(std::string_view url) {
  for (const auto scheme : schemes)
    if (url.starts_with(scheme))
      return std::string(scheme).append(uri_text(url.substr(scheme.size())).value_or(std::string(hidden)));
  return keywords_text(url).value_or(std::string(hidden));
}

} // namespace repasse
