// What an administrator declares a payment in doubt to have come to. The audit trail keeps it; the payment's
// owner looks for it there and carries it out (server/payment_flow_word.cpp).
#pragma once

#include "storage/payment.hpp"

#include <string>
#include <string_view>

namespace repasse {

/// A send that came to no clear end may be taken for so long behind that end, and no longer: a call is given
/// up after 30 s, and a processor that still has it then is not expected to need another 30.
inline constexpr std::chrono::seconds landing_limit{60};

/// No send of a payment begins later than this after something was declared of it: its owner sends it no
/// longer than this after it has begun to read what stands in the audit trail.
inline constexpr std::chrono::seconds word_lease{3};

struct declaration {
  enum class verdict : std::uint8_t {
    noted, ///< in the audit trail, for the owner
    done,  ///< the row is as declared
    refused
  };
  static constexpr std::size_t reason_bytes_max = 500;

  payment_id id{};
  payment_status outcome = payment_status::rejected; ///< or `processed`
  wall_time requested_at{};                          ///< of a processed one, as its processor booked it
  std::string reason{};                              ///< UTF-8 without control characters
  wall_time declared_at{};                           ///< for a ledger without a clock of its own
  std::chrono::milliseconds age{0};                  ///< since it was declared, as it is read
  verdict answer = verdict::refused;
};

/// The event of an entry that ends the declaration before it, if that is that it is processed.
inline constexpr std::string_view set_aside_event = "declaration set aside";

// As the audit trail holds a declaration.
[[nodiscard]] std::string event_of(const declaration& what);
[[nodiscard]] std::string detail_of(const declaration& what);
/// Fills what those two say; false if they say no declaration.
[[nodiscard]] bool read_declaration(std::string_view event, std::string_view detail, declaration& what);

} // namespace repasse
