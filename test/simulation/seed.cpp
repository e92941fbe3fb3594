#include "test/simulation/seed.hpp"

#include "storage/planted.hpp"
#include "test/simulation/administrator.hpp"
#include "test/simulation/clients.hpp"
#include "test/simulation/faults.hpp"
#include "test/simulation/restore.hpp"
#include "test/simulation/run_now.hpp"
#include "test/simulation/virtual_time.hpp"

namespace repasse::simulation {
namespace {

/// Beside those of the faults' bursts.
constexpr std::size_t payments = 500;
/// Of the seeds; nothing is drawn for it, so that the others stay what they were.
constexpr std::uint64_t restore_every = 7;
constexpr std::uint64_t overseen_every = 2;
constexpr std::chrono::nanoseconds faulty_span = 420s;
constexpr std::chrono::nanoseconds whole_span = 600s;
/// A call that was begun under the last fault may take 30 s, a refused one is tried once a minute.
constexpr std::chrono::nanoseconds calm_max = 150s;

instance_settings draw_settings(world& outside) {
  instance_settings settings;
  const std::size_t processors = 2 + outside.below(2);
  for (std::size_t i = 0; i < processors; ++i) {
    settings.fees_ppm.push_back(static_cast<std::int64_t>(10'000 * outside.below(20)));
    settings.in_flight_max.push_back(outside.chance(0.3) ? 3 : 100);
    outside.peers.emplace_back(static_cast<unsigned>(outside.below(1U << 30)));
  }
  settings.how.policy = outside.chance(0.8) ? routing_policy::cheapest : routing_policy::fastest;
  settings.takes_in = outside.chance(0.8);
  return settings;
}

/// Says what is wrong with the books, once all is at rest.
class auditor {
public:
  auditor(world& outside, cluster& servers, const clients& posters)
      : world_(outside), cluster_(servers), clients_(posters) {}

  std::vector<std::string> audit() {
    for (const posted& one : clients_.all())
      audit_payment(one);
    audit_windows();
    audit_counters();
    for (const payment_id& lost : world_.redis.breaches())
      violations_.push_back(to_string(lost) + ": lost by Redis, and not taken in again in time");
    for (const payment_id& sent : world_.sent_after_word)
      violations_.push_back(to_string(sent) + ": sent after it was declared what became of it");
    if (!world_.redis.is_empty()) violations_.push_back("something is left in the intake");
    return std::move(violations_);
  }

  /// Every payment that has a row is final, and none is left in Redis.
  bool is_settled() {
    if (!world_.redis.is_empty()) return false;
    for (const posted& one : clients_.all()) {
      const auto found = run_now(cluster_.books().find(one.id));
      if (*found && !is_final((*found)->status)) return false;
    }
    return true;
  }

private:
  void audit_payment(const posted& one) {
    const auto found = run_now(cluster_.books().find(one.id));
    const std::optional<payment_record>& row = *found;
    std::size_t holders = 0;
    for (std::size_t i = 0; i < world_.peers.size(); ++i) {
      const auto held = world_.peers[i].books.payments.find(one.id);
      if (!held || (held->amount_cents != one.amount_cents && held->amount_cents != one.other_amount_cents))
        continue;
      ++holders;
      if (!row || row->status != payment_status::processed) return report(one, "taken, but not in the books");
      if (row->amount_cents != held->amount_cents)
        return report(one, "taken with another amount than booked");
      if (row->processor != i) report(one, "taken by a processor that the books do not name");
      if (row->requested_at != held->requested_at) report(one, "booked with another requestedAt");
    }
    if (one.acknowledged && !row) return report(one, "acknowledged and lost");
    if (!row) return;
    if (row->amount_cents != one.amount_cents && row->amount_cents != one.other_amount_cents)
      report(one, "booked with another amount");
    if (!is_final(row->status)) report(one, "not settled");
    if (holders > 1) report(one, "taken twice");
    if (row->status == payment_status::processed && holders == 0) report(one, "in the books, but not taken");
  }

  /// Windows to the millisecond against the processors' own books; foreign payments were taken in 1970.
  void audit_windows() {
    const wall_time begin = true_wall() - whole_span / 1ms * 1ms - 200s;
    for (int i = 0; i < 50; ++i) {
      const wall_time from = begin + std::chrono::milliseconds{world_.below(800'000)};
      const wall_time to = i == 0 ? true_wall() : from + std::chrono::milliseconds{world_.below(100'000)};
      const auto ours = run_now(cluster_.books().summarize({i == 0 ? begin : from, to}));
      for (std::size_t p = 0; p < world_.peers.size(); ++p) {
        const auto theirs = world_.peers[p].books.payments.within(i == 0 ? begin : from, to);
        if (theirs.requests == (*ours)[p].requests && theirs.amount_cents == (*ours)[p].amount_cents)
          continue;
        violations_.push_back("window " + to_string(from) + " to " + to_string(to) + " at p" +
                              std::to_string(p) + ": " + std::to_string((*ours)[p].requests) +
                              " in the books, " + std::to_string(theirs.requests) + " taken");
        return;
      }
    }
  }

  /// What the instances have counted, those that are gone included: answers are those that clients have
  /// heard, and no payment is settled twice.
  void audit_counters() {
    const flow_counters counted = cluster_.seen().flow;
    const auto compare = [this](const char* what, std::uint64_t ours, std::uint64_t theirs) {
      if (ours != theirs)
        violations_.push_back(std::string{"answers "} + what + ": " + std::to_string(ours) + " counted, " +
                              std::to_string(theirs) + " heard");
    };
    compare("202", counted.accepted + counted.taken_in, clients_.heard(accept_verdict::accepted));
    compare("202, replayed", counted.replayed, clients_.heard(accept_verdict::replayed));
    compare("409", counted.conflicts, clients_.heard(accept_verdict::conflict));
    compare("503", counted.refused(),
            clients_.heard(accept_verdict::overloaded) + clients_.heard(accept_verdict::unavailable));
    std::uint64_t processed = 0;
    const auto totals = run_now(cluster_.books().summarize({}));
    for (const processor_total& one : *totals)
      processed += one.requests;
    if (counted.settled > processed && !world_.has_restore)
      violations_.push_back(std::to_string(counted.settled) + " counted as settled of " +
                            std::to_string(processed));
  }

  void report(const posted& one, const std::string& what) {
    violations_.push_back(to_string(one.id) + ": " + what);
  }

  world& world_;
  cluster& cluster_;
  const clients& clients_;
  std::vector<std::string> violations_;
};

} // namespace

seed_result run_seed(std::uint64_t seed) {
  world outside(seed);
  const instance_settings settings = draw_settings(outside);
  outside.has_restore = seed % restore_every == 0;
  cluster servers(outside, settings, 2 + outside.below(2));
  clients posters(outside, servers);
  posters.post(payments, 0s, faulty_span);
  schedule_faults(outside, servers, posters, faulty_span);
  if (outside.has_restore) schedule_restore(outside, servers, posters, faulty_span);
  const steady_time begun = world::now();
  administrator hand(outside, servers, seed);
  if (seed % overseen_every == 0) {
    hand.schedule_late_taking(posters, faulty_span - 110s);
    hand.act_until(begun + faulty_span);
  }
  servers.run_until(begun + faulty_span + 31s);
  end_faults(outside, servers);
  servers.run_until(begun + whole_span);
  auditor check(outside, servers, posters);
  for (std::chrono::nanoseconds calm{0}; calm < calm_max && !check.is_settled(); calm += 10s)
    servers.run_until(world::now() + 10s);

  seed_result result;
  result.violations = check.audit();
  result.seen = servers.seen();
  result.seen.redis = outside.redis.seen();
  result.virtual_time = world::now() - begun;
  return result;
}

} // namespace repasse::simulation
