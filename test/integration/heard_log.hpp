// What is logged while a case runs, kept for its questions instead of printed.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace repasse {

/// Takes all that is logged while it lives.
class heard_log {
public:
  heard_log();
  ~heard_log();
  heard_log(const heard_log&) = delete;
  heard_log& operator=(const heard_log&) = delete;

  /// Lines that hold `text`.
  [[nodiscard]] std::size_t count(std::string_view text) const;

private:
  struct kept;
  std::unique_ptr<kept> kept_;
};

} // namespace repasse
