#include "server/config.hpp"

#include "server/config_advice.hpp"
#include "server/config_table.hpp"
#include "server/tls_stream.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

namespace repasse {
namespace {

/// Descriptors beside those of clients and payments: event loops, timers, logs and files; for each processor
/// its health call and 32 questions about payments in doubt; for each reactor its own loop.
constexpr std::size_t open_files_spare = 64;
constexpr std::size_t open_files_per_processor = 40;
constexpr std::size_t open_files_per_reactor = 8;
/// A connection and the one that takes its place after DATABASE_CONN_LIFETIME.
constexpr std::size_t open_files_per_database_connection = 2;
/// Of a reactor: commands, messages, and an attempt while the one before it ends.
constexpr std::size_t open_files_for_redis = 3;

/// One reading of an environment, built and used up by parse_config.
class reading {
public:
  reading(const environment& variables, const machine_limits& machine, authorities trusted)
      : variables_(variables), machine_(machine), trusted_(trusted) {}

  parsed_config finish() &&;

private:
  std::string_view value_of(std::string_view name) const;
  void read(const config_variable& variable, std::size_t processor);
  void read_all();
  void choose_storage();
  void check_admin_token();
  void choose_trust();
  void check_database();
  void choose_redis();
  void check_reactors_share();
  void check_open_files();
  std::size_t database_open_files() const;
  bool was_read(std::string_view name) const { return !refused_.contains(name); }
  void refuse(std::string_view name, std::string_view value, std::string_view problem) {
    result_.errors.push_back(fmt::format("{}={}: {}", name, value, problem));
  }

  const environment& variables_;
  const machine_limits& machine_;
  authorities trusted_;
  config settings_;
  parsed_config result_;
  std::set<std::string_view> refused_; ///< rows of the table with an error: not to be checked against others
};

std::string_view reading::value_of(std::string_view name) const {
  const auto found = variables_.find(name);
  return found == variables_.end() ? std::string_view{} : found->second;
}

void reading::read(const config_variable& variable, std::size_t processor) {
  const bool has_own = variable.is_for_each_processor();
  const std::string_view owner = has_own ? settings_.processors[processor].name : std::string_view{};
  const auto name = variable.name_for(owner);
  const auto set = value_of(name);
  const bool is_set = !set.empty() || (variable.may_be_empty && variables_.contains(name));
  const auto text = !is_set ? variable.initial_for(owner) : set;
  if (text.empty() && !is_set && !has_own) return;
  const auto problem = variable.read(text, settings_, processor);
  if (problem.empty()) return;
  refused_.insert(variable.name);
  if (text.empty())
    result_.errors.push_back(fmt::format("{} is not set: {}", name, problem));
  else
    refuse(name, shown(text, variable.rule), problem);
}

void reading::read_all() {
  settings_.reactors = std::clamp<std::size_t>(machine_.cores, 1, reactors_max);
  for (const auto& variable : config_table())
    if (!variable.is_for_each_processor()) read(variable, 0);
  for (std::size_t processor = 0; processor < settings_.processors.size(); ++processor)
    for (const auto& variable : config_table())
      if (variable.is_for_each_processor()) read(variable, processor);
}

/// What depends on whether there is a database.
void reading::choose_storage() {
  if (value_of("USE_DATABASE_STORAGE").empty())
    settings_.use_database_storage = !settings_.database_url.empty();
  const auto reactors_fed = settings_.database_max_connections / database_connections_a_reactor;
  if (settings_.use_database_storage && value_of("REACTORS").empty())
    settings_.reactors = std::min(settings_.reactors, reactors_fed);
}

void reading::check_database() {
  const auto replica = value_of("DATABASE_REPLICA_URL");
  const bool has_url = !value_of("DATABASE_URL").empty();
  if (!replica.empty() && was_read("DATABASE_REPLICA_URL") && !has_url)
    refuse("DATABASE_REPLICA_URL", shown(replica, redaction::url), "expected DATABASE_URL to be set too");
  if (!settings_.use_database_storage || !was_read("USE_DATABASE_STORAGE")) return;
  if (!has_url)
    refuse("USE_DATABASE_STORAGE", value_of("USE_DATABASE_STORAGE"), "expected DATABASE_URL to be set");
  const auto needed = settings_.reactors * database_connections_a_reactor;
  if (was_read("REACTORS") && was_read("DATABASE_MAX_CONNECTIONS") &&
      settings_.database_max_connections < needed)
    refuse("DATABASE_MAX_CONNECTIONS", std::to_string(settings_.database_max_connections),
           fmt::format("expected at least {}, {} for each of REACTORS={}", needed,
                       database_connections_a_reactor, settings_.reactors));
}

void reading::choose_redis() {
  const bool has_url = !value_of("REDIS_URL").empty();
  const auto choose = [&](std::string_view name, bool& use) {
    const auto said = value_of(name);
    if (said.empty())
      use = has_url;
    else if (use && !has_url)
      refuse(name, said, "expected REDIS_URL to be set");
  };
  choose("USE_REDIS_HEALTH_MONITORING", settings_.use_redis_health_monitoring);
  choose("USE_REDIS_SESSION_CACHE", settings_.use_redis_session_cache);
}

std::size_t reading::database_open_files() const {
  if (!settings_.use_database_storage) return 0;
  const std::size_t replicas = settings_.database_replica_url.empty() ? 0 : 1;
  return settings_.reactors * (database_connections_a_reactor + replicas) *
         open_files_per_database_connection;
}

void reading::check_admin_token() {
  const auto file = value_of("ADMIN_TOKEN_FILE");
  if (!value_of("ADMIN_TOKEN").empty() && !file.empty())
    result_.errors.push_back(fmt::format("ADMIN_TOKEN={} and ADMIN_TOKEN_FILE={}: expected only one of them",
                                         shown("", redaction::secret), shown(file, redaction::none)));
}

/// Reads who may have signed the certificates of those that speak https.
void reading::choose_trust() {
  if (!was_read("PROCESSOR_<NAME>_URL")) return;
  for (processor_settings& one : settings_.processors) {
    const auto prefix = fmt::format("PROCESSOR_{}_", processor_name_in_variables(one.name));
    const auto name = prefix + "CA_FILE";
    if (!one.is_https) {
      if (!one.ca_file.empty())
        refuse(name, shown(one.ca_file, redaction::none), "expected " + prefix + "URL to be https://");
      continue;
    }
    if (trusted_ == authorities::left_out) continue;
    auto trust = std::make_shared<tls_trust>(one.host);
    const bool is_set = !one.ca_file.empty();
    const auto problem = trust->read(is_set ? one.ca_file : tls_trust::system_ca_file);
    if (problem.empty())
      one.trust = std::move(trust);
    else if (is_set)
      refuse(name, shown(one.ca_file, redaction::none), problem);
    else
      result_.errors.push_back(
          fmt::format("{} is not set, and the system's {}: {}", name, tls_trust::system_ca_file, problem));
  }
}

/// Each reactor has its part of these limits, and none may be left with nothing.
void reading::check_reactors_share() {
  const auto check = [this](std::string_view name, std::size_t value) {
    if (was_read(name) && was_read("REACTORS") && value < settings_.reactors)
      refuse(name, std::to_string(value),
             fmt::format("expected at least REACTORS={}, among which it is divided", settings_.reactors));
  };
  check("PROCESSOR_MAX_IN_FLIGHT", settings_.processor_max_in_flight);
  check("MAX_BACKLOG", settings_.max_backlog);
  check("MAX_CONNECTIONS", settings_.max_connections);
}

void reading::check_open_files() {
  if (!was_read("MAX_CONNECTIONS") || !was_read("PROCESSOR_MAX_IN_FLIGHT")) return;
  const auto needed =
      settings_.max_connections +
      settings_.processors.size() * (settings_.processor_max_in_flight + open_files_per_processor) +
      settings_.reactors * (open_files_per_reactor + settings_.listen.size() +
                            (settings_.redis_url.empty() ? 0 : open_files_for_redis)) +
      database_open_files() + open_files_spare;
  if (needed > machine_.open_files)
    result_.errors.push_back(fmt::format(
        "MAX_CONNECTIONS={} and PROCESSOR_MAX_IN_FLIGHT={} with {} processors: expected to fit the limit of "
        "open files, {} (ulimit -Hn); {} are needed",
        settings_.max_connections, settings_.processor_max_in_flight, settings_.processors.size(),
        machine_.open_files, needed));
}

parsed_config reading::finish() && {
  read_all();
  choose_storage();
  choose_redis();
  check_admin_token();
  choose_trust();
  check_database();
  check_reactors_share();
  check_open_files();
  result_.warnings = advise(variables_, settings_);
  if (result_.errors.empty()) result_.value = std::move(settings_);
  return std::move(result_);
}

} // namespace

environment read_environment() {
  environment variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (const auto equals = text.find('='); equals != std::string_view::npos)
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

parsed_config parse_config(const environment& variables, const machine_limits& machine, authorities trusted) {
  return reading(variables, machine, trusted).finish();
}

std::vector<std::string> config::processor_names() const {
  std::vector<std::string> names;
  for (const processor_settings& one : processors)
    names.push_back(one.name);
  return names;
}

} // namespace repasse
