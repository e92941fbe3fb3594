#include "storage/pg_connection.hpp"

#include "storage/pg_dialer.hpp"

#include <spdlog/spdlog.h>

#include <random>

namespace repasse {
namespace {

/// A replaced connection is closed then, whatever it still owes.
constexpr std::chrono::nanoseconds leave_limit = std::chrono::seconds{30};
/// After a replacement that did not succeed.
constexpr std::chrono::nanoseconds replace_again = std::chrono::seconds{10};

} // namespace

struct pg_connection::state_of {
  using link = boost::intrusive_ptr<pg_link>;
  struct departure {
    link from;
    steady_time due;
  };
  /// In run()'s frame: it and this object each know when the other is gone.
  struct run_frame {
    explicit run_frame(state_of& self) : of(&self) { of->runs_in = this; }
    ~run_frame() {
      if (of != nullptr) of->runs_in = nullptr;
    }
    run_frame(const run_frame&) = delete;
    run_frame& operator=(const run_frame&) = delete;
    state_of* of;
  };

  state_of(clock& time, pg_connection::config&& how);
  ~state_of();

  steady_time step();
  void look_after_serving(steady_time now);
  void look_after_leaving(steady_time now);
  void dial(steady_time now);
  void send_waiting(steady_time now);
  void expire(steady_time now);
  [[nodiscard]] steady_time next_step() const;

  [[nodiscard]] bool wants_link(steady_time now) const { return !serving || now >= replace_at; }
  [[nodiscard]] bool can_send() const;
  void admit(pg_commit& one);
  void give_up(pg_commit& one, late when_late);
  void enter(state to, std::string why);
  void stop();

  pg_connection::config settings;
  pg_session session;
  pg_dialer dialer;
  std::minstd_rand random;

  state at = state::connecting;
  steady_time since;
  std::string trouble; // empty while connected

  link serving;
  steady_time replace_at = never;
  std::vector<departure> leaving;
  bool has_served = false;
  run_frame* runs_in = nullptr;
};

pg_connection::pg_connection(clock& time, config settings)
    : self_(std::make_unique<state_of>(time, std::move(settings))) {}

pg_connection::~pg_connection() = default;

task<pg_verdict> pg_connection::commit(pg_transaction& work, steady_time due, late when_late) {
  if (self_->session.commits >= self_->settings.in_flight_max) co_return pg_verdict::unavailable;
  pg_commit one(self_->session, work);
  const steady_time patient_until = std::min(due, one.asked_at + self_->settings.patience);
  self_->admit(one);
  while (!one.has_ended) {
    const bool is_waiting = one.sent_on == nullptr;
    const bool moved = co_await one.moved.wait_until(is_waiting ? patient_until : due);
    if (!moved && !one.has_ended && is_waiting == (one.sent_on == nullptr)) self_->give_up(one, when_late);
  }
  co_return one.verdict;
}

task<pg_connection::script_result> pg_connection::script(std::string sql, steady_time due) {
  script_result result;
  if (self_->at == state::stopped || self_->at == state::away || self_->session.script != nullptr) {
    result.error = self_->session.script != nullptr ? "another script is under way" : self_->trouble;
    co_return result;
  }
  pg_script one(self_->session, std::move(sql));
  self_->session.changed.notify();
  while (!one.has_ended) {
    const bool moved = co_await one.moved.wait_until(due);
    if (moved || one.has_ended) continue;
    if (one.sent_on != nullptr) {
      one.sent_on->lose("a script took too long");
    } else {
      one.result.error = "no connection in time";
      one.end(pg_verdict::unavailable);
    }
  }
  co_return std::move(one.result);
}

task<> pg_connection::run() {
  state_of::run_frame here(*self_);
  if (self_->at == state::connecting) self_->since = self_->session.time.now();
  while (here.of != nullptr && here.of->at != state::stopped) {
    const steady_time next = here.of->step();
    co_await here.of->session.changed.wait_until(next);
  }
}

void pg_connection::stop() { self_->stop(); }

pg_connection::state pg_connection::now_in() const { return self_->at; }
steady_time pg_connection::since() const { return self_->since; }
const std::string& pg_connection::trouble() const { return self_->trouble; }
std::uint64_t pg_connection::order() const {
  return self_->has_served && self_->leaving.empty() ? self_->session.figures.reconnects + 1 : 0;
}
std::chrono::nanoseconds pg_connection::last_latency() const { return self_->session.last_latency; }

const pg_figures& pg_connection::figures() const {
  pg_figures& known = self_->session.figures;
  known.connected = self_->at == state::connected ? 1 : 0;
  known.active = self_->serving && !self_->serving->is_idle() ? 1 : 0;
  known.waiting = static_cast<std::uint32_t>(self_->session.waiting.size());
  return known;
}

void pg_figures::add(const pg_figures& other) {
  connected += other.connected;
  active += other.active;
  waiting += other.waiting;
  transactions += other.transactions;
  reconnects += other.reconnects;
  slow += other.slow;
  waited += other.waited;
  took.add(other.took);
}

pg_connection::state_of::state_of(clock& time, pg_connection::config&& how)
    : settings(std::move(how)),
      session(time, settings),
      dialer(session),
      random(settings.jitter_seed),
      since(time.now()) {}

pg_connection::state_of::~state_of() {
  if (runs_in != nullptr) runs_in->of = nullptr;
  stop();
}

/// What run() does each time that something has changed or is due; returns when the next is due.
steady_time pg_connection::state_of::step() {
  const steady_time now = session.time.now();
  look_after_serving(now);
  look_after_leaving(now);
  dial(now);
  send_waiting(now);
  expire(now);
  return next_step();
}

void pg_connection::state_of::look_after_serving(steady_time now) {
  if (!serving) return;
  if (now - settings.silence >= serving->silent_since()) serving->lose("the server is silent");
  if (serving->now_in() != pg_link::stage::lost) return;
  spdlog::warn("{}: connection lost: {}", settings.application_name, serving->trouble());
  enter(state::connecting, serving->trouble());
  serving->close();
  serving.reset();
}

void pg_connection::state_of::dial(steady_time now) {
  if (!wants_link(now)) return;
  link fresh = dialer.step(now);
  if (!fresh) {
    if (serving && dialer.has_failed()) replace_at = now + replace_again;
    return;
  }
  if (serving) leaving.push_back({std::move(serving), now + leave_limit});
  serving = std::move(fresh);
  std::uniform_real_distribution<double> part(0.75, 1.0); // so that not all are replaced at once
  replace_at = never;
  if (settings.lifetime.count() > 0)
    replace_at = now + std::chrono::duration_cast<std::chrono::nanoseconds>(settings.lifetime * part(random));
  if (has_served) ++session.figures.reconnects;
  if (at == state::away || (has_served && at == state::connecting))
    spdlog::info("{}: connected to {}", settings.application_name, dialer.found());
  has_served = true;
  if (at != state::connected) enter(state::connected, {});
}

void pg_connection::state_of::look_after_leaving(steady_time now) {
  std::erase_if(leaving, [&](departure& one) {
    const bool is_over = one.from->is_idle() || now >= one.due;
    if (is_over) one.from->close();
    return is_over;
  });
}

bool pg_connection::state_of::can_send() const {
  return serving && serving->now_in() == pg_link::stage::ready && session.script == nullptr;
}

void pg_connection::state_of::admit(pg_commit& one) {
  if (can_send() && session.waiting.empty()) {
    if (serving->has_room())
      serving->send(one);
    else
      one.end(pg_verdict::unavailable);
  } else if (at == state::away || at == state::stopped) {
    one.end(pg_verdict::unavailable);
  } else {
    session.waiting.push_back(one);
  }
}

void pg_connection::state_of::give_up(pg_commit& one, late when_late) {
  if (one.sent_on == nullptr) {
    one.end(pg_verdict::unavailable);
  } else if (when_late == late::lose_connection) {
    one.sent_on->lose("no answer in time");
  } else {
    one.sent_on->forget(one);
    one.end(pg_verdict::in_doubt);
  }
}

void pg_connection::state_of::send_waiting(steady_time now) {
  while (!session.waiting.empty() && can_send() && serving->has_room()) {
    pg_commit& one = session.waiting.front();
    one.unlink();
    session.figures.waited += now - one.asked_at;
    serving->send(one);
    one.moved.notify(); // it now waits for another time
  }
  if (session.script != nullptr && session.script->sent_on == nullptr && serving &&
      serving->now_in() == pg_link::stage::ready && serving->is_idle())
    serving->send(*session.script);
}

/// Nobody waits for a server that is known to be away: it has failed us everywhere, or was silent for long.
void pg_connection::state_of::expire(steady_time now) {
  if (at == state::connecting && (dialer.has_failed() || now - since >= settings.patience))
    enter(state::away, {});
  if (at != state::away) return;
  trouble = dialer.trouble();
  while (!session.waiting.empty())
    session.waiting.front().end(pg_verdict::unavailable);
  if (session.script != nullptr && session.script->sent_on == nullptr) {
    session.script->result.error = trouble;
    session.script->end(pg_verdict::unavailable);
  }
}

steady_time pg_connection::state_of::next_step() const {
  steady_time next = wants_link(session.time.now()) ? dialer.next_step() : replace_at;
  for (const departure& one : leaving)
    next = std::min(next, one.due);
  if (at == state::connecting) next = std::min(next, since + settings.patience);
  if (serving && serving->silent_since() != never)
    next = std::min(next, serving->silent_since() + settings.silence);
  return next;
}

void pg_connection::state_of::enter(state to, std::string why) {
  if (at != to) since = session.time.now();
  at = to;
  trouble = std::move(why);
}

void pg_connection::state_of::stop() {
  enter(state::stopped, "stopped");
  if (serving) serving->close();
  dialer.stop();
  for (const departure& one : leaving)
    one.from->close();
  while (!session.waiting.empty())
    session.waiting.front().end(pg_verdict::unavailable);
  if (session.script != nullptr) session.script->end(pg_verdict::unavailable);
  session.changed.notify();
}

} // namespace repasse
