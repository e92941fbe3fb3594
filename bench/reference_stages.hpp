// What the processors of the reference load go through: the delays and failures of each stage, read from
// text and set by their admin calls.
#pragma once

#include "bench/strict_audit.hpp"

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

struct processor_condition {
  std::chrono::milliseconds delay{0};
  bool failing = false;
};

/// One condition for each processor, in configured order.
using reference_stage = std::vector<processor_condition>;

/// CONTRACT section 3: default and fallback.
inline constexpr std::string_view contract_stages = "0/0 100/100 100!/100 2000!/1000! 20/20 20/5000";

/// Reads stages such as `0/0 100!/20`: milliseconds for each processor, `!` fails. nullopt unless each stage
/// has a condition for each of the processors.
[[nodiscard]] std::optional<std::vector<reference_stage>> parse_stages(std::string_view text,
                                                                       std::size_t processors);

/// The text form of one.
[[nodiscard]] std::string to_string(const reference_stage& stage);

/// False if a processor did not accept it.
[[nodiscard]] bool enter_stage(const reference_stage& stage, std::span<const audited_processor> processors);

} // namespace repasse
