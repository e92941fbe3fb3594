// The program behind `./dev chaos`: a rampage, what it did, and what was found. Exit status 0: nothing was.
#include "test/chaos/rampage.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>

namespace {

using namespace repasse;

/// The logs, for whoever looks for the cause of a finding.
void keep_logs(const house& from, std::uint64_t seed) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("repasse-chaos-" + std::to_string(seed));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "repasse.log") << from.log();
  std::ofstream(folder / "postgres.log") << from.database.log();
  std::printf("the logs are in %s\n", folder.c_str());
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Breaks repasse, PostgreSQL, Redis, networks and processors at random under load, then audits "
               "the books.");
  double minutes = 1;
  rampage::config how;
  how.seed = std::random_device{}();
  how.speaks = true;
  app.add_option("--minutes", minutes, "how long")->check(CLI::Range(0.1, 10'000.0))->capture_default_str();
  app.add_option("--seed", how.seed, "of all that is drawn; without it, another one each time");
  app.add_option("--rate", how.rate, "payments per second")
      ->check(CLI::Range(10.0, 5000.0))
      ->capture_default_str();
  app.add_flag("--redis,!--no-redis", how.redis, "with Redis, and networks that are cut")->default_str("on");
  CLI11_PARSE(app, argc, argv);
  how.lasts = std::chrono::seconds(static_cast<long>(minutes * 60));
  std::printf("%g minutes from seed %llu\n", minutes, static_cast<unsigned long long>(how.seed));
  try {
    rampage all(how);
    const rampage::report report = all.run();
    std::printf("%s", report.to_text().c_str());
    if (!report.ok()) keep_logs(all.where(), how.seed);
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(how.seed),
                report.ok() ? "no finding" : "FINDINGS");
    return report.ok() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "chaos: %s\n", error.what());
    return 1;
  }
}
