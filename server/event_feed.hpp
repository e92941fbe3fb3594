// The server-sent events of the dashboard: once a second one snapshot of the whole, the same bytes for all
// viewers of the process. One per reactor: the first one's makes the snapshots and tells the others, and each
// keeps the last minutes for who comes anew or comes back.
// The whole is looked at each second, whether somebody looks on or not: who opens the page because something
// went wrong is to see how it came, and who was lost meanwhile. It costs a thousandth of a core; the
// books, which are a query, and the text are made only for viewers. Always the whole, never the own process
// alone: a curve must not jump because somebody came.
#pragma once

#include "server/event_history.hpp"
#include "server/overview.hpp"
#include "server/reactors.hpp"
#include "storage/redis_connection.hpp"
#include "storage/redis_names.hpp"
#include "storage/totals_copy.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace repasse {

class event_feed {
public:
  /// Null where there is none.
  struct sources {
    redis_connection* redis = nullptr;
    totals_copy* totals = nullptr;
  };
  event_feed(clock& time, ledger& books, sources from, const redis_names& names, const config& settings,
             reactors& all, std::string instance);

  /// Of the first reactor. Ends with the reactor.
  void start() { tasks_.spawn(make_snapshots()); }

  struct snapshot {
    std::int64_t id = 0; ///< milliseconds since 1970
    overview::point point;
    std::string event; ///< empty: nobody looks on
  };
  /// Another second.
  void remember(const snapshot& made) { history_.remember(made.id, made.point); }
  [[nodiscard]] const event_history& history() const { return history_; }

private:
  task<> make_snapshots();
  task<> make_one();
  void see_own(const std::vector<reactor_report>& reports, wall_time wall);
  task<> read_books();
  task<bool> read_others();

  clock& clock_;
  ledger& ledger_;
  sources from_;
  const redis_names& names_;
  const config& settings_;
  reactors& all_;
  std::string instance_;
  steady_time begun_;
  overview overview_;
  summary books_{};
  bool are_books_known_ = false;
  bool are_books_current_ = false;
  redis_batch reading_;
  event_history history_;
  task_group tasks_;
};

} // namespace repasse
