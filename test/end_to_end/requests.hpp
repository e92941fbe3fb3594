// Requests as the end-to-end tests send them, and what every refusal must look like.
#pragma once

#include "bench/flat_json.hpp"
#include "bench/http_caller.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdio>
#include <string>
#include <string_view>

namespace repasse::requests {

inline std::string id_of(std::size_t number) {
  char text[41];
  std::snprintf(text, sizeof text, "4a7901b8-7d26-4d9d-aa19-%012zx", number);
  return text;
}

inline std::string payment_body(std::size_t number, std::string_view amount = "19.90") {
  return R"({"correlationId":")" + id_of(number) + R"(","amount":)" + std::string(amount) + "}";
}

/// `fields` are whole lines.
inline std::string get(std::string_view target, std::string_view fields = "",
                       std::string_view method = "GET") {
  return std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: repasse\r\n" +
         std::string(fields) + "\r\n";
}

inline std::string post(std::string_view target, std::string_view body, std::string_view fields = "") {
  return "POST " + std::string(target) + " HTTP/1.1\r\nHost: repasse\r\nContent-Type: application/json\r\n" +
         std::string(fields) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

inline std::string post_payment(std::size_t number, std::string_view amount = "19.90",
                                std::string_view fields = "") {
  return post("/payments", payment_body(number, amount), fields);
}

/// A text member of a JSON object; empty if there is none.
inline std::string member(std::string_view json, std::string_view name) {
  const auto members = flat_json::read(json);
  return members ? std::string(members->string(name).value_or("")) : "";
}

/// Checks that it is this refusal, as RFC 9457 has it, and returns its detail.
inline std::string detail_of(const http_reply& answer, unsigned status) {
  BOOST_TEST(to_string(answer.failure) == to_string(call_failure::none));
  BOOST_TEST(answer.status == status);
  BOOST_TEST(answer.header("Content-Type") == "application/problem+json");
  const auto members = flat_json::read(answer.body);
  BOOST_TEST(members.has_value(), answer.body);
  if (!members) return {};
  BOOST_TEST(members->string("type").value_or("") == "about:blank");
  BOOST_TEST(!members->string("title").value_or("").empty());
  BOOST_TEST(members->count("status").value_or(0) == status);
  BOOST_TEST(!members->string("detail").value_or("").empty());
  return std::string(members->string("detail").value_or(""));
}

} // namespace repasse::requests
