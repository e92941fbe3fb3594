// The prober's loops, with processors that answer when told to. The clock is real: between two questions to
// one processor lie 100 ms at least, so that a case which waits for a second question takes as long.
#include "health/prober.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/test/unit_test.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;

class probing {
public:
  struct question {
    steady_time asked;
    steady_time deadline;
  };
  struct processor {
    explicit processor(clock& time) : answered(time) {}
    std::vector<question> questions;
    std::vector<health_report> heard;
    event answered;
    bool answers_at_once = false;
  };

  explicit probing(const prober::config& settings)
      : prober_(time_, settings,
                {.ask = [this](processor_index index, steady_time due) { return ask(index, due); },
                 .allowed = [this] { return look(); },
                 .heard = [this](processor_index index, const health_report& said) { hear(index, said); },
                 .last_heard = [this](processor_index index) { return last_heard + index * heard_later; }}) {
    for (std::size_t i = 0; i < settings.processors; ++i)
      processors_.push_back(std::make_unique<processor>(time_));
  }
  ~probing() {
    time_.abandon();
    turn();
  }

  void start() {
    prober_.start();
    turn();
  }
  void stop() {
    prober_.stop();
    turn();
  }
  void answer(std::size_t index, std::optional<health_report> said) {
    said_ = said;
    processors_[index]->answered.notify();
    turn();
  }
  /// Runs what can run now.
  void turn() {
    context_.restart();
    context_.poll();
  }
  /// Lets all that waits for a time see that it has come.
  void wake() {
    time_.fire(time_.now() + 1h);
    turn();
  }
  /// Runs until a processor has been asked so often, for 10 s at most.
  bool runs_until_asked(std::size_t index, std::size_t times) {
    const steady_time end = time_.now() + 10s;
    context_.restart();
    while (processors_[index]->questions.size() < times && time_.now() < end)
      context_.run_one_until(end);
    return processors_[index]->questions.size() >= times;
  }
  bool has_ended() {
    bool ended = false;
    asio::co_spawn(context_.get_executor(), join(ended), [](const std::exception_ptr& thrown) {
      if (thrown) std::terminate();
    });
    turn();
    return ended;
  }

  processor& operator[](std::size_t index) { return *processors_[index]; }
  [[nodiscard]] steady_time now() const { return time_.now(); }

  bool allowed = true;
  int looks = 0;
  steady_time last_heard{};                ///< from whomever
  std::chrono::nanoseconds heard_later{0}; ///< each processor than the one before it

private:
  task<std::optional<health_report>> ask(processor_index index, steady_time deadline) {
    processor& asked = *processors_[index];
    asked.questions.push_back({.asked = time_.now(), .deadline = deadline});
    if (!asked.answers_at_once) co_await asked.answered.wait_until();
    co_return said_;
  }
  bool look() {
    ++looks;
    return allowed;
  }
  void hear(processor_index index, const health_report& said) { processors_[index]->heard.push_back(said); }
  task<> join(bool& ended) {
    const bool joined = co_await prober_.join_until(time_.now());
    ended = joined;
  }

  asio::io_context context_{1};
  clock time_{context_};
  std::vector<std::unique_ptr<processor>> processors_;
  std::optional<health_report> said_;
  prober prober_;
};

health_report failing_report() {
  health_report said;
  said.failing = true;
  said.min_response_time = 70ms;
  return said;
}

} // namespace

BOOST_AUTO_TEST_SUITE(prober_test)

BOOST_AUTO_TEST_CASE(asks_every_processor_at_once_when_it_starts) {
  probing here({.processors = 3, .limit = 8s});
  const steady_time before = here.now();
  here.start();
  for (std::size_t i = 0; i < 3; ++i) {
    BOOST_REQUIRE(here[i].questions.size() == 1U);
    BOOST_TEST((here[i].questions[0].deadline >= before + 8s));
    BOOST_TEST((here[i].questions[0].deadline <= here.now() + 8s));
  }
}

BOOST_AUTO_TEST_CASE(tells_what_was_heard_of_which_processor) {
  probing here({.processors = 2});
  here.start();
  here.answer(1, failing_report());
  BOOST_TEST(here[0].heard.empty());
  BOOST_REQUIRE(here[1].heard.size() == 1U);
  BOOST_TEST(here[1].heard[0].failing);
  BOOST_TEST((here[1].heard[0].min_response_time == 70ms));
}

BOOST_AUTO_TEST_CASE(no_answer_is_not_told) {
  probing here({.processors = 1});
  here.start();
  here.answer(0, std::nullopt);
  BOOST_TEST(here[0].heard.empty());
}

BOOST_AUTO_TEST_CASE(asks_again_a_period_after_the_last_question) {
  probing here({.processors = 1, .period = 130ms});
  here[0].answers_at_once = true;
  here.start();
  BOOST_REQUIRE(here.runs_until_asked(0, 3));
  const auto& questions = here[0].questions;
  BOOST_TEST((questions[1].asked - questions[0].asked >= 130ms));
  BOOST_TEST((questions[2].asked - questions[1].asked >= 130ms));
}

BOOST_AUTO_TEST_CASE(asks_all_at_the_same_moments_whenever_they_were_heard_of) {
  probing here({.processors = 2, .period = 400ms});
  here[0].answers_at_once = here[1].answers_at_once = true;
  here.last_heard = here.now() - 300ms;
  here.heard_later = 200ms;
  here.start();
  BOOST_REQUIRE(here.runs_until_asked(0, 2));
  BOOST_REQUIRE(here.runs_until_asked(1, 2));
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST((here[1].questions[i].asked - here[0].questions[i].asked < 100ms));
}

BOOST_AUTO_TEST_CASE(a_processor_that_does_not_answer_is_not_asked_twice_nor_delays_the_others) {
  probing here({.processors = 2, .period = 1ms});
  here[1].answers_at_once = true;
  here.start();
  BOOST_REQUIRE(here.runs_until_asked(1, 3));
  BOOST_TEST(here[0].questions.size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_answer_later_than_the_period_is_followed_by_a_pause) {
  probing here({.processors = 1, .period = 0ms});
  here.start();
  here.answer(0, failing_report());
  const steady_time answered = here.now();
  BOOST_TEST(here[0].questions.size() == 1U);
  BOOST_REQUIRE(here.runs_until_asked(0, 2));
  BOOST_TEST((here[0].questions[1].asked - answered > 50ms));
}

BOOST_AUTO_TEST_CASE(being_woken_early_does_not_make_it_ask_early) {
  probing here({.processors = 1, .period = 1h});
  here[0].answers_at_once = true;
  here.start();
  for (int i = 0; i < 10; ++i)
    here.wake();
  BOOST_TEST(here[0].questions.size() == 1U);
}

BOOST_AUTO_TEST_CASE(asks_nothing_while_it_is_not_allowed_but_soon_after) {
  probing here({.processors = 2});
  here.allowed = false;
  here.start();
  for (int i = 0; i < 10; ++i)
    here.wake();
  BOOST_TEST(here.looks == 22);
  BOOST_TEST(here[0].questions.empty());
  BOOST_TEST(here[1].questions.empty());
  here.allowed = true;
  here.wake();
  BOOST_TEST(here[0].questions.size() == 1U);
  BOOST_TEST(here[1].questions.size() == 1U);
}

BOOST_AUTO_TEST_CASE(looks_anew_before_each_question_whether_it_is_allowed) {
  probing here({.processors = 2, .period = 1ms});
  here[0].answers_at_once = true;
  here.start();
  here.allowed = false;
  here.answer(1, failing_report());
  BOOST_TEST(here[1].heard.size() == 1U);
  const int looks = here.looks;
  while (here.looks < looks + 2)
    here.wake();
  BOOST_TEST(here[0].questions.size() == 1U);
  BOOST_TEST(here[1].questions.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_new_eldest_keeps_the_distance_to_the_last_question_of_its_forerunner) {
  probing here({.processors = 1, .period = 150ms});
  here[0].answers_at_once = true;
  here.allowed = false;
  here.start();
  here.last_heard = here.now();
  here.allowed = true;
  here.wake();
  BOOST_TEST(here[0].questions.empty());
  BOOST_REQUIRE(here.runs_until_asked(0, 1));
  BOOST_TEST((here[0].questions[0].asked - here.last_heard >= 150ms));
}

BOOST_AUTO_TEST_CASE(what_others_say_while_it_is_the_eldest_delays_nothing) {
  probing here({.processors = 1, .period = 150ms});
  here[0].answers_at_once = true;
  here.start();
  BOOST_TEST(here[0].questions.size() == 1U);
  here.last_heard = here.now() + 1h;
  BOOST_REQUIRE(here.runs_until_asked(0, 2));
  BOOST_TEST((here[0].questions[1].asked - here[0].questions[0].asked < 1s));
}

BOOST_AUTO_TEST_CASE(stopping_ends_every_pause_at_once) {
  probing here({.processors = 3, .period = 1h});
  here[0].answers_at_once = true;
  here[1].answers_at_once = true;
  here[2].answers_at_once = true;
  here.start();
  BOOST_TEST(!here.has_ended());
  here.stop();
  BOOST_TEST(here.has_ended());
}

BOOST_AUTO_TEST_CASE(stopping_ends_one_that_is_not_allowed) {
  probing here({.processors = 1});
  here.allowed = false;
  here.start();
  here.stop();
  BOOST_TEST(here.has_ended());
  BOOST_TEST(here[0].questions.empty());
}

BOOST_AUTO_TEST_CASE(an_answer_after_stopping_ends_it_and_is_not_told) {
  probing here({.processors = 1});
  here.start();
  here.stop();
  BOOST_TEST(!here.has_ended());
  here.answer(0, failing_report());
  BOOST_TEST(here.has_ended());
  BOOST_TEST(here[0].heard.empty());
}

BOOST_AUTO_TEST_CASE(stopping_before_the_start_asks_nothing) {
  probing here({.processors = 1});
  here.stop();
  here.start();
  BOOST_TEST(here.has_ended());
  BOOST_TEST(here[0].questions.empty());
}

BOOST_AUTO_TEST_CASE(without_processors_there_is_nothing_to_do) {
  probing here({});
  here.start();
  BOOST_TEST(here.has_ended());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
