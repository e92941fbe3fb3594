// The life of one payment, from the request that brings it to the books that hold it. Read payment_flow.cpp
// top to bottom: it is in the order of that life. What most payments never meet stands beside it: the ledger
// is away (payment_flow_away.cpp), nobody knows whether a processor has it (_doubt), an administrator says so
// (_word), a restore (_ask), changes of rows, epochs and the end (_rows), traces (_trace).
//
// The rules that make it exactly once are in doc/exactly-once.md. In one sentence: nothing is sent until a
// commit shows the row naming that processor, and a payment leaves a processor only when every send to it is
// proved not taken.
#pragma once

#include "server/backlog.hpp"
#include "server/flow_figures.hpp"
#include "server/log.hpp"
#include "server/payment_json.hpp"
#include "server/payment_trace.hpp"
#include "server/processor.hpp"
#include "server/router.hpp"
#include "server/token_bucket.hpp"
#include "storage/batcher.hpp"
#include "storage/intake.hpp"
#include "storage/ledger.hpp"

#include <boost/intrusive/list.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <vector>

namespace repasse {

enum class accept_verdict : std::uint8_t {
  accepted,   ///< durable, and new
  replayed,   ///< durable before, with this amount
  conflict,   ///< durable before, with another amount
  overloaded, ///< not taken in: more payments than allowed wait, or the ledger is full
  unavailable ///< not known to be durable: no ledger that can vouch for it answers
};

/// Where the answer to one accept() goes, exactly once, in this turn of the loop or a later one.
struct accept_reply {
  struct place {
    std::uint32_t session = 0;
    std::uint32_t generation = 0;
    std::uint32_t exchange = 0;
  };
  void (*answer)(void* who, const place& where, accept_verdict verdict) = nullptr;
  void* who = nullptr;
  place where;
};

/// One per reactor. Built by it after its processors; run by start(); ended by drain() and the end of its
/// `io_context`.
class payment_flow {
public:
  struct config {
    routing how;
    /// Payments held at once, waiting and under way; beyond: overloaded.
    std::size_t backlog_max = 1'000'000;
    std::size_t batch_max = 1'000;
    /// drain() sends nothing more, and leaves what was never sent to others: the ledger outlives the process.
    bool hands_over = false;
    /// After a restore: each processor is asked about a payment before this process sends it for the first
    /// time, and until all have answered it waits.
    bool asks_first = false;
    /// No send begins later than this after the last confirmed beat was sent.
    std::chrono::nanoseconds beat_lease = std::chrono::seconds{3};
    /// Between two tries of a ledger that is away.
    std::chrono::nanoseconds ledger_pause = std::chrono::milliseconds{50};
    /// Between two batches of settles, unless a summary waits for them: nobody else does, and a larger batch
    /// costs the ledger less.
    std::chrono::nanoseconds settle_pause = std::chrono::milliseconds{10};
    /// Of the pauses, so that instances do not beat in step.
    std::uint32_t jitter_seed = 1;
    /// Of the ids of traces, which are to be unique among all instances.
    std::uint64_t trace_seed = 1;
    /// Whoever settles tells by cache_written() of each settled item that has a trace.
    bool is_told_of_cache = false;
    /// A post that was answered later is logged, with where its time went.
    std::chrono::nanoseconds slow_after = std::chrono::milliseconds{500};
  };

  /// `taking_in`: where payments go while the ledger is away; null: nowhere.
  payment_flow(clock& time, ledger& books, intake* taking_in,
               std::span<const std::unique_ptr<processor>> processors, const config& settings);

  void start();
  /// Takes a payment in. The answer comes once it is durable. `traceparent` as it came, perhaps empty.
  void accept(const posted_payment& payment, const accept_reply& reply, std::string_view traceparent = {});
  /// The same for one out of the intake, accepted then: `unavailable` means that it has to stay there for
  /// now.
  void import(const taken_payment& payment, const accept_reply& reply);
  /// Ends when what is held has come to its outcome, or was handed over, or at `due`: true if nothing is
  /// left.
  task<bool> drain(steady_time due);
  /// Ends when every answer that processors have given so far is in the books, or at `due`.
  task<bool> flush(steady_time due);

  // Told by ownership.
  void begin_epoch(epoch_id epoch, steady_time beat_sent);
  void beat_confirmed(steady_time beat_sent) {
    last_beat_ = beat_sent;
    send_until_ = beat_sent + config_.beat_lease;
    vouched_ = true; // perhaps nobody posts before somebody sees that it may
  }
  /// None can be begun for now: who waits for one is told.
  void refuse_epoch();
  /// The epoch is marked: what waits is forgotten here, and found again by whoever takes it over.
  void lose_epoch();
  [[nodiscard]] epoch_id epoch() const { return epoch_; }
  /// Notified by lose_epoch(); for ownership alone.
  [[nodiscard]] event& epoch_lost() { return epoch_lost_; }
  void adopt(std::span<const owned_row> rows);
  /// Takes up own rows that memory does not hold, as if from another owner.
  task<> adopt_strays(std::span<const owned_row> rows);
  [[nodiscard]] std::size_t room() const;

  /// The cache has, or has not, what was settled.
  void cache_written(const payment_id& id, std::chrono::nanoseconds took, bool stored);
  /// If that payment is in doubt here, its processor is asked now.
  void look_at(const payment_id& id);

  /// What another witness knows of a payment, which may be anybody's: settled with the next batch.
  void bring(const settle_item& item);
  /// Something was heard of a processor: payments that wait may have somewhere to go.
  void look_again() { work_.notify(); }

  [[nodiscard]] const flow_counters& counters() const { return counters_; }
  [[nodiscard]] const flow_figures& figures() const { return figures_; }
  [[nodiscard]] std::size_t held() const { return held_.size(); }
  [[nodiscard]] std::size_t waiting() const {
    return held_.waiting() + refused_waiting_.size() + unasked_.size();
  }
  [[nodiscard]] std::size_t in_doubt() const { return in_doubt_; }
  /// Ages; 0 if there is none. In doubt is counted from when this reactor came to know of it.
  [[nodiscard]] std::chrono::nanoseconds oldest_waiting() const;
  [[nodiscard]] std::chrono::nanoseconds oldest_in_doubt() const;
  /// Payments in doubt here of which something is declared that is still to be carried out, and how long ago
  /// the first of it was declared; 0 if there is none.
  [[nodiscard]] std::size_t declared() const { return words_.size(); }
  [[nodiscard]] std::chrono::nanoseconds oldest_declared() const;
  /// When the last confirmed beat was sent; the beginning of time without an epoch.
  [[nodiscard]] steady_time last_beat() const { return last_beat_; }
  /// The ledger answers, had room for the last payment, and fewer wait than are allowed.
  [[nodiscard]] bool can_append() const {
    return vouched_ && !stuck_ && !full_ && epoch_ != 0 && held_.size() < config_.backlog_max;
  }
  /// Or the ledger is away, and the intake is open. The ledger may say so before an append has found it.
  [[nodiscard]] bool can_accept(bool ledger_is_up = true) const {
    const bool is_away = is_ledger_away() || !ledger_is_up;
    return is_away ? can_take_in() : can_append();
  }
  [[nodiscard]] bool can_take_in() const {
    return intake_ != nullptr && intake_->is_open() && !is_intake_stuck_;
  }
  [[nodiscard]] bool may_import() const { return epoch_ != 0 && !stuck_ && !leaving_; }
  /// As the last append has found it.
  [[nodiscard]] bool is_ledger_away() const { return stuck_ || !vouched_ || epoch_ == 0; }
  /// Since when it has taken none of those that came, whatever it answers beside; empty while it is not away.
  [[nodiscard]] std::optional<steady_time> takes_nothing_since() const {
    return is_ledger_away() ? refused_since_ : std::nullopt;
  }
  /// When that last changed, to some ten milliseconds.
  [[nodiscard]] steady_time can_accept_since() const { return could_accept_since_; }

private:
  /// How long the ledger may take over an append before its clients are led to the intake.
  static constexpr std::chrono::nanoseconds append_patience = std::chrono::milliseconds{250};

  /// A payment whose row is being written.
  struct entry {
    held_slot slot = 0;
    processor_index at = no_processor;
    std::uint64_t token = 0;
    wall_time accepted_at{}; ///< of an import; of others its batch is accepted at once
    steady_time began{};     ///< when it came
    accept_reply reply;

    [[nodiscard]] bool is_import() const { return accepted_at != wall_time{}; }
  };
  /// A payment on its way to the intake.
  struct diverted {
    posted_payment payment;
    steady_time began{};
    accept_reply reply;
    std::optional<trace_key> trace{};
  };
  /// A change of a row that a coroutine waits for.
  struct change {
    explicit change(clock& time) : done(time) {}
    epoch_id epoch = 0;
    amend_item item;
    event done;
  };
  /// A payment that may not be sent yet.
  struct unasked {
    held_slot slot = 0;
    processor_index named = no_processor; ///< by its row
  };
  /// What all processors say of it.
  struct sighting {
    holding::verdict what = holding::verdict::silent;
    processor_index at = no_processor; ///< who has it
    wall_time requested_at{};
  };
  struct settlement {
    std::optional<held_slot> slot = 0; ///< empty: it is not held for it
    epoch_id epoch = 0;
    settle_item item;
  };
  using hook = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  using age_hook =
      boost::intrusive::list_base_hook<boost::intrusive::tag<struct age_tag>,
                                       boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  /// What an administrator has declared of a payment.
  struct word : hook {
    payment_status outcome = payment_status::rejected;
    wall_time requested_at{};
    steady_time since{}; ///< or later
  };
  /// A payment in doubt, asleep between two looks.
  struct doubt : hook, age_hook {
    doubt(clock& time, std::size_t& counted, const payment_id& of)
        : wake(time), since(time.now()), last_doubtful(since), id(of), count(counted) {
      ++count;
    }
    ~doubt() { --count; }
    doubt(const doubt&) = delete;
    doubt& operator=(const doubt&) = delete;
    event wake;
    steady_time since;
    steady_time last_doubtful; ///< no send that may have been taken has ended later
    std::uint64_t look = 0;    ///< number of the last one for what is declared of it
    steady_time heard{};       ///< what was declared of it before is known
    payment_id id;
    std::chrono::nanoseconds pace_max{0};
    std::optional<word> declared;
    std::size_t& count; ///< of all
  };
  struct flush_waiter : hook {
    explicit flush_waiter(clock& time) : done(time) {}
    std::uint64_t target = 0;
    event done;
  };
  template <typename T>
  using linked = boost::intrusive::list<T, boost::intrusive::constant_time_size<false>>;

  void hold(const posted_payment& payment, wall_time accepted_at, const accept_reply& reply,
            std::string_view traceparent);
  task<> journal();
  task<> append(std::span<entry> batch, steady_time begun);
  void conclude(std::span<entry> batch, epoch_id epoch, steady_time begun, steady_time now);
  void conclude_fresh(const entry& one, bool still_ours);
  void let_go(const entry& one);
  static void answer(accept_reply& reply, accept_verdict verdict);
  void tell(accept_reply& reply, accept_verdict verdict, std::uint64_t& counter,
            std::chrono::nanoseconds took);

  // payment_flow_away.cpp
  void refuse(std::span<entry> batch);
  void give_up_waiting(std::span<entry> batch);
  void divert(const posted_payment& payment, steady_time began, const accept_reply& reply,
              const std::optional<trace_key>& trace);
  task<> take_in();
  void look_after_stores();
  void turn_away(accept_reply& reply, refusal why);
  void note_acceptance();

  task<> dispatch();
  void send_waiting();
  void send_refused_elsewhere(steady_time now);
  void wait_again(held_slot slot);
  task<> choose(held_slot slot, processor_index at);
  [[nodiscard]] processor_index route_for(held_slot slot, steady_time now);
  [[nodiscard]] bool refused_by_all(held_slot slot) const;

  task<> process(held_slot slot, processor_index at);
  task<bool> may_send(epoch_id epoch);
  task<outcome> charge(held_slot slot, epoch_id epoch, processor_index at, const doubt* self = nullptr);
  task<holding> ask(held_slot slot, processor_index at);
  task<bool> leave(held_slot slot, epoch_id epoch, processor_index from, processor_index to);
  task<> reject(held_slot slot, epoch_id epoch, processor_index at, std::string_view reason);
  void settle(held_slot slot, processor_index at, wall_time requested_at);
  task<> settle_batches();
  void settled(std::span<const settlement> batch, std::span<const settle_item> items);
  void note_settled(const settle_item& item);
  void forget(held_slot slot, processor_index at);

  // payment_flow_doubt.cpp
  task<> resolve(held_slot slot, processor_index at, std::string_view unmarked);
  task<bool> resend(held_slot slot, epoch_id epoch, processor_index at, doubt& self);
  void look_after_processors();

  // payment_flow_word.cpp
  task<bool> carry_out(held_slot slot, epoch_id epoch, processor_index at, doubt& self, holding::verdict said,
                       steady_time asked);
  task<bool> set_aside(held_slot slot, epoch_id epoch, doubt& self);
  task<> hear_declarations();
  void hear(std::span<const declaration> words, std::uint64_t look, steady_time begun);

  // payment_flow_ask.cpp
  void ask_soon(held_slot slot, processor_index named);
  task<> ask_unasked();
  task<sighting> ask_all(unasked one);
  void tell_silence(const processor& of);
  task<> act_on(unasked one, epoch_id epoch, sighting seen);

  // payment_flow_rows.cpp
  task<bool> amend(held_slot slot, epoch_id epoch, payment_status status, processor_index at,
                   std::string_view reason = {});
  task<> amend_batches();
  task<> hand_over();
  void forget_waiting();

  // payment_flow_trace.cpp
  static constexpr std::string_view left_to_another = "left to another owner";
  [[nodiscard]] trace_key key_of(held_slot slot) const { return {held_[slot].id, slot}; }
  [[nodiscard]] steady_time traced_now(held_slot slot) const {
    return held_[slot].traced ? clock_.now() : steady_time{};
  }
  [[nodiscard]] trace_id trace_of(held_slot slot) {
    return held_[slot].traced ? find_trace(key_of(slot)) : trace_id{};
  }
  [[nodiscard]] trace_id find_trace(const trace_key& key);
  [[nodiscard]] std::optional<trace_context> context_of(held_slot slot);
  void add_span(held_slot slot, std::string_view name, steady_time from, processor_index at,
                std::string_view seen);
  void trace_append(const entry& one, steady_time begun, steady_time now, append_item::verdict verdict);
  void trace_intake(const diverted& one, steady_time begun, steady_time now, intake_item::verdict verdict);
  void trace_settled(held_slot slot, settle_item::verdict verdict, steady_time now);
  void end_trace(held_slot slot, std::string_view outcome);
  void say(spdlog::level::level_enum level, held_slot slot, std::string_view text);
  void tell_slow(const payment_id& id, trace_id trace, std::string_view store,
                 std::chrono::nanoseconds waited, std::chrono::nanoseconds served);

  [[nodiscard]] steady_time send_by() const { return std::min(send_until_, last_send_); }
  [[nodiscard]] std::uint32_t since(steady_time now) const;
  [[nodiscard]] std::chrono::nanoseconds jittered(std::chrono::nanoseconds pause);

  clock& clock_;
  ledger& ledger_;
  intake* intake_;
  std::span<const std::unique_ptr<processor>> processors_;
  config config_;
  std::vector<processor_index> cheapest_first_;
  std::vector<candidate> candidates_;
  patience patience_;

  epoch_id epoch_ = 0;
  steady_time last_beat_{};
  steady_time send_until_{};
  steady_time last_send_ = never;
  bool leaving_ = false; ///< nothing is sent any more
  bool could_accept_ = true;
  steady_time could_accept_since_{};
  event epoch_begun_;
  event epoch_lost_;
  bool stuck_ = false;                       ///< the ledger does not answer, or not clearly
  bool vouched_ = true;                      ///< it took the last batch, or a beat since
  std::optional<steady_time> refused_since_; ///< the first append that it did not take, if it took none since
  bool full_ = false;                        ///< the ledger had no room for the last new payment
  std::uint64_t next_token_ = 0;
  std::uint32_t jitter_;

  backlog held_;
  std::map<held_slot, std::uint64_t> refusals_; ///< a bit for each processor that will never take it
  std::vector<held_slot> refused_waiting_;
  std::deque<unasked> unasked_;
  std::size_t askers_ = 0;
  steady_time silence_told_{};
  std::vector<linked<doubt>> doubts_; ///< by processor, those that may be sent again
  boost::intrusive::list<doubt, boost::intrusive::base_hook<age_hook>,
                         boost::intrusive::constant_time_size<false>>
      oldest_doubts_;
  std::size_t in_doubt_ = 0;
  linked<word> words_; ///< that stand
  event words_wanted_;
  std::vector<std::uint64_t> recoveries_;

  batcher<entry> appends_;
  std::span<entry> appending_;     ///< the batch that the ledger has
  steady_time append_due_ = never; ///< its clients wait no longer if the intake is open
  batcher<diverted> diverted_;
  std::span<diverted> taking_in_;   ///< the batch that the intake has
  steady_time take_in_due_ = never; ///< its clients wait no longer
  bool is_intake_stuck_ = false;    ///< it does not say what became of that batch
  batcher<change*> amends_;
  batcher<settlement> settlements_;
  std::vector<append_item> append_items_;
  std::vector<intake_item> intake_items_;
  std::vector<amend_item> amend_items_;
  std::vector<settle_item> settle_items_;
  std::uint64_t answers_ = 0;
  std::uint64_t booked_ = 0;
  linked<flush_waiter> flushes_;
  event flush_wanted_;
  event work_;
  flow_counters counters_;
  flow_figures figures_;
  payment_traces traces_;
  token_bucket slow_lines_{1, 10};
  task_group tasks_;
};

} // namespace repasse
