#include "storage/pg_dialer.hpp"

#include <spdlog/spdlog.h>

namespace repasse {
namespace {

/// At once, to one server or many.
constexpr std::size_t attempts_max = 4;
/// A server that turns us away in its own words is asked less and less often, down to this many periods.
constexpr std::uint32_t refused_periods_max = 8;

} // namespace

pg_dialer::pg_dialer(pg_session& session)
    : session_(session),
      hosts_(session.time, session.changed, session.settings.url),
      random_(session.settings.jitter_seed),
      said_(hosts_.count()) {}

pg_dialer::~pg_dialer() { stop(); }

void pg_dialer::stop() {
  for (const attempt& one : attempts_)
    one.to->close();
  attempts_.clear();
}

boost::intrusive_ptr<pg_link> pg_dialer::step(steady_time now) {
  for (std::size_t i = 0; i < attempts_.size();) {
    const attempt one = attempts_[i];
    if (now >= one.due && one.to->now_in() != pg_link::stage::ready) one.to->lose("no answer in time");
    switch (one.to->now_in()) {
    case pg_link::stage::connecting:
    case pg_link::stage::preparing:
      ++i;
      break;
    case pg_link::stage::lost:
      attempts_.erase(attempts_.begin() + static_cast<std::ptrdiff_t>(i));
      fail(one, now);
      break;
    case pg_link::stage::ready:
      attempts_.erase(attempts_.begin() + static_cast<std::ptrdiff_t>(i));
      stop();
      preferred_ = one.where;
      tried_ = 0;
      is_refused_ = false;
      refused_rounds_ = 0;
      begin_at_ = std::min(begin_at_, now + pause()); // should it be lost, nobody pays for what was before
      trouble_.clear();
      said_[preferred_.host].clear();
      return one.to;
    }
  }
  hosts_.look_up();
  note_names();
  const std::vector<pg_hosts::candidate> known = hosts_.candidates();
  look_at_ = known.empty() ? now + session_.settings.attempt_period : never;
  while (!known.empty() && now >= begin_at_ && may_begin())
    begin(known, now);
  return {};
}

void pg_dialer::fail(const attempt& lost, steady_time now) {
  trouble_ = lost.to->trouble();
  is_refused_ = is_refused_ || lost.to->is_refused();
  if (std::string& last = said_[lost.where.host]; last != trouble_) {
    last = trouble_;
    spdlog::error("{}: cannot connect: {}", session_.settings.application_name, trouble_);
  }
  lost.to->close();
  if (tried_ < hosts_.candidates().size()) begin_at_ = now;
}

void pg_dialer::note_names() {
  std::string why = hosts_.trouble();
  if (why == said_of_names_) return;
  if (!why.empty()) spdlog::error("{}: cannot connect: {}", session_.settings.application_name, why);
  said_of_names_ = std::move(why);
}

void pg_dialer::begin(const std::vector<pg_hosts::candidate>& known, steady_time now) {
  if (tried_ >= known.size()) { // a new round
    tried_ = 0;
    refused_rounds_ = is_refused_ ? refused_rounds_ + 1 : 0;
    is_refused_ = false;
  }
  if (tried_ == 0 && attempts_.empty()) {
    const auto found = std::find(known.begin(), known.end(), preferred_);
    position_ = found == known.end() ? 0 : static_cast<std::size_t>(found - known.begin());
  }
  attempt& one = attempts_.emplace_back();
  one.to = new pg_link(session_);
  one.where = known[position_++ % known.size()];
  one.due = now + session_.settings.connect_limit;
  ++tried_;
  begin_at_ = now + pause();
  one.to->connect(hosts_, one.where);
}

/// Beside a server that speaks, no other is tried.
bool pg_dialer::may_begin() const {
  return attempts_.size() < attempts_max &&
         std::none_of(attempts_.begin(), attempts_.end(),
                      [](const attempt& one) { return one.to->is_heard(); });
}

/// A quarter less at random, so that connections lost together do not come back together.
std::chrono::nanoseconds pg_dialer::pause() {
  const std::uint32_t periods = std::min(refused_periods_max, 1U << std::min(refused_rounds_, 8U));
  const std::chrono::nanoseconds longest = session_.settings.attempt_period * periods;
  return longest - std::chrono::nanoseconds{
                       std::uniform_int_distribution<std::int64_t>(0, longest.count() / 4)(random_)};
}

steady_time pg_dialer::next_step() const {
  if (look_at_ != never) return look_at_;
  steady_time next = may_begin() ? begin_at_ : never;
  for (const attempt& one : attempts_)
    next = std::min(next, one.due);
  return next;
}

bool pg_dialer::has_failed() const {
  const std::size_t known = hosts_.candidates().size();
  return attempts_.empty() && (known > 0 ? tried_ >= known : !hosts_.is_looking());
}

std::string pg_dialer::trouble() const {
  if (!trouble_.empty()) return trouble_;
  if (!said_of_names_.empty()) return said_of_names_;
  return hosts_.is_looking() ? "the names of its hosts are being looked up" : "no answer yet";
}

const std::string& pg_dialer::found() const {
  return preferred_.name.empty() ? preferred_.address : preferred_.name;
}

} // namespace repasse
