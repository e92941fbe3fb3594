// The program `reference`: the reference load of CONTRACT section 3 against a repasse and two simulated
// processors, which it starts itself unless told to attach to running ones. Ends with 0 only if no check was
// inconsistent and the strict audit found nothing. What the environment says of repasse's configuration
// holds for the one that it starts.
#include "bench/child_process.hpp"
#include "bench/http_caller.hpp"
#include "bench/reference.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <stdexcept>

namespace {

using namespace repasse;

struct options {
  std::string repasse = "../server/repasse";             ///< from where this program lies
  std::string simulator = "./processor-simulator";       ///< likewise
  std::vector<std::uint16_t> ports{18099, 18001, 18002}; ///< of repasse, default, fallback
  std::size_t clients = 550;
  double seconds = 60;
  std::size_t check_every_s = 10;
  double repeated_share = 0.01;
  std::string stages{contract_stages};
  bool attach = false;
  pid_t pid = 0;
  bool json = false;
};

void declare_options(CLI::App& app, options& chosen) {
  app.add_option("--clients", chosen.clients, "at the end; each posts one payment a second")
      ->check(CLI::Range(1, 50'000))
      ->capture_default_str();
  app.add_option("--seconds", chosen.seconds, "how long")
      ->check(CLI::Range(1.0, 86'400.0))
      ->capture_default_str();
  app.add_option("--stages", chosen.stages,
                 "equally long, each DELAY[!]/DELAY[!] of default and fallback: milliseconds, ! fails")
      ->capture_default_str();
  app.add_option("--check-every", chosen.check_every_s, "seconds between two comparisons of the summaries")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  app.add_option("--repeated", chosen.repeated_share, "share of the posts that repeat a payment")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--ports", chosen.ports, "of repasse, default and fallback")
      ->expected(3)
      ->capture_default_str();
  app.add_option("--repasse", chosen.repasse, "its binary")->capture_default_str();
  app.add_option("--simulator", chosen.simulator, "its binary")->capture_default_str();
  app.add_flag("--attach", chosen.attach, "use the running servers at these ports, and purge them first");
  app.add_option("--pid", chosen.pid, "of the running repasse, to tell what it used");
  app.add_flag("--json", chosen.json, "one JSON object instead of text");
}

reference_config config_of(const options& chosen) {
  reference_config config;
  config.load.port = chosen.ports[0];
  config.load.connections = chosen.clients;
  config.load.rate = static_cast<double>(chosen.clients);
  config.load.seconds = chosen.seconds;
  config.load.ramps = true;
  config.load.repeated_share = chosen.repeated_share;
  config.audit.port = chosen.ports[0];
  config.audit.processors = {{.name = "default", .port = chosen.ports[1]},
                             {.name = "fallback", .port = chosen.ports[2]}};
  config.check_every = std::chrono::seconds(chosen.check_every_s);
  config.pid = chosen.pid;
  const auto stages = parse_stages(chosen.stages, config.audit.processors.size());
  if (!stages) throw std::invalid_argument("--stages is not as --help says: " + chosen.stages);
  config.stages = *stages;
  return config;
}

/// The servers that this program started; they end in reverse order, repasse first.
class servers {
public:
  explicit servers(const options& chosen);
  [[nodiscard]] pid_t repasse_pid() const { return repasse_->pid(); }

private:
  std::optional<child_process> default_;
  std::optional<child_process> fallback_;
  std::optional<child_process> repasse_;
};

std::string beside_this_program(const std::string& path) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / path).string();
}

std::string url_of(std::uint16_t port) { return fmt::format("http://127.0.0.1:{}", port); }

servers::servers(const options& chosen) {
  const auto simulator = [&](std::uint16_t port, const char* fee) {
    return std::vector<std::string>{beside_this_program(chosen.simulator), "--port", std::to_string(port),
                                    "--fee", fee};
  };
  for (const std::uint16_t port : chosen.ports)
    if (http_caller("127.0.0.1", port).call("GET", "/").failure != call_failure::not_connected)
      throw std::runtime_error(fmt::format("port {} is taken", port));
  default_.emplace(simulator(chosen.ports[1], "0.05"));
  fallback_.emplace(simulator(chosen.ports[2], "0.15"));
  repasse_.emplace(
      std::vector<std::string>{beside_this_program(chosen.repasse)},
      std::map<std::string, std::string>{{"LISTEN", fmt::format("127.0.0.1:{}", chosen.ports[0])},
                                         {"PROCESSORS", "default,fallback"},
                                         {"PROCESSOR_DEFAULT_URL", url_of(chosen.ports[1])},
                                         {"PROCESSOR_FALLBACK_URL", url_of(chosen.ports[2])},
                                         {"PROCESSOR_DEFAULT_FEE", "0.05"},
                                         {"PROCESSOR_FALLBACK_FEE", "0.15"}});
}

void purge(const audit_config& audit) {
  bool purged = http_caller(audit.host, audit.port).call("POST", "/purge-payments").status == 200;
  for (const audited_processor& each : audit.processors) {
    const http_headers token{{"X-Rinha-Token", each.token}};
    http_caller caller(each.host, each.port);
    purged = caller.call("POST", "/admin/purge-payments", "", token).status == 200 && purged;
  }
  if (!purged) throw std::runtime_error("cannot purge; repasse needs ALLOW_PURGE=true");
}

int run(const options& chosen) {
  reference_config config = config_of(chosen);
  std::optional<servers> started;
  if (!chosen.attach) {
    started.emplace(chosen);
    config.pid = started->repasse_pid();
  }
  for (const std::uint16_t port : chosen.ports)
    if (!wait_for_answer("127.0.0.1", port, std::chrono::seconds(10)))
      throw std::runtime_error(fmt::format("nothing answers at port {}", port));
  if (chosen.attach) purge(config.audit);
  reference_report report = run_reference(config);
  const std::string text = chosen.json ? to_json(report, config) : to_text(report, config);
  std::fputs(text.c_str(), stdout);
  return report.ok() ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("The reference load of CONTRACT section 3, its checks, and the strict audit after it.");
  options chosen;
  declare_options(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  raise_limit_of_open_files();
  try {
    return run(chosen);
  } catch (const std::exception& error) {
    fmt::print(stderr, "reference: {}\n", error.what());
    return 1;
  }
}
