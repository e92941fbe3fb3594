// A scrape being put together: families in the order they are begun, each with its values. The only file that
// knows prometheus-cpp is metric_set.cpp.
#pragma once

#include "storage/histogram.hpp"

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace repasse {

class metric_set {
public:
  struct label {
    std::string_view name;
    std::string_view value;
  };
  using labels = std::initializer_list<label>;

  metric_set();
  ~metric_set();
  metric_set(const metric_set&) = delete;
  metric_set& operator=(const metric_set&) = delete;

  /// Begins a family, whose values follow. Names and helps by Prometheus' conventions.
  void counter(std::string_view name, std::string_view help);
  void gauge(std::string_view name, std::string_view help);
  void histograms(std::string_view name, std::string_view help);

  /// A value of the family begun last.
  void value(double what, labels of = {});
  void value(std::uint64_t what, labels of = {}) { value(static_cast<double>(what), of); }
  void value(std::chrono::nanoseconds what, labels of = {}) {
    value(std::chrono::duration<double>(what).count(), of);
  }
  template <typename Scale>
  void value(const histogram<Scale>& what, labels of = {}) {
    std::array<std::uint64_t, histogram<Scale>::bounded + 1> counts;
    for (std::size_t i = 0; i < counts.size(); ++i)
      counts[i] = what.count_in(i);
    add_histogram(Scale::bounds, Scale::unit, counts, what.sum(), of);
  }

  // A family of one value.
  void counter(std::string_view name, std::string_view help, auto what) {
    counter(name, help);
    value(what);
  }
  void gauge(std::string_view name, std::string_view help, auto what) {
    gauge(name, help);
    value(what);
  }

  /// Text format 0.0.4.
  [[nodiscard]] std::string text() const;

private:
  void add_histogram(std::span<const std::int64_t> bounds, double unit, std::span<const std::uint64_t> counts,
                     double sum, labels of);

  struct families;
  std::unique_ptr<families> families_;
};

} // namespace repasse
