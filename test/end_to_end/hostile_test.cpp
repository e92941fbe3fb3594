// Processors that do everything a processor must not do, under load: whatever they did, once they stop,
// repasse's books and theirs agree, payment by payment. The modes run side by side, each over a repasse and
// two simulators of its own, since some cost the 30 s after which a send without an answer is in doubt.
#define BOOST_TEST_MODULE hostile
#include "test/comes.hpp"
#include "test/end_to_end/requests.hpp"
#include "test/end_to_end/server_stack.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t clients = 8;

/// One kind of misbehaviour over a stack of its own; runs in a thread, is judged after it.
class scenario {
public:
  using course = std::function<void(server_stack&)>;

  scenario(std::string name, course goes)
      : name_(std::move(name)), stack_(variables{{"REACTORS", "2"}}), goes_(std::move(goes)) {}

  void start() {
    running_ = std::jthread([this] {
      goes_(stack_);
      report_ = stack_.audit(45s);
    });
  }

  void judge() {
    running_.join();
    BOOST_TEST_CONTEXT(name_) {
      BOOST_TEST(stack_.refused() == 0U);
      BOOST_TEST(stack_.acknowledged() == report_.posted);
      BOOST_TEST(report_.ok(), report_.to_text());
    }
    BOOST_TEST_MESSAGE(name_ << ": " << report_.to_text());
  }

private:
  std::string name_;
  server_stack stack_;
  course goes_;
  audit_report report_;
  std::jthread running_;
};

void run(std::vector<std::unique_ptr<scenario>>& all) {
  for (const auto& each : all)
    each->start();
  for (const auto& each : all)
    each->judge();
}

/// Payments before, during and after `mode` hits that share of the sends to both processors.
scenario::course hostile(const std::string& mode, std::size_t count, double share) {
  const std::string body =
      R"({"mode":")" + mode + R"(","share":)" + std::to_string(share) + R"(,"millis":1500})";
  return [body, count](server_stack& stack) {
    stack.post(count / 4, clients);
    stack.configure("hostile", body);
    stack.post(count, clients);
    std::this_thread::sleep_for(500ms);
    stack.configure("hostile", R"({"mode":"none"})");
    stack.post(count / 4, clients);
  };
}

void add(std::vector<std::unique_ptr<scenario>>& to, const std::string& name, scenario::course goes) {
  to.push_back(std::make_unique<scenario>(name, std::move(goes)));
}

} // namespace

BOOST_AUTO_TEST_SUITE(hostile_processors)

BOOST_AUTO_TEST_CASE(the_books_agree_after_every_hostile_mode) {
  std::vector<std::unique_ptr<scenario>> all;
  for (const char* const mode :
       {"take-then-drop", "take-then-reset", "take-then-late", "half-answer", "nonsense", "error-when-taken",
        "drop-before-take", "status-400", "status-401", "refuse-429"})
    add(all, mode, hostile(mode, 400, 0.3));
  for (const char* const mode : {"take-never-answer", "never-answer", "wrong-status"})
    add(all, mode, hostile(mode, 60, 0.3));
  add(all, "all at once", [](server_stack& stack) {
    for (const char* const mode : {"take-then-drop", "take-then-reset", "half-answer", "nonsense",
                                   "error-when-taken", "drop-before-take", "status-400", "refuse-429"})
      stack.configure("hostile", std::string(R"({"mode":")") + mode + R"(","share":0.1})");
    stack.post(600, clients);
    stack.configure("hostile", R"({"mode":"none"})");
  });
  run(all);
}

BOOST_AUTO_TEST_CASE(the_books_agree_after_processors_that_hang_fail_and_lie) {
  std::vector<std::unique_ptr<scenario>> all;
  add(all, "hung and awake again", [](server_stack& stack) {
    stack.post(100, clients);
    stack.simulators[0].signal(SIGSTOP);
    stack.post(200, clients);
    std::this_thread::sleep_for(2s);
    stack.simulators[0].signal(SIGCONT);
    stack.simulators[1].signal(SIGSTOP);
    stack.post(200, clients);
    std::this_thread::sleep_for(1s);
    stack.simulators[1].signal(SIGCONT);
  });
  add(all, "both failing and slow", [](server_stack& stack) {
    stack.configure("delay", R"({"delay":300})");
    stack.configure("failure", R"({"failure":true})");
    stack.post(300, clients);
    std::this_thread::sleep_for(1s);
    stack.configure("failure", R"({"failure":false})"); // what waits out its delay now is taken
    stack.post(100, clients);
    stack.configure("delay", R"({"delay":0})");
  });
  add(all, "taking turns in failing", [](server_stack& stack) {
    for (std::size_t turn = 0; turn < 6; ++turn) {
      stack.configure_one(turn % 2, "failure", R"({"failure":true})");
      stack.configure_one(1 - turn % 2, "failure", R"({"failure":false})");
      stack.post(150, clients);
    }
    stack.configure("failure", R"({"failure":false})");
  });
  add(all, "health that lies", [](server_stack& stack) {
    stack.configure_one(0, "hostile", R"({"health":{"failing":true,"minResponseTime":9000}})");
    stack.configure_one(1, "hostile", R"({"health":{"failing":false,"minResponseTime":0}})");
    stack.configure_one(1, "failure", R"({"failure":true})");
    std::this_thread::sleep_for(2s);
    stack.post(200, clients);
    stack.configure_one(1, "failure", R"({"failure":false})");
    stack.configure("hostile", R"({"mode":"none"})");
  });
  run(all);
}

/// One that the first processor refuses for ever waits for the second, which is away; the others do not.
BOOST_AUTO_TEST_CASE(a_payment_that_one_processor_refuses_holds_up_no_other) {
  const simulator_process first({"--hostile", "status-400:0.1"});
  const server_process server{{{"PROCESSOR_DEFAULT_URL", "http://" + address_of(first.port())},
                               {"PROCESSOR_FALLBACK_URL", "http://" + address_of(free_port())}}};
  http_caller caller = server.caller();
  for (std::size_t i = 0; i < 300; ++i)
    BOOST_TEST(caller.call("POST", "/payments", requests::payment_body(i)).status == 202U);
  const auto count = [&caller](const std::string& status) {
    const std::string page = caller.call("GET", "/payments?limit=1000&status=" + status).body;
    std::size_t found = 0;
    for (std::size_t at = page.find("correlationId"); at != std::string::npos;
         at = page.find("correlationId", at + 1))
      ++found;
    return found;
  };
  std::size_t processed = 0;
  const auto all_but_some = [&] {
    processed = count("processed");
    return processed > 200U && processed + count("accepted") == 300U;
  };
  BOOST_TEST(comes(all_but_some), processed);
  BOOST_TEST(processed < 300U);
}

BOOST_AUTO_TEST_CASE(payments_wait_for_processors_that_are_not_there_yet) {
  const std::uint16_t port = free_port();
  const server_process server{
      {{"PROCESSORS", "default"}, {"PROCESSOR_DEFAULT_URL", "http://" + address_of(port)}}};
  http_caller caller = server.caller();
  for (std::size_t i = 0; i < 100; ++i)
    BOOST_TEST(caller.call("POST", "/payments", requests::payment_body(i)).status == 202U);
  BOOST_TEST(comes([&] { return caller.call("GET", "/readyz").status == 200U; }));
  std::this_thread::sleep_for(500ms);
  const simulator_process late({}, port);
  const std::string wanted = R"({"default":{"totalRequests":100,"totalAmount":1990.00}})";
  std::string summary;
  for (int look = 0; look < 1000 && summary != wanted; ++look) {
    std::this_thread::sleep_for(30ms);
    summary = caller.call("GET", "/payments-summary").body;
  }
  BOOST_TEST(summary == wanted);
  http_caller processor = late.caller();
  BOOST_TEST(processor.call("GET", "/admin/payments-summary", "", {{"X-Rinha-Token", "123"}})
                 .body.starts_with(R"({"totalRequests":100,"totalAmount":1990.00)"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
