// One life of one connection to PostgreSQL, from its first packet to its loss: libpq, non-blocking, in
// pipeline mode, on the reactor's loop. Built, watched and ended by pg_connection alone. It connects once,
// to one address, and never again.
#pragma once

#include "storage/pg_hosts.hpp"
#include "storage/pg_session.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/circular_buffer.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

struct pg_conn; // libpq's PGconn

namespace repasse {

/// Counted, since a handler that has completed already cannot be taken back: it keeps its link until it runs.
class pg_link : public boost::intrusive_ref_counter<pg_link, boost::thread_unsafe_counter> {
public:
  enum class stage : std::uint8_t { connecting, preparing, ready, lost };

  explicit pg_link(pg_session& session);
  ~pg_link();
  pg_link(const pg_link&) = delete;
  pg_link& operator=(const pg_link&) = delete;

  /// Begins; `ready` or `lost` is told by pg_session::changed.
  void connect(const pg_hosts& hosts, const pg_hosts::candidate& where);

  [[nodiscard]] stage now_in() const { return stage_; }
  /// The server has said something; what is silent may be a black hole.
  [[nodiscard]] bool is_heard() const { return is_heard_; }
  /// The server has turned us away in its own words, and is not about to change its mind.
  [[nodiscard]] bool is_refused() const { return is_refused_; }
  /// Why it is lost, in one line without secrets.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

  /// Nothing is under way.
  [[nodiscard]] bool is_idle() const { return sent_.empty() && script_ == nullptr; }
  [[nodiscard]] bool has_room() const { return !sent_.full(); }
  /// Since when the server owes a reply that nobody waits for, and has said nothing; `never` if it does not.
  [[nodiscard]] steady_time silent_since() const;

  /// Only when ready, with room, and without a script.
  void send(pg_commit& one);
  /// Only when ready and idle.
  void send(pg_script& one);
  /// Its reply will be read and dropped.
  void forget(pg_commit& one);

  /// Ends it, if it has not ended. What is under way is in doubt.
  void lose(std::string_view why);
  /// Ends it; nobody will be told.
  void close();

private:
  /// A transaction that was sent.
  struct sent {
    pg_commit* commit; ///< null if nobody waits for it any more
    const pg_prototype* first;
    std::uint32_t statements;
    std::uint32_t answered;
    steady_time at;
    bool has_failed;
    pg_verdict verdict; ///< once it has failed
  };
  using handle = boost::intrusive_ptr<pg_link>;

  [[nodiscard]] bool is_prepared(const pg_prototype& statement) const;
  void watch();
  void unwatch();
  void wait_to_read();
  void wait_to_write();
  void readable();
  void poll_connect();
  void prepare();
  void flush();
  void consume();
  void receive();
  void take(pg_result* result);
  void take_answer(pg_result* result);
  void take_scripted(pg_result* result);
  void note_error(sent& one, const pg_result* result);
  void answer();
  void end_script();
  static void hear_notice(void* link, const pg_result* notice);
  void lose_by_libpq();
  [[nodiscard]] steady_time now() const { return session_->time.now(); }

  pg_session* session_; ///< null once closed
  asio::posix::basic_stream_descriptor<executor> descriptor_;
  pg_conn* connection_ = nullptr;
  stage stage_ = stage::connecting;
  bool is_heard_ = false;
  bool is_refused_ = false;
  bool is_reading_ = false;
  bool is_writing_ = false;
  std::string trouble_;
  std::string last_words_;   ///< of a server that ended an idle connection
  std::size_t prepared_ = 0; ///< replies to prepare() that have come
  boost::circular_buffer<sent> sent_;
  std::uint64_t answered_ = 0; ///< transactions: the number of the first in sent_
  steady_time heard_at_{};
  pg_script* script_ = nullptr;
  // Arrays as libpq wants them; they keep their memory.
  std::vector<const char*> values_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
};

} // namespace repasse
