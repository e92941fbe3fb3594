#include "server/processor.hpp"

#include "server/config.hpp"
#include "server/log.hpp"
#include "server/payment_json.hpp"
#include "storage/planted.hpp"

#include <spdlog/spdlog.h>

namespace repasse {
namespace {

/// Between two lines of the log of the same kind, whatever happens.
constexpr std::chrono::nanoseconds log_pause = std::chrono::seconds{1};

/// One word comes by several ways, from this process, by Redis, by a beat, and its age is known to some
/// milliseconds.
constexpr std::chrono::nanoseconds same_word = std::chrono::milliseconds{20};

bool is_success(int status) { return status >= 200 && status <= 299; }

/// What a status alone says; 422, 409, 500 and 503 call for a question first.
evidence of_status(int status) {
  if (is_success(status)) return evidence::taken;
  switch (status) {
  case 429:
    return evidence::busy;
  case 400:
  case 411:
  case 413:
  case 414:
  case 415:
  case 431:
    return evidence::refused;
  case 401:
  case 403:
  case 404:
  case 405:
    return evidence::misconfigured;
  case 422:
  case 409:
    return evidence::known_silent;
  case 500:
  case 503:
    return evidence::failed_silent;
  default:
    return evidence::other_status;
  }
}

evidence of_answer(const http_answer& answer) {
  switch (answer.what) {
  case http_answer::kind::not_sent:
    return evidence::not_connected;
  case http_answer::kind::timed_out:
    return evidence::timed_out;
  case http_answer::kind::lost:
    return evidence::lost;
  case http_answer::kind::nonsense:
    return evidence::nonsense;
  case http_answer::kind::answered:
    return of_status(answer.status);
  }
  return evidence::nonsense;
}

/// What the answer to the question makes of a 422 or 409, or of a 500 or 503.
evidence after_asking(evidence seen, holding::verdict held) {
  const bool failed = seen == evidence::failed_silent;
  switch (held) {
  case holding::verdict::same_amount:
    return failed ? evidence::failed_found : evidence::known_same;
  case holding::verdict::other_amount:
    return evidence::known_other;
  case holding::verdict::missing:
    return failed ? evidence::failed_missing : evidence::known_missing;
  case holding::verdict::silent:
    return seen;
  }
  return seen;
}

outcome::verdict verdict_of(evidence seen) {
  using verdict = outcome::verdict;
  switch (seen) {
  case evidence::taken:
  case evidence::known_same:
  case evidence::failed_found:
    return verdict::taken;
  case evidence::not_connected:
  case evidence::busy:
  case evidence::misconfigured:
  case evidence::failed_missing:
    return verdict::not_taken;
  case evidence::refused:
    return verdict::refused;
  case evidence::known_other:
    return verdict::other_amount;
  case evidence::lost:
    return is_planted(planted::lost_answer_is_not_sent) ? verdict::not_taken : verdict::unknown;
  case evidence::known_missing:
  case evidence::known_silent:
  case evidence::failed_silent:
  case evidence::other_status:
  case evidence::timed_out:
  case evidence::nonsense:
  case evidence::count:
    return verdict::unknown;
  }
  return verdict::unknown;
}

/// The processor did its work, whatever it thinks of this payment.
bool is_alive(evidence seen) {
  switch (seen) {
  case evidence::taken:
  case evidence::known_same:
  case evidence::known_other:
  case evidence::known_missing:
  case evidence::known_silent:
  case evidence::refused:
    return true;
  default:
    return false;
  }
}

constexpr std::array<std::string_view, static_cast<std::size_t>(evidence::count)> evidence_names = {
    "not connected",
    "taken",
    "known, same amount",
    "known, other amount",
    "known, missing",
    "known, silent",
    "busy",
    "refused",
    "misconfigured",
    "failed, found",
    "failed, missing",
    "failed, silent",
    "other status",
    "timed out",
    "lost",
    "nonsense"};

void append_field(std::string& to, const std::optional<trace_context>& trace) {
  if (!trace) return;
  to.append("traceparent: ");
  write_traceparent(to, *trace);
  to.append("\r\n");
}

} // namespace

std::string_view to_string(evidence seen) { return evidence_names[static_cast<std::size_t>(seen)]; }

std::string_view to_string(holding::verdict what) {
  switch (what) {
  case holding::verdict::same_amount:
    return "has it";
  case holding::verdict::other_amount:
    return "has another amount";
  case holding::verdict::missing:
    return "missing";
  case holding::verdict::silent:
    return "silent";
  }
  return "";
}

processor::processor(clock& time, poller& sockets, const config& settings)
    : clock_(time),
      config_(settings),
      post_head_("POST " + settings.path_prefix + "/payments HTTP/1.1\r\nHost: " + settings.authority +
                 "\r\nContent-Type: application/json\r\nContent-Length: "),
      get_head_("GET " + settings.path_prefix),
      get_tail_(" HTTP/1.1\r\nHost: " + settings.authority + "\r\nAccept: application/json\r\n"),
      client_(time, sockets, settings.http),
      breaker_({.slow_after = settings.settle_within, .jitter_seed = settings.jitter_seed}),
      sends_(time, settings.in_flight_max),
      questions_(time, settings.asking_max) {}

bool processor::take_turn(const payment_id& id) {
  if (sends_.take()) return true;
  if (!is_trial(id)) return false;
  sends_.force();
  return true;
}

task<outcome> processor::charge(payment_id id, std::int64_t amount_cents, steady_time send_by,
                                std::optional<trace_context> trace) {
  open_call call;
  call.id = id;
  call.started = clock_.now();
  const steady_time due = call.started + config_.hard_limit;
  open_.push_back(call);

  http_answer answer;
  wall_time requested_at{};
  http_client::connection* const connection = co_await client_.connect(due);
  const bool late = clock_.now() >= send_by;
  if (connection != nullptr && late) {
    client_.give_back(*connection);
  } else if (connection != nullptr) {
    requested_at = clock_.wall();
    std::string body;
    write_charge(body, id, amount_cents, requested_at);
    std::string request;
    request.reserve(post_head_.size() + 8 + body.size());
    request.append(post_head_).append(std::to_string(body.size())).append("\r\n");
    append_field(request, trace);
    request.append("\r\n").append(body);
    answer = co_await client_.exchange(*connection, request, due);
  }
  give_back_turn();
  if (answer.what == http_answer::kind::answered)
    answered(call);
  else if (call.is_linked())
    call.unlink();
  const steady_time ended = clock_.now();
  const std::chrono::nanoseconds took = ended - call.started;
  charges_.observe(took);
  outcome result;
  result.seen = of_answer(answer);
  result.requested_at = requested_at;
  if (late)
    withdraw(id);
  else
    learn(result.seen, took, call, ended);
  if (result.seen == evidence::known_silent || result.seen == evidence::failed_silent) {
    const holding held = co_await ask(id, amount_cents, trace);
    result.seen = after_asking(result.seen, held.what);
    if (!is_planted(planted::own_time_for_known)) result.requested_at = held.requested_at;
  }
  result.what = verdict_of(result.seen);
  note(result.seen, id, trace);
  co_return result;
}

task<holding> processor::ask(payment_id id, std::int64_t amount_cents, std::optional<trace_context> trace) {
  const steady_time due = clock_.now() + config_.ask_limit;
  bool may_ask = questions_.take();
  if (!may_ask) may_ask = co_await questions_.wait_until(due);
  if (!may_ask) co_return holding{};
  std::string path = "/payments/" + to_string(id);
  const http_answer answer = co_await get(std::move(path), trace, due);
  questions_.give_back();

  holding held;
  if (answer.what != http_answer::kind::answered) co_return held;
  if (answer.status == 404) held.what = holding::verdict::missing;
  if (!is_success(answer.status)) co_return held;
  const std::optional<processor_payment> theirs = parse_processor_payment(answer.body());
  if (!theirs || theirs->id != id) co_return held;
  const bool same = theirs->amount_cents == amount_cents || is_planted(planted::other_amount_is_taken);
  held.what = same ? holding::verdict::same_amount : holding::verdict::other_amount;
  held.requested_at = theirs->requested_at;
  held.amount_cents = theirs->amount_cents;
  co_return held;
}

task<std::optional<health_report>> processor::ask_health(steady_time due) {
  std::string path = "/payments/service-health";
  const http_answer answer = co_await get(std::move(path), std::nullopt, due);
  if (answer.what != http_answer::kind::answered || !is_success(answer.status)) co_return std::nullopt;
  const std::optional<processor_health> said = parse_processor_health(answer.body());
  if (!said) co_return std::nullopt;
  health_report report;
  report.failing = said->failing;
  report.min_response_time = said->min_response_time;
  report.heard = clock_.now();
  report.heard_wall = clock_.wall();
  co_return report;
}

task<std::optional<processor_total>> processor::ask_summary(time_window window, steady_time due) {
  http_client::connection* const connection = co_await client_.connect(due);
  if (connection == nullptr) co_return std::nullopt;
  std::string request = get_head_;
  request.append("/admin/payments-summary?from=").append(to_string(window.from));
  request.append("&to=").append(to_string(window.to)).append(get_tail_);
  request.append("X-Rinha-Token: ").append(config_.admin_token).append("\r\n\r\n");
  const http_answer answer = co_await client_.exchange(*connection, request, due);
  if (answer.what != http_answer::kind::answered || !is_success(answer.status)) co_return std::nullopt;
  co_return parse_processor_total(answer.body());
}

task<http_answer> processor::get(std::string path, std::optional<trace_context> trace, steady_time due) {
  http_answer answer;
  http_client::connection* const connection = co_await client_.connect(due);
  if (connection == nullptr) co_return answer;
  std::string request = get_head_ + path + get_tail_;
  append_field(request, trace);
  request.append("\r\n");
  answer = co_await client_.exchange(*connection, request, due);
  co_return answer;
}

void processor::heard(const health_report& report) {
  if (health_) {
    const bool says_the_same =
        report.failing == health_->failing && report.min_response_time == health_->min_response_time;
    if (report.heard <= health_->heard + (says_the_same ? same_word : std::chrono::nanoseconds{0})) return;
  }
  health_ = report;
  const bool was_closed = breaker_.is_closed();
  breaker_.heard(report);
  if (was_closed && !breaker_.is_closed()) opened_by_word_ = true;
  expected_.told(report.heard, report.min_response_time);
}

void processor::reserve(const payment_id& id) {
  ++named_;
  claim(id);
}

void processor::claim(const payment_id& id) {
  if (breaker_.begin()) trial_ = id;
}

void processor::release() { --named_; }

candidate processor::view(steady_time now) const {
  candidate seen;
  seen.fee_ppm = config_.fee_ppm;
  // Beyond in_flight_max a payment waits for its turn, which comes soon if any call is still expected back.
  const std::size_t named_max = (open_.empty() ? 1 : 2) * config_.in_flight_max;
  seen.admits = named_ < named_max && breaker_.admits(now);
  seen.expected = expected_.value();
  seen.oldest_open = open_.empty() ? std::chrono::nanoseconds{0} : now - open_.front().started;
  return seen;
}

void processor::look_after() {
  const steady_time now = clock_.now();
  const std::chrono::nanoseconds limit = std::max(config_.settle_within, 2 * expected_.value());
  for (open_call& call : open_) {
    if (now - call.started <= limit) break;
    if (call.overdue) continue;
    call.overdue = true;
    breaker_.overdue(now, is_trial(call.id));
  }
  const bool is_stuck = open_.empty() && sends_.is_full(); // by calls that are lost
  if (!breaker_.is_closed() || is_stuck || is_stalled(view(now))) dismiss();
  note_change(now);
}

/// A word that opened the breaker is not passed on: whoever said it was heard by the others, too.
void processor::note_change(steady_time now) {
  if (breaker_.is_closed() == noted_closed_ || now - noted_ < log_pause) return;
  noted_closed_ = breaker_.is_closed();
  noted_ = now;
  if (noted_closed_)
    spdlog::info("processor {}: breaker closed", config_.name);
  else
    spdlog::warn("processor {}: breaker open", config_.name);
  if (config_.changed && (noted_closed_ || !opened_by_word_)) config_.changed(noted_closed_);
}

/// Counts what a send came to, and raises an alarm for what only a person can mend.
void processor::note(evidence what, const payment_id& id, const std::optional<trace_context>& trace) {
  ++seen_[static_cast<std::size_t>(what)];
  if (what != evidence::misconfigured && what != evidence::refused && what != evidence::known_other) return;
  const steady_time now = clock_.now();
  steady_time& alarmed = alarmed_[static_cast<std::size_t>(what)];
  if (now - alarmed < log_pause) return;
  alarmed = now;
  log_with(spdlog::level::err,
           fmt::format("processor {}: a payment came back: {}", config_.name, to_string(what)),
           [&](log_fields& fields) {
             fields.add("correlationId", to_string(id));
             if (trace) fields.add("traceId", to_string(trace->trace));
           });
}

void processor::answered(open_call& call) {
  if (!call.is_linked()) return; // a later one was answered first
  while (&open_.front() != &call)
    open_.pop_front();
  open_.pop_front();
}

void processor::learn(evidence what, std::chrono::nanoseconds took, const open_call& call, steady_time now) {
  const bool was_closed = breaker_.is_closed();
  if (what == evidence::misconfigured) {
    breaker_.trip(now, is_trial(call.id));
  } else if (is_alive(what)) {
    latencies_.record(took);
    expected_.observe(now, took);
    breaker_.succeeded(now);
  } else if (!call.overdue) {
    breaker_.failed(now, took, is_trial(call.id));
  }
  if (!was_closed && breaker_.is_closed()) ++recoveries_;
  if (breaker_.is_closed()) opened_by_word_ = false;
  note_change(now);
}

processor::config processor_config(const processor_settings& configured) {
  processor::config how;
  how.name = configured.name;
  how.http.host = configured.host;
  how.http.port = configured.port;
  how.http.trust = configured.trust.get();
  how.http.name = configured.name;
  how.authority = configured.authority();
  how.path_prefix = configured.path_prefix;
  how.admin_token = configured.admin_token;
  how.fee_ppm = configured.fee_ppm;
  return how;
}

} // namespace repasse
