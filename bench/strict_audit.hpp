// The strict audit: do repasse's books and its processors' own agree, payment by payment and window by
// window? Run by load programs and end-to-end tests once the load has ended; it only reads.
// Nothing here is sampled except the windows, and a question that gets no answer is a finding too.
#pragma once

#include "storage/payment.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace repasse {

struct audited_processor {
  std::string name; ///< as repasse knows it
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::string token = "123";
};

struct posted_entry {
  payment_id id;
  std::int64_t amount_cents = 0;
  bool acknowledged = false; ///< a client has read the 202
  /// What an administrator has declared of it last, and was told to be noted.
  std::optional<payment_status> declared{};
};

struct audit_config {
  std::string host = "127.0.0.1"; ///< repasse's
  std::uint16_t port = 9999;
  std::vector<audited_processor> processors; ///< all of them
  std::size_t windows = 1000;
  std::chrono::seconds settle_within{30}; ///< how long payments may still be unsettled
  std::size_t threads = 4;
  std::uint64_t seed = 1;  ///< of the windows
  std::string admin_token; ///< repasse's; only needed if something was declared
};

struct audit_report {
  static constexpr std::size_t findings_shown_max = 10;

  std::size_t posted = 0;
  std::size_t acknowledged = 0;
  std::size_t processed = 0;
  std::size_t rejected = 0;
  std::size_t unknown_to_repasse = 0; ///< none of them acknowledged, unless there is a finding
  std::size_t windows = 0;
  std::size_t finding_count = 0;
  std::vector<std::string> findings;   ///< the first ones, in words
  std::chrono::milliseconds waited{0}; ///< until nothing was unsettled
  std::chrono::milliseconds took{0};   ///< all of it

  [[nodiscard]] bool ok() const { return finding_count == 0; }
  /// A few lines to print, without a newline at the end.
  [[nodiscard]] std::string to_text() const;
};

/// `posted` holds every payment that was sent to repasse since it and the processors were empty, each id
/// once. Checked is:
/// - all that repasse knows of them is settled, `processed` or `rejected`, within `settle_within`;
/// - repasse knows every acknowledged payment; it may know the others or not;
/// - a processed one is at the processor that repasse names and no other, with our amount and with the
///   `requestedAt` that repasse tells; one that is rejected or unknown to repasse is at no processor
///   (a rejected one may be there with another amount, which is why it was rejected);
/// - what was declared of one is in its audit trail, and it has come to that or to what a processor says;
/// - each processor has taken no payment besides these, by its own count and sum;
/// - in every window repasse's summary is the processors' own, bounds to the millisecond, half of them
///   at the `requestedAt` of a payment or a millisecond beside it.
[[nodiscard]] audit_report audit_strictly(const audit_config& config, std::span<const posted_entry> posted);

} // namespace repasse
