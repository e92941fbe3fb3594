// A payment processor that notes which `traceparent` comes with each request, and can lose its answers.
#pragma once

#include "test/free_port.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace repasse {

/// Serves from its construction to its end, a connection at a time in a thread of its own.
class noting_processor {
public:
  noting_processor() : acceptor_(context_, {boost::asio::ip::address_v4::loopback(), 0}) {
    accepting_ = std::jthread([this] { accept(); });
  }
  ~noting_processor() {
    stopping_ = true;
    boost::asio::ip::tcp::socket last(context_);
    boost::system::error_code error;
    last.connect(acceptor_.local_endpoint(), error); // wakes accept()
    accepting_.join();
    for (const auto& one : connections_)
      one->shutdown(boost::asio::ip::tcp::socket::shutdown_both, error);
    serving_.clear();
  }
  noting_processor(const noting_processor&) = delete;
  noting_processor& operator=(const noting_processor&) = delete;

  struct request {
    std::string line; ///< its method and target
    std::string traceparent;
  };
  [[nodiscard]] std::vector<request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  std::atomic<int> posts_to_lose = 0;      ///< closed without an answer, and not taken
  std::atomic<unsigned> post_status = 200; ///< of the others

private:
  using socket = boost::asio::ip::tcp::socket;

  void accept() {
    while (!stopping_) {
      connections_.push_back(std::make_unique<socket>(acceptor_.accept()));
      serving_.emplace_back([this, &one = *connections_.back()] { serve(one); });
    }
  }

  void serve(socket& client) {
    std::string bytes;
    boost::system::error_code error;
    for (;;) {
      const std::size_t head_bytes =
          boost::asio::read_until(client, boost::asio::dynamic_buffer(bytes), "\r\n\r\n", error);
      if (error) return;
      const std::string head = bytes.substr(0, head_bytes);
      const std::string length = field(head, "Content-Length");
      const std::size_t size = head_bytes + (length.empty() ? 0 : std::stoul(length));
      if (bytes.size() < size)
        boost::asio::read(client, boost::asio::dynamic_buffer(bytes),
                          boost::asio::transfer_exactly(size - bytes.size()), error);
      if (error) return;
      const std::string answer = answer_to(head, bytes.substr(head_bytes, size - head_bytes));
      bytes.erase(0, size);
      if (answer.empty()) return client.close(error), void();
      boost::asio::write(client, boost::asio::buffer(answer), error);
    }
  }

  std::string answer_to(const std::string& head, const std::string& body) {
    const std::string line = head.substr(0, head.find(" HTTP/"));
    const std::lock_guard lock(mutex_);
    if (line.ends_with("service-health")) return answer(200, R"({"failing":false,"minResponseTime":0})");
    requests_.push_back({line, field(head, "traceparent")});
    if (line.starts_with("POST")) {
      if (posts_to_lose > 0) {
        --posts_to_lose;
        return {};
      }
      const unsigned status = post_status;
      if (status == 200) taken_[body.substr(body.find(':') + 2, 36)] = body;
      return answer(status, R"({"message":"noted"})");
    }
    const auto found = taken_.find(line.substr(line.rfind('/') + 1));
    return found == taken_.end() ? answer(404, "{}") : answer(200, found->second);
  }

  static std::string answer(unsigned status, const std::string& body) {
    return "HTTP/1.1 " + std::to_string(status) +
           " Noted\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  }
  static std::string field(const std::string& head, const std::string& name) {
    const std::size_t at = head.find("\r\n" + name + ": ");
    if (at == head.npos) return "";
    const std::size_t from = at + name.size() + 4;
    return head.substr(from, head.find("\r\n", from) - from);
  }

  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  mutable std::mutex mutex_;
  std::vector<request> requests_;
  std::map<std::string, std::string> taken_;
  std::atomic<bool> stopping_ = false;
  std::vector<std::unique_ptr<socket>> connections_;
  std::vector<std::jthread> serving_;
  std::jthread accepting_;
};

} // namespace repasse
