// Somebody who looks at payments in doubt from time to time, has some of them asked again, and declares of
// others what became of them, at either instance. An honest one: he looks first what the processor has, which
// may have another a moment later.
#pragma once

#include "bench/http_caller.hpp"
#include "test/chaos/payers.hpp"
#include "test/end_to_end/simulator_process.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <string>
#include <thread>

namespace repasse {

class administrator {
public:
  /// Acts from here on. `processors` are named as those of the instances, in the same order.
  administrator(const instance_ports& ports, std::span<const char* const> names,
                std::span<const simulator_process> processors, std::string token, std::uint64_t seed);
  ~administrator() { stop(); }
  administrator(const administrator&) = delete;
  administrator& operator=(const administrator&) = delete;

  void stop();
  /// After stop(): the last word of each payment that an instance has noted.
  [[nodiscard]] const std::map<payment_id, payment_status>& declared() const { return declared_; }

private:
  void look();
  void resolve(http_caller& at, const std::string& id, std::size_t processor);

  const instance_ports& ports_;
  std::span<const char* const> names_;
  std::span<const simulator_process> processors_;
  http_headers headers_;
  std::mt19937_64 random_;
  std::map<payment_id, payment_status> declared_;
  std::atomic<bool> stopping_ = false;
  std::jthread thread_;
};

} // namespace repasse
