#include "bench/reference_options.hpp"

#include <unistd.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <sstream>
#include <stdexcept>

namespace repasse {
namespace {

std::chrono::milliseconds millis(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::llround(seconds * 1000)));
}

void declare_load(CLI::App& app, reference_options& chosen) {
  app.add_option("--clients", chosen.clients, "at the end; each posts one payment a second")
      ->check(CLI::Range(1, 50'000))
      ->capture_default_str();
  app.add_option("--seconds", chosen.seconds, "how long")
      ->check(CLI::Range(1.0, 86'400.0))
      ->capture_default_str();
  app.add_flag("--no-ramp", chosen.no_ramp, "all clients from the start, in place of more and more");
  app.add_option("--stages", chosen.stages,
                 "equally long, each DELAY[!]/DELAY[!] of default and fallback: milliseconds, ! fails")
      ->capture_default_str();
  app.add_option("--repeated", chosen.repeated_share, "share of the posts that repeat a payment")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--seed", chosen.seed, "of ids and amounts; 0: others each time")->capture_default_str();
}

void declare_checks(CLI::App& app, reference_options& chosen) {
  app.add_option("--check-every", chosen.check_every, "seconds between two comparisons of the summaries")
      ->check(CLI::Range(0.05, 3600.0))
      ->capture_default_str();
  app.add_option("--score-every", chosen.score_every,
                 "seconds; the first check of each such period counts for the score, the others must only be "
                 "explained; 0: each check does, unless they come more often than each second: then 10")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  app.add_option("--window", chosen.window, "of each check: begins/ends so many seconds ago")
      ->capture_default_str();
  app.add_option("--settle-within-audit", chosen.settled_within_after,
                 "seconds that payments may still take when the strict audit begins")
      ->check(CLI::Range(0.0, 86'400.0))
      ->capture_default_str();
  app.add_option("--audit-windows", chosen.windows, "random ones that the strict audit compares")
      ->capture_default_str();
}

void declare_oracle(CLI::App& app, reference_options& chosen) {
  app.add_option("--fees", chosen.fees,
                 std::string("of default/fallback, shares of the amount; unless given ") + fees_unless_given +
                     ", or what attached processors say");
  app.add_option("--patience", chosen.patience, "seconds that the oracle waits for a cheaper processor")
      ->check(CLI::Range(0.0, 86'400.0))
      ->capture_default_str();
  app.add_option("--settle-within", chosen.settle_within,
                 "seconds; a slower processor is the oracle's last choice")
      ->check(CLI::Range(0.0, 86'400.0))
      ->capture_default_str();
}

void declare_servers(CLI::App& app, reference_options& chosen) {
  app.add_option("--host", chosen.host, "IPv4 address of repasse")->capture_default_str();
  app.add_option("--processor-host", chosen.processor_host, "IPv4 address of attached processors")
      ->capture_default_str();
  app.add_option("--ports", chosen.ports, "of repasse, default and fallback")
      ->expected(3)
      ->capture_default_str();
  app.add_option("--repasse", chosen.repasse, "its binary")->capture_default_str();
  app.add_option("--simulator", chosen.simulator, "its binary")->capture_default_str();
  app.add_flag("--attach", chosen.attach, "use the running servers at these ports, and purge them first");
  app.add_option("--admin-token", chosen.admin_token, "of the running repasse, to purge it")
      ->envname("ADMIN_TOKEN");
  app.add_option("--processor-token", chosen.processor_token, "of the running processors")
      ->capture_default_str();
}

void declare_looks(CLI::App& app, reference_options& chosen) {
  app.add_option("--pid", chosen.pid, "of the running repasse, to tell what it used");
  app.add_option(
      "--container", chosen.containers,
      "NAME:ID, may be repeated: a container to look at each second; its id, the beginning of it, or the "
      "path of a control group");
  app.add_option("--control-groups", chosen.control_groups, "where they are mounted")->capture_default_str();
  app.add_option("--report", chosen.report, "a page of HTML to write, with charts");
  app.add_option("--json", chosen.json,
                 "a file to write; without a name: one JSON object in place of the text")
      ->expected(0, 1);
}

check_config checks_of(const reference_options& chosen) {
  check_config checks;
  const auto window = parse_numbers(chosen.window, 2);
  if (!window || window->front() <= window->back())
    throw std::invalid_argument("--window is not as --help says: " + chosen.window);
  checks.begins = millis(window->front());
  checks.ends = millis(window->back());
  checks.every = millis(chosen.check_every);
  constexpr double contract_period = 10;
  const bool finely = chosen.check_every < 1;
  checks.score_every = millis(chosen.score_every == 0 && finely ? contract_period : chosen.score_every);
  return checks;
}

std::vector<watched_config> looked_at_by(const reference_options& chosen) {
  std::vector<watched_config> all;
  for (const std::string& each : chosen.containers) {
    const std::size_t colon = each.find(':');
    const std::string id = colon == each.npos ? "" : each.substr(colon + 1);
    const auto folders = find_container(id, chosen.control_groups);
    if (!folders) throw std::invalid_argument("--container: no such one: " + each);
    all.push_back({each.substr(0, colon), folders, 0});
  }
  return all;
}

} // namespace

std::optional<std::vector<double>> parse_numbers(const std::string& text, std::size_t count) {
  std::vector<double> numbers;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, '/');) {
    double number = 0;
    const char* const end = part.data() + part.size();
    const auto [read, error] = std::from_chars(part.data(), end, number, std::chars_format::fixed);
    if (error != std::errc{} || read != end || !(number >= 0)) return std::nullopt;
    numbers.push_back(number);
  }
  if (numbers.size() != count) return std::nullopt;
  return numbers;
}

void declare_options(CLI::App& app, reference_options& chosen) {
  declare_load(app, chosen);
  declare_checks(app, chosen);
  declare_oracle(app, chosen);
  declare_servers(app, chosen);
  declare_looks(app, chosen);
}

reference_config config_of(const reference_options& chosen) {
  reference_config config;
  config.load.host = chosen.host;
  config.load.port = chosen.ports[0];
  config.load.connections = chosen.clients;
  config.load.rate = static_cast<double>(chosen.clients);
  config.load.seconds = chosen.seconds;
  config.load.ramps = !chosen.no_ramp;
  config.load.repeated_share = chosen.repeated_share;
  config.load.seed = chosen.seed;
  config.audit.host = chosen.host;
  config.audit.port = chosen.ports[0];
  config.audit.windows = chosen.windows;
  config.audit.settle_within = std::chrono::seconds(std::llround(std::ceil(chosen.settled_within_after)));
  config.audit.processors = {{.name = "default",
                              .host = chosen.processor_host,
                              .port = chosen.ports[1],
                              .token = chosen.processor_token},
                             {.name = "fallback",
                              .host = chosen.processor_host,
                              .port = chosen.ports[2],
                              .token = chosen.processor_token}};
  config.checks = checks_of(chosen);
  config.patience = std::chrono::duration<double>(chosen.patience);
  config.settle_within = std::chrono::duration<double>(chosen.settle_within);
  config.looked_at = looked_at_by(chosen);
  config.pid = chosen.pid;
  const auto stages = parse_stages(chosen.stages, config.audit.processors.size());
  if (!stages) throw std::invalid_argument("--stages is not as --help says: " + chosen.stages);
  config.stages = *stages;
  const std::string fees = chosen.fees.empty() ? fees_unless_given : chosen.fees;
  const auto shares = parse_numbers(fees, config.audit.processors.size());
  if (!shares || shares->front() > 1 || shares->back() > 1)
    throw std::invalid_argument("--fees is not as --help says: " + fees);
  config.fees = *shares;
  return config;
}

} // namespace repasse
