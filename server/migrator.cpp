#include "server/migrator.hpp"

#include "server/config_machine.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace repasse {
namespace {

using namespace std::chrono_literals;

/// Between two tries while the database is away.
constexpr std::chrono::nanoseconds retry_period = 100ms;
/// Between two looks at a schema that a person has to mend.
constexpr std::chrono::nanoseconds mending_period = 5s;
/// Of one try, with all its steps: an index over many rows takes its time.
constexpr std::chrono::nanoseconds try_limit = 1h;
/// An estimate that does not come by then is done without.
constexpr std::chrono::nanoseconds estimate_limit = 1s;
constexpr std::chrono::nanoseconds connect_limit_max = 1s;

} // namespace

pg_connection::config migration_connection(const config& settings) {
  pg_connection::config how;
  how.url = settings.database_url;
  how.application_name = "repasse migrate";
  how.settings = {migrations::connection_setting};
  how.connect_limit = std::min<std::chrono::nanoseconds>(settings.database_conn_timeout, connect_limit_max);
  how.lifetime = {};    // never replaced in the middle of a step
  how.slow = try_limit; // a migration may take long
  return how;
}

migrator::migrator(clock& time, const config& settings, schema_state& schema)
    : clock_(time),
      schema_(schema),
      started_(time.now()),
      connection_(time, migration_connection(settings)),
      migrations_(connection_),
      wake_(time),
      tasks_(time) {}

void migrator::start() {
  tasks_.spawn(connection_.run());
  tasks_.spawn(live());
}

void migrator::stop() {
  stopped_ = true;
  connection_.stop();
  wake_.notify();
}

task<> migrator::live() {
  while (!stopped_) {
    bool right = false;
    if (connection_.now_in() == pg_connection::state::connected)
      right = co_await look();
    else
      note(connection_.trouble());
    if (right || stopped_) break;
    const auto pause = verdict_ == schema_verdict::unusable ? mending_period : retry_period;
    co_await wake_.wait_for(pause);
  }
  connection_.stop();
}

task<bool> migrator::look() {
  migration_report found = co_await migrations_.up(clock_.now() + try_limit);
  if (stopped_) co_return false;
  verdict_ = found.verdict;
  if (verdict_ == schema_verdict::right) {
    co_await tell(std::move(found));
    co_return true;
  }
  note(std::move(found.reason));
  co_return false;
}

void migrator::note(std::string reason) {
  if (reason.empty() || reason == reason_) return;
  reason_ = std::move(reason);
  spdlog::error("no payments are taken yet, goes on trying: {}", reason_);
}

task<> migrator::tell(migration_report found) {
  schema_.found_right(found.version);
  reason_.clear();
  const auto held = co_await migrations_.payments_held(clock_.now() + estimate_limit);
  const std::chrono::duration<double, std::milli> took = clock_.now() - started_;
  spdlog::info("schema version {}{}{}, {} payments held; known {:.1f} ms after the start, {:.1f} MiB in use",
               found.version, found.done.empty() ? "" : ", ", fmt::join(found.done, ", "),
               held ? fmt::format("about {}", *held) : "no estimate of the", took.count(), resident_mib());
}

} // namespace repasse
