#include "test/chaos/payers.hpp"

#include <algorithm>

namespace repasse {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr auto call_limit = 2s;
constexpr double share_of_twins = 0.05;
constexpr double share_of_repeats = 0.03;
constexpr std::size_t findings_max = 20;

std::uint64_t mixed(std::uint64_t x) { // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

posted_entry payment_of(std::uint64_t seed, std::uint64_t number) {
  posted_entry made;
  const std::uint64_t halves[2] = {mixed(seed ^ mixed(number)), number};
  for (std::size_t i = 0; i < 16; ++i)
    made.id.bytes[i] = static_cast<std::uint8_t>(halves[i / 8] >> (8 * (i % 8)));
  made.amount_cents = static_cast<std::int64_t>(100 + mixed(number) % 20'000);
  return made;
}

std::string body_of(const posted_entry& payment) {
  std::array<char, 24> amount{};
  return R"({"correlationId":")" + to_string(payment.id) + R"(","amount":)" +
         std::string(amount.data(), write_amount(amount.data(), payment.amount_cents)) + "}";
}

} // namespace

/// One client, in its own thread.
class payers::client {
public:
  client(payers& all, std::size_t number) : all_(all), random_(all.config_.seed * 1000 + number) {}

  void pay() {
    const std::chrono::duration<double> period(static_cast<double>(all_.config_.threads) / all_.config_.rate);
    auto turn = steady::now() + std::chrono::duration_cast<steady::duration>(period * share());
    while (!all_.stopping_) {
      std::this_thread::sleep_until(turn);
      turn = std::max(turn + std::chrono::duration_cast<steady::duration>(period), steady::now() - 100ms);
      pay_one();
    }
    const std::lock_guard lock(all_.mutex_);
    all_.acknowledged_.insert(all_.acknowledged_.end(), acknowledged_.begin(), acknowledged_.end());
  }

private:
  double share() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  std::size_t any_instance() { return random_() % 2; }

  void pay_one() {
    if (const std::optional<twin> other = take_twin())
      return post_until_answered(other->number, other->instance);
    const double drawn = share();
    const double conflicts = all_.config_.conflicts;
    if (!acknowledged_.empty() && drawn < conflicts) return post_other_amount();
    if (!acknowledged_.empty() && drawn < conflicts + share_of_repeats)
      return post_until_answered(any_acknowledged(), any_instance());
    const std::uint64_t number = all_.next_++;
    const std::size_t instance = any_instance();
    if (share() < share_of_twins) {
      const std::lock_guard lock(all_.mutex_);
      all_.twins_.push_back({number, 1 - instance});
    }
    post_until_answered(number, instance);
  }

  std::optional<twin> take_twin() {
    const std::lock_guard lock(all_.mutex_);
    if (all_.twins_.empty()) return std::nullopt;
    const twin taken = all_.twins_.front();
    all_.twins_.pop_front();
    return taken;
  }

  std::uint64_t any_acknowledged() { return acknowledged_[random_() % acknowledged_.size()]; }

  void post_until_answered(std::uint64_t number, std::size_t instance) {
    const posted_entry payment = payment_of(all_.config_.seed, number);
    std::optional<steady::time_point> due;
    for (;;) {
      const http_reply answer = post(instance, payment);
      if (answer.status == 202) {
        acknowledged_.push_back(number);
        ++all_.accepted_;
        if (!answer.header("Idempotent-Replayed").empty()) ++all_.replayed_;
        return;
      }
      if (answer.status == 409 && all_.may_be_in_conflict(payment.id)) return;
      if (answer.ok() && answer.status != 503)
        return all_.find("payment " + to_string(payment.id) + " is answered with " +
                         std::to_string(answer.status) + " " + answer.body);
      if (all_.stopping_ && !due) due = steady::now() + end_limit;
      if (due && steady::now() > *due) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(20 + random_() % 100));
      instance = any_instance();
    }
  }

  void post_other_amount() {
    posted_entry payment = payment_of(all_.config_.seed, any_acknowledged());
    ++payment.amount_cents;
    all_.note_conflict(payment.id);
    const http_reply answer = post(any_instance(), payment);
    if (answer.status == 409)
      ++all_.conflicts_;
    else if (answer.status == 202 && all_.config_.conflicts_may_pass)
      all_.let_pass(payment);
    else if (answer.ok() && answer.status != 503)
      all_.find("payment " + to_string(payment.id) + " with another amount is answered with " +
                std::to_string(answer.status));
  }

  http_reply post(std::size_t instance, const posted_entry& payment) {
    const std::uint16_t port = all_.ports_[instance];
    link& to = links_[instance];
    if (!to.caller || to.port != port) {
      to.caller.emplace("127.0.0.1", port, call_limit);
      to.port = port;
    }
    ++all_.in_flight_[instance];
    http_reply answer = to.caller->call("POST", "/payments", body_of(payment));
    --all_.in_flight_[instance];
    if (!answer.ok()) ++all_.unanswered_;
    if (answer.status != 503) return answer;
    ++all_.refused_[instance];
    if (answer.header("Retry-After").empty()) all_.find("a 503 without Retry-After");
    return answer;
  }

  struct link {
    std::uint16_t port = 0;
    std::optional<http_caller> caller;
  };

  payers& all_;
  std::mt19937_64 random_;
  std::array<link, 2> links_;
  std::vector<std::uint64_t> acknowledged_;
};

payers::payers(const instance_ports& ports, const config& settings)
    : ports_(ports), config_(settings), next_(settings.first) {
  for (std::size_t i = 0; i < settings.threads; ++i)
    clients_.emplace_back([this, i] { client(*this, i).pay(); });
}

void payers::stop() {
  stopping_ = true;
  clients_.clear();
}

std::vector<posted_entry> payers::posted() const {
  std::vector<posted_entry> all;
  for (std::uint64_t number = config_.first; number < next_; ++number)
    all.push_back(payment_of(config_.seed, number));
  for (const std::uint64_t number : acknowledged_)
    all[number - config_.first].acknowledged = true;
  return all;
}

std::vector<std::string> payers::findings() const {
  const std::lock_guard lock(mutex_);
  return findings_;
}

std::vector<posted_entry> payers::conflicts_let_pass() const {
  const std::lock_guard lock(mutex_);
  return conflicts_let_pass_;
}

void payers::note_conflict(const payment_id& id) {
  const std::lock_guard lock(mutex_);
  in_conflict_.insert(id);
}

bool payers::may_be_in_conflict(const payment_id& id) const {
  const std::lock_guard lock(mutex_);
  return config_.conflicts_may_pass && in_conflict_.contains(id);
}

void payers::let_pass(const posted_entry& conflict) {
  const std::lock_guard lock(mutex_);
  conflicts_let_pass_.push_back(conflict);
}

void payers::find(std::string finding) {
  const std::lock_guard lock(mutex_);
  if (findings_.size() < findings_max) findings_.push_back(std::move(finding));
}

} // namespace repasse
