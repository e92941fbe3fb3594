#include "server/static_files.hpp"

#include <algorithm>
#include <cctype>

namespace repasse {
namespace {

/// The page talks to this server alone, and stands in no other's frame.
constexpr std::string_view fields_of_all =
    "Vary: Accept-Encoding\r\n"
    "Cache-Control: no-cache\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

bool same_word(std::string_view a, std::string_view lower_case) {
  return std::ranges::equal(a, lower_case, [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) == static_cast<unsigned char>(y);
  });
}

/// Of `;q=0`, `; Q=0.000` and the like.
bool is_zero_weight(std::string_view parameters) {
  parameters = trimmed(parameters);
  if (parameters.size() < 3 || !same_word(parameters.substr(0, 2), "q=")) return false;
  return parameters.substr(2).find_first_not_of("0.") == std::string_view::npos;
}

} // namespace

bool takes_gzip(std::string_view accept_encoding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    const std::size_t comma = accept_encoding.find(',');
    const std::string_view one = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(comma == std::string_view::npos ? accept_encoding.size() : comma + 1);
    const std::size_t semicolon = one.find(';');
    const std::string_view coding = trimmed(one.substr(0, semicolon));
    const bool taken = semicolon == std::string_view::npos || !is_zero_weight(one.substr(semicolon + 1));
    if (same_word(coding, "gzip") || same_word(coding, "x-gzip")) return taken;
    if (coding == "*") any = taken;
  }
  return any;
}

http_response static_answer(std::string_view path, std::string_view accept_encoding,
                            std::string_view if_none_match) {
  const std::span<const static_file> all = static_files();
  const auto found = std::ranges::find(all, path, &static_file::path);
  if (found == all.end()) return problem(404, "no such path");
  const bool packed = takes_gzip(accept_encoding);
  const std::string_view etag = packed ? found->packed_etag : found->etag;
  http_response response;
  response.headers.append("ETag: ").append(etag).append("\r\n").append(fields_of_all);
  // A tag stands between quotes of its own, so that no other holds it.
  if (trimmed(if_none_match) == "*" || if_none_match.find(etag) != std::string_view::npos) {
    response.status = 304;
    return response;
  }
  if (packed) response.headers.append("Content-Encoding: gzip\r\n");
  response.content_type = found->content_type;
  response.body = packed ? found->packed : found->content;
  return response;
}

} // namespace repasse
