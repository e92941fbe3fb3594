// Somebody who looks at the dashboard: one stream of `GET /events`, read event by event.
#pragma once

#include "test/end_to_end/raw_connection.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>

namespace repasse {

class viewer {
public:
  explicit viewer(std::uint16_t port, std::string_view fields = "", std::string_view version = "HTTP/1.1")
      : connection(port) {
    connection.send("GET /events " + std::string(version) + "\r\nHost: repasse\r\n" + std::string(fields) +
                    "\r\n");
    head = connection.up_to("\r\n\r\n").value_or("");
  }

  /// The next one of that name; its data, null if none comes in time, whatever else does.
  boost::json::value next(std::string_view name, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    const std::string wanted = "event: " + std::string(name) + "\ndata: ";
    const auto due = std::chrono::steady_clock::now() + limit;
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - std::chrono::steady_clock::now());
      const std::optional<std::string> event = connection.up_to("\n\n", left);
      if (!event) return nullptr;
      if (event->starts_with("id: ")) id = event->substr(4, event->find('\n') - 4);
      const std::size_t at = event->find(wanted);
      if (at == std::string::npos) continue;
      return boost::json::parse(event->substr(at + wanted.size(), event->size() - at - wanted.size() - 2));
    }
  }
  boost::json::value snapshot() { return next("snapshot"); }
  /// The first one for which it holds; null if none comes in time.
  template <typename Condition>
  boost::json::value until(Condition holds, std::chrono::seconds limit = std::chrono::seconds(30)) {
    const auto due = std::chrono::steady_clock::now() + limit;
    boost::json::value seen = nullptr;
    while (std::chrono::steady_clock::now() < due) {
      seen = snapshot();
      if (seen.is_null() || holds(seen)) return seen;
    }
    BOOST_TEST_MESSAGE("the last one: " << seen);
    return nullptr;
  }

  raw_connection connection;
  std::string head;
  std::string id; ///< of the last event
};

} // namespace repasse
