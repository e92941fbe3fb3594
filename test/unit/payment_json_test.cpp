// What is a payment, what is refused and how, and what processors answer.
#include "server/payment_json.hpp"

#include <boost/test/unit_test.hpp>

namespace repasse {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view id_text = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const payment_id id = *parse_payment_id(id_text);
const wall_time noon = *parse_time("2025-07-15T12:00:00.000Z", rounding::down);

std::string with_amount(std::string_view amount) {
  return R"({"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3","amount":)" + std::string(amount) + "}";
}

std::string with_member(std::string_view member) {
  return R"({"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3","amount":19.90,)" + std::string(member) +
         "}";
}

/// The cents of a payment with `id`, or minus the status it was refused with.
std::int64_t cents_or_status(std::string_view body) {
  posted_payment payment;
  json_refusal refusal;
  if (!parse_posted_payment(body, payment, refusal)) {
    BOOST_TEST(!refusal.detail.empty());
    return -refusal.status;
  }
  BOOST_TEST((payment.id == id));
  return payment.amount_cents;
}

/// The field that a 422 names.
std::string_view refused_field(std::string_view body) {
  posted_payment payment;
  json_refusal refusal;
  BOOST_TEST(!parse_posted_payment(body, payment, refusal), body);
  BOOST_TEST(refusal.status == 422, body << " was answered with " << refusal.status);
  return refusal.field;
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

} // namespace

BOOST_AUTO_TEST_SUITE(payment_json_test)

BOOST_AUTO_TEST_CASE(reads_a_payment_in_all_its_spellings) {
  for (
      const std::string_view body : {
          R"({"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3","amount":19.90})",
          R"({"amount":19.9,"correlationId":"4A7901B8-7D26-4D9D-AA19-4DC1C7CF60B3"})",
          " \t\r\n{ \"amount\" : 1990e-2 , \"correlationId\" : \"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3\" } \n",
          R"({"\u0061mount":19.900,"correlation\u0049d":"4a7901b8\u002d7d26-4d9d-aa19-4dc1c7cf60b3"})",
          R"({"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3","amount":19.9000000000000000000000000000})",
      })
    BOOST_TEST(cents_or_status(body) == 1990, body);
  BOOST_TEST(cents_or_status(with_amount("0.29")) == 29);
  BOOST_TEST(cents_or_status(with_amount("99999999.99")) == amount_cents_max);
  BOOST_TEST(cents_or_status(with_amount("0." + std::string(9'999, '0') + "1e10000")) == 100);
}

BOOST_AUTO_TEST_CASE(ignores_other_members) {
  for (const std::string& member :
       {std::string(R"("x":null)"),
        std::string(R"("x":[1,{"amount":"a","correlationId":null}],"y":{"amount":2})"),
        std::string(R"("Amount":1,"amount ":2,"amoun":3,"":4)"), R"("x":")" + std::string(5'000, 'x') + '"',
        '"' + std::string(5'000, 'x') + R"(":1e300)", "\"x\":" + nested(31),
        std::string(R"("x":{"a":1,"b":{"a":1}},"y":{"a":1},"z":[{"a":1},{"a":1}])"),
        std::string(R"("x":"\ud83d\ude00 \u0000 \/ é")")})
    BOOST_TEST(cents_or_status(with_member(member)) == 1990, member.substr(0, 80));
}

BOOST_AUTO_TEST_CASE(what_is_not_json_is_400) {
  for (const std::string& body : {
           std::string(),
           std::string(" "),
           std::string("{"),
           std::string("nul"),
           std::string("{]"),
           with_amount("19.90").substr(1),
           with_amount("19.90") + "x",
           with_amount("19.90") + "{}",
           with_amount("19.90") + std::string(1, '\0'),
           "\xef\xbb\xbf" + with_amount("19.90"),
           with_amount("19.90,"),
           with_amount("19.90}"),
           with_amount("019.90"),
           with_amount("+19.90"),
           with_amount(".9"),
           with_amount("19."),
           with_amount("19.e1"),
           with_amount("19e"),
           with_amount("19e+"),
           with_amount("0x13"),
           with_amount("1_000"),
           with_amount("NaN"),
           with_amount("Infinity"),
           with_amount("-"),
           with_amount("--1"),
           with_amount("'19.90'"),
           with_amount(""),
           with_amount("True"),
           with_amount("1 2"),
           with_amount("1/**/"),
           with_member("\"x\""),
           with_member("x:1"),
           with_member("'x':1"),
           with_member("\"x\":1,"),
           with_member("\"x\" 1"),
           with_member("\"x\":\"\\x41\""),
           with_member("\"x\":\"\\u12g4\""),
           with_member("\"x\":\"\\ud800\""),
           with_member("\"x\":\"\\udc00\""),
           with_member("\"x\":\"\\ud800\\u0041\""),
           with_member("\"x\":\"\n\""),
           with_member("\"x\":\"\t\""),
           with_member("\"x\":\"\x01\""),
           with_member("\"x\":\"\x80\""),
           with_member("\"x\":\"\xc0\xaf\""),
           with_member("\"x\":\"\xc3\""),
           with_member("\"x\":\"\xed\xa0\x80\""),
           with_member("\"x\":\"\xf5\x80\x80\x80\""),
           with_member("\"\xff\":1"),
           with_member("\"x\":" + nested(32)),
           with_member("\"x\":" + nested(5'000)),
           std::string(16'000, '['),
           with_member("\"x\":1e99999999999"),
           with_member("// comment\n\"x\":1"),
           "\f" + with_amount("1"),
           with_amount("1") + "\xa0",
       })
    BOOST_TEST(cents_or_status(body) == -400, body.substr(0, 120));
}

BOOST_AUTO_TEST_CASE(repeated_members_are_400_at_any_depth) {
  for (const std::string_view member :
       {R"("amount":19.90)", R"("\u0061mount":19.90)", R"("correlationId":null)", R"("x":1,"x":1)",
        R"("":1,"":2)", R"("x":{"a":1,"a":1})", R"("x":[{"a":1,"b":2,"\u0061":3}])",
        R"("x":{"y":{"z":{"a":1,"a":2}}})"})
    BOOST_TEST(cents_or_status(with_member(member)) == -400, member);
  std::string many;
  for (int i = 0; i < 1'000; ++i)
    many += "\"m" + std::to_string(i) + "\":0,";
  BOOST_TEST(cents_or_status(with_member(many + "\"n\":0")) == 1990);
  BOOST_TEST(cents_or_status(with_member(many + "\"m500\":0")) == -400);
}

BOOST_AUTO_TEST_CASE(what_is_json_but_no_payment_names_its_field) {
  for (const std::string_view body :
       {"null", "1", "1e5", "\"x\"", "true", "[]", "[1,2]",
        R"([{"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3","amount":19.90}])"})
    BOOST_TEST(refused_field(body) == "", body);
  for (const std::string_view value :
       {"null", "1", "true", "[]", "{}", "\"\"", "\"x\"", "\"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b\"",
        "\"4a7901b87d264d9daa194dc1c7cf60b3\"", "\"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3 \"",
        "\"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60bg\"", "[\"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3\"]"})
    BOOST_TEST(refused_field(R"({"amount":1,"correlationId":)" + std::string(value) + "}") == "correlationId",
               value);
  BOOST_TEST(refused_field(R"({"amount":1,"correlationId":")" + std::string(id_text) + std::string(100, 'x') +
                           "\"}") == "correlationId");
  BOOST_TEST(refused_field("{}") == "correlationId");
  BOOST_TEST(refused_field(R"({"amount":1})") == "correlationId");
  BOOST_TEST(refused_field(R"({"amount":1,"x":{"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3"}})") ==
             "correlationId");
  BOOST_TEST(refused_field(R"({"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3"})") == "amount");
  for (const std::string_view amount : {"null",
                                        "\"19.90\"",
                                        "\"\"",
                                        "true",
                                        "[19.90]",
                                        "{}",
                                        "0",
                                        "-0",
                                        "0.0",
                                        "-19.90",
                                        "19.905",
                                        "1e-3",
                                        "0.001",
                                        "100000000",
                                        "99999999.995",
                                        "1e8",
                                        "1e300",
                                        "1e400",
                                        "1e999999999",
                                        "1e99999999999999999999",
                                        "1e-99999999999999999999",
                                        "-1e99999999999999999999",
                                        "123456789012345678901234567890"})
    BOOST_TEST(refused_field(with_amount(amount)) == "amount", amount);
}

BOOST_AUTO_TEST_CASE(reads_what_processors_answer) {
  const auto read = parse_processor_payment(
      R"({"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3","amount":1.99E1,"requestedAt":"2025-07-15T12:00:00.0009999"})");
  BOOST_REQUIRE(read);
  BOOST_TEST((read->id == id));
  BOOST_TEST(read->amount_cents == 1990);
  BOOST_TEST((read->requested_at == noon));
  BOOST_TEST(parse_processor_payment(with_member(R"("requestedAt":"2025-07-15T12:00:00.000Z")")).has_value());
  for (const std::string& body :
       {std::string("{}"), std::string(), std::string("[]"), with_amount("1"),
        with_member(R"("requestedAt":null)"), with_member(R"("requestedAt":"")"),
        with_member(R"("requestedAt":"yesterday")"), with_member(R"("requestedAt":1)"),
        with_member(R"("requestedAt":"2025-07-15T12:00:00Z")") + "x"})
    BOOST_TEST(!parse_processor_payment(body), body);
}

BOOST_AUTO_TEST_CASE(reads_how_processors_say_they_are) {
  const auto health = parse_processor_health(R"({"failing":true,"minResponseTime":100})");
  BOOST_REQUIRE(health);
  BOOST_TEST(health->failing);
  BOOST_TEST((health->min_response_time == 100ms));
  BOOST_TEST(
      (parse_processor_health(R"({"minResponseTime":1.6,"failing":false})")->min_response_time == 2ms));
  for (const std::string_view body :
       {"", "{}", "[]", R"({"failing":true})", R"({"minResponseTime":1})",
        R"({"failing":"true","minResponseTime":1})", R"({"failing":1,"minResponseTime":1})",
        R"({"failing":true,"minResponseTime":-1})", R"({"failing":true,"minResponseTime":"1"})",
        R"({"failing":true,"minResponseTime":1e300})", R"({"failing":true,"minResponseTime":1e999999999999})",
        R"({"failing":true,"minResponseTime":1e400})"})
    BOOST_TEST(!parse_processor_health(body), body);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
