// Which client of an open-loop load posts next, and when. Each client posts with the same period from its
// arrival on; a ramp lets the clients arrive evenly over the whole length, otherwise all arrive within the
// first period. Pure: moments are seconds from the start.
#pragma once

#include <cmath>
#include <cstddef>
#include <deque>

namespace repasse {

class post_schedule {
public:
  struct post {
    double second;
    std::size_t client;
  };

  /// `clients` together post `rate` a second once all have arrived.
  post_schedule(std::size_t clients, double rate, double seconds, bool ramps)
      : clients_(clients),
        period_(static_cast<double>(clients) / rate),
        arrive_every_(ramps ? seconds / static_cast<double>(clients) : 1 / rate),
        ramps_(ramps) {}

  /// In the order of their moments, without an end.
  post next() {
    const double arrival = arrival_of(arrived_);
    const bool arrives = arrived_ < clients_ && (present_.empty() || arrival <= present_.front().second);
    const post made = arrives ? post{arrival, arrived_++} : present_.front();
    if (!arrives) present_.pop_front();
    present_.push_back({made.second + period_, made.client});
    return made;
  }

private:
  /// A ramp's clients are moved within their step by the golden ratio: otherwise many would share a phase,
  /// and post at the same instant ever after.
  [[nodiscard]] double arrival_of(std::size_t client) const {
    constexpr double golden = 0.6180339887498949;
    const double number = static_cast<double>(client);
    const double within = ramps_ ? number * golden - std::floor(number * golden) : 0;
    return (number + within) * arrive_every_;
  }

  std::size_t clients_;
  double period_;
  double arrive_every_;
  bool ramps_;
  std::size_t arrived_ = 0;
  std::deque<post> present_; ///< the next post of each client that has arrived, earliest first
};

} // namespace repasse
