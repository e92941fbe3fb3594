// All keys with one prefix, in steps of some hundred (SCAN), so that Redis serves others in between. For the
// session cache and the intake; never on the way of a payment.
#pragma once

#include "storage/redis_connection.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

struct redis_key_step {
  std::string cursor; ///< for the next step; `0` after the last one
  std::vector<std::string> keys;
};
/// How many keys of Redis one step looks at; which of them have the prefix is another thing.
inline constexpr std::uint64_t redis_key_step_size = 512;

/// The first step has the cursor `0`. None: Redis does not answer within a second, or refuses.
task<std::optional<redis_key_step>> next_keys(redis_connection& redis, clock& time, std::string prefix,
                                              std::string cursor);

/// How many were removed; none: not all of them were, until `due` or since Redis does not answer, or refuses.
task<std::optional<std::uint64_t>> remove_keys(redis_connection& redis, clock& time, std::string prefix,
                                               steady_time due);

} // namespace repasse
