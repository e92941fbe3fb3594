#include "test/chaos/administrator.hpp"

#include "bench/flat_json.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr auto call_limit = 3s;

} // namespace

administrator::administrator(const instance_ports& ports, std::span<const char* const> names,
                             std::span<const simulator_process> processors, std::string token,
                             std::uint64_t seed)
    : ports_(ports),
      names_(names),
      processors_(processors),
      headers_{{"X-Admin-Token", std::move(token)}},
      random_(seed),
      thread_([this] {
        while (!stopping_) {
          look();
          std::this_thread::sleep_for(std::chrono::milliseconds(20 + random_() % 200));
        }
      }) {}

void administrator::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void administrator::look() {
  http_caller at("127.0.0.1", ports_[random_() % 2], call_limit);
  const http_reply page = at.call("GET", "/payments?status=unknown&limit=20");
  const std::string& text = page.body;
  for (std::size_t from = text.find(R"({"correlationId")"); from != text.npos;) {
    const std::size_t next = text.find(R"({"correlationId")", from + 1);
    const auto payment =
        flat_json::read(std::string_view{text}.substr(from, text.find('}', from) + 1 - from));
    from = next;
    if (!payment || random_() % 4 != 0) continue;
    const auto name = std::ranges::find(names_, payment->string("processor").value_or(""));
    if (name == names_.end()) continue;
    resolve(at, std::string{payment->string("correlationId").value_or("")},
            static_cast<std::size_t>(name - names_.begin()));
  }
}

void administrator::resolve(http_caller& at, const std::string& id, std::size_t processor) {
  std::string body = R"({"action":"ask"})";
  payment_status outcome = payment_status::unknown;
  if (random_() % 4 != 0) {
    const http_reply held = processors_[processor].caller().call("GET", "/payments/" + id);
    const auto payment = flat_json::read(held.body);
    outcome = held.status == 200U ? payment_status::processed : payment_status::rejected;
    body =
        R"({"action":"declare","reason":"as it seems","outcome":")" + std::string{to_string(outcome)} + '"';
    if (held.status == 200U && payment)
      body += R"(,"requestedAt":)" + std::string{payment->text_of("requestedAt").value_or("null")};
    body += '}';
  }
  const http_reply answer = at.call("POST", "/admin/payments/" + id + "/resolve", body, headers_);
  if (answer.status == 202U) declared_[parse_payment_id(id).value()] = outcome;
}

} // namespace repasse
