// The charts of a reference load: which values of the report stand in which, and the stages behind them.
#pragma once

#include "bench/reference.hpp"
#include "bench/svg_chart.hpp"

#include <vector>

namespace repasse {

[[nodiscard]] std::vector<chart> charts_of(const reference_report& report, const reference_config& config);

/// Graded by how many of the processors fail.
[[nodiscard]] std::vector<chart_band> stage_bands(const reference_config& config);

} // namespace repasse
