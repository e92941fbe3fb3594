#include "server/config_advice.hpp"

#include "server/config_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

namespace repasse {
namespace {

struct older_name {
  std::string_view name; ///< a prefix, if it ends with an underscore
  std::string_view successor;
};
constexpr std::array older_names{
    older_name{"DB_", "DATABASE_URL"},
    older_name{"REDIS_ADDR", "REDIS_URL"},
    older_name{"REDIS_HOST", "REDIS_URL"},
    older_name{"REDIS_PORT", "REDIS_URL"},
    older_name{"USE_REDIS_CACHE", "USE_REDIS_SESSION_CACHE"},
    older_name{"USE_POSTGRES_STORAGE", "USE_DATABASE_STORAGE"},
    older_name{"PAYMENT_PROCESSOR_URL_DEFAULT", "PROCESSOR_DEFAULT_URL"},
    older_name{"PAYMENT_PROCESSOR_URL_FALLBACK", "PROCESSOR_FALLBACK_URL"},
    older_name{"PROCESSOR_URL_DEFAULT", "PROCESSOR_DEFAULT_URL"},
    older_name{"PROCESSOR_URL_FALLBACK", "PROCESSOR_FALLBACK_URL"},
    older_name{"PORT", "LISTEN"},
};

constexpr std::array<std::string_view, 3> our_prefixes{"PROCESSOR_", "DATABASE_", "REDIS_"};

std::vector<std::string> known_names(const config& settings) {
  std::vector<std::string> names;
  for (const auto& variable : config_table()) {
    if (!variable.is_for_each_processor())
      names.emplace_back(variable.name);
    else
      for (const auto& processor : settings.processors)
        names.push_back(variable.name_for(processor.name));
  }
  return names;
}

/// Levenshtein's distance: the fewest letters inserted, removed or replaced.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const auto replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

struct near_name {
  std::string_view name;
  std::size_t distance;
};

/// Of several at the same distance the one with the longest common beginning.
near_name closest(const std::vector<std::string>& names, std::string_view to) {
  const auto rank = [&](const std::string& name) {
    const auto parted = std::ranges::mismatch(name, to).in1 - name.begin();
    return std::pair(distance(name, to), -parted);
  };
  const auto& found = *std::ranges::min_element(names, {}, rank);
  return {found, distance(found, to)};
}

bool is_older(const older_name& older, std::string_view name) {
  return older.name.ends_with('_') ? name.starts_with(older.name) : name == older.name;
}

/// Whether it would be known if PROCESSORS named one more.
bool is_of_a_processor_not_named(std::string_view name) {
  constexpr auto prefix = our_prefixes[0];
  if (!name.starts_with(prefix)) return false;
  return std::ranges::any_of(config_table(), [&](const config_variable& variable) {
    if (!variable.is_for_each_processor()) return false;
    const auto suffix = variable.name_for("").substr(prefix.size());
    return name.size() > prefix.size() + suffix.size() && name.ends_with(suffix);
  });
}

} // namespace

std::vector<std::string> advise(const environment& variables, const config& settings) {
  constexpr std::size_t typing_error_max = 2;
  const auto names = known_names(settings);
  std::vector<std::string> lines;
  for (const auto& [name, value] : variables) {
    if (value.empty() || std::ranges::find(names, name) != names.end()) continue;
    const auto older =
        std::ranges::find_if(older_names, [&](const auto& old) { return is_older(old, name); });
    const auto printable = shown(name, redaction::none);
    if (older != older_names.end()) {
      lines.push_back(
          fmt::format("{} is of an older design and not read: use {}", printable, older->successor));
      continue;
    }
    if (std::ranges::none_of(our_prefixes, [&](auto prefix) { return name.starts_with(prefix); })) continue;
    const auto near = closest(names, name);
    if (near.distance > typing_error_max && is_of_a_processor_not_named(name))
      lines.push_back(fmt::format("{} is not read: name its processor in PROCESSORS", printable));
    else
      lines.push_back(fmt::format("{} is not known and not read: use {}", printable, near.name));
  }
  return lines;
}

} // namespace repasse
