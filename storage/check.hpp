// The always-on check of a programmer's own assumptions: it prints one line and aborts, in every build.
// Never for what the outside may send; that is an expected failure and has a result.
#pragma once

namespace repasse {

[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

} // namespace repasse

#define REPASSE_CHECK(condition)                                                                             \
  (static_cast<bool>(condition) ? void(0) : ::repasse::check_failed(#condition, __FILE__, __LINE__))
