// A PostgreSQL server of a test's own: a fresh cluster in a folder of its own, on a free port of 127.0.0.1
// and a Unix socket in that folder, with fsync on. It leaves nothing behind, however the test ends. Starting
// takes about two seconds: one server for each test binary is enough. What cannot be done throws.
#pragma once

#include "test/integration/test_server.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace repasse {

class postgres_server {
public:
  /// Started, with the role `repasse` and its database `repasse`. `settings`: lines of postgresql.conf.
  explicit postgres_server(std::vector<std::string> settings = {});
  struct standby_of {
    const postgres_server& primary;
  };
  /// Started, and streaming from a primary that runs, of which it is a copy.
  explicit postgres_server(standby_of whom, std::vector<std::string> settings = {});
  ~postgres_server();
  postgres_server(const postgres_server&) = delete;
  postgres_server& operator=(const postgres_server&) = delete;

  /// `postgresql://repasse:…@127.0.0.1:port/repasse`; `port` may be a proxy's.
  [[nodiscard]] std::string url(std::uint16_t port) const;
  [[nodiscard]] std::string url() const { return url(port_); }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }
  static constexpr const char* password = "not-a-secret";

  enum class stopping : std::uint8_t { fast, immediate };
  /// Returns when it accepts connections, a standby those that read.
  void start();
  void stop(stopping how = stopping::fast);
  /// The postmaster by SIGKILL; its backends notice by themselves.
  void kill();
  void restart(stopping how = stopping::fast);
  [[nodiscard]] bool is_running() const { return postmaster_ > 0; }
  /// A standby becomes a primary; returns when it is one.
  void promote() const;

  /// Signals the postmaster, or one process of the server.
  void signal(int number) const;
  static void signal(pid_t process, int number);

  /// Runs `text` as the superuser `postgres` by psql; throws if that fails. Rows as lines, columns
  /// separated by `|`.
  std::string sql(const std::string& text, const std::string& database = "repasse") const;
  /// Adds lines to postgresql.conf, or to pg_hba.conf before all others, for the next start or reload().
  void configure(const std::string& lines) const;
  void allow(const std::string& lines) const;
  void reload() const;

  /// All that it has written to its log.
  [[nodiscard]] std::string log() const;

private:
  [[nodiscard]] std::filesystem::path data() const { return folder() / "data"; }
  void wait_until_ended();

  server_folder folder_;
  std::uint16_t port_ = 0; ///< the same for its whole life
  bool is_new_ = true;
  pid_t postmaster_ = -1;
};

} // namespace repasse
