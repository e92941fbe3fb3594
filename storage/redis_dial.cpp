#include "storage/redis_keeper.hpp"

#include <charconv>

namespace repasse {
namespace {

/// Names of masters that were resolved; Sentinel may give any.
constexpr std::size_t names_max = 64;
constexpr const char* too_late = "no answer in time";

bool is_address(const std::string& text) {
  boost::system::error_code error;
  asio::ip::make_address(text, error);
  return !error;
}

/// NOPERM and the like; the rest may repeat what was sent.
std::string first_word(const std::string& text) { return text.substr(0, text.find(' ')); }

bool is_forbidden(const redis_reply& reply) { return reply.is_error() && reply.text.starts_with("NOPERM"); }

} // namespace

/// One attempt, wherever it leads; null and trouble_ if nowhere.
task<redis_keeper::link> redis_keeper::dial() {
  if (target_.is_sentinel()) {
    link fresh = co_await dial_master();
    co_return fresh;
  }
  if (!target_.path.empty()) {
    link fresh = co_await dial_file();
    co_return fresh;
  }
  const steady_time due = now() + settings_.connect_limit;
  link fresh = co_await reach(target_.hosts.front(), due);
  if (fresh == nullptr) co_return nullptr;
  const bool is_in = co_await gets_in(fresh, due);
  if (!is_in) fresh = nullptr;
  co_return fresh;
}

task<redis_keeper::link> redis_keeper::dial_file() {
  const steady_time due = now() + settings_.connect_limit;
  where_ = target_.path;
  link fresh = begin();
  fresh->connect(target_.path);
  const bool is_open = co_await opens(fresh, due);
  if (!is_open) co_return nullptr;
  const bool is_in = co_await gets_in(fresh, due);
  if (!is_in) fresh = nullptr;
  co_return fresh;
}

/// Asks one sentinel after another, and goes where each sends us, until that is a master.
task<redis_keeper::link> redis_keeper::dial_master() {
  const std::size_t count = target_.hosts.size();
  for (std::size_t i = 0; i < count && !is_stopped(); ++i) {
    const std::size_t which = (first_ + i) % count;
    std::optional<redis_host> master = co_await ask_sentinel(target_.hosts[which]);
    if (!master || is_stopped()) continue;
    const steady_time due = now() + settings_.connect_limit;
    link fresh = co_await reach(*master, due);
    if (fresh == nullptr || is_stopped()) continue;
    const bool is_in = co_await gets_in(fresh, due);
    if (!is_in) continue;
    first_ = which;
    co_return fresh;
  }
  co_return nullptr;
}

task<std::optional<redis_host>> redis_keeper::ask_sentinel(const redis_host& sentinel) {
  const steady_time due = now() + settings_.connect_limit;
  const std::string where = "sentinel " + sentinel.text();
  const link fresh = co_await reach(sentinel, due);
  if (fresh == nullptr) co_return std::nullopt;
  redis_batch question;
  question.add({"SENTINEL", "get-master-addr-by-name", target_.master});
  redis_verdict verdict = co_await redis_link::exec(fresh, question, due);
  std::size_t number = 0;
  if (verdict == redis_verdict::done && question.reply(0).is_error() &&
      question.reply(0).text.starts_with("NOAUTH") && fresh->is_open()) {
    // A sentinel's password is its own affair; most have none, and then AUTH is an error.
    question.clear();
    add_auth(question);
    number = question.size();
    question.add({"SENTINEL", "get-master-addr-by-name", target_.master});
    verdict = co_await redis_link::exec(fresh, question, due);
  }
  if (verdict != redis_verdict::done) {
    trouble_ = where + ": " + why(fresh);
    co_return std::nullopt;
  }
  fresh->close();
  const redis_reply& answer = question.reply(number);
  if (answer.is_error()) {
    trouble_ = where + " does not say where the master is: " + first_word(answer.text);
    co_return std::nullopt;
  }
  redis_host master;
  if (answer.list.size() == 2) {
    master.name = answer.list[0].text;
    const std::string& port = answer.list[1].text;
    const auto read = std::from_chars(port.data(), port.data() + port.size(), master.port);
    if (read.ec == std::errc{} && !master.name.empty()) co_return master;
  }
  trouble_ = where + " knows no such master";
  co_return std::nullopt;
}

/// A link that is open, to any address of that name.
task<redis_keeper::link> redis_keeper::reach(const redis_host& host, steady_time due) {
  where_ = host.text();
  const std::vector<std::string> addresses = co_await addresses_of(host.name, due);
  for (std::size_t i = 0; i < addresses.size() && !is_stopped(); ++i) {
    // Each has its part of the time: the first may be a black hole.
    const auto left = static_cast<std::int64_t>(addresses.size() - i);
    const steady_time due_of_this = now() + std::max(due - now(), std::chrono::nanoseconds{0}) / left;
    link fresh = begin();
    fresh->connect(addresses[i], host.port);
    const bool is_open = co_await opens(fresh, due_of_this);
    if (is_open) co_return fresh;
  }
  co_return nullptr;
}

/// One at a time.
redis_keeper::link redis_keeper::begin() {
  if (trying_ != nullptr) trying_->close();
  trying_ = new redis_link(session_);
  return trying_;
}

/// Of a link that has not brought what it should.
std::string redis_keeper::why(const link& lost) {
  return lost->trouble().empty() ? too_late : lost->trouble();
}

task<bool> redis_keeper::opens(const link& fresh, steady_time due) {
  while (fresh->now_in() == redis_link::stage::connecting) {
    const bool notified = co_await session_.changed.wait_until(due);
    if (!notified) fresh->lose(too_late);
  }
  if (!fresh->is_open()) trouble_ = where_ + ": " + fresh->trouble();
  co_return fresh->is_open();
}

void redis_keeper::add_auth(redis_batch& work) const {
  if (!target_.user.empty())
    work.add({"AUTH", target_.user, target_.password});
  else if (!target_.password.empty())
    work.add({"AUTH", target_.password});
}

/// All that makes a connection ours, and proof that the server answers commands; in one write.
task<bool> redis_keeper::gets_in(const link& fresh, steady_time due) {
  redis_batch work;
  std::vector<const char*> names;
  add_auth(work);
  if (work.size() > 0) names.push_back("AUTH");
  if (target_.db.value_or(0) != 0) {
    work.add({"SELECT", std::to_string(*target_.db)});
    names.push_back("SELECT");
  }
  if (!settings_.name.empty()) {
    work.add({"CLIENT", "SETNAME", settings_.name});
    names.push_back("CLIENT SETNAME");
  }
  if (target_.is_sentinel()) {
    work.add({"ROLE"});
    names.push_back("ROLE");
  }
  work.add({"PING"}); // a server that is still loading its data says so
  names.push_back("PING");
  const redis_verdict verdict = co_await redis_link::exec(fresh, work, due);
  std::string refused = verdict == redis_verdict::done ? refusal(work, names) : why(fresh);
  if (refused.empty() && !fresh->is_open()) refused = why(fresh); // since then
  if (!refused.empty()) {
    trouble_ = where_ + ": " + refused;
    fresh->close();
    co_return false;
  }
  if (channel_.empty()) co_return true;
  const bool is_subscribed = co_await subscribes(fresh, due);
  co_return is_subscribed;
}

/// Why these replies do not let us in; empty if they do.
std::string redis_keeper::refusal(const redis_batch& work, const std::vector<const char*>& names) const {
  for (std::size_t i = 0; i < work.size(); ++i) {
    const redis_reply& reply = work.reply(i);
    const std::string_view name = names[i];
    if (name == "ROLE" && !reply.is_error()) {
      const std::string role = reply.list.empty() ? "nothing" : reply.list.front().text;
      if (role != "master") return "it is no master, but " + role;
    }
    const bool may_be_forbidden = name == "CLIENT SETNAME" || name == "PING";
    if (!reply.is_error() || (may_be_forbidden && is_forbidden(reply))) continue;
    // What AUTH is told may repeat its words: whoever does not know it.
    return std::string{name} + " was refused: " + (name == "AUTH" ? first_word(reply.text) : reply.text);
  }
  return {};
}

task<bool> redis_keeper::subscribes(const link& fresh, steady_time due) {
  fresh->subscribe(channel_);
  while (fresh->is_open() && !fresh->is_subscribed()) {
    const bool notified = co_await session_.changed.wait_until(due);
    if (!notified) fresh->lose(too_late);
  }
  if (!fresh->is_open()) trouble_ = where_ + ": SUBSCRIBE: " + fresh->trouble();
  co_return fresh->is_open();
}

/// Empty and trouble_ if there are none; those found before will do while the name server is away.
task<std::vector<std::string>> redis_keeper::addresses_of(const std::string& name, steady_time due) {
  if (is_address(name)) co_return std::vector<std::string>{name};
  lookup& asked = *lookup_;
  if (!asked.is_under_way) asked.begin(name, session_);
  const bool may_do_without = found_.contains(name);
  const steady_time patient_until = may_do_without ? now() + (due - now()) / 4 : due;
  bool in_time = true;
  while (asked.is_under_way && in_time && !is_stopped())
    in_time = co_await session_.changed.wait_until(patient_until);
  if (!asked.is_under_way && asked.name == name && asked.trouble.empty()) {
    if (found_.size() >= names_max) found_.clear();
    found_[name] = asked.addresses;
  }
  if (const auto known = found_.find(name); known != found_.end()) co_return known->second;
  trouble_ = name + " does not resolve: ";
  trouble_ += asked.is_under_way ? too_late : asked.name == name ? asked.trouble : "asked too late";
  co_return std::vector<std::string>{};
}

void redis_keeper::lookup::begin(std::string of, redis_session& told) {
  session = &told;
  name = std::move(of);
  is_under_way = true;
  const auto done =
      [self = boost::intrusive_ptr<lookup>(this)](const boost::system::error_code& error,
                                                  const asio::ip::basic_resolver_results<tcp>& found) {
        self->is_under_way = false;
        self->trouble = error ? error.message() : "";
        self->addresses.clear();
        for (const auto& each : found) {
          const std::string address = each.endpoint().address().to_string();
          if (std::find(self->addresses.begin(), self->addresses.end(), address) == self->addresses.end())
            self->addresses.push_back(address);
        }
        if (self->session != nullptr) self->session->changed.notify();
      };
  resolver.async_resolve(name, "", done);
}

} // namespace repasse
