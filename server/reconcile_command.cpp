#include "server/reconcile_command.hpp"

#include "server/migrator.hpp"
#include "server/poller.hpp"
#include "server/reconciler.hpp"
#include "storage/postgres_ledger.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds look_period = 20ms;
constexpr std::chrono::nanoseconds farewell = 1s;
/// How many of the latest runs may be this command's.
constexpr std::size_t runs_max = 2 * processors_max;

std::string amount_text(std::int64_t cents) {
  char text[24];
  return {text, write_amount(text, cents)};
}

/// One reconciliation, and all that it needs: no epoch, since it owns no payment.
class command {
public:
  explicit command(const config& settings)
      : settings_(settings),
        looking_(clock_, migration_connection(settings)),
        database_(clock_, ledger_config(settings), schema_) {
    for (const processor_settings& one : settings.processors)
      processors_.push_back(std::make_unique<processor>(clock_, poller_, processor_config(one)));
  }

  bool run() {
    database_.start();
    tasks_.spawn(looking_.run());
    tasks_.spawn(act());
    context_.run();
    poller_.close();
    for (int i = 0; i < 2; ++i) { // as reactor::wind_up()
      clock_.abandon();
      context_.restart();
      context_.poll();
    }
    return is_equal_;
  }

private:
  static postgres_ledger::config ledger_config(const config& settings) {
    postgres_ledger::config how;
    how.url = settings.database_url;
    how.processors = settings.processor_names();
    how.instance = "repasse reconcile";
    return how;
  }

  task<> act() {
    event pause(clock_);
    co_await look_at_schema();
    const steady_time by = clock_.now() + settings_.database_conn_timeout;
    while (schema_.is_right() && !database_.health().is_up && clock_.now() < by)
      co_await pause.wait_for(look_period);
    reconciler::config how;
    how.holder = reconciler::draw_holder();
    std::vector<settle_item> taken;
    reconciler comparing(
        clock_, database_, database_, processors_, [&](const settle_item& item) { taken.push_back(item); },
        how);
    const auto before = co_await database_.read_runs(INT64_MAX, 1);
    const reconciler::begun begun = co_await comparing.run();
    if (!taken.empty()) static_cast<void>(co_await database_.settle(taken));
    switch (begun) {
    case reconciler::begun::yes:
      if (before) co_await tell(before->empty() ? 0 : before->front().id);
      break;
    case reconciler::begun::under_way:
      std::fprintf(stderr, "repasse: a reconciliation is under way\n");
      break;
    case reconciler::begun::unavailable:
      std::fprintf(stderr, "repasse: the database does not answer, or its schema is not this version's\n");
      break;
    }
    database_.stop();
    const steady_time gone = clock_.now() + farewell;
    while (!database_.has_stopped() && clock_.now() < gone)
      co_await pause.wait_for(look_period);
    context_.stop();
  }

  /// The ledger connects once the schema is known to be right.
  task<> look_at_schema() {
    const steady_time by = clock_.now() + settings_.database_conn_timeout;
    event pause(clock_);
    while (looking_.now_in() != pg_connection::state::connected && clock_.now() < by)
      co_await pause.wait_for(look_period);
    if (looking_.now_in() == pg_connection::state::connected) {
      const migration_report found = co_await migrations_.status(by);
      if (found.verdict == schema_verdict::right) schema_.found_right(found.version);
    }
    looking_.stop();
  }

  task<> tell(std::int64_t before) {
    const auto runs = co_await database_.read_runs(INT64_MAX, runs_max);
    if (!runs) co_return;
    is_equal_ = true;
    std::printf("%-16s %-24s %-24s %10s %16s %10s %16s  %s\n", "processor", "from", "to", "ours", "amount",
                "theirs", "amount", "result");
    for (const reconciliation_run& run : *runs) {
      if (run.id <= before) break;
      if (!run.matched) is_equal_ = false;
      const std::string result = !run.error.empty() ? run.error : run.matched ? "equal" : "findings are open";
      std::printf("%-16s %s %s %10llu %16s %10llu %16s  %s\n",
                  settings_.processors[run.processor].name.c_str(), to_string(run.window.from).c_str(),
                  to_string(run.window.to).c_str(), static_cast<unsigned long long>(run.ours.requests),
                  amount_text(run.ours.amount_cents).c_str(),
                  static_cast<unsigned long long>(run.theirs.requests),
                  amount_text(run.theirs.amount_cents).c_str(), result.c_str());
    }
    co_await tell_open();
  }

  task<> tell_open() {
    for (std::size_t i = 0; i < processors_.size(); ++i) {
      const auto open = co_await database_.open_of(static_cast<processor_index>(i), findings_a_run_max);
      if (!open) continue;
      for (const reconciliation_finding& one : *open) {
        is_equal_ = false;
        std::printf("%-16s %-16s %s from %s to %s, ours %s, theirs %s\n",
                    settings_.processors[i].name.c_str(), std::string{to_string(one.kind)}.c_str(),
                    one.payment ? to_string(*one.payment).c_str() : "unknown payment",
                    to_string(one.window.from).c_str(), to_string(one.window.to).c_str(),
                    amount_text(one.ours.amount_cents).c_str(), amount_text(one.theirs.amount_cents).c_str());
      }
    }
  }

  const config& settings_;
  asio::io_context context_{1};
  clock clock_{context_};
  poller poller_{context_};
  schema_state schema_;
  pg_connection looking_;
  migrations migrations_{looking_};
  postgres_ledger database_;
  std::vector<std::unique_ptr<processor>> processors_;
  bool is_equal_ = false;
  task_group tasks_{clock_};
};

} // namespace

bool reconcile(const config& settings) { return command(settings).run(); }

} // namespace repasse
