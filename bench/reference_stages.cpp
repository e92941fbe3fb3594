#include "bench/reference_stages.hpp"

#include "bench/http_caller.hpp"

#include <charconv>
#include <sstream>

namespace repasse {
namespace {

std::optional<processor_condition> parse_condition(std::string_view text) {
  processor_condition condition;
  condition.failing = text.ends_with('!');
  if (condition.failing) text.remove_suffix(1);
  unsigned millis = 0;
  const char* const end = text.data() + text.size();
  const auto [read, error] = std::from_chars(text.data(), end, millis);
  if (error != std::errc{} || read != end) return std::nullopt;
  condition.delay = std::chrono::milliseconds(millis);
  return condition;
}

std::optional<reference_stage> parse_stage(const std::string& text) {
  reference_stage stage;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, '/');) {
    const auto condition = parse_condition(part);
    if (!condition) return std::nullopt;
    stage.push_back(*condition);
  }
  return stage;
}

} // namespace

std::optional<std::vector<reference_stage>> parse_stages(std::string_view text, std::size_t processors) {
  std::vector<reference_stage> stages;
  std::istringstream words{std::string(text)};
  for (std::string word; words >> word;) {
    const auto stage = parse_stage(word);
    if (!stage || stage->size() != processors) return std::nullopt;
    stages.push_back(*stage);
  }
  if (stages.empty()) return std::nullopt;
  return stages;
}

std::string to_string(const reference_stage& stage) {
  std::string text;
  for (const processor_condition& each : stage) {
    if (!text.empty()) text += '/';
    text += std::to_string(each.delay.count());
    if (each.failing) text += '!';
  }
  return text;
}

bool enter_stage(const reference_stage& stage, std::span<const audited_processor> processors) {
  bool accepted = true;
  for (std::size_t i = 0; i < processors.size(); ++i) {
    http_caller caller(processors[i].host, processors[i].port);
    const http_headers token{{"X-Rinha-Token", processors[i].token}};
    const std::string delay = R"({"delay":)" + std::to_string(stage[i].delay.count()) + "}";
    const std::string failure = stage[i].failing ? R"({"failure":true})" : R"({"failure":false})";
    const unsigned delay_status = caller.call("PUT", "/admin/configurations/delay", delay, token).status;
    const unsigned failure_status =
        caller.call("PUT", "/admin/configurations/failure", failure, token).status;
    accepted = accepted && delay_status == 200 && failure_status == 200;
  }
  return accepted;
}

} // namespace repasse
