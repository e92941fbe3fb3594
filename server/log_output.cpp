#include "server/log_output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace repasse {

log_output::log_output(int file) : file_(file) {
  struct stat seen {};
  if (::fstat(file, &seen) != 0) return;
  is_socket_ = S_ISSOCK(seen.st_mode);
  if (!S_ISFIFO(seen.st_mode) && !is_terminal()) return;
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  opened_ = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

log_output::~log_output() {
  if (opened_ >= 0) ::close(opened_);
}

bool log_output::is_terminal() const { return ::isatty(file_) == 1; }

bool log_output::write(std::string_view line) {
  std::string_view first = rest_;
  const bool may_begin = first.empty() || write_some(first);
  rest_.erase(0, rest_.size() - first.size());
  if (!may_begin) return false;
  const std::size_t size = line.size();
  if (write_some(line)) return true;
  if (line.size() < size) rest_ = line;
  return line.size() < size;
}

/// True if all are written; what is left stays in `bytes`.
bool log_output::write_some(std::string_view& bytes) const {
  while (!bytes.empty()) {
    ssize_t written = -1;
    if (is_socket_) {
      written = ::send(file_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } else if (opened_ >= 0) {
      written = ::write(opened_, bytes.data(), bytes.size());
    } else {
      pollfd ready{.fd = file_, .events = POLLOUT, .revents = 0};
      if (::poll(&ready, 1, 0) != 1) return false;
      written = ::write(file_, bytes.data(), bytes.size());
    }
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

} // namespace repasse
