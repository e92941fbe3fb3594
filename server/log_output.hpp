// Where the lines of the log go: a file, a terminal, a pipe or a socket whose reader may be slow or stopped.
// Never waits for it: what it does not take is lost. Used by log_sink.
#pragma once

#include <string>
#include <string_view>

namespace repasse {

class log_output {
public:
  /// A pipe takes a line up to this size whole or not at all (PIPE_BUF, pipe(7)).
  static constexpr std::size_t line_bytes_max = 4096;

  /// `file` belongs to the caller and stays open. Its flags are left alone, since other programs may share
  /// them: a pipe or a terminal is opened once more, where that is allowed.
  explicit log_output(int file);
  ~log_output();
  log_output(const log_output&) = delete;
  log_output& operator=(const log_output&) = delete;

  /// At most `line_bytes_max`, with the end of line. False if it is lost.
  [[nodiscard]] bool write(std::string_view line);
  [[nodiscard]] bool is_terminal() const;

private:
  bool write_some(std::string_view& bytes) const;

  int file_;
  int opened_ = -1; ///< the same, without waiting
  bool is_socket_ = false;
  std::string rest_; ///< of a line that was taken in part
};

} // namespace repasse
