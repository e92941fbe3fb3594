#include "test/unit/tls_peer.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

namespace repasse::conversations {
namespace {

BIO* memory_of(std::string_view text) { return BIO_new_mem_buf(text.data(), static_cast<int>(text.size())); }

} // namespace

void tls_peer_release::operator()(ssl_ctx_st* each) const { SSL_CTX_free(each); }
void tls_peer_release::operator()(ssl_st* each) const { SSL_free(each); }

tls_peer::tls_peer(const certificate& own, const habits& how)
    : protocol_(how.protocol), settings_(SSL_CTX_new(TLS_server_method())) {
  SSL_CTX* const settings = settings_.get();
  BIO* const chain = memory_of(own.chain);
  BIO* const key_text = memory_of(own.key);
  X509* const itself = PEM_read_bio_X509(chain, nullptr, nullptr, nullptr);
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(key_text, nullptr, nullptr, nullptr);
  BOOST_REQUIRE(SSL_CTX_use_certificate(settings, itself) == 1);
  BOOST_REQUIRE(SSL_CTX_use_PrivateKey(settings, key) == 1);
  X509_free(itself);
  EVP_PKEY_free(key);
  BIO_free(chain);
  BIO_free(key_text);
  SSL_CTX_set_security_level(settings, 0); // old versions, too
  SSL_CTX_set_cipher_list(settings, "ALL:@SECLEVEL=0");
  SSL_CTX_set_min_proto_version(settings, how.version_min);
  SSL_CTX_set_max_proto_version(settings, how.version_max);
  SSL_CTX_set_alpn_select_cb(settings, &tls_peer::choose, this);
}

tls_peer::~tls_peer() = default;

int tls_peer::choose(ssl_st*, const unsigned char** chosen, unsigned char* chosen_size,
                     const unsigned char* offered, unsigned offered_size, void* self) {
  const std::string& wished = static_cast<const tls_peer*>(self)->protocol_;
  for (unsigned at = 0; at < offered_size; at += 1U + offered[at]) {
    if (std::string_view(reinterpret_cast<const char*>(offered) + at + 1, offered[at]) != wished) continue;
    *chosen = offered + at + 1;
    *chosen_size = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

sealed::sealed(const accepted& wire, const tls_peer& as) : wire_(wire), ssl_(SSL_new(as.settings_.get())) {
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_accept_state(ssl_.get());
}

sealed::~sealed() = default;

void sealed::hear() {
  for (std::string came = wire_.read(); !came.empty(); came = wire_.read())
    BIO_write(SSL_get_rbio(ssl_.get()), came.data(), static_cast<int>(came.size()));
}

std::string sealed::said() {
  BIO* const out = SSL_get_wbio(ssl_.get());
  std::string bytes(BIO_ctrl_pending(out), '\0');
  if (!bytes.empty()) BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

std::string sealed::shake_unsent() {
  hear();
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  has_failed_ = result != 1 && SSL_get_error(ssl_.get(), result) == SSL_ERROR_SSL;
  return said();
}

bool sealed::shake() {
  const std::string answer = shake_unsent();
  if (!answer.empty()) wire_.write(answer);
  return SSL_is_init_finished(ssl_.get()) == 1;
}

std::string sealed::read() {
  hear();
  std::string text(64 * 1024, '\0');
  std::size_t size = 0;
  std::size_t part = 0;
  ERR_clear_error();
  while (SSL_read_ex(ssl_.get(), text.data() + size, text.size() - size, &part) == 1)
    size += part;
  text.resize(size);
  return text;
}

std::string sealed::seal(std::string_view text) {
  ERR_clear_error();
  std::size_t taken = 0;
  BOOST_REQUIRE(SSL_write_ex(ssl_.get(), text.data(), text.size(), &taken) == 1);
  return said();
}

std::string sealed::ticket() {
  BOOST_REQUIRE(SSL_new_session_ticket(ssl_.get()) == 1);
  BOOST_REQUIRE(SSL_do_handshake(ssl_.get()) == 1);
  return said();
}

std::string sealed::goodbye() {
  SSL_shutdown(ssl_.get());
  return said();
}

bool sealed::was_told_goodbye() {
  (void)read();
  return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

bool sealed::is_resumed() const { return SSL_session_reused(ssl_.get()) == 1; }

std::string sealed::host_named() const {
  const char* const name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

std::string sealed::protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

} // namespace repasse::conversations
