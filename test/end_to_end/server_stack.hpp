// repasse with two processors, all of them real programs, and the load and the audit that tests give them.
#pragma once

#include "bench/strict_audit.hpp"
#include "test/end_to_end/server_process.hpp"
#include "test/end_to_end/simulator_process.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace repasse {

class server_stack {
public:
  static constexpr std::array<const char*, 2> names = {"default", "fallback"};

  explicit server_stack(const variables& settings = {},
                        const std::vector<std::string>& simulator_options = {})
      : simulators{simulator_process(simulator_options), simulator_process(simulator_options)},
        server(with_processors(settings)) {}

  /// Posts payments of fresh ids from that many clients at once, and remembers which were acknowledged. Ends
  /// early for a client whose connection fails. Not to be called twice at once.
  void post(std::size_t count, std::size_t clients) {
    const std::size_t first = posted_.size();
    posted_.resize(first + count);
    std::atomic<std::size_t> next = first;
    std::vector<std::jthread> running;
    for (std::size_t i = 0; i < clients; ++i)
      running.emplace_back([this, &next] {
        http_caller caller = server.caller();
        bool answered = true;
        for (std::size_t at = next++; at < posted_.size() && answered; at = next++)
          answered = post_one(caller, at);
      });
  }

  /// `PUT /admin/configurations/<name>` at both processors, or at one.
  void configure(const std::string& name, std::string_view body) const {
    for (std::size_t p = 0; p < simulators.size(); ++p)
      configure_one(p, name, body);
  }
  void configure_one(std::size_t processor, const std::string& name, std::string_view body) const {
    http_caller caller = simulators[processor].caller();
    caller.call("PUT", "/admin/configurations/" + name, body, {{"X-Rinha-Token", "123"}});
  }

  /// The strict audit of all that has been posted here.
  [[nodiscard]] audit_report audit(std::chrono::seconds settle_within = std::chrono::seconds(30)) const {
    return audit(posted_, settle_within);
  }
  /// The same of what others have posted, and declared.
  [[nodiscard]] audit_report audit(std::span<const posted_entry> posted, std::chrono::seconds settle_within,
                                   std::string admin_token = {}) const {
    audit_config config;
    config.admin_token = std::move(admin_token);
    config.port = server.port();
    config.settle_within = settle_within;
    config.threads = 1;
    for (std::size_t p = 0; p < simulators.size(); ++p)
      config.processors.push_back({names[p], "127.0.0.1", simulators[p].port(), "123"});
    return audit_strictly(config, posted);
  }

  /// How many of the acknowledged payments one processor and no other has taken.
  [[nodiscard]] std::size_t taken_once() const {
    std::array callers = {simulators[0].caller(), simulators[1].caller()};
    std::size_t taken = 0;
    for (const posted_entry& each : posted_) {
      if (!each.acknowledged) continue;
      std::size_t places = 0;
      for (http_caller& caller : callers)
        if (caller.call("GET", "/payments/" + to_string(each.id)).status == 200U) ++places;
      if (places == 1) ++taken;
    }
    return taken;
  }

  [[nodiscard]] std::size_t acknowledged() const {
    std::size_t count = 0;
    for (const posted_entry& each : posted_)
      if (each.acknowledged) ++count;
    return count;
  }
  /// Answers that were neither 202 nor missing.
  [[nodiscard]] std::size_t refused() const { return refused_; }

  std::array<simulator_process, 2> simulators;
  server_process server;

private:
  [[nodiscard]] variables with_processors(variables settings) const {
    settings.try_emplace("PROCESSOR_DEFAULT_URL", simulators[0].url());
    settings.try_emplace("PROCESSOR_FALLBACK_URL", simulators[1].url());
    return settings;
  }

  /// False if there was no answer.
  bool post_one(http_caller& caller, std::size_t at) {
    posted_entry& payment = posted_[at];
    for (std::size_t i = 0; i < 8; ++i)
      payment.id.bytes[i] = static_cast<std::uint8_t>((at * 0x9e3779b97f4a7c15ULL) >> (8 * i));
    payment.amount_cents = static_cast<std::int64_t>(100 + at % 9000);
    std::array<char, 24> amount;
    const http_reply answer =
        caller.call("POST", "/payments",
                    R"({"correlationId":")" + to_string(payment.id) + R"(","amount":)" +
                        std::string(amount.data(), write_amount(amount.data(), payment.amount_cents)) + "}");
    payment.acknowledged = answer.status == 202U;
    if (answer.ok() && !payment.acknowledged) ++refused_;
    return answer.ok();
  }

  std::vector<posted_entry> posted_;
  std::atomic<std::size_t> refused_ = 0;
};

} // namespace repasse
