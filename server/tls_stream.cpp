#include "server/tls_stream.hpp"

#include "storage/check.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

namespace repasse {
namespace {

constexpr std::chrono::nanoseconds tell_pause = std::chrono::seconds{10};
/// RFC 7301: each name after its length.
constexpr std::array<unsigned char, 9> protocols{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

} // namespace

void tls_release::operator()(ssl_ctx_st* each) const { SSL_CTX_free(each); }
void tls_release::operator()(ssl_session_st* each) const { SSL_SESSION_free(each); }
void tls_release::operator()(ssl_st* each) const { SSL_free(each); }

tls_trust::tls_trust(std::string host) : host_(std::move(host)), settings_(SSL_CTX_new(TLS_client_method())) {
  SSL_CTX* const settings = settings_.get();
  REPASSE_CHECK(settings != nullptr);
  SSL_CTX_set_verify(settings, SSL_VERIFY_PEER, nullptr);
  X509_VERIFY_PARAM* const wanted = SSL_CTX_get0_param(settings);
  // An authority in the file is enough, also one that another one has signed.
  X509_VERIFY_PARAM_set_flags(wanted, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_hostflags(wanted, // RFC 9525: the subject is no host name
                                  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  host_is_address_ = X509_VERIFY_PARAM_set1_ip_asc(wanted, host_.c_str()) == 1;
  if (!host_is_address_) REPASSE_CHECK(X509_VERIFY_PARAM_set1_host(wanted, host_.data(), host_.size()) == 1);
  REPASSE_CHECK(SSL_CTX_set_min_proto_version(settings, TLS1_2_VERSION) == 1);
  REPASSE_CHECK(SSL_CTX_set_alpn_protos(settings, protocols.data(), protocols.size()) == 0);
  SSL_CTX_set_options(settings, SSL_OP_NO_RENEGOTIATION);
  // Not SSL_MODE_RELEASE_BUFFERS, which would allocate two of 16 KiB for every payment.
  SSL_CTX_set_mode(settings, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(settings, 1); // one read for a record, not one for its head and one for its body
  SSL_CTX_set_session_cache_mode(settings, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(settings, &tls_stream::keep);
}

std::string tls_trust::read(const std::string& ca_file) {
  errno = 0;
  if (const std::ifstream file(ca_file); !file.is_open())
    return std::string("expected a file that can be read: ") + std::strerror(errno);
  X509_LOOKUP* const authorities =
      X509_STORE_add_lookup(SSL_CTX_get_cert_store(settings_.get()), X509_LOOKUP_file());
  REPASSE_CHECK(authorities != nullptr);
  const int count = X509_load_cert_file(authorities, ca_file.c_str(), X509_FILETYPE_PEM);
  ERR_clear_error();
  return count > 0 ? std::string{} : "expected a file of certificates, PEM";
}

bool tls_trust::may_be_told(steady_time now) const {
  steady_time last = told_.load(std::memory_order_relaxed);
  if (last != steady_time{} && now - last < tell_pause) return false;
  return told_.compare_exchange_strong(last, now, std::memory_order_relaxed);
}

tls_stream::tls_stream(const tls_trust& trust, tls_session& kept, int fd)
    : kept_(kept), ssl_(SSL_new(trust.settings_.get())) {
  SSL* const ssl = ssl_.get();
  REPASSE_CHECK(ssl != nullptr && SSL_set_fd(ssl, fd) == 1 && SSL_set_app_data(ssl, this) == 1);
  if (!trust.host_is_address_) { // the macro for it has a cast of old style
    char* const name = const_cast<char*>(trust.host_.c_str());
    REPASSE_CHECK(SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name) == 1);
  }
  if (kept_ && SSL_SESSION_is_resumable(kept_.get()) == 1) SSL_set_session(ssl, kept_.get());
}

tls_stream::~tls_stream() {
  ERR_clear_error();
  if (is_whole_)
    SSL_shutdown(ssl_.get());
  else // otherwise the session would be taken for a bad one
    SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN);
  ERR_clear_error();
}

tls_stream::status tls_stream::shake() {
  ERR_clear_error();
  const status now = of(SSL_connect(ssl_.get()));
  is_whole_ = now == status::done;
  if (now == status::failed || now == status::closed) kept_.reset();
  return now;
}

std::string tls_stream::failure() const {
  const long verified = SSL_get_verify_result(ssl_.get());
  if (verified != X509_V_OK) return X509_verify_cert_error_string(verified);
  const char* const reason = ERR_reason_error_string(ERR_peek_error());
  return reason != nullptr ? reason : "the connection was closed";
}

tls_stream::status tls_stream::write(std::string_view bytes, std::size_t& taken) {
  ERR_clear_error();
  const status now = of(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &taken));
  is_whole_ = now == status::done;
  return now;
}

tls_stream::status tls_stream::read(std::span<char> to, std::size_t& size) {
  ERR_clear_error();
  const status now = of(SSL_read_ex(ssl_.get(), to.data(), to.size(), &size));
  if (now == status::failed) is_whole_ = false;
  return now;
}

bool tls_stream::has_pending() const { return SSL_has_pending(ssl_.get()) == 1; }

/// Called by OpenSSL within one of the calls above: with TLS 1.3 that may be long after the handshake.
int tls_stream::keep(ssl_st* from, ssl_session_st* session) {
  static_cast<tls_stream*>(SSL_get_app_data(from))->kept_.reset(session);
  return 1; // it is ours now
}

tls_stream::status tls_stream::of(int result) {
  if (result == 1) return status::done;
  switch (SSL_get_error(ssl_.get(), result)) {
  case SSL_ERROR_WANT_READ:
    return status::wants_read;
  case SSL_ERROR_WANT_WRITE:
    return status::wants_write;
  case SSL_ERROR_ZERO_RETURN:
    return status::closed;
  default: // an end without notice, too: who cut the stream is not known
    return status::failed;
  }
}

} // namespace repasse
