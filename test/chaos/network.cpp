#include "test/chaos/network.hpp"

#include "test/integration/cutting_proxy.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <future>
#include <optional>
#include <thread>
#include <utility>

namespace repasse {

/// All but port() and tell() in its own thread.
class network::relay {
public:
  explicit relay(std::uint16_t server_port) : busy_(asio::make_work_guard(context_)), time_(context_) {
    proxy_.emplace(time_, server_port);
    port_ = proxy_->port();
    thread_ = std::jthread([this] { context_.run(); });
  }
  ~relay() {
    tell([this](cutting_proxy&) { context_.stop(); });
    thread_.join();
    context_.restart();
    proxy_.reset(); // runs the loop until its coroutines have ended
  }
  relay(const relay&) = delete;
  relay& operator=(const relay&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

  /// Returns once it is done.
  template <typename Work>
  void tell(Work work) {
    std::promise<void> done;
    asio::post(context_, [&] {
      work(*proxy_);
      done.set_value();
    });
    done.get_future().wait();
  }

private:
  asio::io_context context_{1};
  asio::executor_work_guard<executor> busy_;
  clock time_;
  std::optional<cutting_proxy> proxy_;
  std::uint16_t port_ = 0;
  std::jthread thread_;
};

network::network(std::uint16_t server_port) : relay_(std::make_unique<relay>(server_port)) {}
network::~network() = default;

std::uint16_t network::port() const { return relay_->port(); }

void network::fall_silent(cut where) {
  relay_->tell([where](cutting_proxy& proxy) {
    if (where != cut::back) proxy.fall_silent(cutting_proxy::way::to_server);
    if (where != cut::there) proxy.fall_silent(cutting_proxy::way::to_client);
  });
}

void network::mend() {
  relay_->tell([](cutting_proxy& proxy) { proxy.go_on(); });
}

void network::reset() {
  relay_->tell([](cutting_proxy& proxy) { proxy.cut(); });
}

} // namespace repasse
