// Authorities and certificates of a test's own, made in memory, and files that hold them.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

struct evp_pkey_st;
struct x509_st;

namespace repasse {

/// PEM.
struct certificate {
  std::string chain; ///< its own first
  std::string key;
};

/// What a certificate says of itself.
struct certificate_claims {
  std::string names = "DNS:localhost,IP:127.0.0.1"; ///< subjectAltName; empty: none
  std::string subject = "a processor";
  std::chrono::seconds since = std::chrono::hours{-1}; ///< from now
  std::chrono::seconds until = std::chrono::hours{1};
};

class certificate_authority {
public:
  explicit certificate_authority(const std::string& name = "an authority");
  ~certificate_authority();
  certificate_authority(const certificate_authority&) = delete;
  certificate_authority& operator=(const certificate_authority&) = delete;

  [[nodiscard]] certificate issue(const certificate_claims& claims = {}) const;
  [[nodiscard]] std::string pem() const;

private:
  evp_pkey_st* key_;
  x509_st* itself_;
};

/// One that nobody but itself has signed.
[[nodiscard]] certificate self_signed(const certificate_claims& claims = {});

/// A file in a place of its own, gone with this object.
class pem_file {
public:
  explicit pem_file(std::string_view content);
  ~pem_file();
  pem_file(const pem_file&) = delete;
  pem_file& operator=(const pem_file&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

private:
  std::string path_ = "/tmp/repasse-test-XXXXXX";
};

} // namespace repasse
