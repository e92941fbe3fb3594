// A reactor that stands still for longer than the others wait for it: what it has counted stays counted,
// whoever is scraped, and that it is late is said.
#define BOOST_TEST_MODULE late_reactor
#include "server/reactor.hpp"
#include "test/comes.hpp"
#include "test/end_to_end/requests.hpp"
#include "test/end_to_end/scraped_metrics.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// A server within this process, so that one of its reactors can be stopped, with a port for each of them.
class own_server {
public:
  explicit own_server(std::uint32_t count) {
    asio::io_context context;
    for (std::uint32_t i = 0; i < count; ++i) {
      asio::ip::tcp::acceptor socket(context, {asio::ip::address_v4::loopback(), 0});
      socket.non_blocking(true);
      ports_.push_back(socket.local_endpoint().port());
      auto one = std::make_unique<reactor>(settings_, storage_, all_, i);
      one->listen(socket.release());
      all_.add(std::move(one));
    }
    for (const auto& one : all_)
      threads_.emplace_back([&one] { one->run(); });
  }
  ~own_server() {
    all_.begin_drain();
    for (const auto& one : all_)
      one->shut_down(std::chrono::steady_clock::now() + 1s);
    threads_.clear();
    all_.clear();
  }
  own_server(const own_server&) = delete;
  own_server& operator=(const own_server&) = delete;

  [[nodiscard]] http_caller caller(std::size_t number) const { return {"127.0.0.1", ports_[number]}; }
  [[nodiscard]] scraped_metrics scrape(std::size_t number) const {
    http_caller one = caller(number);
    return scraped_metrics::of(one);
  }
  /// One payment each, from this number on.
  void post(std::size_t to, std::size_t first, std::size_t count) const {
    http_caller one = caller(to);
    for (std::size_t i = first; i < first + count; ++i)
      BOOST_TEST(one.call("POST", "/payments", requests::payment_body(i)).status == 202U);
  }
  [[nodiscard]] executor executor_of(std::size_t number) const {
    return (*(all_.begin() + static_cast<std::ptrdiff_t>(number)))->get_executor();
  }

private:
  config settings_ = parse_config({{"PROCESSOR_DEFAULT_URL", "http://127.0.0.1:1"},
                                   {"PROCESSOR_FALLBACK_URL", "http://127.0.0.1:1"}},
                                  {.cores = 3, .open_files = 1'000'000}, authorities::left_out)
                         .value.value();
  shared_storage storage_{.memory = memory_ledger({}), .schema = {}};
  reactors all_;
  std::vector<std::uint16_t> ports_;
  std::vector<std::jthread> threads_;
};

/// A reactor whose thread does nothing else while this lives.
class stopped_reactor {
public:
  explicit stopped_reactor(const executor& of) {
    asio::post(of, [shared = gate_] {
      shared->reached.count_down();
      shared->opened.wait();
    });
    gate_->reached.wait();
  }
  ~stopped_reactor() { gate_->opened.count_down(); }
  stopped_reactor(const stopped_reactor&) = delete;
  stopped_reactor& operator=(const stopped_reactor&) = delete;

private:
  struct gate {
    std::latch reached{1};
    std::latch opened{1};
  };
  std::shared_ptr<gate> gate_ = std::make_shared<gate>();
};

std::string up(std::size_t number) {
  return "repasse_reactor_up{reactor=\"" + std::to_string(number) + "\"}";
}

} // namespace

BOOST_AUTO_TEST_CASE(no_counter_goes_down_while_a_reactor_stands_still_whoever_is_scraped) {
  const std::string accepted = "repasse_payments_posted_total{outcome=\"accepted\"}";
  const own_server server(3);
  BOOST_REQUIRE(comes([&] { return server.caller(0).call("GET", "/readyz").status == 200U; }));
  for (std::size_t i = 0; i < 3; ++i)
    server.post(i, 10 * i, 10);
  scraped_metrics before("");
  BOOST_TEST(comes([&] { // a busy machine may make any reactor late
    before = server.scrape(0);
    return before[accepted] == 30;
  }));
  const auto look = [&](std::size_t number) {
    scraped_metrics now = server.scrape(number);
    const std::vector<std::string> gone_back = now.gone_back_since(before);
    BOOST_TEST(gone_back.empty(), "reactor " << number << ": " << (gone_back.empty() ? "" : gone_back[0]));
    before = std::move(now);
  };
  {
    const stopped_reactor stopped(server.executor_of(1));
    server.post(0, 30, 5);
    for (const std::size_t asked : {2U, 0U}) { // the former was never asked before
      BOOST_TEST(comes([&] {
        look(asked);
        return before[accepted] == 35 && before[up(0)] == 1;
      }));
      BOOST_TEST(before[up(1)] == 0);
    }
    const http_reply readiness = server.caller(2).call("GET", "/readyz");
    BOOST_TEST(readiness.status == 503U);
    BOOST_TEST(readiness.body.find("reactor 1: does not answer") != std::string::npos, readiness.body);
  }
  BOOST_TEST(comes([&] {
    look(2);
    return before[up(1)] == 1;
  }));
  server.post(1, 40, 5);
  BOOST_TEST(comes([&] {
    look(0);
    return before[accepted] == 40;
  }));
}

} // namespace repasse
