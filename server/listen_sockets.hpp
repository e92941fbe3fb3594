// The sockets that the configuration asks for: one per reactor and TCP address (SO_REUSEPORT), one for all
// per Unix path. Opened by main before any reactor runs, so that what is wrong is said at once.
#pragma once

#include "server/config.hpp"

#include <string>
#include <vector>

namespace repasse {

class reactor;

class listen_sockets {
public:
  /// Throws std::system_error whose text names the address.
  explicit listen_sockets(const config& settings);
  /// Removes the files of Unix sockets.
  ~listen_sockets();
  listen_sockets(const listen_sockets&) = delete;
  listen_sockets& operator=(const listen_sockets&) = delete;

  /// Hands the sockets of the reactor of this number over to it, which closes them.
  void give(reactor& one, std::size_t number);
  /// The addresses, for the log.
  [[nodiscard]] std::string text() const;

private:
  std::vector<std::vector<int>> by_reactor_;
  std::vector<std::string> unix_paths_;
  std::vector<std::string> names_;
};

} // namespace repasse
