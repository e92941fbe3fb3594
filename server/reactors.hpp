// All reactors of the process, and the bounded messages that one may send to the others: a call in each, and
// the results back. For the endpoints, the prober and main; never for a payment.
#pragma once

#include "storage/clock.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

namespace repasse {

class reactor;
struct reactor_report;

/// Of the process: each listener counts its own here, since the kernel does not spread them evenly.
struct process_connections {
  std::atomic<std::size_t> open{0};
  std::atomic<std::size_t> viewers{0}; ///< of them, those that hear the events
};

/// Filled by main before the first reactor runs, destroyed after the last one has ended.
class reactors {
public:
  /// A reactor that does not answer an endpoint's question by then is left out.
  static constexpr std::chrono::nanoseconds gather_limit = std::chrono::seconds{1};

  void add(std::unique_ptr<reactor> one);
  void clear();
  [[nodiscard]] std::size_t size() const { return all_.size(); }
  [[nodiscard]] auto begin() const { return all_.begin(); }
  [[nodiscard]] auto end() const { return all_.end(); }

  /// From any thread: SIGTERM has come.
  void begin_drain() { draining_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool is_draining() const { return draining_.load(std::memory_order_relaxed); }
  /// A reactor has nothing left to do; it goes on answering the others until all have said so.
  void one_drained() { drained_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] bool all_drained() const { return drained_.load(std::memory_order_relaxed) >= all_.size(); }

  /// Runs `call(reactor&)`, which returns a task<Result>, in every reactor's own thread; the results in
  /// order. One that has not answered at `due` leaves its result as Result{}.
  template <typename Result, typename Call>
  task<std::vector<Result>> gather(clock& home, steady_time due, Call call);

  /// What each has reported last to whoever scraped, in order; null: nothing yet. From any thread.
  [[nodiscard]] std::vector<std::shared_ptr<const reactor_report>> last_reports() const;
  /// By that reactor alone, in its own thread, so that an older one never takes the place of a newer.
  void keep_report(std::size_t number, std::shared_ptr<const reactor_report> made);

  [[nodiscard]] process_connections& connections() { return connections_; }

private:
  process_connections connections_;
  std::vector<std::unique_ptr<reactor>> all_;
  std::atomic<bool> draining_{false};
  std::atomic<std::size_t> drained_{0};
  mutable std::mutex reports_mutex_;                           ///< for a scrape alone
  std::vector<std::shared_ptr<const reactor_report>> reports_; ///< one a reactor
};

namespace detail {

executor executor_of(reactor& one);

/// Results that are still being gathered; whoever comes too late finds nobody waiting.
template <typename Result>
struct gathering {
  gathering(clock& home, std::size_t count) : results(count), done(home), left(count) {}
  std::vector<Result> results; ///< touched in the home thread only
  event done;
  std::size_t left;
};

} // namespace detail

template <typename Result, typename Call>
task<std::vector<Result>> reactors::gather(clock& home, steady_time due, Call call) {
  auto under_way = std::make_shared<detail::gathering<Result>>(home, all_.size());
  const executor back = home.get_executor();
  for (std::size_t i = 0; i < all_.size(); ++i) {
    reactor& one = *all_[i];
    auto deliver = [under_way, back, i](const std::exception_ptr& thrown, Result result) {
      if (thrown) std::terminate();
      asio::post(back, [under_way, i, result = std::move(result)]() mutable {
        under_way->results[i] = std::move(result);
        if (--under_way->left == 0) under_way->done.notify();
      });
    };
    asio::co_spawn(detail::executor_of(one), call(one), std::move(deliver));
  }
  co_await under_way->done.wait_until(due);
  co_return under_way->results; // a copy: whoever is late still writes to the original
}

} // namespace repasse
