// One life of one connection to Redis, from its first packet to its loss: async hiredis on the reactor's
// loop. Built, watched and ended by redis_keeper alone. It connects once, to one address, and never again.
// redis_link.cpp is the only file that knows hiredis.
#pragma once

#include "storage/redis_connection.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <deque>

struct redisAsyncContext;
struct redisReadTask;
struct redisReply;

namespace repasse {

class redis_link;

/// What a keeper and its links share.
struct redis_session {
  redis_session(clock& clock_of_reactor, std::size_t in_flight, redis_subscription::calls hearer)
      : time(clock_of_reactor), in_flight_max(in_flight), changed(time), to(hearer) {}

  clock& time;
  std::size_t in_flight_max; ///< of each link
  event changed; ///< a link is open, subscribed or lost, a name is found, or all is to end: for run()
  redis_figures figures;
  std::chrono::nanoseconds last_latency{0};
  redis_subscription::calls to;
};

/// One batch under way, in its coroutine's frame, which may vanish at any moment: the destructor tells the
/// link.
struct redis_call {
  redis_call(clock& time, redis_batch& batch) : work(batch), moved(time) {}
  ~redis_call();
  redis_call(const redis_call&) = delete;
  redis_call& operator=(const redis_call&) = delete;

  void end(redis_verdict how);

  /// The bytes of one command.
  static std::string_view command(const redis_batch& of, std::size_t which);
  [[nodiscard]] redis_reply& reply(std::size_t which) { return work.replies_[which]; }
  /// Before it is sent.
  void make_room();

  redis_batch& work;
  redis_link* sent_on = nullptr; ///< null before it is sent and once it has ended
  std::uint64_t number = 0;      ///< among those sent on that link
  event moved;                   ///< ended
  redis_verdict verdict = redis_verdict::unavailable;
  bool has_ended = false;
};

/// Counted, since a handler that has completed already cannot be taken back: it keeps its link until it runs.
class redis_link : public boost::intrusive_ref_counter<redis_link, boost::thread_unsafe_counter> {
public:
  enum class stage : std::uint8_t { connecting, open, lost };
  using handle = boost::intrusive_ptr<redis_link>;

  explicit redis_link(redis_session& session);
  ~redis_link();
  redis_link(const redis_link&) = delete;
  redis_link& operator=(const redis_link&) = delete;

  /// Begins; `open` or `lost` is told by redis_session::changed.
  void connect(const std::string& address, std::uint16_t port); ///< numeric: hiredis would resolve in a call
  void connect(const std::string& path);

  [[nodiscard]] stage now_in() const { return stage_; }
  [[nodiscard]] bool is_open() const { return stage_ == stage::open; }
  /// Why it is lost, in one line without secrets.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

  /// Sends `work`, if it is open and has room, and waits for its replies; a caller whose time is over loses
  /// the link, or leaves them to be read and dropped.
  static task<redis_verdict> exec(handle on, redis_batch& work, steady_time due,
                                  redis_connection::late when_late = redis_connection::late::lose_connection);
  /// Nobody waits for its replies. False if it is not open or has no room.
  bool send(const redis_batch& work);
  /// Only while open; the commands above come before it. Asked again it is a PING that hiredis understands.
  void subscribe(const std::string& channel);
  /// Its replies will be read and dropped.
  void forget(redis_call& one);

  [[nodiscard]] bool is_subscribed() const { return is_subscribed_; }
  [[nodiscard]] std::size_t in_flight() const { return in_flight_; } ///< commands without a reply
  /// A caller waits for the next reply, and for no longer than it likes.
  [[nodiscard]] bool is_waited_for() const { return !sent_.empty() && sent_.front().call != nullptr; }
  /// The server owes a reply.
  [[nodiscard]] bool is_owed() const { return !sent_.empty() || is_subscribing_; }
  /// Since when it has said nothing, or owes it.
  [[nodiscard]] steady_time silent_since() const { return std::max(heard_at_, owed_at_); }
  /// What it sends and loses from now on is counted, and limited.
  void count() { counts_ = true; }

  /// Ends it, if it has not ended. What is under way is in doubt.
  void lose(std::string_view why);
  /// Ends it; nobody will be told.
  void close();

private:
  /// A batch that was sent.
  struct sent {
    redis_call* call; ///< null if nobody waits for it any more
    std::uint32_t commands;
    std::uint32_t answered;
    steady_time at;
    bool is_read_only; ///< a replica has refused to write
  };

  void begin(redisAsyncContext* context, const std::string& where);
  [[nodiscard]] bool has_room(std::size_t commands) const;
  void send(redis_call* one, const redis_batch& work);
  void wait_to_read();
  void wait_to_write();
  void flush_soon();
  void flush();
  void take(const redisReply& reply);
  void hear(const redisReply& message);
  void end_context();
  void ended_by_hiredis();

  struct hooks;            // functions that hiredis calls
  redis_session* session_; ///< null once closed
  asio::posix::basic_stream_descriptor<executor> descriptor_;
  redisAsyncContext* context_ = nullptr;
  stage stage_ = stage::connecting;
  bool is_reading_ = false;
  bool is_writing_ = false; ///< waits for its turn, or until the socket takes more
  bool is_flushing_ = false;
  bool is_subscribing_ = false;
  bool is_subscribed_ = false;
  bool counts_ = false;
  std::string trouble_;
  const char* objection_ = nullptr; ///< ours to what the server has said
  std::deque<sent> sent_;
  std::uint64_t answered_ = 0; ///< batches: the number of the first in sent_
  std::size_t in_flight_ = 0;
  std::uint64_t asked_ = 0;   ///< commands given to hiredis
  std::uint64_t replied_ = 0; ///< replies that hiredis has begun to read
  steady_time heard_at_{};
  steady_time owed_at_{};
};

} // namespace repasse
