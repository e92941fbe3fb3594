// How what concerns Redis is read from the configuration, and shown without its secrets. Used by the
// configuration's table and by main's lines for people. Nothing is connected or resolved here.
#pragma once

#include "server/config.hpp"

#include <string>
#include <string_view>

namespace repasse {

/// What is wrong with a URL of Redis, in words that hold no secret; empty if it is well-formed.
[[nodiscard]] std::string redis_url_problem(std::string_view url);

/// The URL with `***` for its password, and for a user who stands alone: others take that for a password.
/// What is not well-formed is `***` from its scheme on.
[[nodiscard]] std::string redis_url_text(std::string_view url);

std::string read_redis_url(std::string_view text, config& to, std::size_t);
std::string show_redis_url(const config& from, std::size_t);
std::string read_redis_db(std::string_view text, config& to, std::size_t);
std::string show_redis_db(const config& from, std::size_t);
std::string read_redis_password(std::string_view text, config& to, std::size_t);
std::string show_redis_password(const config& from, std::size_t);
/// May be empty.
std::string read_redis_prefix(std::string_view text, config& to, std::size_t);
std::string show_redis_prefix(const config& from, std::size_t);

} // namespace repasse
