#include "server/payment_trace.hpp"

#include "server/log.hpp"
#include "server/payment_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace repasse {
namespace {

double milliseconds(std::chrono::nanoseconds of) {
  return std::chrono::duration<double, std::milli>(of).count();
}

void append_span(std::string& to, const payment_trace::span& one, steady_time began) {
  fmt::format_to(std::back_inserter(to), R"({{"span":"{}","at":{:.3f},"ms":{:.3f})", one.name,
                 milliseconds(one.from - began), milliseconds(one.to - one.from));
  if (!one.processor.empty()) {
    to.append(R"(,"processor":)");
    write_json_string(to, one.processor);
  }
  if (one.attempt > 0) fmt::format_to(std::back_inserter(to), R"(,"attempt":{})", one.attempt);
  if (!one.seen.empty()) {
    to.append(R"(,"seen":)");
    write_json_string(to, one.seen);
  }
  to.push_back('}');
}

} // namespace

void payment_trace::add(const span& one) {
  if (spans_.size() == spans_max) {
    spans_.erase(spans_.begin() + spans_max / 2);
    ++left_out_;
  }
  spans_.push_back(one);
}

bool payment_trace::has(std::string_view span_name) const {
  return std::any_of(spans_.begin(), spans_.end(), [&](const span& one) { return one.name == span_name; });
}

void payment_trace::arrived(steady_time now, std::string_view seen) {
  if (awaited_.name.empty()) return;
  awaited_.to = now;
  awaited_.seen = seen;
  add(awaited_);
  awaited_ = {};
}

void payment_trace::log(std::string_view outcome, steady_time now) const {
  log_trace("payment", [&](log_fields& fields) {
    std::string spans = "[";
    for (const span& one : spans_) {
      if (spans.size() > 1) spans.push_back(',');
      append_span(spans, one, began_);
    }
    spans.push_back(']');
    fields.add("traceId", to_string(own_.trace)).add("spanId", span_text(own_.parent));
    if (client_) fields.add("parentId", span_text(client_->parent));
    fields.add("correlationId", to_string(id_))
        .add("outcome", outcome)
        .add_json("ms", fmt::format("{:.3f}", milliseconds(now - began_)))
        .add_json("spans", spans);
    if (left_out_ > 0) fields.add_json("spansLeftOut", std::to_string(left_out_));
  });
}

bool payment_traces::begin(const trace_key& key, std::string_view traceparent, steady_time now) {
  const std::optional<trace_context> client = parse_traceparent(traceparent);
  const bool is_sample = !client && now >= next_sample_;
  if (is_sample) next_sample_ = now + sample_pause;
  if ((!client && !is_sample) || alive_.size() == alive_max) return false;
  trace_context own = client.value_or(trace_context{.is_sampled = true});
  own.parent = draw();
  if (!client) {
    std::memcpy(own.trace.bytes.data(), draw().data(), 8);
    std::memcpy(own.trace.bytes.data() + 8, draw().data(), 8);
  }
  return alive_.try_emplace(key, key.id, client, own, now).second;
}

/// Never all zero.
std::array<std::uint8_t, 8> payment_traces::draw() {
  const std::uint64_t number = drawn_() | 1;
  std::array<std::uint8_t, 8> bytes{};
  std::memcpy(bytes.data(), &number, bytes.size());
  return bytes;
}

payment_trace* payment_traces::find(const trace_key& key) {
  const auto found = alive_.find(key);
  return found == alive_.end() ? nullptr : &found->second;
}

std::optional<trace_key> payment_traces::find_settling(const payment_id& id) const {
  for (auto one = alive_.lower_bound({id, 0}); one != alive_.end() && one->first.id == id; ++one)
    if (one->second.is_awaiting("settle") || one->second.has("settle")) return one->first;
  return std::nullopt;
}

void payment_traces::end(const trace_key& key, std::string_view outcome, steady_time now) {
  const auto found = alive_.find(key);
  if (found == alive_.end()) return;
  const bool is_told = found->second.context().is_sampled && lines_.take(now);
  if (is_told) found->second.log(outcome, now);
  alive_.erase(found);
}

void payment_traces::end_all(std::string_view outcome, steady_time now) {
  while (!alive_.empty())
    end(trace_key{alive_.begin()->first}, outcome, now);
}

} // namespace repasse
