// The command line of the program `reference`, and the configuration that it means.
#pragma once

#include "bench/reference.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace repasse {

struct reference_options {
  std::string repasse = "../server/repasse";       ///< from where this program lies
  std::string simulator = "./processor-simulator"; ///< likewise
  std::string host = "127.0.0.1";
  std::string processor_host = "127.0.0.1";
  std::vector<std::uint16_t> ports{18099, 18001, 18002}; ///< of repasse, default, fallback
  std::size_t clients = 550;
  double seconds = 60;
  bool no_ramp = false;
  double repeated_share = 0.01;
  std::string stages{contract_stages};
  std::string fees; ///< of each processor, with slashes between; empty: none given
  std::string window = "15/1.5";
  double check_every = 10;
  double score_every = 0;
  double patience = 2;
  double settle_within = 1;
  double settled_within_after = 30;
  std::size_t windows = 1000;
  std::uint64_t seed = 0;
  bool attach = false;
  std::string admin_token;
  std::string processor_token = "123";
  pid_t pid = 0;
  std::vector<std::string> containers; ///< NAME:ID
  std::string control_groups = "/sys/fs/cgroup";
  std::string report; ///< a file
  std::string json;   ///< a file; empty, if it is wanted: standard output, in place of the text
};

inline constexpr const char* fees_unless_given = "0.05/0.15";

void declare_options(CLI::App& app, reference_options& chosen);

/// Throws std::invalid_argument with the option's name.
[[nodiscard]] reference_config config_of(const reference_options& chosen);

/// Numbers with slashes between, nullopt unless there are that many, none of them negative.
[[nodiscard]] std::optional<std::vector<double>> parse_numbers(const std::string& text, std::size_t count);

} // namespace repasse
