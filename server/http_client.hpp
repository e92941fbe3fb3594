// The connections to one processor, plain or by TLS: one request at a time on each, kept alive, bounded. It
// never retries. The simulation of test/simulation links an http_client.cpp of its own, so that all above it
// is real.
#pragma once

#include "storage/clock.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace repasse {

class poller;
class tls_trust;

/// What came back for one request that was sent, or tried to be.
struct http_answer {
  enum class kind : std::uint8_t {
    answered,  ///< a complete response that makes sense: `status` and `body`
    not_sent,  ///< the peer cannot have the whole request: the last byte was never handed over
    timed_out, ///< all sent, no complete response by the deadline
    lost,      ///< all sent, then reset or closed before a complete response
    nonsense   ///< all sent, and what came back is no HTTP response that we read
  };

  kind what = kind::not_sent;
  int status = 0;
  std::array<char, 512> body_bytes;
  std::size_t body_size = 0;

  [[nodiscard]] std::string_view body() const { return {body_bytes.data(), body_size}; }
};

/// Built and run by its processor; used from the reactor's own thread. A call ends by its deadline.
class http_client {
public:
  struct config {
    std::string host;
    std::uint16_t port = 80;
    /// Who may have signed its certificate; null: it speaks plain http. Outlives the client.
    const tls_trust* trust = nullptr;
    /// Of the processor, for the log.
    std::string name;
    /// A new connection that is not there by then, its handshake done, counts as refused.
    std::chrono::nanoseconds connect_limit = std::chrono::seconds{2};
  };
  struct connection;
  struct connections {
    std::size_t connecting = 0;
    std::size_t idle = 0;
    std::size_t busy = 0;
  };

  http_client(clock& time, poller& sockets, const config& settings);
  ~http_client();
  http_client(const http_client&) = delete;
  http_client& operator=(const http_client&) = delete;

  /// An idle connection or a new one; null if there is none by `due`, or the name is not resolved yet. It
  /// belongs to the caller until exchange(), which must follow in the same turn of the loop.
  task<connection*> connect(steady_time due);
  /// What connect() gave, and is not to be used.
  void give_back(connection& unused);
  /// Sends `request`, whole and well-formed, and waits for its response. The connection comes back to the
  /// client, or is closed when its state is in doubt.
  task<http_answer> exchange(connection& with, std::string_view request, steady_time due);
  /// Why the last TLS handshake failed; empty once one has worked, and with plain http.
  [[nodiscard]] std::string_view trouble() const;

  /// Counts them one by one, for the eye.
  [[nodiscard]] connections counted() const;

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace repasse
