// Which repasse this is.
#pragma once

#include <string_view>

namespace repasse {

extern const std::string_view build_version;
/// Of the sources; `unknown` if they were no git checkout when it was built.
extern const std::string_view build_revision;

} // namespace repasse
