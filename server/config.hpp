// The configuration: environment only, read once at start, validated together (CONTRACT section 4).
// main parses it, everything else takes the finished `config` by reference and never looks at the
// environment. No text made here ever holds a secret.
#pragma once

#include "server/config_machine.hpp"
#include "server/router.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace repasse {

class tls_trust;

/// Where to accept connections: a socket file, or an address and port.
struct listen_address {
  std::string unix_path; ///< empty: TCP at `tcp`
  boost::asio::ip::tcp::endpoint tcp;
};

/// One external payment processor; its position in `config::processors` is its processor_index.
struct processor_settings {
  std::string name; ///< `[a-z0-9][a-z0-9_-]*`, its identity for ever
  std::string host; ///< name or address, IPv6 without brackets
  std::uint16_t port = 80;
  std::string path_prefix;   ///< stands before every path: empty, or `/prefix` without a `/` at its end
  std::string admin_token{}; ///< secret; empty: its own summary cannot be read
  std::int64_t fee_ppm = 0;  ///< the fee in millionths of the amount: 0.05 is 50'000
  bool is_https = false;
  std::string ca_file{};                    ///< of https; empty: who the system trusts
  std::shared_ptr<const tls_trust> trust{}; ///< of https, once parsed; null: plain http

  /// What goes into `Host`: `host`, `host:port`, `[::1]:8001`; the port of the scheme is left out.
  [[nodiscard]] std::string authority() const;
};

enum class log_level : std::uint8_t { debug, info, warn, error };
enum class log_format : std::uint8_t { text, json };

/// Limits are for the whole process unless said otherwise; who divides them by the reactors gets at least
/// one for each. The values here are the documented defaults, so that a test may start from `config{}`.
struct config {
  std::vector<listen_address> listen;         ///< never empty once parsed
  std::size_t reactors = 1;                   ///< 1 to reactors_max
  std::vector<processor_settings> processors; ///< 1 to processors_max, once parsed
  routing_policy policy = routing_policy::cheapest;
  std::chrono::milliseconds settle_within{1'000};
  std::chrono::milliseconds cheapest_patience{2'000};
  std::size_t processor_max_in_flight = 300; ///< for each processor
  std::string database_url;                  ///< of libpq, checked; empty if none is given
  std::string database_replica_url;          ///< likewise
  std::size_t database_max_connections = 25;
  std::chrono::milliseconds database_conn_timeout{5'000};
  std::chrono::milliseconds database_conn_lifetime{3'600'000};
  bool use_database_storage = false; ///< payments live in PostgreSQL at `database_url`, else in memory
  std::string redis_url;             ///< checked; empty if none is given
  std::uint32_t redis_db = 0;        ///< if the URL holds none
  std::string redis_password;        ///< if the URL holds none
  std::chrono::milliseconds redis_conn_timeout{5'000};
  std::string redis_prefix = "repasse";     ///< of every name in Redis, before a colon; empty: neither
  bool use_redis_health_monitoring = false; ///< probes are told and heard by Redis
  bool use_redis_session_cache = false;     ///< final payments are kept in Redis for `cache_ttl`
  std::chrono::milliseconds cache_ttl{3'600'000};
  bool ask_first = false; ///< after a restore of the database, until a start without it
  std::chrono::milliseconds reconcile_every{3'600'000}; ///< 0: only when told
  std::string admin_token;                              ///< empty: there are no admin requests
  bool allow_purge = false;
  std::size_t max_backlog = 1'000'000;
  std::size_t max_connections = 10'000;
  std::size_t memory_payments_max = 10'000'000;
  std::chrono::milliseconds shutdown_timeout{10'000};
  log_level level = log_level::info;
  log_format format = log_format::text;
  std::chrono::milliseconds slow_query{100};

  /// There the intake is never open: a write that was answered may be lost.
  [[nodiscard]] bool is_behind_sentinel() const { return redis_url.starts_with("redis-sentinel://"); }
  /// In configured order.
  [[nodiscard]] std::vector<std::string> processor_names() const;
  /// A request that takes longer is logged: several statements are in one, and the way to them.
  [[nodiscard]] std::chrono::milliseconds slow_request() const { return 5 * slow_query; }
};

inline constexpr std::size_t reactors_max = 256;
/// Appends, settles and reads of a reactor have one each, so that none waits behind another's commit.
inline constexpr std::size_t database_connections_a_reactor = 3;

/// Variables by name. One with an empty value counts as not set, REDIS_PREFIX excepted.
using environment = std::map<std::string, std::string, std::less<>>;

/// The environment of this process.
[[nodiscard]] environment read_environment();

/// What came of an environment: a config, or every error that it holds, a line each, which names the
/// variable, its value (secrets as `***`) and what is expected. Warnings come with either.
struct parsed_config {
  std::optional<config> value; ///< set if and only if there are no errors
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
};

/// A health check has no use for who may sign a processor's certificate, and reading the system's takes 16 ms
/// of CPU, of the server's own share.
enum class authorities : std::uint8_t { read, left_out };

/// Reads nothing but its arguments and the files that ADMIN_TOKEN_FILE and PROCESSOR_<NAME>_CA_FILE name; for
/// https without the latter the system's.
[[nodiscard]] parsed_config parse_config(const environment& variables, const machine_limits& machine,
                                         authorities trusted = authorities::read);

/// The effective values as `NAME=value`, one line each, secrets as `***`.
[[nodiscard]] std::vector<std::string> describe(const config& settings);

/// The table of all variables for `--help`: name, default, meaning; several lines.
[[nodiscard]] std::string help_text();

} // namespace repasse
