// The parameters of a query that more than one endpoint takes, and what is answered where one is wrong.
#pragma once

#include "server/http_response.hpp"
#include "server/http_target.hpp"
#include "storage/ledger.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace repasse {

/// A parameter that is there and wrong: 422, naming it.
struct wrong_parameter {
  std::string_view name;
  std::string_view expected;
};
[[nodiscard]] http_response refused(const wrong_parameter& wrong);

/// `from` and `to`; false and `wrong` if one is no time. One that is missing or empty changes nothing.
[[nodiscard]] bool read_window(const query_parameters& parameters, time_window& window,
                               wrong_parameter& wrong);
/// `limit`, 1 to 1000; false and `wrong` if it is not.
[[nodiscard]] bool read_limit(const query_parameters& parameters, std::size_t& limit, wrong_parameter& wrong);
/// From 1; empty if it is anything else.
[[nodiscard]] std::optional<std::int64_t> parse_number(std::string_view text);

} // namespace repasse
