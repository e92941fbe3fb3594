#include "server/config_redis.hpp"

#include "server/config_value.hpp"
#include "storage/redis_connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace repasse {
namespace {

constexpr std::string_view hidden = "***";
constexpr std::array<std::string_view, 4> schemes{"redis-sentinel://", "redis+unix:", "redis://", "unix:"};
constexpr std::size_t db_max = 0x7fff'ffff;
constexpr std::size_t prefix_max = 64;

} // namespace

std::string redis_url_problem(std::string_view url) {
  const std::string problem = redis_url_error(std::string(url));
  if (problem.empty()) return problem;
  return "expected redis://[user[:password]@]host[:port][/db], "
         "redis-sentinel://[user:password@]host1[:port],host2/master[/db] or unix:/path: " +
         problem;
}

std::string redis_url_text(std::string_view url) {
  const auto scheme =
      std::ranges::find_if(schemes, [url](std::string_view one) { return url.starts_with(one); });
  if (scheme == schemes.end()) return std::string(hidden);
  if (!redis_url_error(std::string(url)).empty()) return std::string(*scheme).append(hidden);
  const auto at = scheme->ends_with("//") ? url.find('@') : url.npos;
  if (at == url.npos) return std::string(url);
  const auto both = url.substr(scheme->size(), at - scheme->size());
  const auto colon = both.find(':');
  const auto user = colon == both.npos ? std::string_view{} : both.substr(0, colon + 1);
  return std::string(*scheme).append(user).append(hidden).append(url.substr(at));
}

std::string read_redis_url(std::string_view text, config& to, std::size_t) {
  std::string problem = redis_url_problem(text);
  if (problem.empty()) to.redis_url = text;
  return problem;
}

std::string show_redis_url(const config& from, std::size_t) {
  return from.redis_url.empty() ? "none" : redis_url_text(from.redis_url);
}

std::string read_redis_db(std::string_view text, config& to, std::size_t) {
  const auto value = parse_whole(text);
  if (!value || *value > db_max) return fmt::format("expected a whole number from 0 to {}", db_max);
  to.redis_db = static_cast<std::uint32_t>(*value);
  return {};
}

std::string show_redis_db(const config& from, std::size_t) { return std::to_string(from.redis_db); }

std::string read_redis_password(std::string_view text, config& to, std::size_t) {
  to.redis_password = text;
  return {};
}

std::string show_redis_password(const config& from, std::size_t) {
  return from.redis_password.empty() ? "none" : shown(from.redis_password, redaction::secret);
}

std::string read_redis_prefix(std::string_view text, config& to, std::size_t) {
  const bool is_visible = std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
  if (text.size() > prefix_max || !is_visible)
    return fmt::format("expected at most {} visible ASCII characters", prefix_max);
  to.redis_prefix = text;
  return {};
}

std::string show_redis_prefix(const config& from, std::size_t) { return from.redis_prefix; }

} // namespace repasse
