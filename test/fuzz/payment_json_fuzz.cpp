// Whatever a client or a processor sends as JSON: the readers end, judge as Boost.JSON's own parser does
// whether it is JSON, and what they take can be written and read again.
#include "server/payment_json.hpp"
#include "storage/check.hpp"
#include "test/fuzz/fuzz_driver.hpp"

#include <boost/json/parse.hpp>

namespace repasse {
namespace {

void check_refusal(std::string_view body, const json_refusal& refusal) {
  REPASSE_CHECK(refusal.status == 400 || refusal.status == 422);
  REPASSE_CHECK(!refusal.detail.empty());
  boost::json::error_code ec;
  boost::json::parse(body, ec);
  // A refusal for the meaning is of JSON; what is JSON to another reader is refused for repeating a member.
  if (refusal.status == 422)
    REPASSE_CHECK(!ec || ec == boost::json::error::exponent_overflow);
  else
    REPASSE_CHECK(ec || refusal.detail == "a member of the JSON is repeated");
}

void check_taken(std::string_view body, const posted_payment& payment) {
  boost::json::error_code ec;
  const boost::json::value value = boost::json::parse(body, ec);
  REPASSE_CHECK(!ec && value.is_object());
  REPASSE_CHECK(payment.amount_cents > 0 && payment.amount_cents <= amount_cents_max);
  std::string written;
  write_charge(written, payment.id, payment.amount_cents, wall_time{});
  const auto again = parse_processor_payment(written);
  REPASSE_CHECK(again && again->id == payment.id && again->amount_cents == payment.amount_cents);
}

/// Any text is written as a string that reads as JSON.
void check_written(std::string_view text) {
  std::string problem;
  write_problem(problem, 400, "Bad Request", text);
  boost::json::error_code ec;
  boost::json::parse(problem, ec);
  REPASSE_CHECK(!ec);
}

} // namespace

std::vector<std::string> fuzz_corpus() {
  return {
      R"({"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3","amount":19.90})",
      R"({"amount":1990e-2,"x":[1,{"y":null,"z":[true,false]}],"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3"})",
      R"({"\u0061mount":0.29,"correlationId":"4a7901b8\u002d7d26-4d9d-aa19-4dc1c7cf60b3","e":"\ud83d\ude00é"})",
      R"({"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3","amount":1,"requestedAt":"2025-07-15T12:00:00.5"})",
      R"({"failing":false,"minResponseTime":100})",
  };
}

std::vector<std::string> fuzz_pieces() {
  return {"\"",
          "\\",
          "{",
          "}",
          "[",
          "]",
          ",",
          ":",
          "0",
          "9",
          "-",
          "+",
          ".",
          "e",
          "1e9",
          "e-999999999",
          "0000000000",
          "\\u0000",
          "\\ud800",
          "\x80",
          "\xc3\xa9",
          "null",
          "true",
          " ",
          "\n",
          "\"amount\":1,",
          "\"x\":{}",
          "99999999.99",
          R"("correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3",)"};
}

} // namespace repasse

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace repasse;
  const std::string_view text{reinterpret_cast<const char*>(bytes), size};
  posted_payment payment;
  json_refusal refusal;
  if (parse_posted_payment(text, payment, refusal))
    check_taken(text, payment);
  else
    check_refusal(text, refusal);
  if (const auto answer = parse_processor_payment(text)) REPASSE_CHECK(answer->amount_cents > 0);
  if (const auto health = parse_processor_health(text)) REPASSE_CHECK(health->min_response_time.count() >= 0);
  check_written(text);
  if (const auto cursor = decode_cursor(text))
    REPASSE_CHECK(decode_cursor(encode_cursor(*cursor)).has_value());
  return 0;
}
