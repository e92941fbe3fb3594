#include "test/integration/postgres_server.hpp"

#include "test/free_port.hpp"

#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace repasse {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto start_limit = 30s;
constexpr auto poll_period = 5ms; // of a file and of a child, for which there is no event

void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error("PostgreSQL for tests: " + what);
}

/// Debian's place; elsewhere from PATH.
std::string program(const std::string& name) {
  const fs::path debian = fs::path{"/usr/lib/postgresql/15/bin"} / name;
  return fs::exists(debian) ? debian.string() : name;
}

/// PostgreSQL refuses to run as root.
const passwd* other_user() {
  if (::geteuid() != 0) return nullptr;
  const passwd* const user = ::getpwnam("postgres");
  require(user != nullptr, "as root, there must be a user postgres");
  return user;
}

std::string run(std::vector<std::string> words, const fs::path& output) {
  words.front() = program(words.front());
  return output_of(words, output, other_user());
}

/// The line of postmaster.pid that says so; 0: the first.
std::string pid_file_line(const fs::path& data, int number) {
  std::istringstream lines(text_of(data / "postmaster.pid"));
  std::string line;
  for (int i = 0; i <= number; ++i)
    if (!std::getline(lines, line)) return {};
  return line.substr(0, line.find_last_not_of(' ') + 1);
}

/// Once the test's process has ended, or the server is no longer needed.
void end_server(const fs::path& folder) {
  const pid_t server = std::atoi(pid_file_line(folder / "data", 0).c_str());
  for (int i = 0; server > 1 && i < 2'000 && ::kill(-server, i == 0 ? SIGQUIT : 0) == 0; ++i) {
    if (i == 400) ::kill(-server, SIGCONT);
    if (i == 1'700)
      ::kill(-server, SIGKILL); // it kills stopped backends of its own after 5 s, and only it can
    std::this_thread::sleep_for(poll_period);
  }
}

} // namespace

postgres_server::postgres_server(std::vector<std::string> settings)
    : folder_("repasse-pg", other_user(), end_server) {
  run({"initdb", "--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256", "--username=postgres",
       "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions", "--pgdata=" + data().string()},
      folder() / "initdb.log");
  configure("unix_socket_directories = '" + folder().string() +
            "'\nlisten_addresses = '127.0.0.1'\nfsync = on\nshared_buffers = 32MB\nmax_connections = 60\n"
            "log_min_messages = info\nlog_line_prefix = '%m [%p] %a '\nautovacuum = off\n");
  for (const std::string& each : settings)
    configure(each + "\n");
  start();
  sql("CREATE ROLE repasse LOGIN PASSWORD '" + std::string{password} + "'", "postgres");
  sql("CREATE DATABASE repasse OWNER repasse", "postgres");
  is_new_ = false;
}

postgres_server::postgres_server(standby_of whom, std::vector<std::string> settings)
    : folder_("repasse-pg", other_user(), end_server) {
  run({"pg_basebackup", "--no-sync", "--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf",
       "--username=postgres", "--host=" + whom.primary.folder().string(),
       "--port=" + std::to_string(whom.primary.port()), "--pgdata=" + data().string()},
      folder() / "basebackup.log");
  configure("unix_socket_directories = '" + folder().string() + "'\n");
  for (const std::string& each : settings)
    configure(each + "\n");
  start();
  is_new_ = false;
}

postgres_server::~postgres_server() {
  folder_.remove();
  if (postmaster_ > 0) ::waitpid(postmaster_, nullptr, 0); // first: its process group is there until then
}

std::string postgres_server::url(std::uint16_t port) const {
  return "postgresql://repasse:" + std::string{password} + "@127.0.0.1:" + std::to_string(port) + "/repasse";
}

void postgres_server::start() {
  require(!is_running(), "it runs already");
  const auto due = std::chrono::steady_clock::now() + start_limit;
  while (std::chrono::steady_clock::now() < due) { // again while its port is taken, or a killed one's memory
    if (port_ == 0) port_ = free_port();
    postmaster_ = spawn({program("postgres"), "-D", data().string(), "-p", std::to_string(port_)},
                        folder() / "log", SIGQUIT, other_user());
    const std::string id = std::to_string(postmaster_);
    int status = 0;
    while (::waitpid(postmaster_, &status, WNOHANG) == 0 && std::chrono::steady_clock::now() < due) {
      const std::string state = pid_file_line(data(), 7);
      if (pid_file_line(data(), 0) == id && (state == "ready" || state == "standby")) return;
      std::this_thread::sleep_for(poll_period);
    }
    if (is_new_) port_ = 0;
    postmaster_ = -1;
    std::this_thread::sleep_for(poll_period);
  }
  require(false, "it does not start: " + log());
}

void postgres_server::stop(stopping how) {
  signal(how == stopping::fast ? SIGINT : SIGQUIT);
  wait_until_ended();
}

void postgres_server::kill() {
  signal(SIGKILL);
  wait_until_ended();
}

void postgres_server::promote() const { require(sql("SELECT pg_promote()") == "t", "it is not promoted"); }

void postgres_server::wait_until_ended() {
  ::waitpid(postmaster_, nullptr, 0);
  postmaster_ = -1;
}

void postgres_server::restart(stopping how) {
  stop(how);
  start();
}

void postgres_server::signal(int number) const { signal(postmaster_, number); }

void postgres_server::signal(pid_t process, int number) {
  require(process > 1 && ::kill(process, number) == 0, "no such process");
}

std::string postgres_server::sql(const std::string& text, const std::string& database) const {
  const fs::path output = folder() / "psql.out";
  fs::remove(output);
  std::string lines = run({"psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", folder().string(),
                           "-p", std::to_string(port_), "-U", "postgres", "-d", database, "-c", text},
                          output);
  if (!lines.empty() && lines.back() == '\n') lines.pop_back();
  return lines;
}

void postgres_server::configure(const std::string& lines) const {
  std::ofstream(data() / "postgresql.conf", std::ios::app) << lines;
}

void postgres_server::allow(const std::string& lines) const {
  const fs::path path = data() / "pg_hba.conf";
  const std::string before = text_of(path);
  std::ofstream(path, std::ios::trunc) << lines << before;
}

void postgres_server::reload() const { sql("SELECT pg_reload_conf()", "postgres"); }

std::string postgres_server::log() const { return text_of(folder() / "log"); }

} // namespace repasse
