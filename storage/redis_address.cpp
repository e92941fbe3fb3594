#include "storage/redis_address.hpp"

#include "storage/check.hpp"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <charconv>

namespace repasse {
namespace {

constexpr std::size_t hosts_max = 16;
constexpr std::uint16_t sentinel_port = 26'379;

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<unsigned char> hex_of(std::string_view two) {
  unsigned char byte = 0;
  const auto read = std::from_chars(two.data(), two.data() + two.size(), byte, 16);
  if (two.size() != 2 || read.ec != std::errc{} || read.ptr != two.data() + 2) return std::nullopt;
  return byte;
}

/// Without `%41` for `A`; nullopt for what no URL may hold as it is.
std::optional<std::string> decoded(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] <= ' ' || text[i] > '~') return std::nullopt;
    if (text[i] != '%') {
      bytes.push_back(text[i]);
      continue;
    }
    const std::optional<unsigned char> byte = hex_of(text.substr(i + 1, 2));
    if (!byte) return std::nullopt;
    bytes.push_back(static_cast<char>(*byte));
    i += 2;
  }
  return bytes;
}

bool takes_scheme(std::string_view& rest, std::string_view scheme) {
  if (!rest.starts_with(scheme)) return false;
  rest.remove_prefix(scheme.size());
  return true;
}

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}

/// `host`, `host:6379`, `[::1]:6379`
std::string read_host(std::string_view text, std::uint16_t port, redis_host& to) {
  to.port = port;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return "an address in brackets does not end";
    to.name = text.substr(1, end - 1);
    rest = text.substr(end + 1);
    boost::system::error_code error;
    boost::asio::ip::make_address_v6(to.name, error);
    if (error) return "what stands in brackets is no IPv6 address";
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    to.name = text.substr(0, colon);
    rest = text.substr(colon);
    if (to.name.empty()) return "it names no host";
    if (!is_name(to.name)) return "a host is a name or an address, IPv6 in brackets";
  }
  if (rest.empty()) return {};
  const std::optional<std::uint16_t> said =
      rest.front() == ':' ? number_of<std::uint16_t>(rest.substr(1)) : std::nullopt;
  if (!said || *said == 0) return "a port is a number from 1 to 65535";
  to.port = *said;
  return {};
}

std::string read_db(std::string_view text, redis_target& to) {
  if (text.empty()) return {};
  to.db = number_of<std::uint32_t>(text);
  return to.db && *to.db < 0x8000'0000U ? "" : "a database is a number";
}

/// `[user[:password]@]`, taken from `authority`.
std::string read_user(std::string_view& authority, redis_target& to) {
  const std::size_t at = authority.find('@');
  if (at == std::string_view::npos) return {};
  if (authority.find('@', at + 1) != std::string_view::npos)
    return "user and password are percent-encoded: @ is %40";
  const std::string_view both = authority.substr(0, at);
  authority.remove_prefix(at + 1);
  const std::size_t colon = std::min(both.find(':'), both.size());
  const std::optional<std::string> user = decoded(both.substr(0, colon));
  const std::optional<std::string> password = decoded(both.substr(std::min(colon + 1, both.size())));
  if (!user || !password) return "user and password are percent-encoded, and this is not well-formed";
  to.user = *user;
  to.password = *password;
  return {};
}

std::string read_socket_file(std::string_view rest, redis_target& to) {
  if (rest.starts_with("///")) rest.remove_prefix(2);
  const std::size_t question = std::min(rest.find('?'), rest.size());
  const std::optional<std::string> path = decoded(rest.substr(0, question));
  if (!path || !path->starts_with('/') || path->starts_with("//") || path->find('\0') != std::string::npos)
    return "a socket file is unix:/path";
  constexpr std::size_t path_max = 107; // sockaddr_un
  if (path->size() > path_max) return "the path of a socket file is too long";
  to.path = *path;
  if (question == rest.size()) return {};
  std::string_view query = rest.substr(question + 1);
  if (!takes_scheme(query, "db=")) return "behind ? only db=number is known";
  return query.empty() ? "a database is a number" : read_db(query, to);
}

std::string read_sentinels(std::string_view list, std::string_view path, redis_target& to) {
  for (;;) {
    const std::size_t comma = list.find(',');
    if (to.hosts.size() == hosts_max) return "there are more than 16 hosts";
    if (std::string problem = read_host(list.substr(0, comma), sentinel_port, to.hosts.emplace_back());
        !problem.empty())
      return problem;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  const std::size_t slash = path.find('/');
  const std::optional<std::string> master = decoded(path.substr(0, slash));
  if (!master) return "the master's name is percent-encoded, and this is not well-formed";
  if (master->empty()) return "it names no master";
  to.master = *master;
  return slash == std::string_view::npos ? "" : read_db(path.substr(slash + 1), to);
}

} // namespace

std::string parse_redis_url(std::string_view url, redis_target& to) {
  if (url.empty()) return "it is empty";
  if (url.starts_with("rediss://") || url.starts_with("rediss+")) return "TLS to Redis is not supported";
  std::string_view rest = url;
  if (takes_scheme(rest, "unix:") || takes_scheme(rest, "redis+unix:")) return read_socket_file(rest, to);
  const bool has_sentinels = takes_scheme(rest, "redis-sentinel://");
  if (!has_sentinels && !takes_scheme(rest, "redis://"))
    return "it begins with none of redis://, redis-sentinel:// and unix:/";
  if (rest.find_first_of("?#") != std::string_view::npos) return "there may be no ? and no # in it";
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  const std::string_view path = rest.substr(std::min(slash + 1, rest.size()));
  if (std::string problem = read_user(authority, to); !problem.empty()) return problem;
  if (has_sentinels) return read_sentinels(authority, path, to);
  if (authority.find(',') != std::string_view::npos) return "several hosts are for redis-sentinel:// alone";
  if (std::string problem = read_host(authority, 6'379, to.hosts.emplace_back()); !problem.empty())
    return problem;
  return read_db(path, to);
}

std::string redis_url_error(const std::string& url) {
  redis_target ignored;
  return parse_redis_url(url, ignored);
}

redis_target target_of(const redis_address& where) {
  redis_target target;
  const std::string problem = parse_redis_url(where.url, target);
  REPASSE_CHECK(problem.empty()); // redis_url_error() is asked first
  if (target.password.empty()) target.password = where.password;
  if (!target.db) target.db = where.db;
  return target;
}

std::string redis_host::text() const {
  const bool is_ipv6 = name.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + name + "]" : name) + ":" + std::to_string(port);
}

} // namespace repasse
