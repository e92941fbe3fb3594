// The instances of one seed and the loop that runs them: one handler at a time, in an order of chance, and
// time moves on only when none has work.
#pragma once

#include "storage/memory_ledger.hpp"
#include "test/simulation/instance.hpp"
#include "test/simulation/world.hpp"

#include <memory>
#include <vector>

namespace repasse::simulation {

class cluster {
public:
  cluster(world& outside, const instance_settings& settings, std::size_t instances);

  void run_until(steady_time end);
  /// Ends it between two handlers, within its next hundred.
  void kill(std::size_t number);
  /// Ends it as SIGTERM does.
  void drain(std::size_t number, std::chrono::nanoseconds limit);
  void start(std::size_t number);
  /// Kills them all, and none starts any more; true once all are gone, else it is to be said again.
  bool shut();
  /// All start, after a restore of the ledger.
  void open_asking_first();
  /// No handler of it runs until then.
  void stall(std::size_t number, steady_time until);

  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] bool is_up(std::size_t number) const { return nodes_[number].running != nullptr; }
  [[nodiscard]] instance& at(std::size_t number) { return *nodes_[number].running; }
  [[nodiscard]] memory_ledger& books() { return books_; }
  [[nodiscard]] ledger_weather& weather(std::size_t number) { return *nodes_[number].weather; }
  [[nodiscard]] coverage seen() const;

private:
  struct node {
    std::unique_ptr<instance> running;
    std::unique_ptr<ledger_weather> weather = std::make_unique<ledger_weather>();
    steady_time stalled_until{};
    int steps_to_live = -1;
  };

  bool step();
  [[nodiscard]] steady_time next_due() const;

  world& world_;
  asio::io_context nowhere_;
  poller no_sockets_{nowhere_};
  memory_ledger books_;
  instance_settings settings_;
  std::vector<node> nodes_;
  bool is_shut_ = false;
  coverage gone_;
};

} // namespace repasse::simulation
