// What to tell somebody who set a variable that nothing reads. Used by config.cpp alone.
#pragma once

#include "server/config.hpp"

#include <string>
#include <vector>

namespace repasse {

/// A line for each variable of an older design, and for each unknown one with a prefix of ours: its name and
/// the one to use, never its value. `settings` says which processors have variables.
[[nodiscard]] std::vector<std::string> advise(const environment& variables, const config& settings);

} // namespace repasse
