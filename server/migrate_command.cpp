#include "server/migrate_command.hpp"

#include "server/migrator.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, 3> step_names{"up", "down", "status"};

/// Of everything after the connection is there.
constexpr std::chrono::nanoseconds step_limit = 10min;
constexpr std::chrono::nanoseconds look_period = 20ms;
/// For the connection to end.
constexpr std::chrono::nanoseconds farewell = 1s;

/// One run of the command, and all that it needs.
class command {
public:
  command(const config& settings, migrate_step step)
      : settings_(settings), step_(step), connection_(clock_, migration_connection(settings)) {}

  migration_report run() {
    connected_.spawn(connection_.run());
    acting_.spawn(act());
    context_.run();
    clock_.abandon();
    return std::move(report_);
  }

private:
  task<> act() {
    const steady_time connected_by = clock_.now() + settings_.database_conn_timeout;
    event pause(clock_);
    while (connection_.now_in() != pg_connection::state::connected && clock_.now() < connected_by)
      co_await pause.wait_for(look_period);
    if (connection_.now_in() == pg_connection::state::connected) co_await take_step();
    if (report_.verdict == schema_verdict::unavailable && !connection_.trouble().empty())
      report_.reason = connection_.trouble();
    connection_.stop();
    const bool ended = co_await connected_.join_until(clock_.now() + farewell);
    if (!ended) context_.stop();
  }

  task<> take_step() {
    const steady_time due = clock_.now() + step_limit;
    switch (step_) {
    case migrate_step::up:
      report_ = co_await migrations_.up(due);
      break;
    case migrate_step::down:
      report_ = co_await migrations_.down(due);
      break;
    case migrate_step::status:
      report_ = co_await migrations_.status(due);
      break;
    }
  }

  const config& settings_;
  migrate_step step_;
  asio::io_context context_{1};
  clock clock_{context_};
  pg_connection connection_;
  migrations migrations_{connection_};
  migration_report report_{.reason = "the database does not answer", .steps = {}, .done = {}};
  task_group connected_{clock_};
  task_group acting_{clock_};
};

} // namespace

std::optional<migrate_step> parse_migrate_step(std::string_view text) {
  const auto found = std::ranges::find(step_names, text);
  if (found == step_names.end()) return std::nullopt;
  return static_cast<migrate_step>(found - step_names.begin());
}

bool migrate(const config& settings, migrate_step step) {
  const migration_report report = command(settings, step).run();
  for (const std::string& line : report.done)
    std::printf("%s\n", line.c_str());
  if (step == migrate_step::status)
    for (const std::string& line : report.steps)
      std::printf("%s\n", line.c_str());
  if (report.verdict != schema_verdict::unavailable) std::printf("schema version %d\n", report.version);
  const bool as_asked =
      step == migrate_step::down ? !report.done.empty() : report.verdict == schema_verdict::right;
  if (!as_asked) std::fprintf(stderr, "repasse: %s\n", report.reason.c_str());
  return as_asked;
}

} // namespace repasse
