// The one table of all variables: help, reading, the start-up log and warnings are made from it, so that
// they cannot diverge. Used by config.cpp and config_advice.cpp alone.
#pragma once

#include "server/config.hpp"
#include "server/config_value.hpp"

#include <span>
#include <string_view>

namespace repasse {

/// A row. `<NAME>` in the name stands for a processor's: such a variable is one for each processor.
struct config_variable {
  std::string_view name;
  /// Read when the variable is not set; empty: nothing is. For each processor: `<name>: <text>, ...`.
  std::string_view initial;
  std::string_view meaning;
  redaction rule = redaction::none;
  /// Takes the text over to `to`, of `processor` where it is one for each. Returns what is wrong, in words
  /// that can follow `NAME=value: `; empty if nothing is.
  std::string (*read)(std::string_view text, config& to, std::size_t processor);
  /// The effective value; null where there is nothing to show.
  std::string (*show)(const config& from, std::size_t processor);
  bool may_be_empty = false; ///< set to nothing it is not as if it were not set

  [[nodiscard]] bool is_for_each_processor() const;
  /// Its name in the environment.
  [[nodiscard]] std::string name_for(std::string_view processor) const;
  [[nodiscard]] std::string_view initial_for(std::string_view processor) const;
};

[[nodiscard]] std::span<const config_variable> config_table();

} // namespace repasse
