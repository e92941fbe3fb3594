#include "server/http_figures.hpp"

namespace repasse {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(endpoint_kind::count)> kind_names = {
    "post_payment", "summary",   "payment", "payments", "purge", "processors", "healthz",  "readyz",
    "metrics",      "dashboard", "events",  "openapi",  "admin", "other",      "malformed"};

} // namespace

std::string_view to_string(endpoint_kind kind) { return kind_names[static_cast<std::size_t>(kind)]; }

void http_figures::count(endpoint_kind kind, int status) {
  std::size_t at = 0;
  while (at + 1 < statuses.size() && statuses[at] != status)
    ++at;
  ++answers_[static_cast<std::size_t>(kind)][at];
}

void http_figures::add(const http_figures& other) {
  turned_away += other.turned_away;
  for (std::size_t kind = 0; kind < answers_.size(); ++kind)
    for (std::size_t i = 0; i < statuses.size(); ++i)
      answers_[kind][i] += other.answers_[kind][i];
}

} // namespace repasse
