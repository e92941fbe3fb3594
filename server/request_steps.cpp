#include "server/request_steps.hpp"

#include <fmt/format.h>

#include <iterator>

namespace repasse {

void request_steps::add(std::string_view name, steady_time from, steady_time to) {
  if (steps_.size() < steps_max) steps_.push_back({name, from, to});
}

std::string request_steps::json() const {
  using milliseconds = std::chrono::duration<double, std::milli>;
  std::string text = "[";
  for (const span& one : steps_)
    fmt::format_to(std::back_inserter(text), R"({}{{"span":"{}","at":{:.3f},"ms":{:.3f}}})",
                   text.size() > 1 ? "," : "", one.name, milliseconds(one.from - began_).count(),
                   milliseconds(one.to - one.from).count());
  return text + "]";
}

} // namespace repasse
