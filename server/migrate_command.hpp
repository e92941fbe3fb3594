// `repasse migrate up|down|status`: for people and deployments, over one connection of its own.
#pragma once

#include "server/config.hpp"

#include <optional>
#include <string_view>

namespace repasse {

enum class migrate_step : std::uint8_t { up, down, status };

[[nodiscard]] std::optional<migrate_step> parse_migrate_step(std::string_view text);

/// Prints what it did and found, and on standard error why the schema is not as asked for: applied and
/// usable (up, status), one step further down (down). True if it is. `settings` has a database_url.
[[nodiscard]] bool migrate(const config& settings, migrate_step step);

} // namespace repasse
