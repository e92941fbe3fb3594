// The program `processor-simulator`: options, signals, one server. Ends with 0 on SIGINT and SIGTERM.
#include "bench/processor_simulator.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <sys/resource.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>

namespace {

using namespace repasse;

/// Reads `mode:share` or `mode`; an empty text is success, as CLI11 wants it.
std::string add_hostile(const std::string& text, hostility& to) {
  const std::size_t colon = text.find(':');
  const auto mode = parse_hostile_mode(std::string_view(text).substr(0, colon));
  double share = 1;
  if (colon != text.npos) {
    const char* const end = text.data() + text.size();
    const auto [read, error] = std::from_chars(text.data() + colon + 1, end, share);
    if (error != std::errc{} || read != end) share = -1;
  }
  if (!mode || *mode == hostile_mode::none) return "the mode must be one of: " + hostile_mode_names();
  if (!to.set(*mode, share)) return "shares are 0 to 1, and so is their sum";
  return {};
}

void declare_options(CLI::App& app, simulator_config& config) {
  app.add_option("--host", config.host, "IPv4 address to listen on")->capture_default_str();
  app.add_option("--port", config.port, "port to listen on; 0 for any free one")->capture_default_str();
  CLI::Option* const certificate =
      app.add_option("--certificate", config.certificate_file, "PEM: offers the same by https, too");
  CLI::Option* const key = app.add_option("--key", config.key_file, "PEM, of the certificate");
  certificate->needs(key);
  key->needs(certificate);
  app.add_option("--https-port", config.https_port, "port of https; 0 for any free one")
      ->capture_default_str();
  app.add_option_function<std::string>(
         "--fee",
         [&config](const std::string& text) {
           if (!fee_rate::parse(text, config.endpoints.fee))
             throw CLI::ValidationError("--fee", "must be a share such as 0.05");
         },
         "share of the amount, at most six decimals")
      ->default_str("0.05");
  app.add_option_function<std::size_t>(
         "--delay",
         [&config](std::size_t millis) { config.switches.delay = std::chrono::milliseconds(millis); },
         "milliseconds that each payment takes")
      ->check(CLI::Range(0, 3'600'000))
      ->default_str("0");
  app.add_flag("--failure", config.switches.failing, "begin failing");
  app.add_flag("--requested-at-without-zone", config.endpoints.requested_at_without_zone,
               "GET /payments/{id} answers requestedAt without its Z");
  app.add_option_function<std::vector<std::string>>(
      "--hostile",
      [&config](const std::vector<std::string>& modes) {
        for (const std::string& each : modes)
          if (const std::string problem = add_hostile(each, config.switches.hostile); !problem.empty())
            throw CLI::ValidationError("--hostile", problem);
      },
      "mode:share, may be repeated; modes: " + hostile_mode_names());
}

void raise_limit_of_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Blocks the signals that end the program, for all threads, and returns them.
sigset_t block_ending_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("A payment processor for tests and measurements.");
  simulator_config config;
  declare_options(app, config);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  raise_limit_of_open_files();
  std::signal(SIGPIPE, SIG_IGN); // OpenSSL writes without MSG_NOSIGNAL
  const sigset_t signals = block_ending_signals();
  try {
    processor_simulator simulator(config);
    std::printf("processor-simulator listens on %s:%u\n", config.host.c_str(), unsigned{simulator.port()});
    if (simulator.https_port() != 0)
      std::printf("and by https on port %u\n", unsigned{simulator.https_port()});
    std::fflush(stdout);
    std::jthread server([&simulator] { simulator.run(); });
    int received = 0;
    ::sigwait(&signals, &received);
    simulator.stop();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "processor-simulator: %s\n", error.what());
    return 1;
  }
  return 0;
}
