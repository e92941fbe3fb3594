#include "bench/tls_socket.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <stdexcept>

namespace repasse {

void tls_socket_release::operator()(ssl_ctx_st* each) const { SSL_CTX_free(each); }
void tls_socket_release::operator()(ssl_st* each) const { SSL_free(each); }

tls_identity::tls_identity(const std::string& certificate_file, const std::string& key_file)
    : settings_(SSL_CTX_new(TLS_server_method())) {
  SSL_CTX* const settings = settings_.get();
  if (settings == nullptr || SSL_CTX_use_certificate_chain_file(settings, certificate_file.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(settings, key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    throw std::runtime_error("expected a certificate and its key, PEM, in " + certificate_file + " and " +
                             key_file);
  SSL_CTX_set_mode(settings, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
}

tls_socket::tls_socket(const tls_identity& as, int socket) : ssl_(SSL_new(as.settings_.get())) {
  if (ssl_ == nullptr || SSL_set_fd(ssl_.get(), socket) != 1) throw std::runtime_error("no memory for TLS");
  SSL_set_accept_state(ssl_.get());
}

tls_socket::~tls_socket() {
  if (!has_failed_ && SSL_is_init_finished(ssl_.get()) == 1) SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

ssize_t tls_socket::receive(char* to, std::size_t size) {
  ERR_clear_error();
  std::size_t moved = 0;
  const int result = SSL_read_ex(ssl_.get(), to, size, &moved);
  return of(result, moved);
}

ssize_t tls_socket::send(const char* bytes, std::size_t size) {
  ERR_clear_error();
  std::size_t moved = 0;
  const int result = SSL_write_ex(ssl_.get(), bytes, size, &moved);
  return of(result, moved);
}

bool tls_socket::has_pending() const { return SSL_pending(ssl_.get()) > 0; }

ssize_t tls_socket::of(int result, std::size_t moved) {
  if (result == 1) return static_cast<ssize_t>(moved);
  switch (SSL_get_error(ssl_.get(), result)) {
  case SSL_ERROR_WANT_READ:
  case SSL_ERROR_WANT_WRITE:
    errno = EAGAIN;
    return -1;
  case SSL_ERROR_ZERO_RETURN:
    return 0;
  default:
    has_failed_ = true;
    errno = EIO;
    return -1;
  }
}

} // namespace repasse
