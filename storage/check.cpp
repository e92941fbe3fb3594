#include "storage/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace repasse {

void check_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "repasse: check failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

} // namespace repasse
