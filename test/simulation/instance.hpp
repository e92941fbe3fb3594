// One instance of the cluster: the real processors, flow, intake, importer, ownership and prober over the
// simulated world. It can be stalled, killed between any two steps, and started again.
#pragma once

#include "health/prober.hpp"
#include "server/importer.hpp"
#include "server/overseer.hpp"
#include "server/ownership.hpp"
#include "server/payment_flow.hpp"
#include "server/poller.hpp"
#include "server/processor.hpp"
#include "test/simulation/doubtful_ledger.hpp"

#include <array>
#include <memory>
#include <vector>

namespace repasse::simulation {

/// What all instances of a seed, and of all seeds, went through.
struct coverage {
  std::array<std::uint64_t, static_cast<std::size_t>(evidence::count)> seen{};
  flow_counters flow;
  std::uint64_t imported = 0;
  std::uint64_t taken_in_again = 0;
  importer_figures imports;
  redis_coverage redis;
  std::uint64_t crashes = 0;
  std::uint64_t stalls = 0;
  std::uint64_t drains = 0;
  std::uint64_t restores = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(oversight::verdict::done) + 1> overseen{};

  void add(const coverage& other);
};

struct instance_settings {
  std::vector<std::int64_t> fees_ppm;
  std::vector<std::size_t> in_flight_max;
  routing how;
  std::size_t backlog_max = 100'000;
  bool takes_in = true; ///< there is a Redis
  bool asks_first = false;
};

class instance {
public:
  instance(ledger& books, poller& no_sockets, const instance_settings& settings, std::uint32_t number,
           const ledger_weather& weather);
  ~instance();
  instance(const instance&) = delete;
  instance& operator=(const instance&) = delete;

  /// One handler, if there is one to run.
  bool step() { return context_->poll_one() > 0; }
  /// As on SIGTERM; it is over by `due`, but for the end of its epoch.
  void shut_down(steady_time due);
  [[nodiscard]] bool is_over() const { return over_; }
  [[nodiscard]] clock& time() { return clock_; }
  [[nodiscard]] payment_flow& flow() { return flow_; }
  /// As an administrator has it: asks about the payment in doubt, or declares what became of it.
  void resolve(payment_id id, std::optional<declaration> word);
  void post_payment(const posted_payment& payment, const accept_reply& reply);
  [[nodiscard]] coverage seen() const;

private:
  task<> drain(steady_time due);
  task<> oversee(payment_id id, std::optional<declaration> word);

  using work_guard = asio::executor_work_guard<executor>;

  std::unique_ptr<asio::io_context> context_;
  work_guard guard_;
  clock clock_;
  doubtful_ledger ledger_;
  redis_names names_{"repasse"};
  std::unique_ptr<redis_connection> redis_; ///< null: there is none
  std::unique_ptr<intake> intake_;          ///< with Redis
  std::vector<std::unique_ptr<processor>> processors_;
  payment_flow flow_;
  std::unique_ptr<importer> importer_; ///< with an intake
  ownership ownership_;
  prober prober_;
  overseer overseer_;
  decltype(coverage::overseen) overseen_{};
  bool over_ = false;
  task_group tasks_;
};

} // namespace repasse::simulation
