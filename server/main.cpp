// The program: reads the configuration, opens the sockets, runs one reactor per thread until a signal.
// Exit status: 0 after a clean stop, 2 for a bad configuration or command line, 1 for anything else.

#include "server/build_info.hpp"
#include "server/config.hpp"
#include "server/config_database.hpp"
#include "server/healthcheck.hpp"
#include "server/listen_sockets.hpp"
#include "server/log.hpp"
#include "server/migrate_command.hpp"
#include "server/reactor.hpp"
#include "server/reactors.hpp"
#include "server/reconcile_command.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <latch>
#include <span>
#include <thread>

namespace repasse {
namespace {

constexpr int exit_failed = 1;
constexpr int exit_misconfigured = 2;

constexpr const char* usage =
    "usage: repasse [--check-config | --healthcheck | --version | --help]\n"
    "       repasse migrate up|down|status\n"
    "       repasse reconcile\n\n"
    "Without an argument it serves. `migrate` brings the schema of the database up to this version, undoes\n"
    "its last step, or tells how it stands. `reconcile` compares the books with the processors'. The "
    "configuration is read from the environment:\n\n";

/// Once a second, so that what a storm has cost is told also when nothing follows it.
void tell_dropped_lines_from_now_on(asio::steady_timer& timer) {
  timer.expires_after(std::chrono::seconds{1});
  timer.async_wait([&](const boost::system::error_code& failed) {
    if (failed) return;
    tell_dropped_lines();
    tell_dropped_lines_from_now_on(timer);
  });
}

/// Until SIGTERM or SIGINT; a second one ends the process at once.
void wait_for_signal(asio::io_context& context, asio::signal_set& signals, reactors& all,
                     const config& settings) {
  asio::steady_timer dropped(context);
  tell_dropped_lines_from_now_on(dropped);
  signals.async_wait([&](const boost::system::error_code&, int number) {
    spdlog::info("signal {}: stops within {} ms", number, settings.shutdown_timeout.count());
    all.begin_drain();
    for (const auto& one : all)
      one->shut_down(std::chrono::steady_clock::now() + settings.shutdown_timeout);
    context.stop(); // whatever else is ready to run
  });
  context.run();
  signals.clear();
}

int serve(const config& settings) {
  const auto begun = std::chrono::steady_clock::now();
  asio::io_context context(1);
  asio::signal_set signals(context, SIGTERM, SIGINT); // from here on a signal means a clean stop
  shared_storage storage{
      .memory = memory_ledger({.payments_max = static_cast<std::uint32_t>(settings.memory_payments_max)}),
      .schema = {}};
  reactors all;
  for (std::uint32_t i = 0; i < settings.reactors; ++i)
    all.add(std::make_unique<reactor>(settings, storage, all, i));
  listen_sockets sockets(settings);
  std::size_t number = 0;
  for (const auto& one : all)
    sockets.give(*one, number++);

  std::latch started(static_cast<std::ptrdiff_t>(all.size()));
  std::vector<std::thread> threads;
  for (const auto& one : all) {
    asio::post(one->get_executor(), [&started] { started.count_down(); });
    threads.emplace_back([&one] { one->run(); });
  }
  for (const std::string& line : describe(settings))
    spdlog::debug("{}", line);
  if (settings.ask_first)
    spdlog::warn("ASK_FIRST is on: every processor is asked about a payment before its first send");
  started.wait();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
  spdlog::info("serves on {} with {} reactors, payments in {}, after {:.1f} ms, {:.1f} MiB in use",
               sockets.text(), settings.reactors,
               settings.use_database_storage ? database_url_text(settings.database_url) : "memory",
               took.count(), resident_mib());
  wait_for_signal(context, signals, all, settings);
  for (std::thread& one : threads)
    one.join();
  all.clear();
  spdlog::info("stopped");
  tell_dropped_lines();
  return EXIT_SUCCESS;
}

enum class warnings : std::uint8_t { printed, logged };

/// nullopt after every error has been printed. With `logged` the log is open afterwards.
std::optional<config> read_config(warnings told, authorities trusted = authorities::read) {
  parsed_config parsed = parse_config(read_environment(), claim_machine_limits(), trusted);
  const bool opens_log = told == warnings::logged && parsed.value;
  if (opens_log) open_log(parsed.value->level, parsed.value->format);
  for (const std::string& warning : parsed.warnings)
    if (opens_log)
      spdlog::warn("{}", warning);
    else
      std::fprintf(stderr, "warning: %s\n", warning.c_str());
  for (const std::string& error : parsed.errors)
    std::fprintf(stderr, "error: %s\n", error.c_str());
  return std::move(parsed.value);
}

int misused(const std::string& problem) {
  std::fprintf(stderr, "repasse: %s\n%s", problem.c_str(), usage);
  return exit_misconfigured;
}

/// Of a command that is nothing without the database; says what is wrong.
std::optional<config> read_config_with_database(const char* command) {
  std::optional<config> settings = read_config(warnings::logged);
  if (settings && settings->database_url.empty()) {
    std::fprintf(stderr, "error: DATABASE_URL is not set: %s needs it\n", command);
    settings.reset();
  }
  return settings;
}

int run_migrate(std::string_view word) {
  const std::optional<migrate_step> step = parse_migrate_step(word);
  if (!step) return misused("migrate takes up, down or status");
  const std::optional<config> settings = read_config_with_database("migrate");
  if (!settings) return exit_misconfigured;
  return migrate(*settings, *step) ? EXIT_SUCCESS : exit_failed;
}

int run_reconcile() {
  const std::optional<config> settings = read_config_with_database("reconcile");
  if (!settings) return exit_misconfigured;
  return reconcile(*settings) ? EXIT_SUCCESS : exit_failed;
}

int run(std::span<const std::string_view> arguments) {
  const std::string_view command = arguments.empty() ? "" : arguments[0];
  if (command == "migrate") return run_migrate(arguments.size() == 2 ? arguments[1] : "");
  if (arguments.size() > 1) return misused("one argument at most");
  if (command == "reconcile") return run_reconcile();
  if (command == "--help") {
    std::printf("%s%s", usage, help_text().c_str());
    return EXIT_SUCCESS;
  }
  if (command == "--version") {
    std::printf("repasse %s\n", std::string{build_version}.c_str());
    return EXIT_SUCCESS;
  }
  if (!command.empty() && command != "--check-config" && command != "--healthcheck")
    return misused("unknown argument " + std::string{command});
  const bool is_health_check = command == "--healthcheck";
  const std::optional<config> settings =
      read_config(command.empty() ? warnings::logged : warnings::printed,
                  is_health_check ? authorities::left_out : authorities::read);
  if (!settings) return exit_misconfigured;
  if (command == "--check-config") {
    for (const std::string& line : describe(*settings))
      std::printf("%s\n", line.c_str());
    return EXIT_SUCCESS;
  }
  if (is_health_check) return is_healthy(*settings) ? EXIT_SUCCESS : exit_failed;
  return serve(*settings);
}

} // namespace
} // namespace repasse

int main(int count, char** arguments) {
  std::signal(SIGPIPE, SIG_IGN); // a log that nobody reads any more is no reason to end, nor is a lost peer
  try {
    const std::vector<std::string_view> words(arguments + 1, arguments + count);
    return repasse::run(words);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "repasse: %s\n", error.what());
    return repasse::exit_failed;
  }
}
