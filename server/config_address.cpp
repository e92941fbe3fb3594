#include "server/config_address.hpp"

#include "server/config_value.hpp"

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace repasse {
namespace {

using boost::asio::ip::tcp;

constexpr std::size_t unix_path_max = 107; // sun_path of unix(7), less its terminator
constexpr std::size_t host_name_max = 253; // RFC 1035 section 2.3.4, as text
constexpr std::string_view http_scheme = "http://";
constexpr std::string_view https_scheme = "https://";

std::uint16_t scheme_port(bool is_https) { return is_https ? 443 : 80; }

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto port = parse_whole(text);
  if (!port || *port == 0 || *port > 65'535) return std::nullopt;
  return static_cast<std::uint16_t>(*port);
}

/// Splits `[::1]:80` and `host:80`; the port is null where there is no colon, the brackets are cut.
struct host_and_port {
  std::string_view host;
  std::optional<std::string_view> port;
  bool bracketed = false;
};
std::optional<host_and_port> split_authority(std::string_view text) {
  host_and_port parts;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    parts = {text.substr(1, end - 1), std::nullopt, true};
    text.remove_prefix(end + 1);
  } else {
    parts.host = text.substr(0, text.find(':'));
    text.remove_prefix(parts.host.size());
  }
  if (text.starts_with(':'))
    parts.port = text.substr(1);
  else if (!text.empty())
    return std::nullopt;
  return parts;
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= host_name_max && text.front() != '-' &&
         std::ranges::all_of(text,
                             [](char c) { return is_alphanumeric(c) || c == '-' || c == '.' || c == '_'; });
}

bool is_address_v6(std::string_view text) {
  boost::system::error_code failed;
  boost::asio::ip::make_address_v6(std::string(text), failed);
  return !failed && text.find('%') == std::string_view::npos;
}

/// The characters of a path, RFC 3986 section 3.3.
bool is_path(std::string_view text) {
  constexpr std::string_view marks = "/-._~!$&'()*+,;=:@%";
  return std::ranges::all_of(
      text, [&](char c) { return is_alphanumeric(c) || marks.find(c) != std::string_view::npos; });
}

std::string bracketed_if_v6(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

} // namespace

std::optional<listen_address> parse_listen_address(std::string_view text) {
  constexpr std::string_view unix_scheme = "unix:";
  if (text.starts_with(unix_scheme)) {
    text.remove_prefix(unix_scheme.size());
    if (!text.starts_with('/') || text.size() > unix_path_max) return std::nullopt;
    return listen_address{std::string(text), {}};
  }
  const auto parts = split_authority(text);
  const auto port = parts && parts->port ? parse_port(*parts->port) : std::nullopt;
  if (!port) return std::nullopt;
  if (parts->host.empty() && !parts->bracketed) return listen_address{{}, {tcp::v4(), *port}};
  boost::system::error_code failed;
  const auto address = boost::asio::ip::make_address(std::string(parts->host), failed);
  if (failed || address.is_v6() != parts->bracketed) return std::nullopt;
  return listen_address{{}, {address, *port}};
}

std::string listen_text(const listen_address& address) {
  if (!address.unix_path.empty()) return "unix:" + address.unix_path;
  return fmt::format("{}:{}", bracketed_if_v6(address.tcp.address().to_string()), address.tcp.port());
}

bool parse_processor_url(std::string_view text, processor_settings& to) {
  const bool is_https = text.starts_with(https_scheme);
  if (!is_https && !text.starts_with(http_scheme)) return false;
  text.remove_prefix(is_https ? https_scheme.size() : http_scheme.size());
  auto path = text.substr(std::min(text.find('/'), text.size()));
  const auto parts = split_authority(text.substr(0, text.size() - path.size()));
  if (!parts || !(parts->bracketed ? is_address_v6(parts->host) : is_host_name(parts->host))) return false;
  const auto port = parts->port ? parse_port(*parts->port) : scheme_port(is_https);
  while (path.ends_with('/'))
    path.remove_suffix(1);
  if (!port || !is_path(path)) return false;
  to.is_https = is_https;
  to.host = parts->host;
  to.port = *port;
  to.path_prefix = path;
  return true;
}

std::string processor_settings::authority() const {
  const auto text = bracketed_if_v6(host);
  return port == scheme_port(is_https) ? text : fmt::format("{}:{}", text, port);
}

std::string url_text(const processor_settings& processor) {
  return fmt::format("{}{}{}", processor.is_https ? https_scheme : http_scheme, processor.authority(),
                     processor.path_prefix);
}

} // namespace repasse
