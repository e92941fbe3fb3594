// `repasse --healthcheck`: asks the server that this configuration describes for its /healthz.
#pragma once

#include "server/config.hpp"

namespace repasse {

/// False after 2 s without a 200.
[[nodiscard]] bool is_healthy(const config& settings);

} // namespace repasse
