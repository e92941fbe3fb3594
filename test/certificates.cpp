#include "test/certificates.hpp"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace repasse {
namespace {

void require(bool done) {
  if (!done) throw std::runtime_error("no certificate can be made");
}

EVP_PKEY* new_key() {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  require(key != nullptr);
  return key;
}

void extend(X509* one, int kind, const std::string& value) {
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  require(extension != nullptr && X509_add_ext(one, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

/// Signed by `issuer_key`; `issuer` null: by itself.
X509* new_certificate(EVP_PKEY* key, EVP_PKEY* issuer_key, X509* issuer, const certificate_claims& claims,
                      bool is_authority) {
  static std::atomic<long> serial{1};
  X509* const made = X509_new();
  require(made != nullptr && X509_set_version(made, X509_VERSION_3) == 1);
  ASN1_INTEGER_set(X509_get_serialNumber(made), serial++);
  X509_gmtime_adj(X509_getm_notBefore(made), claims.since.count());
  X509_gmtime_adj(X509_getm_notAfter(made), claims.until.count());
  X509_set_pubkey(made, key);
  const std::basic_string<unsigned char> subject(claims.subject.begin(), claims.subject.end());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8, subject.c_str(), -1, -1, 0);
  X509_set_issuer_name(made, X509_get_subject_name(issuer == nullptr ? made : issuer));
  extend(made, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (!claims.names.empty()) extend(made, NID_subject_alt_name, claims.names);
  require(X509_sign(made, issuer_key, EVP_sha256()) != 0);
  return made;
}

template <typename Write>
std::string pem_text(Write write) {
  BIO* const memory = BIO_new(BIO_s_mem());
  require(memory != nullptr && write(memory) == 1);
  std::string text(BIO_ctrl_pending(memory), '\0');
  BIO_read(memory, text.data(), static_cast<int>(text.size()));
  BIO_free(memory);
  return text;
}

std::string pem_of(X509* one) {
  return pem_text([&](BIO* to) { return PEM_write_bio_X509(to, one); });
}

certificate taken_over(EVP_PKEY* key, X509* made) {
  certificate one{pem_of(made), pem_text([&](BIO* to) {
                    return PEM_write_bio_PrivateKey(to, key, nullptr, nullptr, 0, nullptr, nullptr);
                  })};
  X509_free(made);
  EVP_PKEY_free(key);
  return one;
}

} // namespace

certificate_authority::certificate_authority(const std::string& name)
    : key_(new_key()),
      itself_(new_certificate(
          key_, key_, nullptr,
          {.names = {}, .subject = name, .since = std::chrono::hours{-48}, .until = std::chrono::hours{48}},
          true)) {}

certificate_authority::~certificate_authority() {
  X509_free(itself_);
  EVP_PKEY_free(key_);
}

certificate certificate_authority::issue(const certificate_claims& claims) const {
  EVP_PKEY* const key = new_key();
  return taken_over(key, new_certificate(key, key_, itself_, claims, false));
}

std::string certificate_authority::pem() const { return pem_of(itself_); }

certificate self_signed(const certificate_claims& claims) {
  EVP_PKEY* const key = new_key();
  return taken_over(key, new_certificate(key, key, nullptr, claims, false));
}

pem_file::pem_file(std::string_view content) {
  const int fd = ::mkstemp(path_.data());
  require(fd >= 0);
  ::close(fd);
  std::ofstream(path_) << content;
}

pem_file::~pem_file() { std::remove(path_.c_str()); }

} // namespace repasse
