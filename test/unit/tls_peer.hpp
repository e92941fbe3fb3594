// A processor's end of TLS for tests, over a connection of http_conversation.hpp: its records go out when,
// and in which pieces, a case wants it.
#pragma once

#include "test/certificates.hpp"
#include "test/unit/http_conversation.hpp"

#include <memory>
#include <string>
#include <string_view>

struct ssl_ctx_st;
struct ssl_st;

namespace repasse::conversations {

struct tls_peer_release {
  void operator()(ssl_ctx_st* each) const;
  void operator()(ssl_st* each) const;
};

/// What a peer speaks, and who it says it is.
class tls_peer {
public:
  struct habits {
    int version_min = 0; ///< OpenSSL's number; 0: any
    int version_max = 0;
    std::string protocol = "http/1.1"; ///< the only one it speaks
  };
  tls_peer(const certificate& own, const habits& how);
  explicit tls_peer(const certificate& own) : tls_peer(own, habits{}) {}
  ~tls_peer();
  tls_peer(const tls_peer&) = delete;
  tls_peer& operator=(const tls_peer&) = delete;

private:
  friend class sealed;
  static int choose(ssl_st* for_whom, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned offered_size, void* self);

  std::string protocol_;
  std::unique_ptr<ssl_ctx_st, tls_peer_release> settings_;
};

/// TLS on one accepted connection.
class sealed {
public:
  sealed(const accepted& wire, const tls_peer& as);
  ~sealed();
  sealed(const sealed&) = delete;
  sealed& operator=(const sealed&) = delete;

  /// Takes what has come and answers it; true once the handshake is done.
  bool shake();
  /// What it would answer, unsent.
  [[nodiscard]] std::string shake_unsent();
  [[nodiscard]] bool has_failed() const { return has_failed_; }
  /// What has come by now, unsealed.
  [[nodiscard]] std::string read();
  void write(std::string_view text) { wire_.write(seal(text)); }
  /// The records for this text, unsent.
  [[nodiscard]] std::string seal(std::string_view text);
  /// A ticket for the next handshake, as TLS 1.3 may send one at any time; unsent.
  [[nodiscard]] std::string ticket();
  /// The notice that the stream ends here, unsent.
  [[nodiscard]] std::string goodbye();
  [[nodiscard]] bool was_told_goodbye();

  [[nodiscard]] bool is_resumed() const;
  /// The host that the client named; empty if it named none.
  [[nodiscard]] std::string host_named() const;
  [[nodiscard]] std::string protocol() const;

private:
  void hear();
  std::string said();

  const accepted& wire_;
  std::unique_ptr<ssl_st, tls_peer_release> ssl_;
  bool has_failed_ = false;
};

} // namespace repasse::conversations
