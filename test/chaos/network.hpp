// The way from one instance to one store, which can be cut: a proxy on loopback, in a thread of its own.
#pragma once

#include <cstdint>
#include <memory>

namespace repasse {

class network {
public:
  enum class cut : std::uint8_t { there, back, both };

  explicit network(std::uint16_t server_port);
  ~network();
  network(const network&) = delete;
  network& operator=(const network&) = delete;

  /// Where the instance finds the server.
  [[nodiscard]] std::uint16_t port() const;
  /// Nothing arrives that way, and nobody is told, until mend(); what was sent meanwhile arrives then.
  void fall_silent(cut where);
  void mend();
  /// Closes every connection.
  void reset();

private:
  class relay;
  std::unique_ptr<relay> relay_;
};

} // namespace repasse
