// A blocking HTTP/1.1 client over one kept-alive connection, for audits, load programs and end-to-end
// tests. One caller belongs to one thread; there may be many callers in many threads.
// It never repeats a request by itself: what the answer to a lost call was is the question of the tests.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace repasse {

using http_headers = std::vector<std::pair<std::string, std::string>>;

/// Why a call has no answer. After `not_connected` the request has not left this machine; after the
/// others it may have been executed.
enum class call_failure : std::uint8_t { none, not_connected, timed_out, closed, nonsense };

[[nodiscard]] std::string_view to_string(call_failure failure);

struct http_reply {
  call_failure failure = call_failure::none;
  unsigned status = 0; ///< 0 if there is no answer
  http_headers headers;
  std::string body;

  [[nodiscard]] bool ok() const { return failure == call_failure::none; }
  /// The first header of that name in any case; empty if there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

class http_caller {
public:
  static constexpr std::size_t body_bytes_max = 64U << 20;

  /// `time_limit` is for each call as a whole, connecting included.
  http_caller(std::string host, std::uint16_t port,
              std::chrono::milliseconds time_limit = std::chrono::seconds(10));
  ~http_caller();
  http_caller(http_caller&& other) noexcept;
  http_caller& operator=(http_caller&&) = delete;

  /// Connects if there is no connection, or the peer has closed it while it was idle. A body gets
  /// `Content-Length`, and `Content-Type: application/json` unless `headers` names another.
  http_reply call(std::string_view method, std::string_view target, std::string_view body = "",
                  const http_headers& headers = {});

  /// The answers to `GET` of each target, in their order, all requests sent before the first answer is
  /// read. After a failure all later ones fail alike. Keep the requests under 16 KiB together.
  std::vector<http_reply> get_all(const std::vector<std::string>& targets);

  void close();

private:
  using time_point = std::chrono::steady_clock::time_point;

  call_failure prepare(time_point deadline);
  call_failure connect(time_point deadline);
  [[nodiscard]] bool closed_by_peer() const;
  call_failure send(std::string_view bytes, time_point deadline);
  http_reply receive(bool head, time_point deadline);
  call_failure receive_some(time_point deadline);
  void append_request(std::string& to, std::string_view method, std::string_view target,
                      std::string_view body, const http_headers& headers) const;

  std::string host_;
  std::uint16_t port_;
  std::chrono::milliseconds time_limit_;
  int socket_ = -1;
  std::string received_; ///< bytes of answers not yet read
};

} // namespace repasse
