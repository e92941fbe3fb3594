// What an administrator may post about a payment in doubt, and what is refused, naming the member.
#include "server/resolution_json.hpp"

#include <boost/test/unit_test.hpp>

namespace repasse {
namespace {

using namespace std::chrono_literals;

const wall_time noon = *parse_time("2025-07-15T12:00:00.000Z", rounding::down);

void refused(const std::string& body, int status, std::string_view field) {
  posted_resolution wanted;
  json_refusal refusal;
  BOOST_TEST(!parse_resolution(body, noon, wanted, refusal), body);
  BOOST_TEST(refusal.status == status, body);
  BOOST_TEST(refusal.field == field, body);
  BOOST_TEST(refusal.detail.starts_with(field), body);
}

posted_resolution read(const std::string& body) {
  posted_resolution wanted;
  json_refusal refusal;
  BOOST_TEST(parse_resolution(body, noon, wanted, refusal), body << ": " << refusal.detail);
  return wanted;
}

std::string declaring(const std::string& more) { return R"({"action":"declare")" + more + "}"; }

} // namespace

BOOST_AUTO_TEST_SUITE(resolution_json_test)

BOOST_AUTO_TEST_CASE(reads_what_is_wanted) {
  BOOST_TEST(!read(R"({"action":"ask","more":[1]})").declares);
  posted_resolution wanted = read(declaring(R"(,"outcome":"rejected","reason":"dead \"for\" ever \u00e9")"));
  BOOST_TEST(wanted.declares);
  BOOST_TEST((wanted.what.outcome == payment_status::rejected));
  BOOST_TEST(wanted.what.reason == "dead \"for\" ever \xc3\xa9");
  wanted = read(declaring(R"(,"outcome":"processed","requestedAt":"2025-07-15T12:00:00Z","reason":"x")"));
  BOOST_TEST((wanted.what.outcome == payment_status::processed));
  BOOST_TEST((wanted.what.requested_at == noon));
  BOOST_TEST(read(declaring(R"(,"outcome":"rejected","reason":")" + std::string(500, 'x') + '"'))
                 .what.reason.size() == 500U);
}

BOOST_AUTO_TEST_CASE(refuses_what_it_cannot_act_upon) {
  for (const char* body : {"", "{", R"({"action":"ask"}x)", R"({"action":"ask","action":"ask"})"})
    refused(body, 400, "");
  refused("[]", 422, "");
  for (const char* action : {"{}", R"({"action":1})", R"({"action":"Ask"})", R"({"action":null})"})
    refused(action, 422, "action");
  for (const char* outcome : {"", R"(,"outcome":"unknown")", R"(,"outcome":true)", R"(,"outcome":"sent")"})
    refused(declaring(outcome + std::string{R"(,"reason":"x")"}), 422, "outcome");
  for (const char* time :
       {"", R"(,"requestedAt":null)", R"(,"requestedAt":"noon")",
        R"(,"requestedAt":"2025-07-15T12:00:00.001Z")", R"(,"requestedAt":"0000-01-01T00:00:00+14:00")"})
    refused(declaring(R"(,"outcome":"processed","reason":"x")" + std::string{time}), 422, "requestedAt");
  for (const std::string& reason :
       {std::string{}, std::string{R"(,"reason":"")"}, std::string{R"(,"reason":7)"},
        std::string{R"(,"reason":"a\u0000b")"}, std::string{R"(,"reason":"a\nb")"},
        R"(,"reason":")" + std::string(501, 'x') + '"'})
    refused(declaring(R"(,"outcome":"rejected")" + reason), 422, "reason");
}

BOOST_AUTO_TEST_CASE(a_reason_alone_is_held_to_the_same) {
  std::string reason;
  json_refusal refusal;
  BOOST_TEST(parse_explanation(R"({"reason":"refunded \u00e9","more":[1]})", reason, refusal));
  BOOST_TEST(reason == "refunded \xc3\xa9");
  const auto status_of = [&](const std::string& body) {
    return parse_explanation(body, reason, refusal) ? 200 : refusal.status;
  };
  BOOST_TEST(status_of(R"({"reason":")" + std::string(500, 'x') + "\"}") == 200);
  for (const char* body : {"", "{", R"({"reason":"a","reason":"b"})", "{\"reason\":\"\xff\"}"})
    BOOST_TEST(status_of(body) == 400, body);
  for (const std::string& body :
       {std::string{"{}"}, std::string{"[]"}, std::string{R"({"reason":""})"}, std::string{R"({"reason":7})"},
        std::string{R"({"reason":"a\nb"})"}, R"({"reason":")" + std::string(501, 'x') + "\"}"})
    BOOST_TEST(status_of(body) == 422, body);
}

BOOST_AUTO_TEST_CASE(writes_what_the_processor_says_and_how_the_payment_stands) {
  const std::vector<std::string> processors{"default"};
  posted_resolution wanted;
  oversight seen;
  seen.what = oversight::verdict::asked;
  const auto text = [&] {
    std::string written;
    write_oversight(written, seen, wanted, processors);
    return written.substr(0, written.find(R"(,"amount")"));
  };
  const std::string payment = R"("payment":{"correlationId":"00000000-0000-0000-0000-000000000000")";
  BOOST_TEST(text() == R"({"processorSays":null,)" + payment);
  seen.said = holding::verdict::silent;
  BOOST_TEST(text() == R"({"processorSays":"nothing",)" + payment);
  seen.said = holding::verdict::missing;
  BOOST_TEST(text() == R"({"processorSays":"missing",)" + payment);
  seen.said = holding::verdict::other_amount;
  BOOST_TEST(text() == R"({"processorSays":"other amount",)" + payment);
  seen.said = holding::verdict::same_amount;
  BOOST_TEST(text() == R"({"processorSays":"taken",)" + payment);
  seen.what = oversight::verdict::noted;
  seen.said = holding::verdict::missing;
  BOOST_TEST(text() == R"({"declared":"rejected","processorSays":"missing",)" + payment);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
