// Where the time of a request that is no payment goes: the steps of its handler, by name. Used by endpoints.
#pragma once

#include "storage/clock.hpp"

#include <boost/container/static_vector.hpp>

#include <string>
#include <string_view>

namespace repasse {

/// Of one request; lives as long as its handler. Steps beyond `steps_max` are not kept.
class request_steps {
public:
  explicit request_steps(const clock& time) : clock_(time), began_(time.now()) {}

  /// `name` is a literal.
  void add(std::string_view name, steady_time from, steady_time to);
  [[nodiscard]] std::chrono::nanoseconds took() const { return clock_.now() - began_; }
  /// `[{"span":"gather","at":0.012,"ms":3.100}]`, in milliseconds from the beginning.
  [[nodiscard]] std::string json() const;

private:
  struct span {
    std::string_view name;
    steady_time from;
    steady_time to;
  };
  static constexpr std::size_t steps_max = 16;

  const clock& clock_;
  steady_time began_;
  boost::container::static_vector<span, steps_max> steps_;
};

} // namespace repasse
