// What repasse and its processors say, read for the strict audit: pipelined questions over one connection
// to each, answers as values. One reader belongs to one thread.
#pragma once

#include "bench/http_caller.hpp"
#include "bench/strict_audit.hpp"
#include "storage/payment.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace repasse {

/// One payment as repasse tells it, or as a processor does (then of status `processed`).
struct told_payment {
  enum class verdict : std::uint8_t { no_answer, not_found, found };
  verdict what = verdict::no_answer;
  payment_status status = payment_status::processed;
  std::size_t processor = processors_max; ///< index in the configuration; processors_max: none it knows
  std::int64_t amount_cents = 0;
  std::optional<wall_time> requested_at;
};

struct told_totals {
  std::uint64_t requests = 0;
  std::int64_t amount_cents = 0;

  friend bool operator==(const told_totals&, const told_totals&) = default;
};

/// All that a processor has taken, and for what.
struct told_takings {
  told_totals taken;
  double fees = 0; ///< in currency units
  double fee = 0;  ///< share of an amount
};

/// Inclusive.
struct audit_window {
  wall_time from;
  wall_time to;
};

class audit_reader {
public:
  static constexpr std::size_t ids_at_once_max = 64;

  explicit audit_reader(const audit_config& config);

  /// What repasse says of each id, at most `ids_at_once_max`.
  std::vector<told_payment> ask_repasse(std::span<const payment_id> ids);
  /// What one processor says.
  std::vector<told_payment> ask_processor(std::size_t processor, std::span<const payment_id> ids);

  /// The audit trail of one payment, as JSON; nullopt: no usable answer.
  std::optional<std::string> trail_of(const payment_id& id);

  /// Totals per processor by repasse's summary, of all time without a window; nullopt: no usable answer.
  std::optional<std::vector<told_totals>> summary(const std::optional<audit_window>& window);
  /// The same by the processor itself.
  std::optional<told_totals> summary_of(std::size_t processor, const std::optional<audit_window>& window);
  /// Of all time, with the fees.
  std::optional<told_takings> takings_of(std::size_t processor);

private:
  http_reply ask_summary(std::size_t processor, const std::optional<audit_window>& window);
  [[nodiscard]] told_payment read_payment(const http_reply& answer, bool by_repasse) const;

  const audit_config& config_;
  http_caller repasse_;
  std::vector<http_caller> processors_;
};

} // namespace repasse
