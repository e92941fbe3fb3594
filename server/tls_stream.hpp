// TLS to a processor, over a socket that http_client has connected: the one file that knows OpenSSL.
// A certificate is always verified, by who signed it and by the host it is for; nothing switches that off.
// OpenSSL writes without MSG_NOSIGNAL, so whoever uses this ignores SIGPIPE.
#pragma once

#include "storage/clock.hpp"

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

namespace repasse {

struct tls_release {
  void operator()(ssl_ctx_st* each) const;
  void operator()(ssl_session_st* each) const;
  void operator()(ssl_st* each) const;
};
template <typename OpenSsl>
using tls_handle = std::unique_ptr<OpenSsl, tls_release>;

/// What makes the next handshake with the same processor a short one; empty until it has given one.
using tls_session = tls_handle<ssl_session_st>;

/// Who may have signed a processor's certificate, and for whom. Made by the configuration, one for each
/// processor, and used by all reactors.
class tls_trust {
public:
  /// Debian's, from its package ca-certificates.
  static constexpr const char* system_ca_file = "/etc/ssl/certs/ca-certificates.crt";

  /// `host`: a name, or an address without brackets. Nobody is trusted before read().
  explicit tls_trust(std::string host);

  /// Trusts who is in this file, PEM. Returns what is wrong, in words that can follow `NAME=value: `; empty
  /// if nothing is.
  [[nodiscard]] std::string read(const std::string& ca_file);

  /// Whether a handshake that failed may be told to the log: once in 10 s, whichever reactor asks.
  [[nodiscard]] bool may_be_told(steady_time now) const;

private:
  friend class tls_stream;

  std::string host_;
  bool host_is_address_ = false;
  tls_handle<ssl_ctx_st> settings_;
  mutable std::atomic<steady_time> told_{steady_time{}};
};

/// One connection's TLS, as the client. Nothing blocks; after `failed` it is only to be destroyed.
class tls_stream {
public:
  enum class status : std::uint8_t {
    done,
    wants_read, ///< again once the socket can be read
    wants_write,
    closed, ///< the peer has ended the stream and said so
    failed  ///< cut, reset, or no TLS that can be trusted
  };

  /// Both must outlive it; `kept` is used, and replaced by what the peer gives.
  tls_stream(const tls_trust& trust, tls_session& kept, int fd);
  /// Tells the peer, if that is still possible; the socket is closed by its owner, afterwards.
  ~tls_stream();
  tls_stream(const tls_stream&) = delete;
  tls_stream& operator=(const tls_stream&) = delete;

  [[nodiscard]] status shake();
  /// Why it has failed, in OpenSSL's words; at once after shake().
  [[nodiscard]] std::string failure() const;
  /// `done`: the records that hold the first `taken` bytes are wholly with the kernel; of the others no
  /// record is, so that the peer cannot have read their last byte.
  [[nodiscard]] status write(std::string_view bytes, std::size_t& taken);
  [[nodiscard]] status read(std::span<char> to, std::size_t& size);
  /// Bytes have come that the socket no longer tells of.
  [[nodiscard]] bool has_pending() const;

private:
  friend class tls_trust;

  static int keep(ssl_st* from, ssl_session_st* session);
  status of(int result);

  tls_session& kept_;
  tls_handle<ssl_st> ssl_;
  bool is_whole_ = false; ///< the handshake is done, and no record is half written
};

} // namespace repasse
