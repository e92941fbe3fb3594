#include "storage/pg_session.hpp"

#include "storage/pg_link.hpp"

#include <spdlog/spdlog.h>

namespace repasse {
namespace {

constexpr std::chrono::nanoseconds between_lines = std::chrono::seconds{10};

} // namespace

pg_commit::pg_commit(pg_session& of, pg_transaction& transaction)
    : session(&of), work(&transaction), moved(of.time), asked_at(of.time.now()) {
  REPASSE_CHECK(transaction.under_way_ == nullptr);
  transaction.under_way_ = this;
  ++session->commits;
}

pg_commit::~pg_commit() {
  if (sent_on != nullptr) sent_on->forget(*this);
  if (work != nullptr) work->under_way_ = nullptr;
  leave();
}

void pg_commit::leave() {
  if (session != nullptr) --std::exchange(session, nullptr)->commits;
}

void pg_commit::end(pg_verdict how) {
  if (is_linked()) unlink();
  leave();
  sent_on = nullptr;
  verdict = how;
  has_ended = true;
  moved.notify();
}

pg_script::pg_script(pg_session& of, std::string text) : session(&of), sql(std::move(text)), moved(of.time) {
  session->script = this;
}

pg_script::~pg_script() {
  if (session != nullptr) session->script = nullptr;
  if (sent_on != nullptr) sent_on->lose("a script was given up");
}

void pg_script::end(pg_verdict how) {
  if (session != nullptr) {
    session->script = nullptr;
    session->changed.notify();
  }
  session = nullptr;
  sent_on = nullptr;
  result.verdict = how;
  has_ended = true;
  moved.notify();
}

pg_session::pg_session(clock& clock_of_reactor, const pg_connection::config& how)
    : time(clock_of_reactor), settings(how), changed(time) {
  for (const pg_prototype* statement : settings.statements) {
    slow_.push_back({statement});
    refused_.push_back({statement});
  }
}

pg_session::~pg_session() = default;

bool pg_session::quota::allows(steady_time now) {
  if (now < next_at) {
    ++unsaid;
    return false;
  }
  next_at = now + between_lines;
  return true;
}

std::string pg_session::quota::others() {
  const std::uint32_t count = std::exchange(unsaid, 0);
  return count == 0 ? std::string{} : "; before it " + std::to_string(count) + " like it";
}

pg_session::quota& pg_session::of(std::vector<quota>& all, const pg_prototype& statement) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const quota& one) { return one.statement == &statement; });
  REPASSE_CHECK(found != all.end()); // every statement is in config::statements
  return *found;
}

void pg_session::note_answer(const pg_prototype& first, std::size_t statements,
                             std::chrono::nanoseconds took) {
  ++figures.transactions;
  last_latency = took;
  figures.took.observe(took);
  if (took < settings.slow) return;
  ++figures.slow;
  quota& lines = of(slow_, first);
  if (!lines.allows(time.now())) return;
  spdlog::warn("{}: {} took {} ms, one of a transaction of {} statements{}", settings.application_name,
               first.name, std::chrono::duration_cast<std::chrono::milliseconds>(took).count(), statements,
               lines.others());
}

void pg_session::note_refusal(const pg_prototype& culprit, std::string_view error) {
  quota& lines = of(refused_, culprit);
  if (!lines.allows(time.now())) return;
  spdlog::error("{}: statement {} was refused: {}{}", settings.application_name, culprit.name, error,
                lines.others());
}

} // namespace repasse
