// The program `summary-cost`: does the cost of a summary grow with the payments in the memory ledger? Two
// reactors serve, one over a ledger of ten thousand payments, one over ten million, as many of them per
// second of their time; both are asked for random windows to the millisecond, in turns.
//   summary-cost PORT         uses this port and the next
// Prints medians of five runs' p99 in microseconds, few before many: by HTTP, from request to answer; of the
// ledger alone, in CPU time; then the bytes of memory per payment.
#include "bench/filled_ledger.hpp"
#include "bench/http_caller.hpp"
#include "bench/open_loop.hpp"
#include "server/listen_sockets.hpp"
#include "server/log.hpp"
#include "server/reactor.hpp"
#include "server/reactors.hpp"
#include "storage/check.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <stdexcept>
#include <thread>

namespace {

using namespace repasse;
using steady = std::chrono::steady_clock;

constexpr std::size_t few_payments = 10'000;
constexpr std::size_t many_payments = 10'000'000;
constexpr std::size_t runs = 5;
constexpr std::size_t windows_per_run = 10'000;

config config_for(std::uint16_t port) {
  parsed_config parsed = parse_config({{"LISTEN", fmt::format("127.0.0.1:{}", port)}, {"REACTORS", "1"}},
                                      claim_machine_limits());
  if (!parsed.value) throw std::runtime_error(fmt::format("{}", fmt::join(parsed.errors, "\n")));
  return *parsed.value;
}

/// One server over one ledger, and what was measured of it.
class subject {
public:
  subject(std::size_t payments, std::uint16_t port);
  ~subject();
  subject(const subject&) = delete;
  subject& operator=(const subject&) = delete;

  void measure_http(std::mt19937_64& random);
  void measure_ledger(std::mt19937_64& random);

  filled_ledger filled;
  std::vector<std::uint32_t> http_p99s;   ///< microseconds, a value for each run
  std::vector<std::uint32_t> ledger_p99s; ///< nanoseconds

private:
  task<> ask_ledger(std::mt19937_64& random, std::vector<std::uint32_t>& nanos);

  config settings_;
  reactors all_;
  std::thread thread_;
  http_caller caller_;
};

subject::subject(std::size_t payments, std::uint16_t port)
    : filled(payments), settings_(config_for(port)), caller_("127.0.0.1", port) {
  all_.add(std::make_unique<reactor>(settings_, filled.books(), all_, 0));
  reactor& only = **all_.begin();
  listen_sockets(settings_).give(only, 0);
  thread_ = std::thread([&only] { only.run(); });
}

subject::~subject() {
  (*all_.begin())->shut_down(steady::now());
  thread_.join();
}

void subject::measure_http(std::mt19937_64& random) {
  std::vector<std::uint32_t> micros;
  for (std::size_t i = 0; i < windows_per_run; ++i) {
    const time_window window = filled.random_window(random);
    const std::string target =
        fmt::format("/payments-summary?from={}&to={}", to_string(window.from), to_string(window.to));
    const auto begun = steady::now();
    const http_answer answer = caller_.call("GET", target);
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(steady::now() - begun);
    if (answer.status != 200) throw std::runtime_error("a summary is not answered with 200");
    micros.push_back(static_cast<std::uint32_t>(took.count()));
  }
  http_p99s.push_back(percentile(micros, 0.99));
}

void subject::measure_ledger(std::mt19937_64& random) {
  std::vector<std::uint32_t> nanos;
  nanos.reserve(windows_per_run);
  run_to_end(ask_ledger(random, nanos));
  ledger_p99s.push_back(percentile(nanos, 0.99));
}

/// Of CPU time that this thread has used.
std::int64_t thread_nanos() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

task<> subject::ask_ledger(std::mt19937_64& random, std::vector<std::uint32_t>& nanos) {
  for (std::size_t i = 0; i < windows_per_run; ++i) {
    const time_window window = filled.random_window(random);
    const std::int64_t begun = thread_nanos();
    const auto answer = co_await filled.books().summarize(window);
    nanos.push_back(static_cast<std::uint32_t>(thread_nanos() - begun));
    REPASSE_CHECK(answer.has_value() && (*answer)[0].requests + (*answer)[1].requests > 0);
  }
}

void measure(std::uint16_t port) {
  open_log(log_level::error, log_format::text);
  subject few(few_payments, port);
  subject many(many_payments, static_cast<std::uint16_t>(port + 1));
  std::mt19937_64 random(1);
  for (std::size_t run = 0; run < runs; ++run) {
    for (subject* one : {&few, &many})
      one->measure_http(random);
    for (subject* one : {&few, &many})
      one->measure_ledger(random);
  }
  fmt::print("{} {} {:.2f} {:.2f} {}\n", percentile(few.http_p99s, 0.5), percentile(many.http_p99s, 0.5),
             percentile(few.ledger_p99s, 0.5) / 1000.0, percentile(many.ledger_p99s, 0.5) / 1000.0,
             many.filled.resident_bytes() / many_payments);
}

} // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fputs("usage: summary-cost PORT\n", stderr);
    return 2;
  }
  try {
    measure(static_cast<std::uint16_t>(std::strtoul(arguments[1], nullptr, 10)));
  } catch (const std::exception& error) {
    fmt::print(stderr, "summary-cost: {}\n", error.what());
    return 1;
  }
}
