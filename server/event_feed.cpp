#include "server/event_feed.hpp"

#include "server/reactor.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds period = 1s;
constexpr std::chrono::nanoseconds redis_limit = 300ms;
/// Of the instances that show themselves, the newest.
constexpr std::string_view instances_max = "63";

} // namespace

event_feed::event_feed(clock& time, ledger& books, sources from, const redis_names& names,
                       const config& settings, reactors& all, std::string instance)
    : clock_(time),
      ledger_(books),
      from_(from),
      names_(names),
      settings_(settings),
      all_(all),
      instance_(std::move(instance)),
      begun_(time.now()),
      overview_(settings, instance_),
      tasks_(time) {}

task<> event_feed::make_snapshots() {
  event pause(clock_);
  steady_time due = clock_.now();
  for (;;) {
    due = std::max(due + period, clock_.now());
    co_await pause.wait_until(due);
    co_await make_one();
  }
}

task<> event_feed::make_one() {
  auto look = [](reactor& one) -> task<reactor_report> { co_return one.report(); };
  const steady_time asked = clock_.now();
  const auto reports = co_await all_.gather<reactor_report>(clock_, asked + reactors::gather_limit / 2, look);
  const wall_time wall = clock_.wall();
  overview_.begin(clock_.now());
  see_own(reports, wall);
  const bool others_answered = co_await read_others();
  overview_.end(others_answered, wall);

  auto made = std::make_shared<snapshot>();
  made->id = wall.time_since_epoch().count();
  made->point = overview_.now();
  if (all_.connections().viewers.load(std::memory_order_relaxed) > 0) {
    co_await read_books();
    overview::more of;
    of.wall = wall;
    of.uptime_seconds = std::chrono::duration<double>(clock_.now() - begun_).count();
    of.reports = &reports;
    of.books = are_books_known_ ? &books_ : nullptr;
    of.are_books_current = are_books_current_;
    of.viewers = all_.connections().viewers.load(std::memory_order_relaxed);
    made->event = fmt::format("id: {}\nevent: snapshot\ndata: {}\n\n", made->id, overview_.json(of));
  }
  const std::shared_ptr<const snapshot> shared = std::move(made);
  for (const auto& one : all_)
    asio::post(one->get_executor(), [&to = *one, shared] { to.tell_viewers(shared); });
}

void event_feed::see_own(const std::vector<reactor_report>& reports, wall_time wall) {
  for (std::size_t i = 0; i < reports.size(); ++i) {
    if (reports[i].books.kind.empty()) continue; // it did not answer
    instance_view view =
        view_of(reports[i], instance_, static_cast<std::uint32_t>(i), clock_.now(), wall, all_.is_draining());
    if (i == 0) view.changes = changes_after(overview_.last_change(view), overview::changes_max);
    overview_.see_own(view);
  }
}

/// While the ledger is away the copy in Redis, or what was known last.
task<> event_feed::read_books() {
  are_books_current_ = false;
  if (ledger_.health().is_up) {
    const auto read = co_await ledger_.summarize(time_window{});
    if (!read) co_return;
    books_ = *read;
    are_books_known_ = are_books_current_ = true;
    co_return;
  }
  if (from_.totals == nullptr) co_return;
  const auto copied = co_await from_.totals->read(time_window{});
  if (!copied) co_return;
  books_ = copied->sums;
  are_books_known_ = true;
}

/// False if Redis does not say.
task<bool> event_feed::read_others() {
  if (from_.redis == nullptr || !settings_.use_redis_health_monitoring) co_return false;
  const steady_time due = clock_.now() + redis_limit;
  reading_.clear();
  reading_.add({"ZREVRANGE", names_.instances(), "0", instances_max});
  const redis_verdict listed = co_await from_.redis->exec(reading_, due, redis_connection::late::abandon);
  if (listed != redis_verdict::done || reading_.reply(0).what != redis_reply::kind::list) co_return false;
  const std::vector<redis_reply> epochs = reading_.reply(0).list;
  if (epochs.empty()) co_return true;
  static const std::string longest = std::to_string(instance_view::bytes_max);
  reading_.clear();
  for (const redis_reply& epoch : epochs)
    reading_.add({"GETRANGE", names_.instance(epoch.text), "0", longest});
  const redis_verdict read = co_await from_.redis->exec(reading_, due, redis_connection::late::abandon);
  if (read != redis_verdict::done) co_return false;
  redis_batch gone;
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    const auto text = reading_.reply(i).as_text();
    if (text && text->empty())
      gone.add({"ZREM", names_.instances(), epochs[i].text}); // if it is wrong, for a second
    const auto view = text ? parse_instance(settings_, *text) : std::nullopt;
    if (view) overview_.see(*view);
  }
  if (gone.size() > 0) from_.redis->send(gone);
  co_return true;
}

} // namespace repasse
