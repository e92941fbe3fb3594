// What a request target names: path and query (RFC 9112 section 3.2, RFC 3986). Used by the endpoints.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

/// The path is percent-decoded, except that an encoded slash stays `%2F`, so that it never separates.
class http_target {
public:
  /// Takes the origin form, the absolute form of `http`, and `*` for OPTIONS; nullopt for anything else, a
  /// wrong escape or an encoded NUL: 400. Allocates only for a path with escapes. The views are into
  /// `target`.
  static std::optional<http_target> parse(std::string_view method, std::string_view target);

  [[nodiscard]] std::string_view path() const { return decoded_.empty() ? path_ : decoded_; }
  /// Behind the question mark, still encoded.
  [[nodiscard]] std::string_view query() const { return query_; }

private:
  std::string_view path_;
  std::string_view query_;
  std::string decoded_; ///< only of a path with escapes
};

/// The parameters of a query, decoded, `+` for a space, in the order sent.
class query_parameters {
public:
  static constexpr std::size_t count_max = 32;

  /// nullopt for a wrong escape, an encoded NUL, or too many parameters: 400.
  static std::optional<query_parameters> parse(std::string_view query);

  /// The first of this name.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  /// The name of a parameter that stands more than once.
  [[nodiscard]] std::optional<std::string_view> repeated() const;

private:
  struct parameter {
    std::string name;
    std::string value;
  };
  std::vector<parameter> parameters_;
};

/// Mends a time whose zone was sent as `+02:00` with its plus unencoded, which a query decodes to a space:
/// any space behind the date and its separator can be nothing else.
[[nodiscard]] std::string restore_zone_plus(std::string_view time);

/// Decodes %XX. nullopt for a wrong escape or an encoded NUL.
enum class escape_rules { path, query }; ///< path: %2F stays; query: `+` is a space
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, escape_rules rules);

} // namespace repasse
