// A library for LD_PRELOAD that counts the allocations of a program: malloc, calloc, realloc and the aligned
// ones, which operator new goes through too. The count is kept in the file that ALLOCATION_COUNT_FILE names,
// as 8 bytes in the machine's order, so that it can be read at any moment without disturbing the program.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

// glibc's own names for what is replaced here.
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* block, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
}

namespace {

using counter = std::atomic<std::uint64_t>;

counter uncounted; ///< before the file is there
counter* allocations = &uncounted;

void count() { allocations->fetch_add(1, std::memory_order_relaxed); }

[[gnu::constructor]] void open_count_file() {
  const char* const path = std::getenv("ALLOCATION_COUNT_FILE");
  const int file = path == nullptr ? -1 : ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0 || ::ftruncate(file, sizeof(counter)) != 0) return;
  void* const mapped = ::mmap(nullptr, sizeof(counter), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (mapped != MAP_FAILED) allocations = static_cast<counter*>(mapped);
}

} // namespace

extern "C" {

void* malloc(std::size_t bytes) {
  count();
  return __libc_malloc(bytes);
}

void* calloc(std::size_t count_of, std::size_t bytes) {
  count();
  return __libc_calloc(count_of, bytes);
}

void* realloc(void* block, std::size_t bytes) {
  count();
  return __libc_realloc(block, bytes);
}

void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  count();
  return __libc_memalign(alignment, bytes);
}

int posix_memalign(void** block, std::size_t alignment, std::size_t bytes) {
  count();
  *block = __libc_memalign(alignment, bytes);
  return *block == nullptr ? ENOMEM : 0;
}
}
