// The program `filled-repasse`: a repasse of one reactor whose memory ledger already holds settled payments.
//   filled-repasse PORT PAYMENTS        until SIGTERM
// Listens once they are there. It links the server, and so nothing of bench/ that has types of the same name.
#include "bench/filled_ledger.hpp"
#include "server/listen_sockets.hpp"
#include "server/log.hpp"
#include "server/reactor.hpp"
#include "server/reactors.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <thread>

namespace {

using namespace repasse;

config config_for(const char* port) {
  parsed_config parsed = parse_config({{"LISTEN", fmt::format("127.0.0.1:{}", port)}, {"REACTORS", "1"}},
                                      claim_machine_limits());
  if (!parsed.value) throw std::runtime_error(fmt::format("{}", fmt::join(parsed.errors, "\n")));
  return *parsed.value;
}

void serve_until(const sigset_t& signals, const config& settings, std::size_t payments) {
  shared_storage storage{.memory = memory_ledger({.payments_max = static_cast<std::uint32_t>(payments)}),
                         .schema = {}};
  asio::io_context context(1);
  asio::co_spawn(context, fill(storage.memory, payments), asio::detached);
  context.run();

  reactors all;
  all.add(std::make_unique<reactor>(settings, storage, all, 0));
  reactor& only = **all.begin();
  listen_sockets sockets(settings);
  sockets.give(only, 0);
  std::thread thread([&only] { only.run(); });
  int received = 0;
  ::sigwait(&signals, &received);
  only.shut_down(std::chrono::steady_clock::now());
  thread.join();
  all.clear();
}

} // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fputs("usage: filled-repasse PORT PAYMENTS\n", stderr);
    return 2;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  try {
    open_log(log_level::error, log_format::text);
    serve_until(signals, config_for(arguments[1]), std::strtoul(arguments[2], nullptr, 10));
  } catch (const std::exception& error) {
    fmt::print(stderr, "filled-repasse: {}\n", error.what());
    return 1;
  }
}
