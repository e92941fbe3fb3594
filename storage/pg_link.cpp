#include "storage/pg_link.hpp"

#include "storage/pg_error.hpp"
#include "storage/pg_setup.hpp"

#include <libpq-fe.h>
#include <sys/ioctl.h>

namespace repasse {
namespace {

struct result_closer {
  void operator()(PGresult* result) const { PQclear(result); }
};
using owned_result = std::unique_ptr<PGresult, result_closer>;

bool ends_connection(const PGresult* result) {
  const char* const severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  return severity == nullptr || std::string_view{severity} != "ERROR"; // null: libpq's own, all is lost
}

/// Bytes that have arrived and were not read yet.
int unread_bytes(int socket) {
  int count = 0;
  return ::ioctl(socket, FIONREAD, &count) == 0 ? count : 0;
}

} // namespace

pg_link::pg_link(pg_session& session)
    : session_(&session), descriptor_(session.time.get_executor()), sent_(session.settings.in_flight_max) {}

pg_link::~pg_link() { close(); }

void pg_link::send(pg_commit& one) {
  const std::span<const pg_transaction::call> calls = one.work->calls();
  REPASSE_CHECK(stage_ == stage::ready && has_room() && script_ == nullptr && !calls.empty());
  for (const pg_transaction::call& call : calls) {
    REPASSE_CHECK(is_prepared(*call.statement));
    const std::size_t count = call.parameters.size();
    values_.resize(count);
    lengths_.resize(count);
    formats_.assign(count, 1);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string_view value = call.parameters[i];
      values_[i] = value.data();
      lengths_[i] = static_cast<int>(value.size());
    }
    if (PQsendQueryPrepared(connection_, call.statement->name, static_cast<int>(count), values_.data(),
                            lengths_.data(), formats_.data(), 1) == 1)
      continue;
    lose_by_libpq();
    return one.end(pg_verdict::unavailable); // without its Sync the server commits nothing
  }
  one.sent_on = this;
  one.number = answered_ + sent_.size();
  sent_.push_back({&one, calls.front().statement, static_cast<std::uint32_t>(calls.size()), 0, now(), false,
                   pg_verdict::in_doubt});
  // It also writes, in libpq 15: transactions of one turn are one write each.
  if (PQpipelineSync(connection_) == 0) return lose_by_libpq();
  flush();
}

bool pg_link::is_prepared(const pg_prototype& statement) const {
  const std::vector<const pg_prototype*>& all = session_->settings.statements;
  return std::find(all.begin(), all.end(), &statement) != all.end();
}

void pg_link::send(pg_script& one) {
  REPASSE_CHECK(stage_ == stage::ready && is_idle());
  script_ = &one;
  one.sent_on = this;
  if (PQexitPipelineMode(connection_) == 0 || PQsendQuery(connection_, one.sql.c_str()) == 0)
    return lose_by_libpq();
  flush();
}

void pg_link::forget(pg_commit& one) {
  sent_[static_cast<std::size_t>(one.number - answered_)].commit = nullptr;
  one.sent_on = nullptr;
  if (session_ != nullptr) session_->changed.notify(); // from now on run() watches over this reply
}

steady_time pg_link::silent_since() const {
  const bool is_owed = !sent_.empty() && sent_.front().commit == nullptr;
  return is_owed ? std::max(sent_.front().at, heard_at_) : never;
}

void pg_link::connect(const pg_hosts& hosts, const pg_hosts::candidate& where) {
  const pg_connect_words words{session_->settings, hosts, where};
  connection_ = PQconnectStartParams(words.keywords(), words.values(), 0);
  if (connection_ == nullptr) return lose("no memory");
  PQsetNoticeReceiver(connection_, &pg_link::hear_notice, this);
  PQsetErrorVerbosity(connection_, PQERRORS_VERBOSE); // the only way to learn why we are turned away
  if (PQstatus(connection_) == CONNECTION_BAD) return lose_by_libpq();
  watch();
  wait_to_write();
}

void pg_link::poll_connect() {
  unwatch(); // libpq may close this socket and open another under the same number
  switch (PQconnectPoll(connection_)) {
  case PGRES_POLLING_READING:
    watch();
    return wait_to_read();
  case PGRES_POLLING_WRITING:
    watch();
    return wait_to_write();
  case PGRES_POLLING_OK:
    watch();
    PQsetErrorVerbosity(connection_, PQERRORS_DEFAULT);
    return prepare();
  case PGRES_POLLING_FAILED:
  case PGRES_POLLING_ACTIVE:
    return lose_by_libpq();
  }
}

void pg_link::prepare() {
  stage_ = stage::preparing;
  if (std::string error = pg_setup_begin(connection_, session_->settings); !error.empty()) {
    is_refused_ = true;
    return lose(error);
  }
  wait_to_read();
  flush();
}

void pg_link::watch() {
  if (stage_ == stage::lost) return;
  boost::system::error_code error;
  descriptor_.assign(PQsocket(connection_), error);
  if (error) lose(error.message());
}

void pg_link::unwatch() {
  if (descriptor_.is_open()) descriptor_.release(); // the socket is libpq's, who closes it
  is_reading_ = false;
  is_writing_ = false;
}

void pg_link::wait_to_read() {
  if (is_reading_ || stage_ == stage::lost) return;
  is_reading_ = true;
  descriptor_.async_wait(asio::posix::descriptor_base::wait_read,
                         [self = handle(this)](const boost::system::error_code& error) {
                           if (error || self->stage_ == stage::lost) return; // released
                           self->is_reading_ = false;
                           self->readable();
                         });
}

void pg_link::wait_to_write() {
  if (is_writing_ || stage_ == stage::lost) return;
  is_writing_ = true;
  descriptor_.async_wait(asio::posix::descriptor_base::wait_write,
                         [self = handle(this)](const boost::system::error_code& error) {
                           if (error || self->stage_ == stage::lost) return;
                           self->is_writing_ = false;
                           if (self->stage_ == stage::connecting) return self->poll_connect();
                           self->flush();
                         });
}

void pg_link::readable() {
  is_heard_ = true;
  if (stage_ == stage::connecting) return poll_connect();
  consume();
  wait_to_read();
  flush();
}

void pg_link::flush() {
  if (stage_ == stage::lost || is_writing_) return;
  const int left = PQflush(connection_);
  if (left < 0) return lose_by_libpq();
  if (left > 0) wait_to_write();
}

void pg_link::consume() {
  heard_at_ = now();
  bool is_alive = PQconsumeInput(connection_) == 1;
  if (PQsslInUse(connection_) == 1) {
    // OpenSSL may hold what the socket no longer shows: the rest of one record, 16 kB at most. libpq reads at
    // least 8 kB at a time.
    for (int empty = 0; is_alive && empty < 2;) {
      if (unread_bytes(PQsocket(connection_)) == 0) ++empty;
      is_alive = PQconsumeInput(connection_) == 1;
    }
  }
  receive(); // also what came before the end
  if (!is_alive) lose_by_libpq();
}

void pg_link::receive() {
  int empty = 0; // a reply ends with one, and two follow each other at most
  while (stage_ != stage::lost && PQisBusy(connection_) == 0) {
    if (stage_ == stage::ready && is_idle()) return;
    owned_result result{PQgetResult(connection_)};
    if (result != nullptr) {
      empty = 0;
      take(result.release());
    } else if (script_ != nullptr) {
      end_script();
    } else if (++empty > 2) {
      return lose("libpq has lost count of the replies");
    }
  }
}

void pg_link::take(PGresult* result) {
  if (script_ != nullptr) return take_scripted(result);
  if (stage_ == stage::ready) return take_answer(result);
  const owned_result owned{result};
  if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
    stage_ = stage::ready;
    session_->changed.notify();
    return;
  }
  std::string error = pg_setup_error(connection_, session_->settings, prepared_++, result);
  if (error.empty()) return;
  is_refused_ = true;
  lose(error);
}

void pg_link::take_answer(PGresult* result) {
  owned_result owned{result};
  sent& one = sent_.front();
  switch (PQresultStatus(result)) {
  case PGRES_TUPLES_OK:
  case PGRES_COMMAND_OK:
  case PGRES_EMPTY_QUERY:
    if (one.commit != nullptr && one.commit->work != nullptr)
      one.commit->work->keep(one.answered, owned.release());
    ++one.answered;
    return;
  case PGRES_PIPELINE_ABORTED:
    ++one.answered;
    return;
  case PGRES_FATAL_ERROR:
    return note_error(one, result);
  case PGRES_PIPELINE_SYNC:
    return answer();
  default:
    return lose("a reply of a kind that no statement of ours has");
  }
}

void pg_link::note_error(sent& one, const PGresult* result) {
  const std::string error = pg_error_text(result);
  if (ends_connection(result)) return lose(error);
  const pg_error_meaning meaning = meaning_of(pg_sqlstate(result));
  if (!one.has_failed) {
    one.has_failed = true;
    one.verdict = meaning.verdict;
    const std::size_t at = std::min(one.answered, one.statements - 1); // a commit fails behind the last one
    if (meaning.verdict == pg_verdict::refused && one.commit != nullptr && one.commit->work != nullptr)
      session_->note_refusal(*one.commit->work->calls()[at].statement, error);
  }
  if (one.answered < one.statements) ++one.answered;
  if (meaning.leave_connection) lose(error);
}

void pg_link::answer() {
  const sent one = sent_.front();
  if (one.answered != one.statements) return lose("libpq has lost count of the statements");
  sent_.pop_front();
  ++answered_;
  session_->note_answer(*one.first, one.statements, now() - one.at);
  if (one.commit != nullptr) one.commit->end(one.has_failed ? one.verdict : pg_verdict::done);
  if (sent_.empty()) session_->changed.notify(); // a script, or the end of a connection, may wait for it
}

void pg_link::take_scripted(PGresult* result) {
  const owned_result owned{result};
  pg_connection::script_result& to = script_->result;
  switch (PQresultStatus(result)) {
  case PGRES_TUPLES_OK:
  case PGRES_COMMAND_OK:
  case PGRES_EMPTY_QUERY:
    to.rows.clear();
    for (int row = 0; row < PQntuples(result); ++row) {
      std::vector<std::string>& texts = to.rows.emplace_back();
      for (int column = 0; column < PQnfields(result); ++column)
        texts.emplace_back(PQgetvalue(result, row, column),
                           static_cast<std::size_t>(PQgetlength(result, row, column)));
    }
    return;
  case PGRES_FATAL_ERROR:
    to.error = pg_error_text(result);
    if (ends_connection(result)) return lose(to.error);
    to.verdict = meaning_of(pg_sqlstate(result)).verdict;
    return;
  default:
    return lose("a script with COPY");
  }
}

void pg_link::end_script() {
  pg_script& one = *std::exchange(script_, nullptr);
  one.end(one.result.error.empty() ? pg_verdict::done : one.result.verdict);
  if (PQenterPipelineMode(connection_) == 0) lose_by_libpq();
}

void pg_link::hear_notice(void* link, const PGresult* notice) {
  auto& self = *static_cast<pg_link*>(link);
  const auto field = [&](int code) {
    const char* const text = PQresultErrorField(notice, code);
    return text == nullptr ? std::string_view{} : std::string_view{text};
  };
  const std::string_view severity = field(PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity == "FATAL" || severity == "PANIC") self.last_words_ = pg_error_text(notice); // while idle
  // An operator has cancelled the wait for a synchronous standby: committed here, but not what was promised.
  if (field(PG_DIAG_SOURCE_FUNCTION) == "SyncRepWaitForLSN" && !self.sent_.empty()) {
    self.sent_.front().has_failed = true;
    self.sent_.front().verdict = pg_verdict::in_doubt;
  }
}

void pg_link::lose_by_libpq() {
  if (stage_ == stage::lost) return;
  if (!last_words_.empty()) return lose(last_words_);
  const pg_libpq_trouble why = pg_trouble(connection_);
  is_refused_ = !why.sqlstate.empty() && why.sqlstate != "57P03"; // 57P03: it is starting, and soon there
  lose(why.text);
}

void pg_link::lose(std::string_view why) {
  if (stage_ == stage::lost) return;
  stage_ = stage::lost;
  trouble_ = why;
  unwatch();
  PQfinish(std::exchange(connection_, nullptr));
  while (!sent_.empty()) {
    const sent one = sent_.front();
    sent_.pop_front();
    ++answered_;
    if (one.commit != nullptr) one.commit->end(one.has_failed ? one.verdict : pg_verdict::in_doubt);
  }
  if (pg_script* const one = std::exchange(script_, nullptr); one != nullptr) {
    one->result.error = trouble_;
    one->end(pg_verdict::in_doubt);
  }
  if (session_ != nullptr) session_->changed.notify();
}

void pg_link::close() {
  session_ = nullptr;
  lose("closed");
}

} // namespace repasse
