// Finds a server that serves: one attempt after another, to one address after another, until a link is ready.
// Owned by one pg_connection, which asks it while it wants a link.
#pragma once

#include "storage/pg_hosts.hpp"
#include "storage/pg_link.hpp"

#include <random>
#include <string>
#include <vector>

namespace repasse {

// Hosts are tried one by one, each address with a libpq connection of its own, rather than all by one
// PQconnectStartParams: libpq moves on to the next address only when one fails, and without its blocking
// calls it has no time limit for an address, so that the first one which swallows packets would use up the
// whole attempt. Here a fresh attempt, to the next address, begins beside those that have heard nothing for
// a period; the first that is ready wins, and the address that worked is the first to be tried next time.
// With a single address this also shortens the wait for the kernel to repeat a lost SYN. The price:
// target_session_attrs=prefer-standby means no more than any.
class pg_dialer {
public:
  explicit pg_dialer(pg_session& session);
  ~pg_dialer();
  pg_dialer(const pg_dialer&) = delete;
  pg_dialer& operator=(const pg_dialer&) = delete;

  /// Looks at what has come of the attempts, and begins those that are due. The first link that is ready, and
  /// no attempt is left; or null.
  [[nodiscard]] boost::intrusive_ptr<pg_link> step(steady_time now);
  /// When step() has something to do, if pg_session::changed does not tell before.
  [[nodiscard]] steady_time next_step() const;
  /// Every address has been tried, and none will do.
  [[nodiscard]] bool has_failed() const;
  /// Why the last attempt failed, or what it waits for; without secrets.
  [[nodiscard]] std::string trouble() const;
  /// The host of the last link, for people.
  [[nodiscard]] const std::string& found() const;
  void stop();

private:
  struct attempt {
    boost::intrusive_ptr<pg_link> to;
    pg_hosts::candidate where;
    steady_time due;
  };

  void fail(const attempt& lost, steady_time now);
  void note_names();
  void begin(const std::vector<pg_hosts::candidate>& known, steady_time now);
  [[nodiscard]] bool may_begin() const;
  [[nodiscard]] std::chrono::nanoseconds pause();

  pg_session& session_;
  pg_hosts hosts_;
  std::minstd_rand random_;
  std::vector<attempt> attempts_;
  steady_time begin_at_{};           ///< the next one, not before
  steady_time look_at_ = never;      ///< for names again, while there is no address
  pg_hosts::candidate preferred_;    ///< worked last
  std::size_t position_ = 0;         ///< of the next attempt, among the candidates
  std::size_t tried_ = 0;            ///< in this round
  bool is_refused_ = false;          ///< by a server in its own words, in this round
  std::uint32_t refused_rounds_ = 0; ///< in a row, before this one
  std::string trouble_;
  std::vector<std::string> said_; ///< for each host: the reason logged last
  std::string said_of_names_;
};

} // namespace repasse
