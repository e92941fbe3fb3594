// TLS on the processor simulator's side: what recv(2) and send(2) are for its plain sockets. OpenSSL is
// behind it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>

struct ssl_ctx_st;
struct ssl_st;

namespace repasse {

struct tls_socket_release {
  void operator()(ssl_ctx_st* each) const;
  void operator()(ssl_st* each) const;
};

/// Who the simulator says it is, to everybody who connects.
class tls_identity {
public:
  /// Files in PEM, the chain with its own certificate first; throws std::runtime_error.
  tls_identity(const std::string& certificate_file, const std::string& key_file);

private:
  friend class tls_socket;
  std::unique_ptr<ssl_ctx_st, tls_socket_release> settings_;
};

/// Over a socket that does not block, which its owner closes afterwards. The handshake is done on the way.
class tls_socket {
public:
  tls_socket(const tls_identity& as, int socket);
  /// Says goodbye, if that is still possible.
  ~tls_socket();
  tls_socket(const tls_socket&) = delete;
  tls_socket& operator=(const tls_socket&) = delete;

  /// As recv and send: 0 at the stream's end, -1 and errno EAGAIN where it would have to wait.
  ssize_t receive(char* to, std::size_t size);
  ssize_t send(const char* bytes, std::size_t size);
  /// Bytes have come that the socket no longer tells of.
  [[nodiscard]] bool has_pending() const;

private:
  ssize_t of(int result, std::size_t moved);

  std::unique_ptr<ssl_st, tls_socket_release> ssl_;
  bool has_failed_ = false;
};

} // namespace repasse
