#include "server/config_field.hpp"

#include "server/config_address.hpp"
#include "storage/payment.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace repasse {
namespace {

constexpr std::size_t listen_max = 16;
constexpr std::size_t admin_token_min = 32;
constexpr std::size_t admin_token_max = 1024;

} // namespace

std::string read_listen(std::string_view text, config& to, std::size_t) {
  for (const auto part : parse_list(text)) {
    const auto address = parse_listen_address(part);
    if (!address || to.listen.size() == listen_max)
      return fmt::format("expected at most {} of address:port, [address]:port or unix:/path, separated by "
                         "commas; not '{}'",
                         listen_max, shown(part, redaction::none));
    to.listen.push_back(*address);
  }
  return {};
}

std::string show_listen(const config& from, std::size_t) {
  std::vector<std::string> texts;
  std::ranges::transform(from.listen, std::back_inserter(texts), listen_text);
  return fmt::format("{}", fmt::join(texts, ","));
}

/// Takes over every good name even where another is not, so that their own variables are checked too.
std::string read_processors(std::string_view text, config& to, std::size_t) {
  std::vector<std::string> problems;
  for (const auto name : parse_list(text)) {
    const auto named_alike = [&](const processor_settings& other) {
      return processor_name_in_variables(other.name) == processor_name_in_variables(name);
    };
    const auto twin = std::ranges::find_if(to.processors, named_alike);
    if (!is_processor_name(name))
      problems.push_back(fmt::format("expected names of a-z, 0-9, _ and -, the first a letter or digit, at "
                                     "most 64 characters; not '{}'",
                                     shown(name, redaction::none)));
    else if (twin != to.processors.end())
      problems.push_back(fmt::format("expected names that differ in their variables, PROCESSOR_{}_URL; not "
                                     "'{}' and '{}'",
                                     processor_name_in_variables(name), twin->name, name));
    else if (to.processors.size() == processors_max)
      return fmt::format("expected at most {} names", processors_max);
    else
      to.processors.push_back({.name = std::string(name), .host = {}, .path_prefix = {}});
  }
  return fmt::format("{}", fmt::join(problems, "; "));
}

std::string show_processors(const config& from, std::size_t) {
  std::vector<std::string_view> names;
  for (const auto& processor : from.processors)
    names.push_back(processor.name);
  return fmt::format("{}", fmt::join(names, ","));
}

std::string read_url(std::string_view text, config& to, std::size_t processor) {
  return parse_processor_url(text, to.processors[processor])
             ? ""
             : "expected http:// or https://host[:port][/prefix], without user, query or fragment";
}

std::string show_url(const config& from, std::size_t processor) {
  return url_text(from.processors[processor]);
}

std::string read_fee(std::string_view text, config& to, std::size_t processor) {
  const auto fee_ppm = parse_fee_ppm(text);
  if (!fee_ppm) return "expected a decimal from 0 to 1 with at most six decimals; 0.05 is 5 %";
  to.processors[processor].fee_ppm = *fee_ppm;
  return {};
}

std::string show_fee(const config& from, std::size_t processor) {
  return fee_text(from.processors[processor].fee_ppm);
}

/// Its content is looked at once it is known whether the processor speaks https.
std::string read_ca_file(std::string_view path, config& to, std::size_t processor) {
  to.processors[processor].ca_file = path;
  return {};
}

std::string show_ca_file(const config& from, std::size_t processor) {
  const std::string& path = from.processors[processor].ca_file;
  return path.empty() ? "none" : shown(path, redaction::none);
}

std::string read_admin_token(std::string_view text, config& to, std::size_t) {
  const bool is_visible = std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
  if (text.size() < admin_token_min || text.size() > admin_token_max || !is_visible)
    return fmt::format("expected {} to {} visible ASCII characters, got {} bytes", admin_token_min,
                       admin_token_max, text.size());
  to.admin_token = text;
  return {};
}

std::string show_admin_token(const config& from, std::size_t) {
  return from.admin_token.empty() ? "none" : shown(from.admin_token, redaction::secret);
}

std::string read_admin_token_file(std::string_view path, config& to, std::size_t processor) {
  errno = 0;
  std::ifstream file{std::string(path)};
  std::string token(admin_token_max + 2, '\0'); // one more than the longest with its newline is too long
  file.read(token.data(), static_cast<std::streamsize>(token.size()));
  if (!file.is_open() || file.bad())
    return fmt::format("expected a file that can be read: {}", std::strerror(errno));
  token.resize(static_cast<std::size_t>(file.gcount()));
  for (const char newline : {'\n', '\r'})
    if (token.ends_with(newline)) token.pop_back();
  const auto problem = read_admin_token(token, to, processor);
  return problem.empty() ? problem : "its content: " + problem;
}

/// It goes into a field of a request's header.
std::string read_processor_token(std::string_view text, config& to, std::size_t processor) {
  const bool is_visible = std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
  if (text.size() > admin_token_max || !is_visible)
    return fmt::format("expected at most {} visible ASCII characters, got {} bytes", admin_token_max,
                       text.size());
  to.processors[processor].admin_token = text;
  return {};
}

std::string show_processor_token(const config& from, std::size_t processor) {
  const std::string& token = from.processors[processor].admin_token;
  return token.empty() ? "none" : shown(token, redaction::secret);
}

} // namespace repasse
