#include "bench/open_loop.hpp"

#include "bench/answer_scanner.hpp"
#include "bench/post_schedule.hpp"
#include "bench/urgent_thread.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <iterator>
#include <random>
#include <system_error>

namespace repasse {
namespace {

using steady = std::chrono::steady_clock;

/// Blocking, so that a stalled listener shows as lateness; the socket itself does not block.
int connect_to(const open_loop_config& config) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(config.port);
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = ::inet_pton(AF_INET, config.host.c_str(), &address.sin_addr) == 1 &&
                         ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (!connected) {
    ::close(socket);
    return -1;
  }
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

class open_loop {
public:
  explicit open_loop(const open_loop_config& config);
  ~open_loop();
  open_loop(const open_loop&) = delete;
  open_loop& operator=(const open_loop&) = delete;

  void run();

  open_loop_result result;

private:
  struct connection {
    int socket = -1;
    bool is_full = false; ///< the socket takes no more for now
    std::string unsent;
    std::string received;
    std::deque<std::size_t> unanswered; ///< posts
  };

  [[nodiscard]] std::size_t next_payment();
  void send_post(connection& over, std::chrono::nanoseconds intended);
  [[nodiscard]] std::uint32_t micros_since_intended(const open_loop_post& one) const;
  void wait_until(steady::time_point due);
  void handle_ready();
  bool open(connection& one);
  void watch(const connection& one, int operation);
  void flush(connection& one);
  void receive(connection& one);
  void take_answers(connection& one);
  void break_off(connection& one);

  const open_loop_config& config_;
  std::mt19937_64 random_;
  std::vector<connection> connections_;
  std::size_t waiting_for_ = 0; ///< answers
  int epoll_ = -1;
};

open_loop::open_loop(const open_loop_config& config)
    : config_(config),
      random_(config.seed != 0 ? config.seed : std::random_device{}()),
      connections_(std::max<std::size_t>(config.connections, 1)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  if (!open(connections_.front()))
    throw std::system_error(errno, std::generic_category(), fmt::format("{}:{}", config.host, config.port));
}

open_loop::~open_loop() {
  for (const connection& one : connections_)
    if (one.socket >= 0) ::close(one.socket);
  ::close(epoll_);
}

void open_loop::run() {
  const auto posts = static_cast<std::size_t>(config_.rate * config_.seconds / (config_.ramps ? 2 : 1));
  result.payments.reserve(posts);
  result.posts.reserve(posts);
  if (!config_.ramps)
    for (connection& one : connections_)
      open(one);
  result.start = std::max(steady::now(), config_.start);
  post_schedule schedule(connections_.size(), config_.rate, config_.seconds, config_.ramps);
  for (auto due = schedule.next(); due.second + 1e-9 < config_.seconds; due = schedule.next()) {
    const std::chrono::nanoseconds intended(static_cast<std::int64_t>(due.second * 1e9));
    wait_until(result.start + intended);
    send_post(connections_[due.client], intended);
  }
  const steady::time_point due = steady::now() + config_.answers_within;
  while (waiting_for_ > 0 && steady::now() < due)
    wait_until(std::min(due, steady::now() + std::chrono::milliseconds(10)));
  for (connection& one : connections_)
    break_off(one);
}

/// A fresh one, or one of the last second again.
std::size_t open_loop::next_payment() {
  std::vector<open_loop_payment>& payments = result.payments;
  if (!payments.empty() && std::bernoulli_distribution(config_.repeated_share)(random_)) {
    ++result.repeated;
    const auto recent = std::min(payments.size(), static_cast<std::size_t>(config_.rate) + 1);
    return payments.size() - 1 - std::uniform_int_distribution<std::size_t>(0, recent - 1)(random_);
  }
  open_loop_payment made;
  const std::array<std::uint64_t, 2> bits{random_(), random_()};
  std::memcpy(made.id.bytes.data(), bits.data(), sizeof bits);
  made.id.bytes[6] = static_cast<std::uint8_t>(0x40 | (made.id.bytes[6] & 0x0f)); // RFC 9562: version 4
  made.id.bytes[8] = static_cast<std::uint8_t>(0x80 | (made.id.bytes[8] & 0x3f));
  made.amount_cents = config_.amount_cents;
  if (made.amount_cents == 0)
    made.amount_cents = std::uniform_int_distribution<std::int64_t>(1'00, 200'00)(random_);
  payments.push_back(made);
  return payments.size() - 1;
}

void open_loop::send_post(connection& over, std::chrono::nanoseconds intended) {
  open_loop_post& made = result.posts.emplace_back();
  made.intended = static_cast<std::uint64_t>(intended.count() / 1000);
  made.payment = static_cast<std::uint32_t>(next_payment());
  if (over.socket < 0 && !open(over)) {
    ++result.unanswered;
    return;
  }
  const open_loop_payment& payment = result.payments[made.payment];
  std::array<char, 24> amount{};
  const char* const amount_end = write_amount(amount.data(), payment.amount_cents);
  std::array<char, 96> body{};
  const auto body_end = fmt::format_to_n(body.begin(), body.size(), R"({{"correlationId":"{}","amount":{}}})",
                                         to_string(payment.id), std::string_view(amount.data(), amount_end));
  fmt::format_to(std::back_inserter(over.unsent),
                 "POST /payments HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\n"
                 "Content-Length: {}\r\n\r\n{}",
                 config_.host, config_.port, body_end.size, std::string_view(body.data(), body_end.size));
  over.unanswered.push_back(result.posts.size() - 1);
  ++waiting_for_;
  made.sent = true;
  made.lateness = micros_since_intended(made);
  flush(over);
}

std::uint32_t open_loop::micros_since_intended(const open_loop_post& one) const {
  const auto passed = steady::now() - result.start - std::chrono::microseconds(one.intended);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(passed).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(micros, 0, UINT32_MAX));
}

void open_loop::wait_until(steady::time_point due) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(due - steady::now());
    if (left.count() <= 0) return handle_ready();
    const timespec time{static_cast<time_t>(left.count() / 1'000'000'000), left.count() % 1'000'000'000};
    pollfd polled{epoll_, POLLIN, 0};
    if (::ppoll(&polled, 1, &time, nullptr) > 0) handle_ready();
  }
}

void open_loop::handle_ready() {
  std::array<epoll_event, 256> events{};
  const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < ready; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    connection& one = connections_[event.data.u64];
    if ((event.events & EPOLLOUT) != 0) flush(one);
    if ((event.events & ~std::uint32_t{EPOLLOUT}) != 0) receive(one);
  }
}

bool open_loop::open(connection& one) {
  if (one.socket >= 0) return true;
  one.socket = connect_to(config_);
  if (one.socket >= 0) watch(one, EPOLL_CTL_ADD);
  return one.socket >= 0;
}

void open_loop::watch(const connection& one, int operation) {
  epoll_event event{};
  event.events = one.is_full ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.u64 = static_cast<std::uint64_t>(&one - connections_.data());
  ::epoll_ctl(epoll_, operation, one.socket, &event);
}

void open_loop::flush(connection& one) {
  if (one.socket < 0) return;
  const ssize_t sent = ::send(one.socket, one.unsent.data(), one.unsent.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && errno != EAGAIN) return break_off(one);
  one.unsent.erase(0, static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
  if (one.is_full != one.unsent.empty()) return;
  one.is_full = !one.is_full;
  watch(one, EPOLL_CTL_MOD);
}

void open_loop::receive(connection& one) {
  if (one.socket < 0) return;
  std::array<char, 16384> bytes; // NOLINT: filled by recv
  const ssize_t got = ::recv(one.socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) return break_off(one);
  one.received.append(bytes.data(), static_cast<std::size_t>(got));
  take_answers(one);
}

void open_loop::take_answers(connection& one) {
  std::size_t used = 0;
  while (const auto answer = scan_answer(std::string_view(one.received).substr(used))) {
    if (answer->status == 0 || one.unanswered.empty()) return break_off(one);
    used += answer->size_bytes;
    open_loop_post& answered = result.posts[one.unanswered.front()];
    one.unanswered.pop_front();
    --waiting_for_;
    ++result.statuses[answer->status];
    result.replayed += answer->replayed ? 1 : 0;
    answered.latency = micros_since_intended(answered);
    answered.status = static_cast<std::uint16_t>(answer->status);
    if (answer->status == 202) result.payments[answered.payment].acknowledged = true;
    if (answer->closes) return break_off(one);
  }
  one.received.erase(0, used);
}

/// What it still waits for is unanswered; the next post over it opens it again.
void open_loop::break_off(connection& one) {
  if (one.socket >= 0) ::close(one.socket);
  result.unanswered += one.unanswered.size();
  waiting_for_ -= one.unanswered.size();
  one = connection{};
}

} // namespace

open_loop_result run_open_loop(const open_loop_config& config) {
  const urgent_thread urgent;
  open_loop loop(config);
  loop.run();
  return std::move(loop.result);
}

std::vector<std::uint32_t> open_loop_result::latencies() const {
  std::vector<std::uint32_t> values;
  values.reserve(posts.size());
  for (const open_loop_post& each : posts)
    if (each.status != 0) values.push_back(each.latency);
  return values;
}

std::vector<std::uint32_t> open_loop_result::lateness() const {
  std::vector<std::uint32_t> values;
  values.reserve(posts.size());
  for (const open_loop_post& each : posts)
    if (each.sent) values.push_back(each.lateness);
  return values;
}

std::uint32_t percentile(std::vector<std::uint32_t>& values, double share) {
  if (values.empty()) return 0;
  const auto rank = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1));
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

} // namespace repasse
