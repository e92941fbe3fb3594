// The files that the program holds within itself: the dashboard with Chart.js, and the document of the API.
// The build takes every file of server/dashboard/ (embed_files.cmake); nothing is read while serving.
#pragma once

#include "server/http_response.hpp"

#include <span>
#include <string_view>

namespace repasse {

struct static_file {
  std::string_view path; ///< of its URL
  std::string_view content_type;
  std::string_view etag; ///< with its quotes
  std::string_view packed_etag;
  std::string_view content;
  std::string_view packed; ///< the same, by gzip
};
[[nodiscard]] std::span<const static_file> static_files();

/// 200, or 304 where `if_none_match` names what would be sent, or 404. The other two are the request's
/// fields.
[[nodiscard]] http_response static_answer(std::string_view path, std::string_view accept_encoding,
                                          std::string_view if_none_match);

/// Whether a reader with this Accept-Encoding takes gzip (RFC 9110 section 12.5.3).
[[nodiscard]] bool takes_gzip(std::string_view accept_encoding);

} // namespace repasse
