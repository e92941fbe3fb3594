#include "storage/pg_hosts.hpp"

#include "storage/pg_setup.hpp"

#include <charconv>
#include <string_view>

namespace repasse {
namespace {

/// While the server is away a name is looked up again this often; it may have moved.
constexpr std::chrono::nanoseconds look_again = std::chrono::seconds{1};

std::string_view value_of(const std::vector<pg_option>& options, std::string_view keyword) {
  for (const auto& [one, value] : options)
    if (one == keyword) return value;
  return {};
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t comma = list.find(',');
    parts.emplace_back(list.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    list.remove_prefix(comma + 1);
  }
}

/// A folder, or a name in Linux's abstract namespace.
bool is_socket_folder(std::string_view host) {
  return host.empty() || host.front() == '/' || host.front() == '@';
}

bool is_address(const std::string& text) {
  boost::system::error_code error;
  asio::ip::make_address(text, error);
  return !error;
}

bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), port);
  return text.empty() || (read.ec == std::errc{} && read.ptr == text.data() + text.size() && port > 0);
}

bool is_one_of(std::string_view value, std::initializer_list<std::string_view> choices) {
  return value.empty() || std::find(choices.begin(), choices.end(), value) != choices.end();
}

} // namespace

std::string pg_url_error(const std::string& url) {
  if (url.empty()) return "it is empty";
  const std::optional<std::vector<pg_option>> read = pg_read_url(url);
  if (!read) return "it is neither postgresql://user:password@host:port/database nor a list of keyword=value";
  const std::vector<pg_option>& options = *read;
  if (!value_of(options, "service").empty()) return "a service is not supported: name the host";
  const std::string_view addresses = value_of(options, "hostaddr");
  const std::size_t hosts = split(value_of(options, "host")).size();
  if (!addresses.empty()) {
    for (const std::string& one : split(addresses))
      if (!one.empty() && !is_address(one)) return "hostaddr holds something that is not an address";
    if (!value_of(options, "host").empty() && split(addresses).size() != hosts)
      return "host and hostaddr list different numbers of hosts";
  }
  const std::size_t targets = addresses.empty() ? hosts : split(addresses).size();
  const std::vector<std::string> ports = split(value_of(options, "port"));
  if (!std::all_of(ports.begin(), ports.end(), [](const std::string& one) { return is_port(one); }))
    return "a port is a number from 1 to 65535";
  if (ports.size() != 1 && ports.size() != targets) return "there are neither one port nor one for each host";
  if (!is_one_of(value_of(options, "sslmode"),
                 {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}))
    return "its sslmode is not one of libpq's";
  if (!is_one_of(value_of(options, "target_session_attrs"),
                 {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}))
    return "its target_session_attrs is not one of libpq's";
  return {};
}

pg_hosts::pg_hosts(clock& time, event& resolved, const std::string& url)
    : time_(time), resolved_(resolved), lookups_(new lookups(time.get_executor())) {
  lookups_->owner = this;
  parse(url);
}

pg_hosts::~pg_hosts() {
  lookups_->owner = nullptr;
  lookups_->resolver.cancel();
}

void pg_hosts::parse(const std::string& url) {
  const std::optional<std::vector<pg_option>> read = pg_read_url(url);
  REPASSE_CHECK(read.has_value()); // pg_url_error() is asked first
  const std::vector<pg_option>& said = *read;
  for (const pg_option& one : said)
    if (one.first != "host" && one.first != "hostaddr" && one.first != "port") options_.push_back(one);
  const bool says_where = !value_of(said, "host").empty() || !value_of(said, "hostaddr").empty();
  const std::vector<std::string> names = split(says_where ? value_of(said, "host") : pg_default("host"));
  const std::vector<std::string> addresses = split(value_of(said, "hostaddr"));
  const std::vector<std::string> ports = split(value_of(said, "port"));
  const std::size_t count = std::max(names.size(), addresses.size());
  for (std::size_t i = 0; i < count; ++i) {
    host& one = hosts_.emplace_back();
    if (i < names.size()) one.name = names[i];
    one.port = ports[ports.size() == 1 ? 0 : i];
    if (i < addresses.size() && !addresses[i].empty())
      one.addresses.push_back(addresses[i]);
    else if (is_socket_folder(one.name))
      one.addresses.emplace_back();
    else if (is_address(one.name))
      one.addresses.push_back(one.name);
    else
      one.is_named = true;
  }
}

void pg_hosts::look_up() {
  const steady_time now = time_.now();
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    host& one = hosts_[i];
    if (!one.is_named || one.is_looking) continue;
    if (one.is_looked_up && now - one.asked_at < look_again) continue;
    one.is_looking = true;
    one.asked_at = now;
    const auto done = [keep = lookups_, i](const boost::system::error_code& error,
                                           const asio::ip::basic_resolver_results<tcp>& found) {
      if (keep->owner != nullptr) keep->owner->looked_up(i, error, found);
    };
    lookups_->resolver.async_resolve(one.name, "", done);
  }
}

void pg_hosts::looked_up(std::size_t index, const boost::system::error_code& error,
                         const asio::ip::basic_resolver_results<tcp>& found) {
  host& one = hosts_[index];
  one.is_looking = false;
  one.is_looked_up = true;
  if (error) { // what was found before stays: the name server may be what is out of order
    one.trouble = one.name + " does not resolve: " + error.message();
  } else {
    one.trouble.clear();
    one.addresses.clear();
    for (const auto& each : found) {
      const std::string address = each.endpoint().address().to_string();
      if (std::find(one.addresses.begin(), one.addresses.end(), address) == one.addresses.end())
        one.addresses.push_back(address);
    }
  }
  resolved_.notify();
}

bool pg_hosts::is_looking() const {
  return std::any_of(hosts_.begin(), hosts_.end(),
                     [](const host& one) { return one.is_named && !one.is_looked_up; });
}

std::string pg_hosts::trouble() const {
  std::string all;
  for (const host& one : hosts_) {
    if (one.trouble.empty()) continue;
    if (!all.empty()) all += "; ";
    all += one.trouble;
  }
  return all;
}

std::vector<pg_hosts::candidate> pg_hosts::candidates() const {
  std::vector<candidate> all;
  for (std::size_t i = 0; i < hosts_.size(); ++i)
    for (const std::string& address : hosts_[i].addresses)
      all.push_back({i, hosts_[i].name, address, hosts_[i].port});
  return all;
}

std::size_t pg_hosts::count() const { return hosts_.size(); }

} // namespace repasse
