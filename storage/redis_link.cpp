#include "storage/redis_link.hpp"

#include "storage/check.hpp"

#include <fcntl.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <csignal>

namespace repasse {
namespace {

/// More elements than this in one list of a reply are nonsense; hiredis itself bounds the depth.
constexpr int list_max = 1'000'000;

std::string_view text_of(const redisReply& reply) { return {reply.str, reply.len}; }

/// Copies; true if a replica has refused to write.
bool copy(const redisReply& from, redis_reply& to) {
  to.number = 0;
  to.text.clear();
  to.list.clear();
  switch (from.type) {
  case REDIS_REPLY_INTEGER:
    to.what = redis_reply::kind::integer;
    to.number = from.integer;
    return false;
  case REDIS_REPLY_STRING:
  case REDIS_REPLY_STATUS:
    to.what = redis_reply::kind::text;
    to.text = text_of(from);
    return false;
  case REDIS_REPLY_ERROR:
    to.what = redis_reply::kind::error;
    to.text = text_of(from);
    return to.text.starts_with("READONLY");
  case REDIS_REPLY_ARRAY: {
    to.what = redis_reply::kind::list;
    to.list.resize(from.elements);
    bool is_read_only = false;
    for (std::size_t i = 0; i < from.elements; ++i)
      is_read_only = copy(*from.element[i], to.list[i]) || is_read_only;
    return is_read_only;
  }
  default:
    to.what = redis_reply::kind::nil;
    return false;
  }
}

/// How hiredis builds its replies by itself.
const redisReplyObjectFunctions& builders() {
  static const redisReplyObjectFunctions functions = [] {
    redisReader* const reader = redisReaderCreate();
    REPASSE_CHECK(reader != nullptr);
    const redisReplyObjectFunctions found = *reader->fn;
    redisReaderFree(reader);
    return found;
  }();
  return functions;
}

} // namespace

/// hiredis calls these within our calls of it; a link that it knows is alive.
struct redis_link::hooks {
  static redis_link& of(void* link) { return *static_cast<redis_link*>(link); }

  static void add_read(void* link) { of(link).wait_to_read(); }
  static void add_write(void* link) { of(link).flush_soon(); }
  static void ignore(void*) {} // what is no longer needed ends by itself
  static void cleanup(void* link) { of(link).ended_by_hiredis(); }

  // Nothing may be freed in here: hiredis 0.14.1 does not look for that.
  static void connected(const redisAsyncContext* context, int status) {
    redis_link& link = of(context->ev.data);
    if (status != REDIS_OK || link.stage_ != stage::connecting) return;
    link.stage_ = stage::open;
    link.heard_at_ = link.session_->time.now();
    link.session_->changed.notify();
  }
  static void answered(redisAsyncContext*, void* reply, void* link) {
    if (reply != nullptr && of(link).is_open()) of(link).take(*static_cast<redisReply*>(reply));
  }
  static void heard(redisAsyncContext*, void* reply, void* link) {
    if (reply != nullptr && of(link).is_open()) of(link).hear(*static_cast<redisReply*>(reply));
  }

  /// A reply to nothing ends the process in hiredis 0.14.1 by an assert, unless it is an error: here it is
  /// made to end the connection.
  static bool is_expected(const redisReadTask* task) {
    redis_link& link = of(task->privdata);
    if (task->parent != nullptr || task->type == REDIS_REPLY_ERROR) {
      if (task->parent == nullptr) ++link.replied_;
      return true;
    }
    if (link.is_subscribing_ || link.is_subscribed_ || link.replied_ < link.asked_) {
      ++link.replied_;
      return true;
    }
    link.objection_ = "a reply that nobody has asked for";
    return false;
  }
  static void* create_string(const redisReadTask* task, char* text, std::size_t size) {
    return is_expected(task) ? builders().createString(task, text, size) : nullptr;
  }
  static void* create_array(const redisReadTask* task, int elements) {
    if (elements > list_max) {
      of(task->privdata).objection_ = "a reply of more than a million parts";
      return nullptr;
    }
    return is_expected(task) ? builders().createArray(task, elements) : nullptr;
  }
  static void* create_integer(const redisReadTask* task, long long number) {
    return is_expected(task) ? builders().createInteger(task, number) : nullptr;
  }
  static void* create_nil(const redisReadTask* task) {
    return is_expected(task) ? builders().createNil(task) : nullptr;
  }
  static void free_object(void* reply) { builders().freeObject(reply); }
  static inline redisReplyObjectFunctions watchful{create_string, create_array, create_integer, create_nil,
                                                   free_object};
};

redis_link::redis_link(redis_session& session)
    : session_(&session), descriptor_(session.time.get_executor()) {
  // hiredis writes to a socket that may be closed, and without MSG_NOSIGNAL.
  [[maybe_unused]] static const auto before = std::signal(SIGPIPE, SIG_IGN);
}

redis_link::~redis_link() { close(); }

void redis_link::connect(const std::string& address, std::uint16_t port) {
  begin(redisAsyncConnect(address.c_str(), port), address);
}

void redis_link::connect(const std::string& path) { begin(redisAsyncConnectUnix(path.c_str()), path); }

void redis_link::begin(redisAsyncContext* context, const std::string& where) {
  if (context == nullptr) return lose("no memory");
  context_ = context;
  if (context->err != 0) return lose(context->errstr);
  boost::system::error_code error;
  descriptor_.assign(context->c.fd, error);
  if (error) return lose(where + ": " + error.message());
  ::fcntl(context->c.fd, F_SETFD, FD_CLOEXEC);
  context->ev.data = this;
  context->ev.addRead = &hooks::add_read;
  context->ev.delRead = &hooks::ignore;
  context->ev.addWrite = &hooks::add_write;
  context->ev.delWrite = &hooks::ignore;
  context->ev.cleanup = &hooks::cleanup;
  context->c.reader->fn = &hooks::watchful;
  context->c.reader->privdata = this;
  redisAsyncSetConnectCallback(context, &hooks::connected); // it waits for the socket, too
}

task<redis_verdict> redis_link::exec(handle on, redis_batch& work, steady_time due,
                                     redis_connection::late when_late) {
  if (!on->has_room(work.size()) || due <= on->session_->time.now()) co_return redis_verdict::unavailable;
  if (work.size() == 0) co_return redis_verdict::done;
  redis_call one(on->session_->time, work);
  one.make_room();
  on->send(&one, work);
  while (!one.has_ended) {
    const bool moved = co_await one.moved.wait_until(due);
    if (moved || one.has_ended) continue;
    if (when_late == redis_connection::late::abandon) co_return redis_verdict::in_doubt;
    on->lose("no answer in time");
  }
  co_return one.verdict;
}

bool redis_link::send(const redis_batch& work) {
  if (!has_room(work.size())) return false;
  if (work.size() > 0) send(nullptr, work);
  return true;
}

bool redis_link::has_room(std::size_t commands) const {
  return is_open() && (!counts_ || in_flight_ + commands <= session_->in_flight_max);
}

void redis_link::send(redis_call* one, const redis_batch& work) {
  const steady_time now = session_->time.now();
  if (sent_.empty()) owed_at_ = now;
  if (one != nullptr) {
    one->sent_on = this;
    one->number = answered_ + sent_.size();
  }
  sent_.push_back({one, static_cast<std::uint32_t>(work.size()), 0, now, false});
  in_flight_ += work.size();
  if (counts_) session_->figures.commands += work.size();
  for (std::size_t i = 0; i < work.size(); ++i) {
    const std::string_view command = redis_call::command(work, i);
    ++asked_;
    if (redisAsyncFormattedCommand(context_, &hooks::answered, this, command.data(), command.size()) !=
        REDIS_OK)
      return lose("hiredis takes no more commands");
  }
}

void redis_link::subscribe(const std::string& channel) {
  REPASSE_CHECK(is_open());
  redis_batch work;
  work.add({"SUBSCRIBE", channel});
  const std::string_view command = redis_call::command(work, 0);
  is_subscribing_ = true;
  owed_at_ = session_->time.now();
  if (redisAsyncFormattedCommand(context_, &hooks::heard, this, command.data(), command.size()) != REDIS_OK)
    lose("hiredis takes no more commands");
}

void redis_link::forget(redis_call& one) {
  sent_[static_cast<std::size_t>(one.number - answered_)].call = nullptr;
  one.sent_on = nullptr;
}

void redis_link::wait_to_read() {
  if (is_reading_ || stage_ == stage::lost) return;
  is_reading_ = true;
  descriptor_.async_wait(asio::posix::descriptor_base::wait_read,
                         [self = handle(this)](const boost::system::error_code& error) {
                           if (error || self->stage_ == stage::lost) return; // released
                           self->is_reading_ = false;
                           self->heard_at_ = self->session_->time.now();
                           redisAsyncHandleRead(self->context_);
                         });
}

void redis_link::wait_to_write() {
  is_writing_ = true;
  descriptor_.async_wait(asio::posix::descriptor_base::wait_write,
                         [self = handle(this)](const boost::system::error_code& error) {
                           if (!error) self->flush();
                         });
}

/// Behind all that the turn of the loop still brings: its commands are one write.
void redis_link::flush_soon() {
  if (is_writing_ || stage_ == stage::lost) return;
  if (stage_ == stage::connecting || is_flushing_) return wait_to_write();
  is_writing_ = true;
  asio::post(descriptor_.get_executor(), [self = handle(this)] { self->flush(); });
}

void redis_link::flush() {
  if (stage_ == stage::lost) return;
  is_writing_ = false;
  is_flushing_ = true;
  if (is_open()) ++session_->figures.writes;
  redisAsyncHandleWrite(context_);
  is_flushing_ = false;
  if (stage_ == stage::connecting && !is_writing_) wait_to_write();
}

void redis_link::take(const redisReply& reply) {
  REPASSE_CHECK(!sent_.empty());
  sent& one = sent_.front();
  --in_flight_;
  if (one.call != nullptr && copy(reply, one.call->reply(one.answered))) one.is_read_only = true;
  if (reply.type == REDIS_REPLY_ERROR && text_of(reply).starts_with("READONLY")) one.is_read_only = true;
  if (++one.answered < one.commands) return;
  const sent ended = one;
  sent_.pop_front();
  ++answered_;
  if (!sent_.empty()) owed_at_ = sent_.front().at;
  if (ended.call != nullptr) {
    session_->last_latency = session_->time.now() - ended.at;
    session_->figures.took.observe(session_->last_latency);
    ended.call->end(redis_verdict::done);
  }
  if (ended.is_read_only) lose("it is a replica, and read-only");
}

void redis_link::hear(const redisReply& message) {
  if (message.type != REDIS_REPLY_ARRAY || message.elements != 3) return;
  for (std::size_t i = 0; i < 2; ++i)
    if (message.element[i]->type != REDIS_REPLY_STRING) return;
  const std::string_view kind = text_of(*message.element[0]);
  if (kind == "subscribe") {
    is_subscribing_ = false;
    if (!std::exchange(is_subscribed_, true)) session_->changed.notify();
  } else if (kind == "message" && message.element[2]->type == REDIS_REPLY_STRING) {
    const redis_subscription::calls to = session_->to;
    if (to.heard != nullptr) to.heard(to.who, text_of(*message.element[2])); // may end this link
  }
}

void redis_link::lose(std::string_view why) {
  if (stage_ == stage::lost) return;
  const bool was_open = stage_ == stage::open;
  stage_ = stage::lost;
  trouble_ = why;
  is_subscribed_ = false;
  if (was_open && counts_) session_->figures.lost += in_flight_;
  in_flight_ = 0;
  while (!sent_.empty()) {
    if (redis_call* const call = sent_.front().call; call != nullptr) call->end(redis_verdict::in_doubt);
    sent_.pop_front();
  }
  end_context();
  session_->changed.notify();
}

/// Within one of its callbacks hiredis frees it when that has returned.
void redis_link::end_context() {
  if (context_ == nullptr) return;
  redisAsyncContext* const context = context_;
  if (context->ev.cleanup == nullptr) context_ = nullptr;
  if (descriptor_.is_open()) descriptor_.release(); // hiredis closes it
  redisAsyncFree(context);
}

void redis_link::ended_by_hiredis() {
  if (descriptor_.is_open()) descriptor_.release();
  const redisAsyncContext& ended = *std::exchange(context_, nullptr);
  if (stage_ == stage::lost) return;
  lose(objection_ != nullptr ? objection_ : ended.c.err != 0 ? ended.c.errstr : "closed");
}

void redis_link::close() {
  if (session_ == nullptr) return;
  lose("closed");
  session_ = nullptr;
}

} // namespace repasse
