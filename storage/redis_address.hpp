// What the URL of a Redis says: pure, nothing is connected or resolved here. For redis_keeper, and for the
// configuration. No text made here holds a part of the URL.
#pragma once

#include "storage/redis_connection.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

/// A machine by name or address, IPv6 without brackets.
struct redis_host {
  std::string name;
  std::uint16_t port = 6379;

  /// `name:port`, for people.
  [[nodiscard]] std::string text() const;
};

struct redis_target {
  std::vector<redis_host> hosts; ///< the server, or the sentinels; empty for a socket file
  std::string path;              ///< of a socket file
  std::string master;            ///< as the sentinels name it; empty without Sentinel
  std::string user;              ///< empty: the default user
  std::string password;          ///< empty: no AUTH, unless there is a user
  std::optional<std::uint32_t> db;

  [[nodiscard]] bool is_sentinel() const { return !master.empty(); }
};

/// Empty and `to` filled in if `url` is well-formed, else what is wrong.
[[nodiscard]] std::string parse_redis_url(std::string_view url, redis_target& to);

/// The URL, which must be well-formed, and what stands beside it.
[[nodiscard]] redis_target target_of(const redis_address& where);

} // namespace repasse
