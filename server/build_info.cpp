#include "server/build_info.hpp"

#include "server/revision.hpp"

namespace repasse {

const std::string_view build_version = REPASSE_VERSION;
const std::string_view build_revision = REPASSE_REVISION;

} // namespace repasse
