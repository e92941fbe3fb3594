// A process that stands still for longer than its reactors wait for each other: late answers must find
// nobody waiting, and do no harm.
#define BOOST_TEST_MODULE stalled_reactor
#include "test/end_to_end/server_process.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;

BOOST_AUTO_TEST_CASE(a_process_that_was_stopped_lives_and_answers) {
  server_process server{{{"REACTORS", "2"}}};
  std::atomic<bool> is_over = false;
  std::atomic<std::size_t> answers = 0;
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 8; ++i)
      clients.emplace_back([&] {
        http_caller caller = server.caller();
        while (!is_over)
          for (const char* target : {"/processors", "/payments-summary"})
            if (caller.call("GET", target).ok()) ++answers;
      });
    for (int i = 0; i < 3; ++i) {
      std::this_thread::sleep_for(200ms);
      server.signal(SIGSTOP);
      std::this_thread::sleep_for(1500ms);
      server.signal(SIGCONT);
    }
    std::this_thread::sleep_for(500ms);
    is_over = true;
  }
  BOOST_TEST(answers > 0U);
  BOOST_TEST(!server.wait(0ms).has_value(), server.log());
  http_caller caller = server.caller();
  for (const char* target : {"/processors", "/payments-summary"})
    for (int i = 0; i < 10; ++i)
      BOOST_TEST(caller.call("GET", target).status == 200U);
  BOOST_TEST(server.end(SIGTERM) == 0);
}

} // namespace
} // namespace repasse
