#include "bench/audit_reader.hpp"

#include "bench/flat_json.hpp"

#include <charconv>

namespace repasse {
namespace {

std::vector<std::string> targets_of(std::span<const payment_id> ids) {
  std::vector<std::string> targets;
  targets.reserve(ids.size());
  for (const payment_id& id : ids)
    targets.push_back("/payments/" + to_string(id));
  return targets;
}

std::string query_of(const std::optional<audit_window>& window) {
  if (!window) return {};
  return "?from=" + to_string(window->from) + "&to=" + to_string(window->to);
}

/// An exact sum, with two decimals at most; sums exceed what one payment's amount may be.
std::optional<std::int64_t> read_sum(std::string_view number) {
  const std::size_t point = number.find('.');
  const std::string_view decimals = point == number.npos ? "" : number.substr(point + 1);
  if (decimals.size() > 2) return std::nullopt;
  std::string cents_text(number.substr(0, point));
  cents_text.append(decimals).append(2 - decimals.size(), '0');
  std::int64_t cents = 0;
  const char* const end = cents_text.data() + cents_text.size();
  const auto [read, error] = std::from_chars(cents_text.data(), end, cents);
  if (error != std::errc{} || read != end) return std::nullopt;
  return cents;
}

double read_double(std::string_view number) {
  double value = 0;
  std::from_chars(number.data(), number.data() + number.size(), value);
  return value;
}

std::optional<told_totals> read_totals(const flat_json& members) {
  const auto requests = members.count("totalRequests");
  const auto amount = members.number("totalAmount");
  const auto cents = amount ? read_sum(*amount) : std::nullopt;
  if (!requests || !cents) return std::nullopt;
  return told_totals{*requests, *cents};
}

} // namespace

audit_reader::audit_reader(const audit_config& config) : config_(config), repasse_(config.host, config.port) {
  processors_.reserve(config.processors.size());
  for (const audited_processor& each : config.processors)
    processors_.emplace_back(each.host, each.port);
}

std::vector<told_payment> audit_reader::ask_repasse(std::span<const payment_id> ids) {
  std::vector<told_payment> told;
  for (const http_reply& answer : repasse_.get_all(targets_of(ids)))
    told.push_back(read_payment(answer, true));
  return told;
}

std::vector<told_payment> audit_reader::ask_processor(std::size_t processor,
                                                      std::span<const payment_id> ids) {
  std::vector<told_payment> told;
  for (const http_reply& answer : processors_[processor].get_all(targets_of(ids)))
    told.push_back(read_payment(answer, false));
  return told;
}

told_payment audit_reader::read_payment(const http_reply& answer, bool by_repasse) const {
  told_payment told;
  if (answer.status == 404) told.what = told_payment::verdict::not_found;
  const auto members = answer.status == 200 ? flat_json::read(answer.body) : std::nullopt;
  if (!members) return told;
  const auto amount = members->number("amount");
  const auto cents = amount ? parse_amount(*amount) : amount_text{amount_text::verdict::not_positive, 0};
  if (const auto time = members->string("requestedAt")) told.requested_at = parse_time(*time, rounding::down);
  if (by_repasse) {
    const auto status = parse_payment_status(members->string("status").value_or(""));
    if (!status) return told;
    told.status = *status;
    const std::string_view name = members->string("processor").value_or("");
    for (std::size_t i = 0; i < config_.processors.size(); ++i)
      if (config_.processors[i].name == name) told.processor = i;
  }
  if (cents.what != amount_text::verdict::ok) return told;
  told.amount_cents = cents.cents;
  told.what = told_payment::verdict::found;
  return told;
}

std::optional<std::string> audit_reader::trail_of(const payment_id& id) {
  http_reply answer = repasse_.call("GET", "/admin/audit?correlationId=" + to_string(id), "",
                                    {{"X-Admin-Token", config_.admin_token}});
  if (answer.status != 200) return std::nullopt;
  return std::move(answer.body);
}

std::optional<std::vector<told_totals>> audit_reader::summary(const std::optional<audit_window>& window) {
  const http_reply answer = repasse_.call("GET", "/payments-summary" + query_of(window));
  const auto members = answer.status == 200 ? flat_json::read(answer.body) : std::nullopt;
  if (!members) return std::nullopt;
  std::vector<told_totals> totals;
  for (const audited_processor& each : config_.processors) {
    const auto object = members->object(each.name);
    const auto its_totals = object ? read_totals(*object) : std::nullopt;
    if (!its_totals) return std::nullopt;
    totals.push_back(*its_totals);
  }
  return totals;
}

std::optional<told_totals> audit_reader::summary_of(std::size_t processor,
                                                    const std::optional<audit_window>& window) {
  const http_reply answer = ask_summary(processor, window);
  const auto members = answer.status == 200 ? flat_json::read(answer.body) : std::nullopt;
  return members ? read_totals(*members) : std::nullopt;
}

std::optional<told_takings> audit_reader::takings_of(std::size_t processor) {
  const http_reply answer = ask_summary(processor, std::nullopt);
  const auto members = answer.status == 200 ? flat_json::read(answer.body) : std::nullopt;
  const auto taken = members ? read_totals(*members) : std::nullopt;
  if (!taken) return std::nullopt;
  return told_takings{*taken, read_double(members->number("totalFee").value_or("")),
                      read_double(members->number("feePerTransaction").value_or(""))};
}

http_reply audit_reader::ask_summary(std::size_t processor, const std::optional<audit_window>& window) {
  return processors_[processor].call("GET", "/admin/payments-summary" + query_of(window), "",
                                     {{"X-Rinha-Token", config_.processors[processor].token}});
}

} // namespace repasse
