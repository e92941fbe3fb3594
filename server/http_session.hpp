// One connection of a client: reads requests, keeps their answers in order, writes those of one turn of the
// loop with one call. Plain functions rather than coroutines: this is the hot path, an idle connection costs
// some hundred bytes, and a request that is read whole costs one recv, one send and no allocation.
// Built and owned by its listener.
#pragma once

#include "server/http_figures.hpp"
#include "server/http_parser.hpp"
#include "server/http_response.hpp"
#include "server/payment_flow.hpp"
#include "server/poller.hpp"

#include <memory>
#include <string>
#include <vector>

namespace repasse {

class listener;

/// A request that is no payment, copied, since it is answered later.
struct endpoint_request {
  std::string method;
  std::string target;
  std::string content_type;
  std::string admin_token;
  std::string body;
  std::string header; ///< whole
  std::string traceparent;

  [[nodiscard]] std::string_view field(std::string_view lower_case_name) const {
    return find_field(header, lower_case_name);
  }
};

class http_session : public poller::watched {
public:
  http_session(listener& owner, int socket, std::uint32_t number, std::uint32_t generation);
  ~http_session();
  http_session(const http_session&) = delete;
  http_session& operator=(const http_session&) = delete;

  /// The answer to a payment, or to any other request.
  void answer(std::uint32_t exchange, accept_verdict verdict);
  void answer(std::uint32_t exchange, const http_response& response);

  /// Of one that hears the events: sends one more, unless the last is still on its way. Who takes none while
  /// some come is closed.
  void tell(std::string_view event);

  /// Writes what is ready, in order. Called by the listener, once a turn for each session that has answers.
  void flush();
  /// Once a second: closes it if it has been too slow.
  void look_at_time(std::uint32_t now_s);
  /// It is being closed.
  void drop_buffers();
  /// The server stops: closes after the answers that are owed.
  void retire();

  [[nodiscard]] std::uint32_t number() const { return number_; }
  [[nodiscard]] std::uint32_t generation() const { return generation_; }
  bool dirty = false; ///< the listener's: flush() is due

private:
  /// A request and its answer, from its reading to the writing.
  struct exchange {
    const std::string* prepared = nullptr;     ///< an answer ready to send, or
    std::string text;                          ///< one made for this request
    std::unique_ptr<endpoint_request> request; ///< not begun yet
    connection_fate fate = connection_fate::keep;
    endpoint_kind kind = endpoint_kind::other;
    bool is_head = false;
    bool is_ready = false;
  };

  static void ready_to(poller::watched& self, std::uint32_t events);
  void receive();
  void linger();
  void consume(std::span<char> bytes);
  void handle(const http_request& request);
  void handle_payment(const http_request& request);
  void refuse(int status, std::string_view detail);
  exchange& begin(const http_request& request, endpoint_kind kind);
  void finish(exchange& one, const http_response& response);
  void begin_stream(exchange& one, const http_response& response);
  void begin_next();
  std::string& gather();
  void send(std::string_view bytes);
  void written();
  void end_of_input();
  void keep(std::string& buffer, std::string_view bytes);
  void close();
  [[nodiscard]] std::size_t pending() const { return exchanges_.size() - first_; }
  void set_limit(std::uint32_t seconds);
  [[nodiscard]] bool reads() const;
  void want();

  listener& listener_;
  std::uint32_t number_;
  std::uint32_t generation_;
  http_parser parser_;
  std::string stash_;  ///< the beginning of a request whose rest has not come
  std::string unsent_; ///< what the socket did not take
  std::vector<exchange> exchanges_;
  std::size_t first_ = 0;          ///< of exchanges_, not written yet
  std::uint32_t first_number_ = 0; ///< of exchanges_[0]
  std::uint32_t limit_s_ = 0;      ///< closed when the listener's seconds pass this
  bool blocked_ = false;           ///< by a request that is no payment: what follows it must see what it did
  bool no_more_requests_ = false;  ///< closes after what is pending
  bool is_viewer_ = false;         ///< the last answer goes on for ever; what the peer sends is dropped
  std::uint8_t missed_ = 0;        ///< events in a row, the one before them being on its way
  bool lingering_ = false;         ///< all is written; reads until the peer closes, so that it gets that
};

} // namespace repasse
