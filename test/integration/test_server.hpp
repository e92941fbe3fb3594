// What a server of a test's own needs, whichever it is: a folder that is gone with the test, its program.
// What cannot be done throws.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

struct passwd;

namespace repasse {

/// A folder with a name of its own, removed with all that it holds however the test ends: by a process that
/// outlives this one, if only for a moment.
class server_folder {
public:
  /// `end_server` is called by that process before it removes the folder. As `user`'s, if there is one.
  explicit server_folder(const std::string& name, const passwd* user = nullptr,
                         void (*end_server)(const std::filesystem::path&) = nullptr);
  ~server_folder();
  server_folder(const server_folder&) = delete;
  server_folder& operator=(const server_folder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Begins to remove it, after end_server; the destructor waits for that.
  void remove();

private:
  std::filesystem::path path_;
  pid_t cleaner_ = -1;
  int alive_ = -1; ///< a pipe to the cleaner; closed by the end of this process, if not before
};

/// As `user`, if there is one, in a process group of its own, its output in `output`; it gets `end_signal`
/// when this process ends.
pid_t spawn(std::vector<std::string> words, const std::filesystem::path& output, int end_signal,
            const passwd* user = nullptr);
/// Its output, if it ends well.
std::string output_of(const std::vector<std::string>& words, const std::filesystem::path& output,
                      const passwd* user = nullptr);

std::string text_of(const std::filesystem::path& path);

} // namespace repasse
