// One external payment processor, as one reactor sees it: sends payments to it, asks it, and says what came
// of each send by the outcome table of doc/exactly-once.md. It never retries; payment_flow alone does.
#pragma once

#include "health/breaker.hpp"
#include "health/latency.hpp"
#include "server/http_client.hpp"
#include "server/places.hpp"
#include "server/router.hpp"
#include "server/trace_context.hpp"
#include "storage/histogram.hpp"
#include "storage/ledger.hpp"
#include "storage/payment.hpp"

#include <boost/intrusive/list.hpp>

#include <array>
#include <functional>
#include <optional>
#include <string>

namespace repasse {

struct processor_settings;

/// What was seen on one send: the rows of the outcome table, for counting.
enum class evidence : std::uint8_t {
  not_connected,  ///< connect refused or the request cut before its last byte: not taken
  taken,          ///< 2xx
  known_same,     ///< 422, 409, and asked: it has this amount: taken, with its requestedAt
  known_other,    ///< 422, 409, and asked: it has another amount
  known_missing,  ///< 422, 409, and asked: 404: unknown
  known_silent,   ///< 422, 409, and asked: no answer: unknown
  busy,           ///< 429: not taken
  refused,        ///< 400 411 413 414 415 431: not taken by this one ever
  misconfigured,  ///< 401 403 404 405: not taken, alarm
  failed_found,   ///< 500, 503, and asked: it has it: taken, with its requestedAt
  failed_missing, ///< 500, 503, and asked: 404: this send is not taken
  failed_silent,  ///< 500, 503, and asked: no answer: unknown
  other_status,   ///< unknown
  timed_out,      ///< unknown
  lost,           ///< reset or EOF after the last byte: unknown
  nonsense,       ///< unknown
  count
};
[[nodiscard]] std::string_view to_string(evidence seen);

/// Of one send.
struct outcome {
  enum class verdict : std::uint8_t {
    taken,
    not_taken,
    no_turn, ///< not sent: it is better to go elsewhere than to wait for a turn
    refused,
    other_amount,
    unknown
  };
  verdict what = verdict::unknown;
  /// What the processor's books say; for `taken` alone.
  wall_time requested_at{};
  evidence seen = evidence::lost;
};

/// Of one question.
struct holding {
  enum class verdict : std::uint8_t { same_amount, other_amount, missing, silent };
  verdict what = verdict::silent;
  wall_time requested_at{};
  std::int64_t amount_cents = 0; ///< that it has
};

[[nodiscard]] std::string_view to_string(holding::verdict what);

/// Built and run by its reactor. Every send is between reserve() and release().
class processor {
public:
  struct config {
    std::string name;
    http_client::config http;
    /// What goes into `Host`.
    std::string authority;
    std::string path_prefix;
    std::string admin_token{}; ///< secret; empty: its summary cannot be read
    std::int64_t fee_ppm = 0;
    /// Sends without an answer, of this reactor. As many payments more may name it, whose rows are being
    /// written or which wait for their turn: a payment that had to be named later would cost one more write.
    std::size_t in_flight_max = 300;
    std::size_t asking_max = 32;
    std::chrono::nanoseconds settle_within = std::chrono::seconds{1};
    /// After this a call without an answer is unknown.
    std::chrono::nanoseconds hard_limit = std::chrono::seconds{30};
    std::chrono::nanoseconds ask_limit = std::chrono::seconds{2};
    std::uint32_t jitter_seed = 1;
    /// The breaker has opened or closed by what was seen here, not by what was heard: told at once, but at
    /// most once a second, as it is logged. May be empty.
    std::function<void(bool closed)> changed;
  };

  processor(clock& time, poller& sockets, const config& settings);

  /// A turn to be sent: in_flight_max have one at once, and the trial of a breaker, since those who have one
  /// may hang.
  [[nodiscard]] bool take_turn(const payment_id& id);
  /// For who found none: first come, first served. False once it is not worth waiting.
  task<bool> wait_for_turn() { return sends_.wait_until(never); }
  void give_back_turn() { sends_.give_back(); }
  /// Those who wait for a turn shall wait no longer.
  void dismiss() { sends_.dismiss(); }
  /// One POST, by who has a turn, which ends here; and the question that some answers call for. `requestedAt`
  /// is stamped as the body is handed to the socket. Tells the breaker what it saw. Nothing is sent at
  /// `send_by` or later. `trace` goes along.
  task<outcome> charge(payment_id id, std::int64_t amount_cents, steady_time send_by,
                       std::optional<trace_context> trace = {});
  /// One GET, whatever the breaker says; at most asking_max at once, the others wait their turn, ask_limit
  /// in all.
  task<holding> ask(payment_id id, std::int64_t amount_cents, std::optional<trace_context> trace = {});
  /// Its own summary may be asked for.
  [[nodiscard]] bool has_summary() const { return !config_.admin_token.empty(); }
  /// One health call, by the prober alone.
  task<std::optional<health_report>> ask_health(steady_time due);
  /// One question for its sums over a window, by the reconciler alone; empty without a usable answer.
  task<std::optional<processor_total>> ask_summary(time_window window, steady_time due);
  void heard(const health_report& report);

  /// Names it for one more payment, which may then be sent once.
  void reserve(const payment_id& id);
  /// Lets a payment that names it already be sent once more.
  void claim(const payment_id& id);
  /// What reserve() or claim() allowed was not sent.
  void withdraw(const payment_id& id) { breaker_.withdrawn(is_trial(id)); }
  /// The payment is settled, or names it no longer.
  void release();
  /// A payment taken over names it already: it counts as in flight, whatever the limit.
  void adopt() { ++named_; }

  /// The breaker lets a payment through.
  [[nodiscard]] bool admits() const { return breaker_.admits(clock_.now()); }
  /// For the router.
  [[nodiscard]] candidate view(steady_time now) const;
  /// Looks for calls past their soft limit, and logs a change of the breaker; called some times a second.
  void look_after();
  /// Changes with every closing of the breaker; those who wait for it look here.
  [[nodiscard]] std::uint64_t recoveries() const { return recoveries_; }

  [[nodiscard]] const config& settings() const { return config_; }
  [[nodiscard]] const breaker& circuit() const { return breaker_; }
  /// Sends under way.
  [[nodiscard]] std::size_t in_flight() const { return sends_.taken(); }
  [[nodiscard]] const latency_histogram& latencies() const { return latencies_; }
  [[nodiscard]] const expectation& expected() const { return expected_; }
  [[nodiscard]] const std::optional<health_report>& health() const { return health_; }
  /// Of all sends, whatever they came to.
  [[nodiscard]] const duration_histogram& charges() const { return charges_; }
  [[nodiscard]] http_client::connections connections() const { return client_.counted(); }
  /// As http_client::trouble().
  [[nodiscard]] std::string_view tls_trouble() const { return client_.trouble(); }
  [[nodiscard]] std::uint64_t seen(evidence what) const { return seen_[static_cast<std::size_t>(what)]; }

private:
  using hook = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  /// A send without an answer yet; no longer listed once a later one has been answered, since then it is
  /// lost rather than the processor slow.
  struct open_call : hook {
    steady_time started{};
    bool overdue = false;
    payment_id id;
  };
  using open_calls = boost::intrusive::list<open_call, boost::intrusive::constant_time_size<false>>;

  task<http_answer> get(std::string path, std::optional<trace_context> trace, steady_time due);
  void answered(open_call& call);
  void learn(evidence what, std::chrono::nanoseconds took, const open_call& call, steady_time now);
  /// Of the breaker as it is now: a trial that was given up may be answered while another is under way.
  [[nodiscard]] bool is_trial(const payment_id& id) const {
    return breaker_.is_on_trial() && trial_ && *trial_ == id;
  }
  void note_change(steady_time now);
  void note(evidence what, const payment_id& id, const std::optional<trace_context>& trace);

  clock& clock_;
  config config_;
  std::string post_head_;
  std::string get_head_;
  std::string get_tail_;
  http_client client_;
  breaker breaker_;
  expectation expected_;
  latency_histogram latencies_;
  duration_histogram charges_;
  std::optional<health_report> health_;
  open_calls open_;
  std::optional<payment_id> trial_; ///< whose send is the breaker's trial, while it is half open
  std::size_t named_ = 0;           ///< payments that name it
  places sends_;
  places questions_;
  std::uint64_t recoveries_ = 0;
  bool opened_by_word_ = false; ///< of others, or of the processor
  bool noted_closed_ = true;
  steady_time noted_{};
  std::array<steady_time, static_cast<std::size_t>(evidence::count)> alarmed_{};
  std::array<std::uint64_t, static_cast<std::size_t>(evidence::count)> seen_{};
};

/// Whom it is about, how it is reached and what it charges, as configured; its limits are the defaults.
[[nodiscard]] processor::config processor_config(const processor_settings& configured);

} // namespace repasse
