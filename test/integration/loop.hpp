// One reactor of a test, driven from the test's own lines: what awaits is run until it has ended.
#pragma once

#include "storage/clock.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace repasse {

class loop {
public:
  /// No wait of a test takes longer; a test that needs it has failed.
  static constexpr std::chrono::seconds patience{60};

  loop() = default;
  ~loop() {
    for (int i = 0; i < 2; ++i) { // as a reactor's end does
      time.abandon();
      context.restart();
      context.poll();
    }
  }
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;

  /// What was started and may have ended.
  template <typename T>
  class started {
  public:
    [[nodiscard]] bool has_ended() const { return *result_ != std::nullopt; }
    [[nodiscard]] T result() const { return **result_; }

  private:
    friend class loop;
    std::shared_ptr<std::optional<T>> result_ = std::make_shared<std::optional<T>>();
  };

  template <typename T>
  started<T> start(task<T> work) {
    started<T> one;
    asio::co_spawn(context.get_executor(), std::move(work),
                   [to = one.result_](const std::exception_ptr& thrown, T result) {
                     if (thrown) std::rethrow_exception(thrown);
                     *to = std::move(result);
                   });
    return one;
  }
  void start(task<> work) {
    asio::co_spawn(context.get_executor(), std::move(work), [](const std::exception_ptr& thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }

  template <typename T>
  T await(task<T> work) {
    return await(start(std::move(work)));
  }
  template <typename T>
  T await(const started<T>& one) {
    until([&] { return one.has_ended(); });
    return one.result();
  }

  /// Runs until `condition` holds.
  template <typename Condition>
  void until(Condition condition) {
    const bool holds = holds_within(patience, condition);
    BOOST_REQUIRE_MESSAGE(holds, "a test waited in vain");
  }
  template <typename Condition>
  bool holds_within(std::chrono::nanoseconds limit, Condition condition) {
    const steady_time due = time.now() + limit;
    context.restart();
    while (!condition()) {
      if (time.now() >= due) return false;
      context.run_one_for(std::chrono::milliseconds{5}); // a condition may lie outside the loop
      if (context.stopped()) context.restart();
    }
    return true;
  }
  /// Runs what can run now.
  void turn() {
    context.restart();
    context.poll();
  }

  asio::io_context context{1};
  clock time{context};
};

} // namespace repasse
