// A scrape of /metrics, read back: every sample by its name and labels as they are written.
#pragma once

#include "bench/http_caller.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace repasse {

class scraped_metrics {
public:
  explicit scraped_metrics(std::string text) : text_(std::move(text)) {
    std::istringstream lines(text_);
    std::string type;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("# TYPE ")) type = line.substr(line.rfind(' ') + 1);
      if (line.empty() || line.front() == '#') continue;
      const std::size_t space = line.rfind(' ');
      const std::string name = line.substr(0, space);
      samples_[name] = std::stod(line.substr(space + 1));
      if (type != "gauge") rising_.push_back(name);
    }
  }

  static scraped_metrics of(http_caller& from) {
    const http_reply answer = from.call("GET", "/metrics");
    if (answer.status != 200U) throw std::runtime_error("no metrics");
    return scraped_metrics(answer.body);
  }

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool has(const std::string& sample) const { return samples_.contains(sample); }
  /// `name{label="value"}`; -1 if it is not there.
  [[nodiscard]] double operator[](const std::string& sample) const {
    const auto found = samples_.find(sample);
    return found == samples_.end() ? -1 : found->second;
  }
  /// Of all samples that begin so and hold `part`.
  [[nodiscard]] double sum(std::string_view begin, std::string_view part = "") const {
    double all = 0;
    for (const auto& [name, value] : samples_)
      if (name.starts_with(begin) && name.find(part) != name.npos) all += value;
    return all;
  }
  /// Counters, buckets and sums that were higher before, or are gone.
  [[nodiscard]] std::vector<std::string> gone_back_since(const scraped_metrics& before) const {
    std::vector<std::string> names;
    for (const std::string& name : before.rising_)
      if ((*this)[name] < before[name]) names.push_back(name);
    return names;
  }

private:
  std::string text_;
  std::map<std::string, double> samples_;
  std::vector<std::string> rising_;
};

/// What `promtool check metrics` says of it; empty if it finds nothing.
inline std::string promtool_findings(const std::string& text) {
  char path[] = "/tmp/repasse-metrics-XXXXXX";
  const int file = ::mkstemp(path);
  const bool is_written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(file);
  if (!is_written) return "it could not be written";
  std::FILE* const said = ::popen(("promtool check metrics 2>&1 <" + std::string(path)).c_str(), "re");
  std::string findings;
  for (int c = std::fgetc(said); c != EOF; c = std::fgetc(said))
    findings += static_cast<char>(c);
  if (const int status = ::pclose(said); status != 0 && findings.empty())
    findings = "promtool ends with " + std::to_string(status);
  ::unlink(path);
  return findings;
}

} // namespace repasse
