#include "test/integration/postgres_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Starts a program as the server's user, in a process group of its own, its output in `output`.
pid_t spawn(std::vector<std::string> words, const fs::path& output, bool dies_with_us) {
  const passwd* const user = other_user();
  words.front() = program(words.front());
  std::vector<char*> arguments;
  for (std::string& each : words)
    arguments.push_back(each.data());
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  require(child >= 0, "cannot fork");
  if (child > 0) return child;
  ::setpgid(0, 0);
  const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(file, STDOUT_FILENO);
  ::dup2(file, STDERR_FILENO);
  ::close_range(3, ~0U, 0);
  if (user != nullptr &&
      (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0))
    ::_exit(126);
  if (dies_with_us) {
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT); // after setuid, which clears it
    if (::getppid() != parent) ::_exit(125);
  }
  if (::chdir("/") != 0) ::_exit(124);
  for (const char* each : {"PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGOPTIONS"})
    ::unsetenv(each);
  ::setenv("LC_ALL", "C.UTF-8", 1);
  ::execvp(arguments.front(), arguments.data());
  ::_exit(127);
}

/// Its output, if it ends well.
std::string run(const std::vector<std::string>& words, const fs::path& output) {
  const pid_t child = spawn(words, output, true);
  int status = 0;
  ::waitpid(child, &status, 0);
  std::string text = text_of(output);
  require(status == 0, words.front() + " failed: " + text);
  return text;
}

std::uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  const bool is_found = ::bind(socket, any, size) == 0 && ::getsockname(socket, any, &size) == 0;
  ::close(socket);
  require(is_found, "no free port");
  return ntohs(address.sin_port);
}

/// The line of postmaster.pid that says so; 0: the first.
std::string pid_file_line(const fs::path& data, int number) {
  std::istringstream lines(text_of(data / "postmaster.pid"));
  std::string line;
  for (int i = 0; i <= number; ++i)
    if (!std::getline(lines, line)) return {};
  return line.substr(0, line.find_last_not_of(' ') + 1);
}

/// Waits for the end of the test's process, whichever, then ends the server and removes its folder.
[[noreturn]] void clean_up_after(int alive, const fs::path& folder) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE})
    std::signal(number, SIG_IGN);
  ::setpgid(0, 0);
  ::dup2(alive, STDIN_FILENO);
  const int nothing = ::open("/dev/null", O_WRONLY);
  ::dup2(nothing, STDOUT_FILENO);
  ::dup2(nothing, STDERR_FILENO);
  ::close_range(3, ~0U, 0);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR) {
  }
  const pid_t server = std::atoi(pid_file_line(folder / "data", 0).c_str());
  for (int i = 0; server > 1 && i < 2'000 && ::kill(-server, i == 0 ? SIGQUIT : 0) == 0; ++i) {
    if (i == 400) ::kill(-server, SIGCONT);
    if (i == 1'700)
      ::kill(-server, SIGKILL); // it kills stopped backends of its own after 5 s, and only it can
    std::this_thread::sleep_for(poll_period);
  }
  std::error_code ignored;
  for (int i = 0; i < 100 && fs::exists(folder, ignored); ++i) // a backend may still write a last file
    fs::remove_all(folder, ignored);
  ::_exit(0);
}

} // namespace

postgres_server::postgres_server(std::vector<std::string> settings) {
  make_folder();
  run({"initdb", "--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256", "--username=postgres",
       "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions", "--pgdata=" + data().string()},
      folder_ / "initdb.log");
  configure("unix_socket_directories = '" + folder_.string() +
            "'\nlisten_addresses = '127.0.0.1'\nfsync = on\nshared_buffers = 32MB\nmax_connections = 60\n"
            "log_min_messages = info\nlog_line_prefix = '%m [%p] %a '\nautovacuum = off\n");
  for (const std::string& each : settings)
    configure(each + "\n");
  start();
  sql("CREATE ROLE repasse LOGIN PASSWORD '" + std::string{password} + "'", "postgres");
  sql("CREATE DATABASE repasse OWNER repasse", "postgres");
  is_new_ = false;
}

postgres_server::postgres_server(standby_of whom, std::vector<std::string> settings) {
  make_folder();
  run({"pg_basebackup", "--no-sync", "--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf",
       "--username=postgres", "--host=" + whom.primary.folder().string(),
       "--port=" + std::to_string(whom.primary.port()), "--pgdata=" + data().string()},
      folder_ / "basebackup.log");
  configure("unix_socket_directories = '" + folder_.string() + "'\n");
  for (const std::string& each : settings)
    configure(each + "\n");
  start();
  is_new_ = false;
}

void postgres_server::make_folder() {
  std::string name = (fs::temp_directory_path() / "repasse-pg-XXXXXX").string();
  require(::mkdtemp(name.data()) != nullptr, "cannot make a folder " + name);
  folder_ = name;
  if (const passwd* const user = other_user(); user != nullptr)
    require(::chown(name.c_str(), user->pw_uid, user->pw_gid) == 0, "cannot give away " + name);

  int ends[2];
  require(::pipe2(ends, O_CLOEXEC) == 0, "no pipe");
  cleaner_ = ::fork();
  require(cleaner_ >= 0, "cannot fork");
  if (cleaner_ == 0) {
    ::close(ends[1]);
    clean_up_after(ends[0], folder_);
  }
  ::close(ends[0]);
  alive_ = ends[1];
}

postgres_server::~postgres_server() {
  ::close(alive_);
  if (postmaster_ > 0) ::waitpid(postmaster_, nullptr, 0); // first: its process group is there until then
  ::waitpid(cleaner_, nullptr, 0);
}

std::string postgres_server::url(std::uint16_t port) const {
  return "postgresql://repasse:" + std::string{password} + "@127.0.0.1:" + std::to_string(port) + "/repasse";
}

void postgres_server::start() {
  require(!is_running(), "it runs already");
  const auto due = std::chrono::steady_clock::now() + start_limit;
  while (std::chrono::steady_clock::now() < due) { // again while its port is taken, or a killed one's memory
    if (port_ == 0) port_ = free_port();
    postmaster_ =
        spawn({"postgres", "-D", data().string(), "-p", std::to_string(port_)}, folder_ / "log", true);
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
  const fs::path output = folder_ / "psql.out";
  fs::remove(output);
  std::string lines = run({"psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", folder_.string(),
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

std::string postgres_server::log() const { return text_of(folder_ / "log"); }

} // namespace repasse
