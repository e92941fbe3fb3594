// Accepts the connections of one reactor and owns their sessions; gives requests to the flow and to the
// endpoints, and the answers back. Built and run by its reactor.
#pragma once

#include "server/http_session.hpp"
#include "server/reactors.hpp"

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace repasse {

class listener {
public:
  struct config {
    /// Of the process; beyond, a connection gets 503 and is closed.
    std::size_t connections_max = 10'000;
    /// Of the process; beyond, who asks for the events gets 503.
    std::size_t viewers_max = 200;
  };
  /// Answers every request that is not `POST /payments`.
  using endpoints_call = std::function<task<http_response>(endpoint_request)>;

  /// `sockets` are bound, listening and non-blocking; the listener closes them.
  listener(clock& time, poller& polled, payment_flow& flow, endpoints_call endpoints,
           process_connections& of_process, const config& settings);
  ~listener();

  void listen(int socket);
  void start();
  /// From here on each answer closes its connection, so that clients go elsewhere; who hears the events is
  /// told no more.
  void retire();
  /// No new connections; those that are idle are closed, the others after their answers.
  void stop();
  [[nodiscard]] std::size_t connections() const { return open_; }

  /// Sends one event to all who hear them, some a turn of the loop. What the last one has not reached gets
  /// this one instead.
  void tell_viewers(std::shared_ptr<const std::string> event);
  [[nodiscard]] const http_figures& figures() const { return counted_; }

private:
  friend class http_session;

  struct acceptor : poller::watched {
    listener* owner = nullptr;
  };
  /// The answers to payments, written once a second, for the date in them.
  using prepared_answers = std::array<std::array<std::string, 3>, 5>;

  static void ready_to_accept(poller::watched& self, std::uint32_t events);
  void accept(acceptor& from);
  void open(int socket);
  void turn_away(int socket);
  void close(http_session& session);
  /// False if there are too many already.
  bool take_viewer(http_session& session);
  void tell_some();
  void mark(http_session& session);
  void flush_marked();
  task<> tick();
  task<> answer(accept_reply::place where, endpoint_request request);
  static void answered(void* self, const accept_reply::place& where, accept_verdict verdict);
  [[nodiscard]] http_session* find(const accept_reply::place& where);
  void prepare_answers();
  [[nodiscard]] const std::string& prepared(accept_verdict verdict, connection_fate fate) const;

  clock& clock_;
  poller& poller_;
  payment_flow& flow_;
  endpoints_call endpoints_;
  config config_;
  std::vector<std::unique_ptr<acceptor>> acceptors_;
  std::vector<std::unique_ptr<http_session>> sessions_;
  std::vector<std::uint32_t> free_;
  std::vector<std::unique_ptr<http_session>> closed_; ///< destroyed at the end of the turn
  std::vector<http_session*> marked_;
  std::vector<http_session*> flushing_;
  std::vector<http_session*> viewers_;
  std::shared_ptr<const std::string> event_; ///< that they are being told
  std::size_t told_ = 0;                     ///< of viewers_, from the end
  process_connections& of_process_;
  std::size_t open_ = 0;
  std::size_t held_bytes_ = 0; ///< in the sessions' buffers
  std::uint32_t generations_ = 0;
  std::uint32_t now_s_ = 1;
  bool retiring_ = false;
  bool turn_posted_ = false;
  wall_time wall_{};
  prepared_answers prepared_;
  http_figures counted_;
  std::vector<char> input_; ///< where every read of every session goes first
  std::string output_;      ///< where the answers of one session are gathered
  task_group tasks_;
};

} // namespace repasse
