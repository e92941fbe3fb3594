// What the cells of the failure matrix share: a loaded house with Redis, what is broken in it, and what its
// clients see meanwhile. Times are asserted at three times what is promised.
#pragma once

#include "test/end_to_end/loaded_house.hpp"
#include "test/end_to_end/requests.hpp"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

namespace repasse {

struct timed_answer {
  unsigned status = 0;
  std::chrono::milliseconds took{0};
  http_reply reply;
};

class matrix_house : public loaded_house {
public:
  static constexpr auto ready_max = std::chrono::seconds{3};
  static constexpr auto refusal_max = std::chrono::milliseconds{3 * 50};
  static constexpr auto silent_refusal_max = std::chrono::milliseconds{3 * 500};

  explicit matrix_house(double rate = 300, double conflicts = 0.01)
      : loaded_house(
            (repair(), payers::config{.rate = rate, .conflicts = conflicts, .conflicts_may_pass = true})) {
    BOOST_REQUIRE(intake_opens());
  }
  ~matrix_house() { repair(); }
  matrix_house(const matrix_house&) = delete;
  matrix_house& operator=(const matrix_house&) = delete;

  /// For what has to be done before the load begins.
  static house& whole() {
    repair();
    return whole_house();
  }

  [[nodiscard]] std::string readiness(std::size_t instance) const {
    const http_reply answer = all.server(instance).caller().call("GET", "/readyz");
    return std::to_string(answer.status) + "\n" + answer.body;
  }
  [[nodiscard]] bool is_ready(std::size_t instance) const { return readiness(instance).starts_with("200"); }
  /// At every reactor of the instances that run.
  [[nodiscard]] bool intake_opens(std::chrono::milliseconds limit = std::chrono::seconds{5}) const {
    return comes(
        [&] {
          for (std::size_t i = 0; i < 2; ++i)
            if (all.runs(i) && readiness(i).find("intake: open") == std::string::npos) return false;
          return true;
        },
        limit);
  }

  [[nodiscard]] std::size_t refused() const { return load().refused(0) + load().refused(1); }
  /// Posts that were not answered with 202 from this object's beginning on.
  class failed {
  public:
    explicit failed(const matrix_house& where) : where_(where), before_(now()) {}
    [[nodiscard]] std::size_t posts() const { return now() - before_; }

  private:
    [[nodiscard]] std::size_t now() const { return where_.refused() + where_.load().unanswered(); }
    const matrix_house& where_;
    std::size_t before_;
  };

  /// How long posts are refused, from the first to the last within `limit`.
  [[nodiscard]] std::chrono::milliseconds refusals_last(std::chrono::milliseconds limit) const {
    const auto begun = std::chrono::steady_clock::now();
    auto first = begun;
    auto last = begun;
    std::size_t seen = refused();
    for (bool is_first = true; std::chrono::steady_clock::now() - begun < limit;) {
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
      if (refused() == seen) continue;
      seen = refused();
      last = std::chrono::steady_clock::now();
      if (std::exchange(is_first, false)) first = last;
    }
    return std::chrono::duration_cast<std::chrono::milliseconds>(last - first);
  }

  /// On a connection of its own.
  [[nodiscard]] timed_answer post(std::size_t instance, std::size_t number,
                                  std::string_view amount = "19.90") const {
    http_caller caller("127.0.0.1", all.ports[instance]);
    const auto begun = std::chrono::steady_clock::now();
    timed_answer made;
    made.reply = caller.call("POST", "/payments", requests::payment_body(number, amount));
    made.took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
    made.status = made.reply.status;
    return made;
  }
  [[nodiscard]] static posted_entry entry(std::size_t number, bool acknowledged = true) {
    return {*parse_payment_id(requests::id_of(number)), 1990, acknowledged};
  }

  /// At least so many payments wait in Redis.
  void until_taken_in(std::size_t count) const {
    BOOST_REQUIRE(comes([&] { return all.in_intake() >= count; }, std::chrono::seconds{10}));
  }

  // Redis, killed, and what comes back of it.

  void restart_redis_empty() const {
    all.redis->kill();
    std::filesystem::remove_all(all.redis->folder() / "appendonlydir");
    all.redis->start();
  }
  void restart_redis_cut(std::uintmax_t bytes) const {
    all.redis->kill();
    for (const auto& file : std::filesystem::directory_iterator(all.redis->folder() / "appendonlydir"))
      if (file.path().string().ends_with(".incr.aof") && file.file_size() > bytes)
        std::filesystem::resize_file(file.path(), file.file_size() - bytes);
    all.redis->start();
  }

private:
  /// Redis as it is usually set up, and whole networks; the rest whole_house() does.
  static bool repair() {
    house& shared = shared_house(house::with::redis);
    for (std::size_t i = 0; i < 2; ++i) {
      shared.to_database[i]->mend();
      shared.to_redis[i]->mend();
    }
    if (!shared.redis->is_running()) {
      shared.redis->start();
      return true;
    }
    shared.redis->signal(SIGCONT);
    shared.redis->cli({"REPLICAOF", "NO", "ONE"});
    for (const auto& [name, value] :
         {std::pair{"maxmemory", "0"}, std::pair{"maxmemory-policy", "noeviction"},
          std::pair{"appendfsync", "always"}})
      shared.redis->cli({"CONFIG", "SET", name, value});
    return true;
  }
};

} // namespace repasse
