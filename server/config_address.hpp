// How addresses are read from the configuration, and written again: where to listen, where a processor is.
// Used by the configuration's table alone. Names are not resolved here.
#pragma once

#include "server/config.hpp"

#include <string_view>

namespace repasse {

/// `127.0.0.1:9999`, `[::1]:9999`, `:9999` (any IPv4 address), `unix:/path` (absolute, at most 107 bytes).
[[nodiscard]] std::optional<listen_address> parse_listen_address(std::string_view text);
[[nodiscard]] std::string listen_text(const listen_address& address);

/// Fills scheme, host, port and path prefix from `http://` or `https://host[:port][/prefix]`; false for
/// anything else, a user, a query or a fragment included.
[[nodiscard]] bool parse_processor_url(std::string_view text, processor_settings& to);
[[nodiscard]] std::string url_text(const processor_settings& processor);

} // namespace repasse
