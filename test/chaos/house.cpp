#include "test/chaos/house.hpp"

#include "storage/declaration.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <sstream>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

/// Long enough that some payments are always under way.
constexpr int usual_delay_ms = 40;
constexpr int slow_delay_ms = 1200;
constexpr auto look_period = 20ms;

std::size_t number_in(std::string_view text) {
  std::size_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// The sum of the numbers that follow each occurrence of `before`.
std::size_t sum_after(std::string_view text, std::string_view before) {
  std::size_t sum = 0;
  for (std::size_t at = text.find(before); at != text.npos; at = text.find(before, at + 1))
    sum += number_in(text.substr(at + before.size()));
  return sum;
}

} // namespace

std::string_view to_string(mood one) {
  switch (one) {
  case mood::well:
    return "well";
  case mood::slow:
    return "slow";
  case mood::failing:
    return "failing";
  case mood::slow_and_failing:
    return "slow and failing";
  case mood::dropping:
    return "dropping answers";
  }
  return "";
}

silent_postgres::silent_postgres(const postgres_server& server) {
  std::istringstream processes(
      server.sql("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1) "
                 "UNION ALL SELECT pid::text FROM pg_stat_activity WHERE pid <> pg_backend_pid()"));
  for (pid_t process = 0; processes >> process;)
    if (::kill(process, SIGSTOP) == 0) stopped_.push_back(process);
}

silent_postgres::~silent_postgres() {
  for (const pid_t process : stopped_)
    ::kill(process, SIGCONT);
}

house::house(with stores) : database({"checkpoint_timeout = 30s", "autovacuum = on"}) {
  if (stores == with::redis) {
    redis.emplace();
    for (std::size_t i = 0; i < 2; ++i) {
      to_database[i] = std::make_unique<network>(database.port());
      to_redis[i] = std::make_unique<network>(redis->port());
    }
  }
  make(0, mood::well);
  make(1, mood::well);
}

variables house::settings(std::size_t instance) const {
  variables made = {{"DATABASE_URL", database.url()},
                    {"REACTORS", "1"},
                    {"ADMIN_TOKEN", admin_token},
                    {"PROCESSOR_DEFAULT_URL", "http://" + address_of(processors[0].port())},
                    {"PROCESSOR_FALLBACK_URL", "http://" + address_of(processors[1].port())}};
  if (redis) {
    made["DATABASE_URL"] = database.url(to_database[instance]->port());
    made["REDIS_URL"] = redis_server::url(to_redis[instance]->port());
  }
  return made;
}

void house::start(std::size_t instance, variables unusual) {
  if (instance == 0) unusual.try_emplace("REACTORS", "2");
  unusual.merge(settings(instance));
  servers_[instance] = std::make_unique<server_process>(unusual);
  ports[instance] = servers_[instance]->port();
}

int house::end(std::size_t instance, int signal) {
  const std::unique_ptr<server_process> gone = std::move(servers_[instance]);
  const int status = gone->end(signal);
  past_log_ += gone->log();
  return status;
}

std::optional<int> house::ended(std::size_t instance) {
  const std::optional<int> status = servers_[instance]->wait(0ms);
  if (!status) return std::nullopt;
  past_log_ += servers_[instance]->log();
  servers_[instance].reset();
  return status;
}

bool house::becomes_ready(std::size_t instance, std::chrono::milliseconds limit) const {
  const auto due = steady::now() + limit;
  while (server(instance).caller(1s).call("GET", "/readyz").status != 200) {
    if (steady::now() > due) return false;
    std::this_thread::sleep_for(look_period);
  }
  return true;
}

void house::make(std::size_t processor, mood one) const {
  http_caller caller = processors[processor].caller();
  const auto set = [&caller](const std::string& name, const std::string& body) {
    const http_reply answer =
        caller.call("PUT", "/admin/configurations/" + name, body, {{"X-Rinha-Token", "123"}});
    if (answer.status != 200)
      throw std::runtime_error("a processor does not take its configuration: " + body);
  };
  const bool is_slow = one == mood::slow || one == mood::slow_and_failing;
  const bool fails = one == mood::failing || one == mood::slow_and_failing;
  set("delay", R"({"delay":)" + std::to_string(is_slow ? slow_delay_ms : usual_delay_ms) + "}");
  set("failure", fails ? R"({"failure":true})" : R"({"failure":false})");
  set("hostile", R"({"mode":"none"})");
  if (one != mood::dropping) return;
  for (const char* mode : {"take-then-drop", "take-then-reset", "half-answer", "drop-before-take"})
    set("hostile", R"({"mode":")" + std::string(mode) + R"(","share":0.1})");
}

/// What counts as in flight at a processor is also what is being appended: a place is kept for it.
bool house::is_busy(std::size_t instance, const payers& load) const {
  const std::string body = server(instance).caller(100ms).call("GET", "/processors").body;
  const std::size_t posts = load.in_flight(instance);
  return posts > 0 && sum_after(body, R"("inFlight":)") > posts;
}

std::size_t house::left_by(pid_t process) const {
  return number_in(database.sql("SELECT count(*) FROM payments p JOIN epochs e ON e.epoch = p.owner "
                                "WHERE p.status < 3 AND e.instance LIKE '%:" +
                                std::to_string(process) + "'"));
}

std::size_t house::released() const {
  return number_in(database.sql("SELECT count(*) FROM payments WHERE status < 3 AND owner = 0"));
}

std::optional<std::chrono::milliseconds> house::takeover_after(pid_t process, steady::time_point since,
                                                               std::chrono::milliseconds limit) const {
  const std::size_t left = left_by(process);
  while (left > 0 && steady::now() - since < limit) {
    if (left_by(process) < left)
      return std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - since);
    std::this_thread::sleep_for(5 * look_period);
  }
  return std::nullopt;
}

std::size_t house::in_intake() const {
  try {
    return number_in(redis->cli({"XLEN", "repasse:intake"}));
  } catch (const std::exception&) {
    return 0;
  }
}

bool house::intake_empties(std::chrono::milliseconds limit) const {
  const auto due = steady::now() + limit;
  while (redis->cli({"XLEN", "repasse:intake"}) != "0" ||
         !redis->cli({"--scan", "--pattern", "repasse:intake:*"}).empty()) {
    if (steady::now() > due) return false;
    std::this_thread::sleep_for(5 * look_period);
  }
  return true;
}

std::string house::intake_text() const {
  std::string text;
  for (std::vector<std::string> words :
       {std::vector<std::string>{"XRANGE", "repasse:intake", "-", "+", "COUNT", "3"},
        {"XPENDING", "repasse:intake", "repasse"},
        {"XINFO", "GROUPS", "repasse:intake"},
        {"--scan", "--pattern", "repasse:intake:*"}}) {
    text += redis->cli(words) + '\n';
  }
  return text;
}

std::vector<std::string> house::judge_conflicts(std::span<const posted_entry> let_pass,
                                                std::vector<posted_entry>& posted) const {
  constexpr std::size_t at_once = 1000;
  std::map<std::string, std::string> rows; ///< the amount, and whether it is audited
  for (std::size_t first = 0; first < let_pass.size(); first += at_once) {
    std::string ids;
    for (const posted_entry& one : let_pass.subspan(first, std::min(at_once, let_pass.size() - first)))
      ids += (ids.empty() ? "'" : ",'") + to_string(one.id) + "'";
    std::istringstream lines(
        database.sql("SELECT correlation_id, amount_cents, EXISTS (SELECT FROM audit a WHERE "
                     "a.correlation_id = p.correlation_id AND event = 'conflict') "
                     "FROM payments p WHERE correlation_id IN (" +
                     ids + ")"));
    for (std::string line; std::getline(lines, line);)
      rows[line.substr(0, line.find('|'))] = line.substr(line.find('|') + 1);
  }
  std::vector<std::string> findings;
  for (const posted_entry& one : let_pass) {
    const std::string& row = rows[to_string(one.id)];
    if (row.starts_with(std::to_string(one.amount_cents) + '|'))
      std::ranges::find(posted, one.id, &posted_entry::id)->amount_cents = one.amount_cents;
    if (!row.ends_with("|t"))
      findings.push_back("a conflict of payment " + to_string(one.id) + " was let pass, and is not audited");
  }
  return findings;
}

audit_report house::audit(std::span<const posted_entry> posted, std::size_t through,
                          std::uint64_t seed) const {
  audit_config how;
  how.port = ports[through];
  how.threads = 2;
  how.seed = seed;
  how.admin_token = admin_token;
  const bool is_declared =
      std::ranges::any_of(posted, [](const posted_entry& one) { return one.declared.has_value(); });
  if (is_declared) how.settle_within += landing_limit;
  for (std::size_t p = 0; p < processors.size(); ++p)
    how.processors.push_back({names[p], "127.0.0.1", processors[p].port(), "123"});
  return audit_strictly(how, posted);
}

std::string house::log() const {
  std::string all = past_log_;
  for (const auto& one : servers_)
    if (one) all += one->log();
  return all;
}

std::vector<std::string> house::alarms() const {
  std::vector<std::string> found;
  std::istringstream lines(log());
  for (std::string line; std::getline(lines, line);)
    for (const char* word : {" critical ", "check failed", "ERROR: AddressSanitizer"})
      if (line.find(word) != line.npos && line.find("was taken in with another amount") == line.npos)
        found.push_back(line);
  return found;
}

std::size_t house::taken_over() const { return sum_after(log(), "takes over "); }

} // namespace repasse
