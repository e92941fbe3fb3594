#include "test/integration/redis_fixture.hpp"

namespace repasse {

redis_server& shared_redis() {
  static redis_server server;
  if (!server.is_running()) server.start();
  server.cli({"FLUSHALL"});
  return server;
}

redis_connection::config config_of(const std::string& url) {
  using namespace std::chrono_literals;
  redis_connection::config how;
  how.where.url = url;
  how.name = "repasse-test";
  how.pause_min = 5ms;
  how.pause_max = 20ms;
  return how;
}

} // namespace repasse
