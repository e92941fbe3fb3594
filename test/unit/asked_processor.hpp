// A processor that is only asked, at once and in the same thread: what reconciler_test links in place of
// server/http_client.cpp.
#pragma once

#include "bench/taken_payments.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace repasse {

/// One at a time: every http_client speaks with it.
class asked_processor {
public:
  asked_processor();
  ~asked_processor();
  asked_processor(const asked_processor&) = delete;
  asked_processor& operator=(const asked_processor&) = delete;

  static asked_processor& current();
  /// The status, and the body.
  int answer(std::string_view request, std::string& body);

  taken_payments books;
  std::size_t questions = 0;
  std::function<void()> before; ///< each answer; may be empty
  bool is_silent = false;
};

} // namespace repasse
