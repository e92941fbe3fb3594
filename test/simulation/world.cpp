#include "test/simulation/world.hpp"

#include "server/payment_json.hpp"
#include "storage/check.hpp"
#include "storage/declaration.hpp"
#include "test/simulation/virtual_time.hpp"

#include <algorithm>

namespace repasse::simulation {
namespace {

world* running = nullptr;

std::string_view line_part(std::string_view request, std::size_t number) {
  for (; number > 0; --number)
    request.remove_prefix(request.find(' ') + 1);
  return request.substr(0, request.find(' '));
}

std::string_view body_of(std::string_view request) { return request.substr(request.find("\r\n\r\n") + 4); }

std::string payment_body(const payment_id& id, const taken_payments::payment& taken) {
  std::string body;
  write_charge(body, id, taken.amount_cents, taken.requested_at);
  return body;
}

std::string health_body(const simulated_health& health) {
  return std::string{R"({"failing":)"} + (health.failing ? "true" : "false") + R"(,"minResponseTime":)" +
         std::to_string(health.min_response_millis) + "}";
}

int status_of(verdict what) {
  switch (what) {
  case verdict::taken:
  case verdict::health:
    return 200;
  case verdict::already_taken:
    return 422;
  case verdict::failed:
    return 500;
  case verdict::too_many:
    return 429;
  case verdict::redirect:
    return 302;
  case verdict::teapot:
    return 418;
  case verdict::bad_request:
    return 400;
  case verdict::unauthorized:
    return 401;
  }
  return 0;
}

} // namespace

world& world::current() {
  REPASSE_CHECK(running != nullptr);
  return *running;
}

world::world(std::uint64_t seed) : random_(seed) {
  running = this;
  set_virtual_now(steady_time{1h});
}

world::~world() { running = nullptr; }

steady_time world::now() { return virtual_now(); }

void world::at(steady_time due, std::function<void()> what) {
  queue_.push_back({std::max(due, now()), ++orders_, std::move(what)});
  std::push_heap(queue_.begin(), queue_.end(), std::greater<>{});
}

steady_time world::next_due() const { return queue_.empty() ? never : queue_.front().due; }

void world::run_due() {
  while (!queue_.empty() && queue_.front().due <= now()) {
    std::pop_heap(queue_.begin(), queue_.end(), std::greater<>{});
    const std::function<void()> what = std::move(queue_.back().what);
    queue_.pop_back();
    what();
  }
}

std::chrono::nanoseconds world::between(std::chrono::nanoseconds low, std::chrono::nanoseconds high) {
  return low + std::chrono::nanoseconds{below(static_cast<std::uint64_t>((high - low).count()) + 1)};
}

world::call::~call() {
  if (running != nullptr && id != 0) running->give_up(*this);
}

void world::send(call& sent, std::size_t to, std::string_view request) {
  sent.id = ++last_call_;
  sent.to = to;
  calls_[sent.id] = &sent;
  if (!spoken_of.empty()) look_at_word(request);
  peer& target = peers[to];
  if (target.is_down) return answer(to, sent.id, http_answer::kind::lost, 0, {});
  if (target.is_cut_off) return;
  if (chance(target.cuts_requests)) return answer(to, sent.id, http_answer::kind::not_sent, 0, {});
  after(target.latency + between(0us, 300us),
        [this, id = sent.id, to, text = std::string{request}] { arrive(id, to, text); });
}

void world::look_at_word(std::string_view request) {
  if (line_part(request, 0) != "POST") return;
  const payment_id id = parse_processor_payment(body_of(request))->id;
  if (!spoken_of.contains(id)) return;
  const auto age = age_of_word(id);
  if (age && *age >= word_lease) sent_after_word.push_back(id);
}

void world::give_up(const call& sent) {
  calls_.erase(sent.id);
  peers[sent.to].books.forget(sent.id);
}

void world::arrive(caller_id id, std::size_t to, const std::string& request) {
  peer& target = peers[to];
  const std::string_view path = line_part(request, 1);
  const std::string_view body = body_of(request);
  if (path == "/payments/service-health") {
    target.books.ask_health(id, now());
  } else if (path == "/payments") {
    const std::optional<processor_payment> posted = parse_processor_payment(body);
    REPASSE_CHECK(posted.has_value());
    target.books.post(id, posted->id, {posted->amount_cents, posted->requested_at}, now());
  } else {
    if (chance(target.silent_reads)) return;
    const std::optional<payment_id> wanted = parse_payment_id(path.substr(path.rfind('/') + 1));
    auto found = target.books.payments.find(*wanted);
    if (chance(target.stale_reads)) found.reset();
    answer(to, id, http_answer::kind::answered, found ? 200 : 404,
           found ? payment_body(*wanted, *found) : std::string{});
  }
  look_after(to);
}

/// Delivers what the processor has answered, and comes back when it has more to do.
void world::look_after(std::size_t to) {
  simulated_processor& books = peers[to].books;
  books.advance(now());
  const std::vector<simulated_reply> replies = std::move(books.replies());
  books.replies().clear();
  for (const simulated_reply& reply : replies)
    deliver(to, reply);
  if (const auto due = books.next_due()) at(*due, [this, to] { look_after(to); });
}

void world::deliver(std::size_t from, const simulated_reply& reply) {
  const std::string body =
      reply.what == verdict::health ? health_body(peers[from].books.health()) : std::string{"{}"};
  switch (reply.how) {
  case delivery::whole:
    return answer(from, reply.to, http_answer::kind::answered, status_of(reply.what), body);
  case delivery::half:
  case delivery::close:
  case delivery::reset:
    return answer(from, reply.to, http_answer::kind::lost, 0, {});
  case delivery::nonsense:
    return answer(from, reply.to, http_answer::kind::nonsense, 0, {});
  case delivery::only_continue:
  case delivery::nothing:
    return;
  }
}

void world::answer(std::size_t from, caller_id id, http_answer::kind what, int status,
                   std::string_view body) {
  if (peers[from].loses_answers || peers[from].is_cut_off) return;
  after(peers[from].latency + between(0us, 300us), [this, id, what, status, text = std::string{body}] {
    const auto found = calls_.find(id);
    if (found == calls_.end()) return;
    http_answer& to = found->second->answer;
    to.what = what;
    to.status = status;
    to.body_size = text.copy(to.body_bytes.data(), to.body_bytes.size());
    found->second->answered.notify();
    calls_.erase(found);
  });
}

} // namespace repasse::simulation
