#include "health/health_message.hpp"

#include "storage/ledger.hpp"

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace repasse {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr std::chrono::milliseconds response_time_max = 24h;

/// Of JSON's own kinds only whole numbers are numbers here.
std::optional<std::chrono::milliseconds> read_millis(const json::value& from) {
  if (!from.is_int64()) return std::nullopt;
  const std::chrono::milliseconds read{from.get_int64()};
  if (read < 0ms || read > response_time_max) return std::nullopt;
  return read;
}

} // namespace

std::string health_message_json(const health_message& message) {
  json::object made;
  made["processor"] = message.processor;
  made["healthy"] = message.healthy;
  made["minResponseTime"] = message.min_response_time.count();
  made["timestamp"] = to_string(message.timestamp);
  return json::serialize(made);
}

std::optional<health_message> parse_health_message(std::string_view text) {
  if (text.size() > health_message_bytes_max) return std::nullopt;
  std::array<unsigned char, 4096> memory;
  json::monotonic_resource arena(memory.data(), memory.size());
  json::parse_options strict;
  strict.max_depth = 4;
  json::error_code error;
  const json::value root = json::parse({text.data(), text.size()}, error, &arena, strict);
  if (error) return std::nullopt;
  const json::object* const all = root.if_object();
  if (all == nullptr) return std::nullopt;
  const json::value* const processor = all->if_contains("processor");
  const json::value* const healthy = all->if_contains("healthy");
  const json::value* const response_time = all->if_contains("minResponseTime");
  const json::value* const timestamp = all->if_contains("timestamp");
  if (processor == nullptr || !processor->is_string() || healthy == nullptr || !healthy->is_bool() ||
      response_time == nullptr || timestamp == nullptr || !timestamp->is_string())
    return std::nullopt;
  const auto millis = read_millis(*response_time);
  const json::string& time_text = timestamp->get_string();
  const auto time = parse_time({time_text.data(), time_text.size()}, rounding::down);
  if (!millis || !time) return std::nullopt;
  const json::string& name = processor->get_string();
  return health_message{.processor = {name.data(), name.size()},
                        .healthy = healthy->get_bool(),
                        .min_response_time = *millis,
                        .timestamp = *time};
}

health_news::verdict health_news::judge(std::string_view text, steady_time now, wall_time wall,
                                        processor_index& index, health_report& report) {
  const std::optional<health_message> said = parse_health_message(text);
  if (!said) return verdict::malformed;
  const auto place = std::ranges::find(names_, said->processor);
  if (place == names_.end()) return verdict::unknown;
  index = static_cast<processor_index>(place - names_.begin());
  if (said->timestamp > wall + ahead_max) return verdict::from_future;
  if (said->timestamp <= last_[index] || said->timestamp < wall - probe_age_max) return verdict::stale;
  last_[index] = said->timestamp;
  const std::chrono::milliseconds age = std::max<std::chrono::milliseconds>(0ms, wall - said->timestamp);
  report.failing = !said->healthy;
  report.min_response_time = said->min_response_time;
  report.heard = now - age;
  report.heard_wall = wall - age;
  report.from = 0;
  return verdict::news;
}

wall_time health_news::stamp(processor_index index, wall_time wall) {
  return last_[index] = std::max(wall, last_[index] + 1ms);
}

} // namespace repasse
