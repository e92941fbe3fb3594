// Compiled as a release build is: without the planted errors.
#include "storage/planted.hpp"

namespace repasse {

static_assert(!is_planted(planted::ignore_token));
static_assert(!is_planted(planted::reroute_on_unknown));
static_assert(!is_planted(planted::no_fence));

} // namespace repasse
