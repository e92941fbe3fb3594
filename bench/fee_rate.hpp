// What a simulated processor takes for itself: a share of each amount, computed exactly.
#pragma once

#include <cstdint>
#include <string_view>

namespace repasse {

struct fee_rate {
  std::int64_t millionths = 50'000; ///< fine enough for any fee, and exact

  /// Of that many cents, half a cent rounded up.
  [[nodiscard]] std::int64_t of(std::int64_t amount_cents) const;
  /// Reads `0.05`: 0 to 1, at most six decimals; false for anything else.
  static bool parse(std::string_view text, fee_rate& fee);
};

} // namespace repasse
