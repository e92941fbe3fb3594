// Where PostgreSQL may be: the hosts of a url, their names resolved by Asio, so that libpq never asks a name
// server (it would block the loop). Owned by one pg_connection.
#pragma once

#include "storage/clock.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <string>
#include <utility>
#include <vector>

namespace repasse {

/// Keyword and value, as PQconnectStartParams takes them.
using pg_option = std::pair<std::string, std::string>;

class pg_hosts {
public:
  /// One address of one host.
  struct candidate {
    std::size_t host = 0;
    std::string name;    ///< as the url has it: for certificates and people; may be empty
    std::string address; ///< numeric; empty for a folder of Unix sockets
    std::string port;    ///< empty for the default

    friend bool operator==(const candidate&, const candidate&) = default;
  };

  /// `url` must be well-formed. `resolved` is notified when a lookup has ended.
  pg_hosts(clock& time, event& resolved, const std::string& url);
  ~pg_hosts();
  pg_hosts(const pg_hosts&) = delete;
  pg_hosts& operator=(const pg_hosts&) = delete;

  /// Begins to look up the names whose last lookup was a while ago; returns at once.
  void look_up();
  /// A first lookup has not ended.
  [[nodiscard]] bool is_looking() const;
  /// Why a name has no address; empty if all have.
  [[nodiscard]] std::string trouble() const;

  /// Every address known, in the order of the url; changes with lookups.
  [[nodiscard]] std::vector<candidate> candidates() const;
  [[nodiscard]] std::size_t count() const;
  /// What the url says beside hosts.
  [[nodiscard]] const std::vector<pg_option>& options() const { return options_; }

private:
  using tcp = asio::ip::tcp;
  struct host {
    std::string name;
    std::string port;
    std::vector<std::string> addresses; ///< the empty one: a folder of Unix sockets, or libpq's default
    bool is_named = false;
    bool is_looking = false;
    bool is_looked_up = false;
    steady_time asked_at = steady_time::min();
    std::string trouble;
  };
  /// Outlives this object until the last lookup has ended.
  struct lookups : boost::intrusive_ref_counter<lookups, boost::thread_unsafe_counter> {
    explicit lookups(executor runs_on) : resolver(runs_on) {}
    asio::ip::basic_resolver<tcp, executor> resolver;
    pg_hosts* owner = nullptr;
  };

  void parse(const std::string& url);
  void looked_up(std::size_t index, const boost::system::error_code& error,
                 const asio::ip::basic_resolver_results<tcp>& found);

  clock& time_;
  event& resolved_;
  std::vector<host> hosts_;
  std::vector<pg_option> options_;
  boost::intrusive_ptr<lookups> lookups_;
};

} // namespace repasse
