// The program `summary-load`: asks a `filled-repasse` for the summaries of random windows to the millisecond,
// one after the other over one connection.
//   summary-load PORT PAYMENTS PID          as many payments as the server was filled with, and its process
//   summary-load PORT PAYMENTS summary      the time that an answer takes instead
//   summary-load PORT PAYMENTS page         the same of pages of 100 payments at any depth
// Prints a p99 in microseconds: of the CPU time that one costs the server, where other processes on the same
// cores do not count, or of the time.
#include "bench/child_process.hpp"
#include "bench/filled_ledger.hpp"
#include "bench/http_caller.hpp"
#include "bench/open_loop.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace {

using namespace repasse;
constexpr std::size_t windows = 10'000;

std::string target_of(bool is_page, const time_window& window) {
  if (is_page) return fmt::format("/payments?limit=100&to={}", to_string(window.to));
  return fmt::format("/payments-summary?from={}&to={}", to_string(window.from), to_string(window.to));
}

/// In nanoseconds; 0 if an answer was not what was asked for. A `pid` of 0 stands for the time.
std::uint32_t measure_p99(std::uint16_t port, std::size_t payments, pid_t pid, bool is_page) {
  http_caller caller("127.0.0.1", port);
  std::mt19937_64 random(std::random_device{}());
  std::vector<std::uint32_t> nanos;
  const auto now = [pid]() -> std::chrono::nanoseconds {
    return pid == 0 ? std::chrono::steady_clock::now().time_since_epoch() : cpu_time_of(pid);
  };
  for (std::size_t i = 0; i < windows; ++i) {
    const std::string target = target_of(is_page, random_window(payments, random));
    const auto before = now();
    if (caller.call("GET", target).status != 200) return 0;
    nanos.push_back(static_cast<std::uint32_t>((now() - before).count()));
  }
  return percentile(nanos, 0.99);
}

} // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fputs("usage: summary-load PORT PAYMENTS PID|summary|page\n", stderr);
    return 2;
  }
  const auto port = static_cast<std::uint16_t>(std::strtoul(arguments[1], nullptr, 10));
  const auto pid = static_cast<pid_t>(std::strtol(arguments[3], nullptr, 10));
  const bool is_page = std::string_view{arguments[3]} == "page";
  const std::uint32_t p99 = measure_p99(port, std::strtoul(arguments[2], nullptr, 10), pid, is_page);
  fmt::print("{:.1f}\n", p99 / 1000.0);
  return p99 == 0 ? 1 : 0;
}
