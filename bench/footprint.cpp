// The program `footprint`: starts repasse and tells how long it takes to its first answer, and how much
// memory it holds with idle connections that have each made one request.
//   footprint start REPASSE PORT RUNS           prints the median, in milliseconds
//   footprint idle REPASSE PORT CONNECTIONS     prints megabytes
// The server's configuration is what the environment says, but for LISTEN.
#include "bench/child_process.hpp"
#include "bench/http_caller.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace repasse;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr const char* host = "127.0.0.1";
/// What the server may still do after the last request.
constexpr auto rest = 500ms;

struct server {
  std::string path;
  std::uint16_t port;

  [[nodiscard]] std::vector<std::string> command() const { return {path}; }
  [[nodiscard]] std::map<std::string, std::string> variables() const {
    return {{"LISTEN", fmt::format("{}:{}", host, port)}};
  }
};

double millis_to_first_answer(const server& which) {
  const auto begun = steady::now();
  const child_process started(which.command(), which.variables());
  if (!wait_for_answer(host, which.port, 10s)) throw std::runtime_error("repasse does not answer");
  return std::chrono::duration<double, std::milli>(steady::now() - begun).count();
}

void print_start(const server& which, std::size_t runs) {
  std::vector<double> took;
  for (std::size_t i = 0; i < std::max<std::size_t>(runs, 1); ++i)
    took.push_back(millis_to_first_answer(which));
  std::ranges::sort(took);
  fmt::print("{:.1f}\n", took[took.size() / 2]);
}

void print_idle(const server& which, std::size_t connections) {
  const child_process started(which.command(), which.variables());
  if (!wait_for_answer(host, which.port, 10s)) throw std::runtime_error("repasse does not answer");
  std::vector<http_caller> callers;
  callers.reserve(connections);
  for (std::size_t i = 0; i < connections; ++i)
    if (callers.emplace_back(host, which.port).call("GET", "/payments-summary").status != 200)
      throw std::runtime_error(fmt::format("connection {} is not answered with 200", i + 1));
  std::this_thread::sleep_for(rest);
  fmt::print("{:.1f}\n", static_cast<double>(resident_bytes_of(started.pid())) / 1e6);
}

} // namespace

int main(int count, char** arguments) {
  const std::string_view what = count == 5 ? arguments[1] : "";
  if (what != "start" && what != "idle") {
    std::fputs("usage: footprint start REPASSE PORT RUNS\n       footprint idle REPASSE PORT CONNECTIONS\n",
               stderr);
    return 2;
  }
  raise_limit_of_open_files();
  const server which{arguments[2], static_cast<std::uint16_t>(std::strtoul(arguments[3], nullptr, 10))};
  const std::size_t number = std::strtoul(arguments[4], nullptr, 10);
  try {
    what == "start" ? print_start(which, number) : print_idle(which, number);
  } catch (const std::exception& error) {
    fmt::print(stderr, "footprint: {}\n", error.what());
    return 1;
  }
}
