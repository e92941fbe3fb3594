// The program `reference`: the reference load of CONTRACT section 3 against a repasse and two simulated
// processors, which it starts itself unless told to attach to running ones. Ends with 0 only if no check was
// inconsistent and the strict audit found nothing. What the environment says of repasse's configuration
// holds for the one that it starts.
#include "bench/child_process.hpp"
#include "bench/http_caller.hpp"
#include "bench/reference_options.hpp"
#include "bench/reference_page.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>

namespace {

using namespace repasse;

/// The servers that this program started; they end in reverse order, repasse first.
class servers {
public:
  servers(const reference_options& chosen, const std::vector<double>& fees);
  [[nodiscard]] pid_t repasse_pid() const { return repasse_->pid(); }

private:
  std::optional<child_process> default_;
  std::optional<child_process> fallback_;
  std::optional<child_process> repasse_;
};

std::string beside_this_program(const std::string& path) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / path).string();
}

servers::servers(const reference_options& chosen, const std::vector<double>& fees) {
  const auto simulator = [&](std::uint16_t port, double fee) {
    return std::vector<std::string>{beside_this_program(chosen.simulator), "--port", std::to_string(port),
                                    "--fee", fmt::format("{}", fee)};
  };
  const auto url = [&](std::uint16_t port) { return fmt::format("http://{}:{}", chosen.host, port); };
  for (const std::uint16_t port : chosen.ports)
    if (http_caller(chosen.host, port).call("GET", "/").failure != call_failure::not_connected)
      throw std::runtime_error(fmt::format("port {} is taken", port));
  default_.emplace(simulator(chosen.ports[1], fees[0]));
  fallback_.emplace(simulator(chosen.ports[2], fees[1]));
  repasse_.emplace(
      std::vector<std::string>{beside_this_program(chosen.repasse)},
      std::map<std::string, std::string>{{"LISTEN", fmt::format("{}:{}", chosen.host, chosen.ports[0])},
                                         {"PROCESSORS", "default,fallback"},
                                         {"PROCESSOR_DEFAULT_URL", url(chosen.ports[1])},
                                         {"PROCESSOR_FALLBACK_URL", url(chosen.ports[2])},
                                         {"PROCESSOR_DEFAULT_FEE", fmt::format("{}", fees[0])},
                                         {"PROCESSOR_FALLBACK_FEE", fmt::format("{}", fees[1])}});
}

void purge(const audit_config& audit, const std::string& admin_token) {
  http_headers proof;
  if (!admin_token.empty()) proof.emplace_back("X-Admin-Token", admin_token);
  bool purged = http_caller(audit.host, audit.port).call("POST", "/purge-payments", "", proof).status == 200;
  for (const audited_processor& each : audit.processors) {
    const http_headers token{{"X-Rinha-Token", each.token}};
    http_caller caller(each.host, each.port);
    purged = caller.call("POST", "/admin/purge-payments", "", token).status == 200 && purged;
  }
  if (!purged)
    throw std::runtime_error(
        "cannot purge; repasse needs --admin-token (or ADMIN_TOKEN), or ALLOW_PURGE=true");
}

std::vector<double> read_fees(const audit_config& audit) {
  audit_reader reader(audit);
  std::vector<double> fees;
  for (std::size_t i = 0; i < audit.processors.size(); ++i) {
    const auto told = reader.takings_of(i);
    if (!told) throw std::runtime_error("no summary with a fee from processor " + audit.processors[i].name);
    fees.push_back(told->fee);
  }
  return fees;
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

int run(const reference_options& chosen, bool json) {
  reference_config config = config_of(chosen);
  std::optional<servers> started;
  if (!chosen.attach) {
    started.emplace(chosen, config.fees);
    config.pid = started->repasse_pid();
  }
  for (const std::uint16_t port : chosen.ports) {
    const std::string& host = port == chosen.ports[0] ? chosen.host : chosen.processor_host;
    if (!wait_for_answer(host, port, std::chrono::seconds(10)))
      throw std::runtime_error(fmt::format("nothing answers at {}:{}", host, port));
  }
  if (chosen.attach) purge(config.audit, chosen.admin_token);
  if (chosen.attach && chosen.fees.empty()) config.fees = read_fees(config.audit);
  if (config.pid != 0) config.looked_at.push_back({"repasse", std::nullopt, config.pid});
  config.looked_at.push_back({"generator", std::nullopt, ::getpid()});
  const reference_report report = run_reference(config);
  const bool json_alone = json && chosen.json.empty();
  const std::string text = json_alone ? to_json(report, config) : to_text(report, config);
  std::fputs(text.c_str(), stdout);
  if (!chosen.json.empty()) write_file(chosen.json, to_json(report, config));
  if (!chosen.report.empty()) write_file(chosen.report, to_html(report, config));
  return report.ok() ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("The reference load of CONTRACT section 3, its checks, and the strict audit after it.");
  reference_options chosen;
  declare_options(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  raise_limit_of_open_files();
  try {
    return run(chosen, app.count("--json") > 0);
  } catch (const std::exception& error) {
    fmt::print(stderr, "reference: {}\n", error.what());
    return 1;
  }
}
