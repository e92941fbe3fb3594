// The report of the reference load as one page of HTML that fetches nothing and needs no script.
#pragma once

#include "bench/reference.hpp"

#include <string>

namespace repasse {

[[nodiscard]] std::string to_html(const reference_report& report, const reference_config& config);

/// Its parts that are tables: the arithmetic of score and oracle, containers, the checks that differed, the
/// strict audit, the stages.
[[nodiscard]] std::string arithmetic_html(const reference_report& report, const reference_config& config);
[[nodiscard]] std::string containers_html(const reference_report& report);
[[nodiscard]] std::string checks_html(const reference_report& report, const reference_config& config);
[[nodiscard]] std::string audit_html(const audit_report& audit);

} // namespace repasse
