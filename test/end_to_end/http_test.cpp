// The answers of a real repasse, byte by byte: each status of CONTRACT section 2, in the form that is
// promised. Its processors are away, so that payments stay as they were accepted.
#define BOOST_TEST_MODULE http
#include "test/end_to_end/raw_connection.hpp"
#include "test/end_to_end/requests.hpp"
#include "test/end_to_end/server_process.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace repasse {
namespace {

using namespace requests;

/// One repasse and one connection to it, for a case.
struct one_server {
  server_process server;
  raw_connection client{server.port()};

  http_reply ask(std::string_view request) {
    client.send(request);
    return client.next();
  }

  /// Checks the refusal of a body that is posted, and returns its detail.
  std::string refusal_of(const std::string& body, unsigned status) {
    BOOST_TEST_CONTEXT(body) { return detail_of(ask(post("/payments", body)), status); }
    return {};
  }

  void expect_field(const std::string& body, std::string_view field) {
    const std::string detail = refusal_of(body, 422);
    BOOST_TEST(detail.find(field) != detail.npos, body << " is answered with: " << detail);
  }

  void expect_accepted(std::size_t number, std::string_view amount = "19.90") {
    const http_reply answer = ask(post_payment(number, amount));
    BOOST_TEST(answer.status == 202U);
    BOOST_TEST(answer.header("Idempotent-Replayed") == "");
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(payments, one_server)

BOOST_AUTO_TEST_CASE(accepts_a_payment_with_an_empty_answer) {
  const http_reply answer = ask(post_payment(1));
  BOOST_TEST(answer.status == 202U);
  BOOST_TEST(answer.header("Content-Length") == "0");
  BOOST_TEST(answer.header("Date").size() == 29U);
  BOOST_TEST(answer.header("Connection") == "");
  const http_reply shown = ask(get("/payments/" + id_of(1)));
  BOOST_TEST(shown.status == 200U);
  BOOST_TEST(shown.header("Content-Type") == "application/json");
  BOOST_TEST(member(shown.body, "correlationId") == id_of(1));
  BOOST_TEST(shown.body.find(R"("amount":19.90,)") != std::string::npos);
  for (const std::string_view name :
       {"status", "processor", "requestedAt", "acceptedAt", "processedAt", "attempts"})
    BOOST_TEST(shown.body.find("\"" + std::string(name) + "\":") != std::string::npos, name);
}

BOOST_AUTO_TEST_CASE(answers_a_repetition_as_a_replay_however_it_is_written) {
  expect_accepted(0xabc);
  std::string upper_case = id_of(0xabc);
  for (char& c : upper_case)
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 32);
  for (const std::string& body :
       {payment_body(0xabc), payment_body(0xabc, "19.9"), payment_body(0xabc, "1990e-2"),
        payment_body(0xabc, "19.900"), R"({"amount":19.90,"correlationId":")" + upper_case + "\"}"}) {
    const http_reply answer = ask(post("/payments", body));
    BOOST_TEST(answer.status == 202U, body);
    BOOST_TEST(answer.header("Idempotent-Replayed") == "true", body);
    BOOST_TEST(answer.body == "");
  }
}

BOOST_AUTO_TEST_CASE(refuses_another_amount_for_the_same_id) {
  expect_accepted(1);
  detail_of(ask(post_payment(1, "19.91")), 409);
  BOOST_TEST(ask(post_payment(1)).header("Idempotent-Replayed") == "true");
}

BOOST_AUTO_TEST_CASE(refuses_what_is_not_well_formed_json) {
  const std::string id = R"({"correlationId":")" + id_of(1) + "\"";
  for (const std::string& body :
       {std::string{}, std::string{"{"}, std::string{"no"}, payment_body(1) + "x", payment_body(1) + "{}",
        id + R"(,"amount":019.9})", id + R"(,"amount":.9})", id + R"(,"amount":1.})", id + R"(,"amount":+1})",
        id + R"(,"amount":NaN})", id + R"(,"amount":1,})", id + R"(,"amount":1,"amount":1})",
        id + R"(,"amount":1,"x":")" + "\xff\"}", id + R"(,"amount":1,"x":"\ud800"})",
        id + R"(,"amount":1,"x":)" + std::string(1000, '[') + std::string(1000, ']') + "}"})
    refusal_of(body, 400);
}

BOOST_AUTO_TEST_CASE(names_the_field_that_makes_no_payment) {
  const auto with_id = [](std::string_view id) {
    return R"({"amount":1,"correlationId":)" + std::string(id) + "}";
  };
  expect_field(R"({"amount":1})", "correlationId");
  for (const std::string_view id :
       {"null", "7", "\"\"", R"("4a7901b8-7d26-4d9d-aa19")", R"("4a7901b87d264d9daa19000000000001")",
        R"("4a7901b8-7d26-4d9d-aa19-00000000000g")"})
    expect_field(with_id(id), "correlationId");
  expect_field(R"({"correlationId":")" + id_of(1) + "\"}", "amount");
  for (const std::string_view amount : {"null", "\"19.90\"", "true", "[]", "0", "-0.0", "-1", "19.905",
                                        "1e-3", "100000000.00", "1e9", "1e999"})
    expect_field(payment_body(1, amount), "amount");
  refusal_of("[]", 422);
  refusal_of("7", 422);
  BOOST_TEST(ask(get("/payments/" + id_of(1))).status == 404U);
}

BOOST_AUTO_TEST_CASE(takes_the_smallest_and_the_largest_amount) {
  expect_accepted(1, "0.01");
  expect_accepted(2, "99999999.99");
  BOOST_TEST(ask(get("/payments/" + id_of(2))).body.find(R"("amount":99999999.99,)") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(takes_json_only) {
  const auto status_with = [this](std::string_view type) {
    return ask("POST /payments HTTP/1.1\r\nHost: h\r\nContent-Type: " + std::string(type) +
               "\r\nContent-Length: " + std::to_string(payment_body(1).size()) + "\r\n\r\n" +
               payment_body(1));
  };
  for (const std::string_view type : {"text/plain", "application/jsonx", "application/json; charset=latin1"})
    detail_of(status_with(type), 415);
  for (const std::string_view type : {"Application/JSON", "application/json;charset=UTF-8"})
    BOOST_TEST(status_with(type).status == 202U, type);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(limits, one_server)

BOOST_AUTO_TEST_CASE(takes_a_body_of_16_KiB_and_no_more) {
  const std::string body = payment_body(1);
  BOOST_TEST(ask(post("/payments", body + std::string(16 * 1024 - body.size(), ' '))).status == 202U);
  const std::string larger = post("/payments", body + std::string(16 * 1024 + 1 - body.size(), ' '));
  detail_of(ask(larger), 413);
  BOOST_TEST(client.rest().value_or("still open") == "");
}

BOOST_AUTO_TEST_CASE(refuses_a_large_body_before_it_is_sent) {
  detail_of(
      ask("POST /payments HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 16385\r\n\r\n"),
      413);
}

BOOST_AUTO_TEST_CASE(takes_a_header_section_of_8_KiB_and_no_more) {
  const std::size_t used = get("/healthz", "X: \r\n").size();
  BOOST_TEST(ask(get("/healthz", "X: " + std::string(8192 - used, 'x') + "\r\n")).status == 200U);
  detail_of(ask(get("/healthz", "X: " + std::string(8193 - used, 'x') + "\r\n")), 431);
  BOOST_TEST(client.rest().value_or("still open") == "");
}

BOOST_AUTO_TEST_CASE(refuses_a_target_that_is_too_long) {
  detail_of(ask(get("/" + std::string(4096, 'a'))), 414);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(targets, one_server)

BOOST_AUTO_TEST_CASE(knows_no_other_paths) {
  for (const std::string_view path : {"/nowhere", "/payments/", "/payments/a/b", "/payments-summary/",
                                      "//payments", "/Payments", "/payments%2F", "/admin/cache/stats"})
    BOOST_TEST_CONTEXT(path) detail_of(ask(get(path)), 404);
  detail_of(ask(get("/payments/" + id_of(1))), 404);
}

BOOST_AUTO_TEST_CASE(tells_which_methods_a_path_allows) {
  const auto allowed = [this](std::string_view method, std::string_view path) {
    const http_reply answer = ask(get(path, "", method));
    detail_of(answer, 405);
    return std::string(answer.header("Allow"));
  };
  BOOST_TEST(allowed("DELETE", "/payments") == "GET, HEAD, POST");
  BOOST_TEST(allowed("post", "/payments") == "GET, HEAD, POST");
  BOOST_TEST(allowed("PUT", "/payments/" + id_of(1)) == "GET, HEAD");
  BOOST_TEST(allowed("POST", "/payments-summary") == "GET, HEAD");
  BOOST_TEST(allowed("GET", "/purge-payments") == "POST");
  BOOST_TEST(allowed("PATCH", "/healthz") == "GET, HEAD");
}

BOOST_AUTO_TEST_CASE(answers_HEAD_as_GET_without_the_body) {
  expect_accepted(1);
  for (const std::string& path :
       {std::string("/payments/") + id_of(1), std::string("/payments-summary"), std::string("/processors"),
        std::string("/healthz"), std::string("/nowhere")}) {
    const http_reply whole = ask(get(path));
    client.send(get(path, "", "HEAD"));
    const http_reply head = client.next(true);
    BOOST_TEST(head.status == whole.status, path);
    BOOST_TEST(head.header("Content-Length") == whole.header("Content-Length"), path);
    BOOST_TEST(head.header("Content-Type") == whole.header("Content-Type"), path);
  }
  BOOST_TEST(ask(get("/healthz")).body == "ok\n"); // nothing came behind the heads
}

BOOST_AUTO_TEST_CASE(understands_the_absolute_form) {
  BOOST_TEST(ask(get("http://repasse/healthz")).status == 200U);
  BOOST_TEST(ask(get("HTTP://other:81/payments-summary?from=")).status == 200U);
  BOOST_TEST(ask(post("http://repasse/payments", payment_body(1))).status == 202U);
  BOOST_TEST(ask(get("http://repasse/payments/" + id_of(1))).status == 200U);
  detail_of(ask(get("ftp://repasse/healthz")), 400);
}

BOOST_AUTO_TEST_CASE(understands_percent_encoding) {
  BOOST_TEST(ask(get("/%68ealthz")).status == 200U);
  BOOST_TEST(ask(post("/%70ayments", payment_body(1))).status == 202U);
  BOOST_TEST(ask(post("/payments?source=web", payment_body(2))).status == 202U);
  BOOST_TEST(ask(get("/payments/%34" + id_of(2).substr(1))).status == 200U);
  BOOST_TEST(ask(get("/payments?limit=%31")).status == 200U);
  for (const std::string_view target : {"/healthz%", "/healthz%4", "/healthz%zz", "/healthz%00",
                                        "/payments?limit=%1", "/payments?limit=1&limit=1"})
    BOOST_TEST_CONTEXT(target) detail_of(ask(get(target)), 400);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
