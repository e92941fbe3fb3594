// A Redis server, or a sentinel, of a test's own: in a folder of its own, on a free port of 127.0.0.1 and a
// socket file in that folder, every write synced. It leaves nothing behind, however the test ends. Starting
// takes some ten milliseconds. What cannot be done throws.
#pragma once

#include "test/integration/test_server.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace repasse {

class redis_server {
public:
  enum class role : std::uint8_t { server, sentinel };
  /// Started. `settings`: lines of redis.conf.
  explicit redis_server(std::vector<std::string> settings = {}, role as = role::server);
  ~redis_server();
  redis_server(const redis_server&) = delete;
  redis_server& operator=(const redis_server&) = delete;

  /// `redis://127.0.0.1:port`; `port` may be a proxy's.
  [[nodiscard]] static std::string url(std::uint16_t port);
  [[nodiscard]] std::string url() const { return url(port_); }
  /// `unix:/…`
  [[nodiscard]] std::string file_url() const;
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }

  /// Returns when it answers, its data loaded.
  void start();
  /// As SIGTERM asks.
  void stop();
  void kill();
  void restart();
  [[nodiscard]] bool is_running() const { return process_ > 0; }
  void signal(int number) const;

  /// What redis-cli prints, without the last line's end; throws if it fails.
  std::string cli(std::vector<std::string> words) const;
  /// All that it has written to its log.
  [[nodiscard]] std::string log() const;

private:
  void configure(const std::vector<std::string>& settings) const;
  void wait_until_ended();

  role role_;
  std::vector<std::string> settings_;
  server_folder folder_{"repasse-redis"};
  std::uint16_t port_ = 0; ///< the same for its whole life
  pid_t process_ = -1;
};

} // namespace repasse
