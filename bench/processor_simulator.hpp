// The server of one simulated processor: one thread, one epoll set, no allocation per request once warm.
// On one connection requests are answered one after the other, as the real processors do it; a request
// whose client has gone goes on. What a processor is, stands in simulated_processor.hpp.
// It must be no bottleneck of a measurement. Requests per second tells
//   wrk -t1 -c64 -d10 -s bench/wrk/fresh_payments.lua http://127.0.0.1:8001 -- 1 processor
// (16 in place of 1 pipelines), CPU per request the difference of `ps -o cputimes` around it.
#pragma once

#include "bench/simulated_processor.hpp"
#include "bench/simulator_endpoints.hpp"
#include "bench/tls_socket.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace repasse {

struct simulator_config {
  std::string host = "0.0.0.0"; ///< an IPv4 address
  std::uint16_t port = 8001;    ///< 0: any free one
  /// PEM; if they are given, the same is offered by https as well, at `https_port`.
  std::string certificate_file;
  std::string key_file;
  std::uint16_t https_port = 0; ///< 0: any free one
  processor_switches switches;
  endpoints_config endpoints;
};

class processor_simulator {
public:
  static constexpr std::size_t connections_max = 20'000;

  /// Listens from here on; throws std::system_error if it cannot.
  explicit processor_simulator(const simulator_config& config);
  ~processor_simulator();
  processor_simulator(const processor_simulator&) = delete;
  processor_simulator& operator=(const processor_simulator&) = delete;

  [[nodiscard]] std::uint16_t port() const { return plain_.port; }
  /// 0: none.
  [[nodiscard]] std::uint16_t https_port() const { return sealed_.port; }

  /// Serves until `stop()`; what is at work then is lost with its connections.
  void run();

  /// From any thread, or a signal handler.
  void stop() noexcept;

private:
  struct connection;

  struct listener {
    int socket = -1;
    std::uint16_t port = 0;
  };
  static listener listen(const std::string& host, std::uint16_t port);
  void accept_all(const listener& from);
  void open(int socket, bool is_sealed);
  void on_event(caller_id of, std::uint32_t events);
  void receive(connection& from);
  void resume(connection& one);
  void serve(connection& one);
  void serve_unread(connection& one);
  void serve_request(connection& from, const scanned_request& request);
  void deliver_replies();
  void deliver(const simulated_reply& reply, connection& to);
  void flush(connection& one);
  void watch(connection& one);
  void close(connection& one);
  [[nodiscard]] connection* find(caller_id caller);
  [[nodiscard]] int wait_millis() const;

  simulated_processor processor_;
  simulator_endpoints endpoints_;
  int epoll_ = -1;
  std::optional<tls_identity> identity_;
  listener plain_;
  listener sealed_; ///< by TLS
  int stop_event_ = -1;
  bool stopping_ = false;
  steady_time now_{};
  std::vector<std::unique_ptr<connection>> connections_; ///< by slot
  std::vector<std::uint32_t> free_slots_;
  std::vector<std::uint32_t> resumed_; ///< slots whose connection can go on
};

} // namespace repasse
