#include "server/metric_set.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <sstream>

namespace repasse {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

} // namespace

struct metric_set::families {
  std::vector<MetricFamily> all;

  void begin(std::string_view name, std::string_view help, MetricType type) {
    MetricFamily& one = all.emplace_back();
    one.name = name;
    one.help = help;
    one.type = type;
  }
  ClientMetric& add(labels of) {
    ClientMetric& one = all.back().metric.emplace_back();
    one.label.reserve(of.size());
    for (const label& each : of)
      one.label.push_back({std::string{each.name}, std::string{each.value}});
    return one;
  }
};

metric_set::metric_set() : families_(std::make_unique<families>()) {}

metric_set::~metric_set() = default;

void metric_set::counter(std::string_view name, std::string_view help) {
  families_->begin(name, help, MetricType::Counter);
}

void metric_set::gauge(std::string_view name, std::string_view help) {
  families_->begin(name, help, MetricType::Gauge);
}

void metric_set::histograms(std::string_view name, std::string_view help) {
  families_->begin(name, help, MetricType::Histogram);
}

void metric_set::value(double what, labels of) {
  const bool is_counter = families_->all.back().type == MetricType::Counter;
  ClientMetric& one = families_->add(of);
  (is_counter ? one.counter.value : one.gauge.value) = what;
}

void metric_set::add_histogram(std::span<const std::int64_t> bounds, double unit,
                               std::span<const std::uint64_t> counts, double sum, labels of) {
  ClientMetric::Histogram& to = families_->add(of).histogram;
  std::uint64_t below = 0;
  to.bucket.reserve(bounds.size());
  for (std::size_t i = 0; i < bounds.size(); ++i)
    to.bucket.push_back({below += counts[i], static_cast<double>(bounds[i]) * unit});
  to.sample_count = below + counts[bounds.size()];
  to.sample_sum = sum * unit;
}

std::string metric_set::text() const {
  std::ostringstream written;
  prometheus::TextSerializer{}.Serialize(written, families_->all);
  return std::move(written).str();
}

} // namespace repasse
