#include "test/chaos/rampage.hpp"

#include "test/chaos/administrator.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr auto look_period = 20ms;
constexpr auto takeover_look_period = 250ms;
constexpr auto load_patience = 5s; // until payments are under way again
constexpr auto stopped_for = 8s;
constexpr auto drain_limit = 30s;  // 10 s are promised
constexpr auto ready_limit = 30s;  // after everything is there again
constexpr auto takeover_max = 21s; // 7 s are promised

constexpr bool is_undisturbed(trouble one) { return one == trouble::backend_terminated; }

} // namespace

std::string_view to_string(trouble one) {
  switch (one) {
  case trouble::instance_killed:
    return "instance killed";
  case trouble::instance_stopped:
    return "instance stopped for 8 s";
  case trouble::instance_drained:
    return "instance drained";
  case trouble::postmaster_killed:
    return "postmaster killed";
  case trouble::postgres_restarted:
    return "PostgreSQL restarted, immediate";
  case trouble::postgres_away:
    return "PostgreSQL away for seconds";
  case trouble::postgres_silent:
    return "PostgreSQL silent for seconds";
  case trouble::backend_killed:
    return "backend killed";
  case trouble::backend_terminated:
    return "backend terminated";
  case trouble::all_killed:
    return "everything killed at once";
  case trouble::redis_killed:
    return "Redis killed";
  case trouble::redis_silent:
    return "Redis silent for seconds";
  case trouble::redis_full:
    return "Redis full";
  case trouble::redis_slow:
    return "Redis slow";
  case trouble::redis_replica:
    return "Redis made a replica";
  case trouble::redis_emptied:
    return "Redis emptied";
  case trouble::redis_lost:
    return "Redis restarted empty";
  case trouble::redis_cut:
    return "Redis restarted, its file cut";
  case trouble::postgres_unreachable:
    return "PostgreSQL unreachable for one";
  case trouble::redis_unreachable:
    return "Redis unreachable for one";
  }
  return "";
}

rampage::rampage(const config& settings)
    : config_(settings),
      random_(settings.seed),
      house_(settings.redis ? house::with::redis : house::with::postgres_alone) {}

rampage::report rampage::run() {
  set_up();
  begun_ = steady::now();
  payers clients(house_.ports,
                 {.rate = config_.rate, .seed = config_.seed, .conflicts_may_pass = config_.redis});
  clients_ = &clients;
  administrator hand(house_.ports, house::names, house_.processors, house::admin_token, config_.seed);
  time_point trouble_due = begun_ + 2s;
  time_point mood_due = begun_ + 3s;
  time_point look_due = begun_;
  while (steady::now() < begun_ + config_.lasts) {
    const time_point now = steady::now();
    repair(now);
    look_at_instances();
    if (now >= look_due) {
      if (watch_) look_at_takeover();
      if (config_.redis) look_at_intake();
      look_due = now + takeover_look_period;
    }
    if (now >= mood_due) {
      change_mood();
      mood_due = now + between(1000, 6000);
    }
    if (now >= trouble_due) {
      make_trouble();
      // Some come on top of another, some have the time to be seen to their end.
      trouble_due =
          steady::now() + (random_() % (watch_ ? 2 : 4) == 0 ? between(7000, 10'000) : between(100, 3000));
    }
    std::this_thread::sleep_for(look_period);
  }
  hand.stop();
  settle_down();
  std::this_thread::sleep_for(1s);
  clients.stop();
  clients_ = nullptr;
  say("the audit begins");
  std::vector<posted_entry> posted = clients.posted();
  report_.declared = hand.declared().size();
  for (posted_entry& one : posted)
    if (const auto word = hand.declared().find(one.id); word != hand.declared().end())
      one.declared = word->second;
  if (config_.redis) {
    if (!house_.intake_empties(ready_limit)) find("the intake does not become empty");
    report_.let_pass = clients.conflicts_let_pass().size();
    for (std::string& each : house_.judge_conflicts(clients.conflicts_let_pass(), posted))
      find(std::move(each));
  }
  report_.audit = house_.audit(posted, random_() % 2, config_.seed);
  for (std::string& each : clients.findings())
    find(std::move(each));
  for (std::string& each : house_.alarms())
    find("logged: " + std::move(each));
  report_.taken_over = house_.taken_over();
  report_.accepted = clients.accepted();
  report_.replayed = clients.replayed();
  report_.conflicts = clients.conflicts();
  report_.refused = clients.refused(0) + clients.refused(1);
  report_.unanswered = clients.unanswered();
  return std::move(report_);
}

void rampage::set_up() {
  for (std::size_t i = 0; i < 2; ++i)
    house_.start(i);
  for (std::size_t i = 0; i < 2; ++i)
    if (!house_.becomes_ready(i, ready_limit)) throw std::runtime_error("an instance does not become ready");
}

void rampage::make_trouble() {
  const trouble one = next_trouble();
  const bool comes_on_top = random_() % 4 == 0; // of the one before, while that is still being got over
  bool loaded = is_under_load();
  for (const auto due = steady::now() + load_patience; !comes_on_top && !loaded && steady::now() < due;) {
    std::this_thread::sleep_for(look_period);
    repair(steady::now());
    look_at_instances();
    loaded = is_under_load();
  }
  if (!hit(one)) return;
  report::count& count = report_.troubles[static_cast<std::size_t>(one)];
  ++count.times;
  if (loaded) ++count.under_load;
  if (one != trouble::instance_killed && !is_undisturbed(one)) watch_.reset();
  say(std::string(to_string(one)) + (loaded ? "" : " (not under load)"));
}

/// Each once, in any order, and again.
trouble rampage::next_trouble() {
  if (to_come_.empty()) {
    for (std::size_t i = 0; i < trouble_count; ++i)
      to_come_.push_back(static_cast<trouble>(i));
    std::shuffle(to_come_.begin(), to_come_.end(), random_);
  }
  const trouble one = to_come_.back();
  to_come_.pop_back();
  return one;
}

/// False if it cannot be done as things are.
bool rampage::hit(trouble one) {
  const std::size_t which = random_() % 2;
  switch (one) {
  case trouble::instance_killed:
    return kill_instance(which);
  case trouble::instance_stopped:
    return stop_instance(which);
  case trouble::instance_drained:
    return drain_instance(which);
  case trouble::postmaster_killed:
    return end_postgres(SIGKILL, 0ms);
  case trouble::postgres_restarted:
    return end_postgres(SIGQUIT, 0ms);
  case trouble::postgres_away:
    return end_postgres(SIGQUIT,
                        std::array{between(500, 6000), 8000ms, 30'000ms}[config_.redis ? random_() % 3 : 0]);
  case trouble::postgres_silent:
    return silence_postgres();
  case trouble::backend_killed:
    return hit_backend(true);
  case trouble::backend_terminated:
    return hit_backend(false);
  case trouble::all_killed:
    return kill_all();
  default:
    return config_.redis && hit_redis(one);
  }
  return false;
}

bool rampage::hit_redis(trouble one) {
  if (one == trouble::postgres_unreachable) return cut_network(to_database_, house_.to_database);
  if (one == trouble::redis_unreachable) return cut_network(to_redis_, house_.to_redis);
  if (redis_.now_in != condition::up) return false;
  const time_point due = steady::now() + between(500, 6000);
  switch (one) {
  case trouble::redis_killed:
    house_.redis->kill();
    redis_ = {condition::down, due};
    return true;
  case trouble::redis_silent:
    house_.redis->signal(SIGSTOP);
    redis_ = {condition::stopped, due};
    return true;
  case trouble::redis_full:
    house_.redis->cli({"CONFIG", "SET", "maxmemory", "1"});
    redis_ = {condition::wrong, due};
    return true;
  case trouble::redis_replica:
    house_.redis->cli({"REPLICAOF", "127.0.0.1", "1"});
    redis_ = {condition::wrong, due};
    return true;
  case trouble::redis_slow:
    house_.redis->cli({"DEBUG", "SLEEP", std::to_string(0.1 * static_cast<double>(1 + random_() % 15))});
    return true;
  default:
    return lose_in_redis(one);
  }
}

bool rampage::lose_in_redis(trouble how) {
  if (instance_ended_) return false;
  redis_has_lost_ = true;
  clear_looks_ = 0;
  if (how == trouble::redis_emptied) {
    house_.redis->cli({"FLUSHALL"});
    return true;
  }
  house_.redis->kill();
  const std::filesystem::path files = house_.redis->folder() / "appendonlydir";
  if (how == trouble::redis_lost) {
    std::filesystem::remove_all(files);
  } else {
    for (const auto& file : std::filesystem::directory_iterator(files))
      if (file.path().string().ends_with(".incr.aof"))
        std::filesystem::resize_file(file.path(), file.file_size() - file.file_size() / (2 + random_() % 50));
  }
  redis_ = {condition::down, steady::now() + between(0, 2000)};
  return true;
}

bool rampage::cut_network(std::array<part, 2>& parts,
                          const std::array<std::unique_ptr<network>, 2>& networks) {
  const std::size_t which = random_() % 2;
  if (parts[which].now_in != condition::up) return false;
  networks[which]->fall_silent(static_cast<network::cut>(random_() % 3));
  parts[which] = {condition::stopped, steady::now() + between(500, 8000)};
  return true;
}

bool rampage::kill_instance(std::size_t which) {
  if (instances_[which].now_in == condition::down || redis_has_lost_) return false;
  instance_ended_ = true;
  clear_looks_ = 0;
  const pid_t process = house_.server(which).id();
  house_.end(which, SIGKILL);
  const auto killed = steady::now();
  instances_[which] = {condition::down, killed + between(0, 8000)};
  watch_.reset();
  const bool is_whole =
      std::ranges::all_of(to_database_, [](const part& one) { return one.now_in == condition::up; });
  if (postgres_.now_in != condition::up || !is_whole) return true;
  try { // it may be recovering
    watch_ = watch{process, killed, house_.left_by(process)};
  } catch (const std::exception&) {
    watch_.reset();
  }
  return true;
}

bool rampage::stop_instance(std::size_t which) {
  if (instances_[which].now_in != condition::up) return false;
  house_.server(which).signal(SIGSTOP);
  instances_[which] = {condition::stopped, steady::now() + stopped_for};
  return true;
}

bool rampage::drain_instance(std::size_t which) {
  if (instances_[which].now_in != condition::up || redis_has_lost_) return false;
  instance_ended_ = true;
  clear_looks_ = 0;
  house_.server(which).signal(SIGTERM);
  instances_[which] = {condition::draining, steady::now() + drain_limit};
  return true;
}

bool rampage::kill_all() {
  if (postgres_.now_in != condition::up || redis_has_lost_) return false;
  instance_ended_ = true;
  clear_looks_ = 0;
  house_.database.signal(SIGKILL);
  for (std::size_t i = 0; i < 2; ++i)
    if (instances_[i].now_in != condition::down) {
      house_.end(i, SIGKILL);
      instances_[i] = {condition::down, steady::now() + between(0, 4000)};
    }
  house_.database.kill();
  postgres_ = {condition::down, steady::now() + between(0, 3000)};
  return true;
}

bool rampage::end_postgres(int signal, std::chrono::milliseconds away) {
  if (postgres_.now_in != condition::up) return false;
  if (signal == SIGKILL)
    house_.database.kill();
  else
    house_.database.stop(postgres_server::stopping::immediate);
  postgres_ = {condition::down, steady::now() + away};
  return true;
}

bool rampage::silence_postgres() {
  if (postgres_.now_in != condition::up) return false;
  try {
    silence_.emplace(house_.database);
  } catch (const std::exception&) { // it is recovering
    return false;
  }
  postgres_ = {condition::stopped, steady::now() + between(500, 7000)};
  return true;
}

bool rampage::hit_backend(bool by_signal) {
  if (postgres_.now_in != condition::up) return false;
  try {
    const std::string process = house_.database.sql(
        "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'repasse %' ORDER BY random() LIMIT 1");
    if (process.empty()) return false;
    if (by_signal)
      postgres_server::signal(std::stoi(process), SIGKILL);
    else
      house_.database.sql("SELECT pg_terminate_backend(" + process + ")");
    return true;
  } catch (const std::exception&) { // gone, or it is recovering
    return false;
  }
}

void rampage::change_mood() {
  const std::size_t processor = random_() % 2;
  const auto next = static_cast<mood>(random_() % 2 == 0 ? 0 : random_() % mood_count);
  house_.make(processor, next);
  ++report_.moods[static_cast<std::size_t>(next)];
  say(std::string(house::names[processor]) + " is " + std::string(to_string(next)));
}

void rampage::repair(time_point now) {
  for (std::size_t i = 0; i < 2; ++i)
    if (instances_[i].now_in != condition::up && now >= instances_[i].due) repair_instance(i);
  repair_stores(now);
}

void rampage::repair_stores(time_point now) {
  for (std::size_t i = 0; i < 2; ++i) {
    if (to_database_[i].now_in != condition::up && now >= to_database_[i].due) {
      house_.to_database[i]->mend();
      to_database_[i] = {};
    }
    if (to_redis_[i].now_in != condition::up && now >= to_redis_[i].due) {
      house_.to_redis[i]->mend();
      to_redis_[i] = {};
    }
  }
  if (redis_.now_in != condition::up && now >= redis_.due) repair_redis();
  if (postgres_.now_in == condition::up || now < postgres_.due) return;
  if (postgres_.now_in == condition::down) house_.database.start();
  silence_.reset();
  postgres_ = {};
}

void rampage::repair_instance(std::size_t which) {
  switch (instances_[which].now_in) {
  case condition::up:
  case condition::wrong:
    break;
  case condition::down:
    house_.start(which);
    break;
  case condition::stopped:
    house_.server(which).signal(SIGCONT);
    break;
  case condition::draining:
    find("an instance does not end within 30 s of SIGTERM");
    house_.end(which, SIGKILL);
    house_.start(which);
    break;
  }
  instances_[which] = {};
}

void rampage::repair_redis() {
  if (redis_.now_in == condition::down) house_.redis->start();
  if (redis_.now_in == condition::stopped) house_.redis->signal(SIGCONT);
  if (redis_.now_in == condition::wrong) {
    house_.redis->cli({"CONFIG", "SET", "maxmemory", "0"});
    house_.redis->cli({"REPLICAOF", "NO", "ONE"});
  }
  redis_ = {};
}

bool rampage::is_intake_clear() const {
  if (redis_.now_in != condition::up || house_.redis->cli({"XLEN", "repasse:intake"}) != "0") return false;
  for (std::size_t i = 0; i < 2; ++i) {
    if (instances_[i].now_in == condition::down) continue;
    const std::string text = house_.server(i).caller(300ms).call("GET", "/readyz").body;
    if (text.find("intake: open, 0 payments wait") == text.npos) return false;
  }
  return true;
}

/// Clear if it is so for a second: a batch on its way is in no list.
void rampage::look_at_intake() {
  if (!instance_ended_ && !redis_has_lost_) return;
  clear_looks_ = is_intake_clear() ? clear_looks_ + 1 : 0;
  if (clear_looks_ < 5) return;
  instance_ended_ = false;
  redis_has_lost_ = false;
}

void rampage::look_at_takeover() {
  if (postgres_.now_in != condition::up) return watch_.reset();
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - watch_->since);
  std::size_t left = 0;
  try {
    left = house_.left_by(watch_->process);
  } catch (const std::exception&) {
    return watch_.reset(); // it is recovering
  }
  if (left < watch_->left) {
    ++report_.takeovers;
    report_.slowest_takeover = std::max(report_.slowest_takeover, age);
    return watch_.reset();
  }
  if (left == 0) return watch_.reset();
  if (age < takeover_max) return;
  find("payments of a killed instance are not taken over after " + std::to_string(age.count()) + " ms");
  watch_.reset();
}

void rampage::look_at_instances() {
  for (std::size_t i = 0; i < 2; ++i) {
    if (instances_[i].now_in == condition::down) continue;
    const std::optional<int> status = house_.ended(i);
    if (!status) continue;
    const bool was_asked = instances_[i].now_in == condition::draining;
    if (!was_asked || *status != 0)
      find("an instance ended by itself with status " + std::to_string(*status));
    instances_[i] = {condition::down, steady::now() + between(0, 1000)};
  }
}

/// Everything is there again, and both processors are well.
void rampage::settle_down() {
  say("no more troubles");
  for (std::size_t p = 0; p < 2; ++p)
    house_.make(p, mood::well);
  repair_stores(time_point::max());
  for (std::size_t i = 0; i < 2; ++i) {
    if (instances_[i].now_in == condition::draining) {
      const int status = house_.end(i, SIGTERM); // a second signal: at once
      say("a draining instance ended with status " + std::to_string(status));
      instances_[i].now_in = condition::down;
    }
    repair_instance(i);
  }
  for (std::size_t i = 0; i < 2; ++i)
    if (!house_.becomes_ready(i, ready_limit)) find("an instance does not become ready at the end");
}

/// Each instance that is up has a send and a commit under way, and one is.
bool rampage::is_under_load() const {
  bool is_one_up = false;
  for (std::size_t i = 0; i < 2; ++i) {
    if (instances_[i].now_in != condition::up) continue;
    if (!house_.is_busy(i, *clients_)) return false;
    is_one_up = true;
  }
  return postgres_.now_in == condition::up && is_one_up;
}

std::chrono::milliseconds rampage::between(int least_ms, int most_ms) {
  return std::chrono::milliseconds(std::uniform_int_distribution<int>(least_ms, most_ms)(random_));
}

void rampage::say(const std::string& line) const {
  if (!config_.speaks) return;
  const std::chrono::duration<double> at = steady::now() - begun_;
  std::printf("%8.3f s  %s\n", at.count(), line.c_str());
  std::fflush(stdout);
}

std::string rampage::report::to_text() const {
  std::string text;
  const auto row = [&text](std::string_view name, const std::string& number) {
    text +=
        "  " + std::string(name) + std::string(name.size() < 34 ? 34 - name.size() : 1, ' ') + number + '\n';
  };
  for (std::size_t i = 0; i < trouble_count; ++i)
    row(to_string(static_cast<trouble>(i)),
        std::to_string(troubles[i].times) + ", under load " + std::to_string(troubles[i].under_load));
  for (std::size_t i = 0; i < mood_count; ++i)
    row("processor " + std::string(to_string(static_cast<mood>(i))), std::to_string(moods[i]));
  row("payments taken over", std::to_string(taken_over));
  row("takeovers seen to begin",
      std::to_string(takeovers) + ", the slowest after " + std::to_string(slowest_takeover.count()) + " ms");
  row("posts answered with 202", std::to_string(accepted) + ", replayed " + std::to_string(replayed));
  row("conflicts, as they should be", std::to_string(conflicts));
  row("conflicts found later, and audited", std::to_string(let_pass));
  row("payments declared by hand", std::to_string(declared));
  row("posts refused with 503", std::to_string(refused));
  row("posts without an answer", std::to_string(unanswered));
  text += audit.to_text() + '\n';
  for (const std::string& each : findings)
    text += "FINDING: " + each + '\n';
  return text;
}

} // namespace repasse
