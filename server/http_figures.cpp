#include "server/http_figures.hpp"

#include "server/http_target.hpp"

#include <utility>

namespace repasse {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(endpoint_kind::count)> kind_names = {
    "post_payment", "summary",   "payment", "payments", "purge", "processors", "healthz",  "readyz",
    "metrics",      "dashboard", "events",  "openapi",  "admin", "other",      "malformed"};

constexpr std::pair<std::string_view, endpoint_kind> paths[] = {
    {"/payments-summary", endpoint_kind::totals}, {"/payments", endpoint_kind::payments},
    {"/purge-payments", endpoint_kind::purge},    {"/processors", endpoint_kind::processors},
    {"/healthz", endpoint_kind::healthz},         {"/readyz", endpoint_kind::readyz},
    {"/metrics", endpoint_kind::metrics},         {"/", endpoint_kind::dashboard},
    {"/events", endpoint_kind::events},           {"/openapi.json", endpoint_kind::openapi},
    {"/openapi", endpoint_kind::openapi}};

constexpr std::pair<std::string_view, endpoint_kind> folders[] = {{"/payments/", endpoint_kind::payment},
                                                                  {"/admin/", endpoint_kind::admin},
                                                                  {"/dashboard/", endpoint_kind::dashboard},
                                                                  {"/openapi/", endpoint_kind::openapi}};

} // namespace

std::string_view to_string(endpoint_kind kind) { return kind_names[static_cast<std::size_t>(kind)]; }

endpoint_kind kind_of(std::string_view method, std::string_view target) {
  const std::optional<http_target> parsed = http_target::parse(method, target);
  if (!parsed) return endpoint_kind::other;
  for (const auto& [path, kind] : paths)
    if (parsed->path() == path) return kind;
  for (const auto& [folder, kind] : folders)
    if (parsed->path().starts_with(folder)) return kind;
  return endpoint_kind::other;
}

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
