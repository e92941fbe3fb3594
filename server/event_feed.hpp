// The server-sent events of the dashboard: once a second, while somebody looks, one snapshot of the whole,
// the same bytes for all viewers of the process. One per reactor: the first one's makes the snapshots and
// tells the others, and each keeps the last minutes for who comes anew or comes back.
#pragma once

#include "server/overview.hpp"
#include "server/reactors.hpp"
#include "storage/redis_connection.hpp"
#include "storage/redis_names.hpp"
#include "storage/totals_copy.hpp"

#include <boost/circular_buffer.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace repasse {

class event_feed {
public:
  static constexpr std::size_t points_max = 300;
  /// What was shown goes on being made for so long after the last viewer has gone, so that one who comes back
  /// misses nothing.
  static constexpr std::chrono::seconds goes_on{60};

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
    std::string event;
  };
  /// Another second.
  void remember(const snapshot& made) { points_.push_back({made.id, made.point}); }
  /// How a stream begins for one who has seen `last_event_id`, or nothing: what it has missed of the last
  /// minutes.
  [[nodiscard]] std::string beginning(std::string_view last_event_id) const;

private:
  struct kept_point {
    std::int64_t id = 0;
    overview::point point;
  };

  task<> make_snapshots();
  task<> make_one();
  task<> read_books();
  task<bool> read_others();

  clock& clock_;
  ledger& ledger_;
  sources from_;
  const redis_names& names_;
  const config& settings_;
  reactors& all_;
  std::string instance_;
  overview overview_;
  summary books_{};
  bool are_books_known_ = false;
  bool are_books_current_ = false;
  redis_batch reading_;
  boost::circular_buffer<kept_point> points_{points_max};
  task_group tasks_;
};

} // namespace repasse
