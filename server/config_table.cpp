#include "server/config_table.hpp"

#include "server/config_database.hpp"
#include "server/config_field.hpp"
#include "server/config_redis.hpp"

#include <fmt/format.h>

namespace repasse {
namespace {

constexpr std::string_view name_mark = "<NAME>";
using enum redaction;

constexpr config_variable table[] = {
    {"LISTEN", "0.0.0.0:9999", "address:port, [address]:port or unix:/path, several separated by commas",
     none, read_listen, show_listen},
    {"REACTORS", "",
     "single-threaded reactors; if not set the usable cores, with a database at most "
     "DATABASE_MAX_CONNECTIONS / 3",
     none, read_whole<&config::reactors, 1, reactors_max>, show_whole<&config::reactors>},
    {"PROCESSORS", "default,fallback", "names of the payment processors; their order breaks ties in fee",
     none, read_processors, show_processors},
    {"PROCESSOR_<NAME>_URL", "default: http://127.0.0.1:8001, fallback: http://127.0.0.1:8002",
     "where the processor is, http:// or https://host[:port][/prefix]", url, read_url, show_url},
    {"PROCESSOR_<NAME>_FEE", "default: 0.05, fallback: 0.15", "its part of each amount, 0 to 1", none,
     read_fee, show_fee},
    {"ROUTING_POLICY", "cheapest",
     "cheapest: the cheapest that is expected to answer in time; fastest: the one expected to answer first",
     none, read_choice<&config::policy, policy_names>, show_choice<&config::policy, policy_names>},
    {"SETTLE_WITHIN", "1s", "a processor expected to be slower is used only when there is no other", none,
     read_duration<&config::settle_within, 1>, show_duration<&config::settle_within>},
    {"CHEAPEST_PATIENCE", "2s", "a payment waits for a cheaper processor no longer than this", none,
     read_duration<&config::cheapest_patience, 0>, show_duration<&config::cheapest_patience>},
    {"PROCESSOR_MAX_IN_FLIGHT", "300", "unanswered payments at each processor", none,
     read_whole<&config::processor_max_in_flight, 1, 100'000>, show_whole<&config::processor_max_in_flight>},
    {"DATABASE_URL", "", "PostgreSQL, a libpq URL; without it payments live in memory", url,
     read_database_url<&config::database_url>, show_database_url<&config::database_url>},
    {"DATABASE_MAX_CONNECTIONS", "25", "for the whole process; three a reactor are used", none,
     read_whole<&config::database_max_connections, database_connections_a_reactor, 10'000>,
     show_whole<&config::database_max_connections>},
    {"DATABASE_CONN_TIMEOUT", "5s", "an attempt to connect is given up after this", none,
     read_duration<&config::database_conn_timeout, 100>, show_duration<&config::database_conn_timeout>},
    {"DATABASE_CONN_LIFETIME", "1h", "a connection is renewed after this", none,
     read_duration<&config::database_conn_lifetime, 1'000>, show_duration<&config::database_conn_lifetime>},
    {"DATABASE_REPLICA_URL", "", "where pages of payments are read while it is not far behind", url,
     read_database_url<&config::database_replica_url>, show_database_url<&config::database_replica_url>},
    {"REDIS_URL", "",
     "Redis, redis://host[:port][/db], redis-sentinel://host1[:port],host2/master[/db] or unix:/path", url,
     read_redis_url, show_redis_url},
    {"REDIS_DB", "0", "number of the database in Redis, if the URL holds none", none, read_redis_db,
     show_redis_db},
    {"REDIS_PASSWORD", "", "if the URL holds none", secret, read_redis_password, show_redis_password},
    {"REDIS_CONN_TIMEOUT", "5s", "an attempt to connect is given up after this", none,
     read_duration<&config::redis_conn_timeout, 100>, show_duration<&config::redis_conn_timeout>},
    {"REDIS_PREFIX", "repasse", "first part of every name in Redis; may be empty", none, read_redis_prefix,
     show_redis_prefix, true},
    {"USE_DATABASE_STORAGE", "", "true when DATABASE_URL is set", none,
     read_flag<&config::use_database_storage>, show_flag<&config::use_database_storage>},
    {"USE_REDIS_HEALTH_MONITORING", "", "true when REDIS_URL is set", none,
     read_flag<&config::use_redis_health_monitoring>, show_flag<&config::use_redis_health_monitoring>},
    {"USE_REDIS_SESSION_CACHE", "", "true when REDIS_URL is set", none,
     read_flag<&config::use_redis_session_cache>, show_flag<&config::use_redis_session_cache>},
    {"CACHE_TTL", "1h", "how long the session cache keeps a payment", none,
     read_duration<&config::cache_ttl, 1'000>, show_duration<&config::cache_ttl>},
    {"ASK_FIRST", "false", "after a restore: ask every processor before a payment's first send", none,
     read_flag<&config::ask_first>, show_flag<&config::ask_first>},
    {"ADMIN_TOKEN", "", "what X-Admin-Token must be, 32 characters or more; without it no admin requests",
     secret, read_admin_token, show_admin_token},
    {"ADMIN_TOKEN_FILE", "", "a file that holds it", none, read_admin_token_file, nullptr},
    {"ALLOW_PURGE", "false", "POST /purge-payments without the admin token", none,
     read_flag<&config::allow_purge>, show_flag<&config::allow_purge>},
    {"RECONCILE_EVERY", "1h", "how often the books are compared with the processors'; 0s: only when told",
     none, read_duration_or_zero<&config::reconcile_every, 1'000>, show_duration<&config::reconcile_every>},
    {"PROCESSOR_<NAME>_ADMIN_TOKEN", "", "lets its own summary be read, for reconciliation", secret,
     read_processor_token, show_processor_token},
    {"PROCESSOR_<NAME>_CA_FILE", "", "PEM, who may sign its certificate, for https://; else the system's",
     none, read_ca_file, show_ca_file},
    {"MAX_BACKLOG", "1000000", "payments that wait or are under way; beyond: 503", none,
     read_whole<&config::max_backlog, 1, 1'000'000'000>, show_whole<&config::max_backlog>},
    {"MAX_CONNECTIONS", "10000", "open connections of clients; beyond: 503", none,
     read_whole<&config::max_connections, 1, 1'000'000>, show_whole<&config::max_connections>},
    {"MEMORY_PAYMENTS_MAX", "10000000", "payments kept in memory, settled ones included; beyond: 503", none,
     read_whole<&config::memory_payments_max, 1, 500'000'000>, show_whole<&config::memory_payments_max>},
    {"SHUTDOWN_TIMEOUT", "10s", "how long SIGTERM waits for payments under way", none,
     read_duration<&config::shutdown_timeout, 0>, show_duration<&config::shutdown_timeout>},
    {"LOG_LEVEL", "info", "debug, info, warn or error", none, read_choice<&config::level, level_names>,
     show_choice<&config::level, level_names>},
    {"LOG_FORMAT", "text", "text, or json for one object per line", none,
     read_choice<&config::format, format_names>, show_choice<&config::format, format_names>},
    {"SLOW_QUERY", "100ms", "statements slower than this are logged by name", none,
     read_duration<&config::slow_query, 1>, show_duration<&config::slow_query>},
};

} // namespace

std::span<const config_variable> config_table() { return table; }

bool config_variable::is_for_each_processor() const { return name.find(name_mark) != std::string_view::npos; }

std::string config_variable::name_for(std::string_view processor) const {
  std::string text(name);
  if (const auto mark = text.find(name_mark); mark != std::string::npos)
    text.replace(mark, name_mark.size(), processor_name_in_variables(processor));
  return text;
}

std::string_view config_variable::initial_for(std::string_view processor) const {
  if (!is_for_each_processor()) return initial;
  for (const auto part : parse_list(initial))
    if (part.starts_with(processor) && part.substr(processor.size()).starts_with(": "))
      return part.substr(processor.size() + 2);
  return {};
}

std::vector<std::string> describe(const config& settings) {
  std::vector<std::string> lines;
  for (const auto& variable : table) {
    if (variable.show == nullptr) continue;
    if (!variable.is_for_each_processor())
      lines.push_back(fmt::format("{}={}", variable.name, variable.show(settings, 0)));
    else
      for (std::size_t processor = 0; processor < settings.processors.size(); ++processor)
        lines.push_back(fmt::format("{}={}", variable.name_for(settings.processors[processor].name),
                                    variable.show(settings, processor)));
  }
  return lines;
}

std::string help_text() {
  constexpr std::size_t name_width = 28;
  constexpr std::size_t default_width = 18;
  const auto next_line = fmt::format("\n{:{}}", "", 2 + name_width + 1 + default_width);
  std::string text = "Variables of the environment: name, default (- for none), meaning\n";
  for (const auto& variable : table)
    text += fmt::format("  {:<{}} {:<{}}{} {}\n", variable.name, name_width,
                        variable.initial.empty() ? "-" : variable.initial, default_width,
                        variable.initial.size() > default_width ? next_line : "", variable.meaning);
  return text;
}

} // namespace repasse
