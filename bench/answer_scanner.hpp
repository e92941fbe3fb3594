// Finds the next answer in what an HTTP server has sent, for clients that read many of them: no allocation,
// bodies by `Content-Length` only.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace repasse {

struct scanned_answer {
  unsigned status = 0;
  std::size_t size_bytes = 0; ///< of the whole answer
  bool replayed = false;      ///< `Idempotent-Replayed: true`
  bool closes = false;        ///< `Connection: close`
};

/// nullopt if it is not complete; a status of 0 if it is no HTTP.
[[nodiscard]] std::optional<scanned_answer> scan_answer(std::string_view received);

} // namespace repasse
