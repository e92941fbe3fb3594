// The last minutes of the dashboard's curves, for who comes anew or comes back: what a stream of events
// begins with. One per reactor, in its event_feed. Pure.
#pragma once

#include "server/overview.hpp"

#include <boost/circular_buffer.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace repasse {

class event_history {
public:
  static constexpr std::size_t points_max = 300;

  /// Another second; `id` is that of its event, in milliseconds since 1970. If the clock was set back, what
  /// lies in its future is forgotten.
  void remember(std::int64_t id, const overview::point& made);
  /// How a stream begins for one who has seen the event `last_event_id`, or nothing: with what it has missed.
  /// What is no number is nothing.
  [[nodiscard]] std::string beginning(std::string_view last_event_id) const;

private:
  struct kept_point {
    std::int64_t id = 0;
    overview::point point;
  };
  boost::circular_buffer<kept_point> points_{points_max}; ///< ids ascend
};

} // namespace repasse
