#include "test/integration/cutting_proxy.hpp"

#include <boost/asio/write.hpp>

namespace repasse {
namespace {

using boost::system::error_code;

} // namespace

cutting_proxy::cutting_proxy(clock& time, std::uint16_t server_port)
    : time_(time),
      acceptor_(time.get_executor(), {asio::ip::address_v4::loopback(), 0}),
      server_(asio::ip::address_v4::loopback(), server_port),
      port_(acceptor_.local_endpoint().port()),
      tasks_(time) {
  tasks_.spawn(accept());
}

// The test's loop goes on for a moment: coroutines that end there must not find this object gone.
cutting_proxy::~cutting_proxy() {
  acceptor_.close();
  cut();
  go_on();
  while (tasks_.running() > 0)
    static_cast<asio::io_context&>(acceptor_.get_executor().context()).run_one();
}

task<> cutting_proxy::accept() {
  for (;;) {
    auto both = std::make_shared<pair>(time_);
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable_t<executor>{}, error);
    co_await acceptor_.async_accept(both->client, token);
    if (error) co_return;
    ++accepted_;
    co_await both->server.async_connect(server_, token);
    if (error) continue;
    both->client.set_option(tcp::no_delay{true});
    both->server.set_option(tcp::no_delay{true});
    pairs_.push_back(both);
    tasks_.spawn(relay(both, way::to_server));
    tasks_.spawn(relay(both, way::to_client));
  }
}

task<> cutting_proxy::relay(std::shared_ptr<pair> both, way where) {
  socket& from = where == way::to_server ? both->client : both->server;
  socket& to = where == way::to_server ? both->server : both->client;
  event& resumed = where == way::to_server ? both->to_server : both->to_client;
  std::size_t& left = left_[index(where)];
  std::array<char, 16 * 1024> bytes;
  while (both->is_open) {
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable_t<executor>{}, error);
    const std::size_t size = co_await from.async_read_some(asio::buffer(bytes), token);
    while (is_silent_[index(where)] && both->is_open)
      co_await resumed.wait_until();
    if (error || !both->is_open) break;
    const std::size_t allowed = std::min(size, left);
    if (left != unlimited) left -= allowed;
    const auto part = asio::buffer(bytes.data(), allowed);
    co_await asio::async_write(to, part, token);
    passed_[index(where)] += allowed;
    if (error) break;
    if (left == 0) {
      left = unlimited;
      break;
    }
  }
  close(*both);
}

void cutting_proxy::cut_after(way where, std::size_t bytes) { left_[index(where)] = bytes; }

void cutting_proxy::cut() {
  for (const auto& both : pairs_)
    close(*both);
  pairs_.clear();
}

void cutting_proxy::fall_silent() { is_silent_ = {true, true}; }

void cutting_proxy::fall_silent(way where) { is_silent_[index(where)] = true; }

void cutting_proxy::go_on() {
  is_silent_ = {};
  for (const auto& both : pairs_) {
    both->to_server.notify();
    both->to_client.notify();
  }
}

void cutting_proxy::close(pair& both) {
  if (!std::exchange(both.is_open, false)) return;
  error_code ignored;
  both.client.close(ignored);
  both.server.close(ignored);
  both.to_server.notify();
  both.to_client.notify();
}

} // namespace repasse
