// Answers that one listener has given, by kind of path and status. For the eye alone.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace repasse {

/// Few, whatever paths clients think of.
enum class endpoint_kind : std::uint8_t {
  post_payment,
  totals, ///< of `GET /payments-summary`
  payment,
  payments,
  purge,
  processors,
  healthz,
  readyz,
  metrics,
  dashboard, ///< the page and what belongs to it
  events,
  openapi, ///< the document
  admin,
  other,     ///< any other path
  malformed, ///< no request that could be read
  count
};
[[nodiscard]] std::string_view to_string(endpoint_kind kind);

class http_figures {
public:
  /// All that are answered, told apart; the last stands for any other.
  static constexpr std::array statuses = {202, 409, 503, 200, 304, 400, 401, 403, 404,
                                          405, 413, 414, 415, 417, 422, 431, 505, 0};

  void count(endpoint_kind kind, int status);
  void add(const http_figures& other);
  [[nodiscard]] std::uint64_t answers(endpoint_kind kind, std::size_t status_number) const {
    return answers_[static_cast<std::size_t>(kind)][status_number];
  }

  std::uint64_t turned_away = 0; ///< connections, too many being open

private:
  std::array<std::array<std::uint64_t, statuses.size()>, static_cast<std::size_t>(endpoint_kind::count)>
      answers_{};
};

} // namespace repasse
