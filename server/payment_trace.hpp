// Where the time of single payments goes: of those that come with a `traceparent`, and of one in ten seconds
// besides. Each is one line of the log when it has come to its end. Used by payment_flow, one per reactor;
// no clock, nothing waits here.
#pragma once

#include "server/token_bucket.hpp"
#include "server/trace_context.hpp"
#include "storage/clock.hpp"

#include <boost/container/static_vector.hpp>

#include <cstdint>
#include <map>
#include <random>
#include <string_view>

namespace repasse {

class payment_trace {
public:
  struct span {
    std::string_view name; ///< a literal, as `seen`
    steady_time from{};
    steady_time to{};
    std::string_view processor{}; ///< outlives the trace; empty: none
    std::uint32_t attempt = 0;    ///< sends so far; 0: none
    std::string_view seen{};
  };

  payment_trace(const payment_id& id, const std::optional<trace_context>& client, const trace_context& own,
                steady_time began)
      : id_(id), client_(client), own_(own), began_(began) {}

  void add(const span& one);
  /// It waits for this from here on; the span is added by arrived().
  void await(std::string_view name, steady_time now, std::string_view processor = {}) {
    awaited_ = {.name = name, .from = now, .processor = processor};
  }
  void arrived(steady_time now, std::string_view seen = {});
  [[nodiscard]] bool is_awaiting(std::string_view name) const { return awaited_.name == name; }

  [[nodiscard]] bool has(std::string_view span_name) const;

  /// For processors: our own span is the parent there.
  [[nodiscard]] const trace_context& context() const { return own_; }
  /// The line of the log.
  void log(std::string_view outcome, steady_time now) const;

private:
  static constexpr std::size_t spans_max = 14;

  payment_id id_;
  std::optional<trace_context> client_; ///< empty: the trace begins here
  trace_context own_;
  steady_time began_;
  span awaited_;
  boost::container::static_vector<span, spans_max> spans_; ///< of more, the first and the last
  std::uint32_t left_out_ = 0;
};

/// Of one post: of two with the same id each has a trace of its own.
struct trace_key {
  payment_id id{};
  std::uint32_t place = 0; ///< where the payment is held

  friend auto operator<=>(const trace_key&, const trace_key&) = default;
};

class payment_traces {
public:
  /// Beyond, payments are not traced.
  static constexpr std::size_t alive_max = 1024;
  /// Of payments that bring no trace, one in this time is traced: an own trace begins with it.
  static constexpr std::chrono::nanoseconds sample_pause = std::chrono::seconds{10};

  /// Ids are drawn from `seed`.
  explicit payment_traces(std::uint64_t seed) : drawn_(seed) {}

  [[nodiscard]] bool wants(std::string_view traceparent, steady_time now) const {
    return !traceparent.empty() || now >= next_sample_;
  }
  /// If wants(). False if it is not traced after all: what it brought is malformed, or there is no room.
  [[nodiscard]] bool begin(const trace_key& key, std::string_view traceparent, steady_time now);
  /// Null if it is not traced any more. Valid until its end().
  [[nodiscard]] payment_trace* find(const trace_key& key);
  /// The one with this id that is on its way into the books, or was.
  [[nodiscard]] std::optional<trace_key> find_settling(const payment_id& id) const;
  /// Logs it if it is sampled, and forgets it.
  void end(const trace_key& key, std::string_view outcome, steady_time now);
  void end_all(std::string_view outcome, steady_time now);

private:
  [[nodiscard]] std::array<std::uint8_t, 8> draw();

  std::mt19937_64 drawn_;
  steady_time next_sample_{};
  token_bucket lines_{100, 400}; ///< more than the log lets through, so that it can say what it dropped
  std::map<trace_key, payment_trace> alive_;
};

} // namespace repasse
