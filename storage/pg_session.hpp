// What pg_connection and its links share: the commits and scripts under way, and what is noted of them.
// Only pg_connection.cpp and the pg_link files use it.
#pragma once

#include "storage/pg_connection.hpp"

#include <boost/intrusive/list.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

class pg_link;
struct pg_session;

/// One commit() under way, in its coroutine's frame, which may vanish at any moment: the destructor tells all
/// that know of it.
struct pg_commit : intrusive::list_base_hook<intrusive::link_mode<intrusive::auto_unlink>> {
  pg_commit(pg_session& of, pg_transaction& transaction);
  ~pg_commit();
  pg_commit(const pg_commit&) = delete;
  pg_commit& operator=(const pg_commit&) = delete;

  void end(pg_verdict how);
  void leave(); ///< the session, which need not outlive an ended commit

  pg_session* session;        ///< null once it has ended
  pg_transaction* work;       ///< null once destroyed
  pg_link* sent_on = nullptr; ///< null before it is sent and once it has ended
  std::uint64_t number = 0;   ///< among those sent on that link
  event moved;                ///< ended
  pg_verdict verdict = pg_verdict::unavailable;
  bool has_ended = false;
  steady_time asked_at;
};

/// One script() under way, likewise.
struct pg_script {
  pg_script(pg_session& of, std::string text);
  ~pg_script();
  pg_script(const pg_script&) = delete;
  pg_script& operator=(const pg_script&) = delete;

  void end(pg_verdict how);

  pg_session* session;
  pg_link* sent_on = nullptr;
  std::string sql;
  event moved;
  pg_connection::script_result result;
  bool has_ended = false;
};

struct pg_session {
  pg_session(clock& clock_of_reactor, const pg_connection::config& how);
  ~pg_session();
  pg_session(const pg_session&) = delete;
  pg_session& operator=(const pg_session&) = delete;

  /// A transaction that was answered after `took`; `first` of its `statements` names it.
  void note_answer(const pg_prototype& first, std::size_t statements, std::chrono::nanoseconds took);
  void note_refusal(const pg_prototype& culprit, std::string_view error);

  clock& time;
  const pg_connection::config& settings;
  event changed; ///< a link is ready, lost or idle: for run()
  pg_figures figures;
  std::chrono::nanoseconds last_latency{0};
  std::size_t commits = 0;     ///< sent or waiting, with a caller
  pg_script* script = nullptr; ///< commits wait for it
  intrusive::list<pg_commit, intrusive::constant_time_size<false>> waiting; ///< not sent yet

private:
  /// One line in a while for each statement; the others are counted.
  struct quota {
    const pg_prototype* statement;
    steady_time next_at{};
    std::uint32_t unsaid = 0;

    [[nodiscard]] bool allows(steady_time now);
    [[nodiscard]] std::string others(); ///< tells of those unsaid, and forgets them
  };
  static quota& of(std::vector<quota>& all, const pg_prototype& statement);

  std::vector<quota> slow_;
  std::vector<quota> refused_;
};

} // namespace repasse
