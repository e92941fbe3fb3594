// The log: one line per change of state, none per payment. Written to standard error.
#pragma once

#include "server/config.hpp"

namespace repasse {

/// Once, by main, before anything is logged. `json` writes one object per line.
void open_log(log_level level, log_format format);

} // namespace repasse
