// The program `load`: payments at a fixed rate, whatever the answers do, and what became of them. wrk tells
// what a server can do at most; this tells what its clients see at a given rate.
#include "bench/child_process.hpp"
#include "bench/open_loop.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <exception>
#include <iterator>

namespace {

using namespace repasse;

struct options {
  open_loop_config load;
  double amount = 0;
  bool json = false;
};

void declare_options(CLI::App& app, options& chosen) {
  app.add_option("--host", chosen.load.host, "IPv4 address of the server")->capture_default_str();
  app.add_option("--port", chosen.load.port, "its port")->capture_default_str();
  app.add_option("--rate", chosen.load.rate, "payments per second")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  app.add_option("--seconds", chosen.load.seconds, "how long")
      ->check(CLI::Range(0.1, 86'400.0))
      ->capture_default_str();
  app.add_option("--connections", chosen.load.connections, "payments go over them in turn")
      ->check(CLI::Range(1, 50'000))
      ->capture_default_str();
  app.add_option("--amount", chosen.amount, "of each payment; 0: random, 1.00 to 200.00")
      ->check(CLI::Range(0.0, 99'999'999.99))
      ->capture_default_str();
  app.add_option("--repeated", chosen.load.repeated_share, "share of the posts that repeat a payment")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_flag("--ramp", chosen.load.ramps, "rate and connections grow from 0 to those given");
  app.add_flag("--json", chosen.json, "one JSON object instead of text");
}

void print_text(open_loop_result& result) {
  fmt::print("posted    {} ({} repeated): ", result.posts.size(), result.repeated);
  for (const auto& [status, count] : result.statuses)
    fmt::print("{} x {}, ", count, status);
  fmt::print("{} replayed, {} unanswered\n", result.replayed, result.unanswered);
  auto latencies = result.latencies();
  fmt::print("latency   p50 {} us, p90 {} us, p99 {} us, p99.9 {} us, max {} us, from the intended moment\n",
             percentile(latencies, 0.5), percentile(latencies, 0.9), percentile(latencies, 0.99),
             percentile(latencies, 0.999), percentile(latencies, 1));
  auto lateness = result.lateness();
  fmt::print("lateness  p50 {} us, p99 {} us, max {} us, of this generator\n", percentile(lateness, 0.5),
             percentile(lateness, 0.99), percentile(lateness, 1));
}

void print_json(open_loop_result& result) {
  std::string statuses;
  for (const auto& [status, count] : result.statuses)
    fmt::format_to(std::back_inserter(statuses), R"({}"{}":{})", statuses.empty() ? "" : ",", status, count);
  auto latencies = result.latencies();
  auto lateness = result.lateness();
  fmt::print(R"({{"posted":{},"repeated":{},"replayed":{},"unanswered":{},"statuses":{{{}}},)",
             result.posts.size(), result.repeated, result.replayed, result.unanswered, statuses);
  fmt::print(R"("latencyMicros":{{"p50":{},"p90":{},"p99":{},"p999":{},"max":{}}},)",
             percentile(latencies, 0.5), percentile(latencies, 0.9), percentile(latencies, 0.99),
             percentile(latencies, 0.999), percentile(latencies, 1));
  fmt::print(R"("latenessMicros":{{"p50":{},"p99":{},"max":{}}}}})"
             "\n",
             percentile(lateness, 0.5), percentile(lateness, 0.99), percentile(lateness, 1));
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Posts payments at a fixed rate and tells the latencies from their intended moments.");
  options chosen;
  declare_options(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  chosen.load.amount_cents = std::llround(chosen.amount * 100);
  raise_limit_of_open_files();
  try {
    open_loop_result result = run_open_loop(chosen.load);
    chosen.json ? print_json(result) : print_text(result);
  } catch (const std::exception& error) {
    fmt::print(stderr, "load: {}\n", error.what());
    return 1;
  }
  return 0;
}
