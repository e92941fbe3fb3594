// Which trace a request belongs to: W3C Trace Context's `traceparent` (https://www.w3.org/TR/trace-context/),
// read from clients and written to processors. Pure.
#pragma once

#include "storage/payment.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace repasse {

struct trace_context {
  trace_id trace{};
  std::array<std::uint8_t, 8> parent{}; ///< the sender's span
  bool is_sampled = false;              ///< the sender keeps the trace

  friend bool operator==(const trace_context&, const trace_context&) = default;
};

/// Version 00 as it is written, a later one as far as it begins like 00; nullopt for all else, for which
/// the specification starts a new trace.
[[nodiscard]] std::optional<trace_context> parse_traceparent(std::string_view text);

/// `00-<trace>-<parent>-0<sampled>`, 55 characters.
void write_traceparent(std::string& to, const trace_context& from);

[[nodiscard]] std::string to_string(const trace_id& id);
[[nodiscard]] std::string span_text(const std::array<std::uint8_t, 8>& span);

} // namespace repasse
