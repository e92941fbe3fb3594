// The exact text of what is written, and cursors both ways.
#include "server/payment_json.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

namespace repasse {
namespace {

using namespace std::chrono_literals;

const payment_id id = *parse_payment_id("4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3");
const wall_time noon = *parse_time("2025-07-15T12:00:00.000Z", rounding::down);
const std::vector<std::string> processors = {"default", "fallback"};

/// What `write` appends to a text that is not empty.
template <typename Write>
std::string written(Write write) {
  std::string text = "> ";
  write(text);
  return text.substr(2);
}

} // namespace

BOOST_AUTO_TEST_SUITE(payment_json_write_test)

BOOST_AUTO_TEST_CASE(writes_the_charge) {
  BOOST_TEST(written([](std::string& to) { write_charge(to, id, 1990, noon); }) ==
             R"({"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3","amount":19.90,)"
             R"("requestedAt":"2025-07-15T12:00:00.000Z"})");
}

BOOST_AUTO_TEST_CASE(writes_a_payment_with_null_for_the_unknown) {
  payment_record payment;
  payment.id = id;
  payment.amount_cents = 5;
  payment.accepted_at = noon;
  BOOST_TEST(
      written([&](std::string& to) { write_payment(to, payment, processors); }) ==
      R"({"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3","amount":0.05,"status":"accepted",)"
      R"("processor":null,"requestedAt":null,"acceptedAt":"2025-07-15T12:00:00.000Z","processedAt":null,)"
      R"("attempts":0})");
  payment.status = payment_status::processed;
  payment.processor = 1;
  payment.requested_at = noon + 1ms;
  payment.processed_at = noon + 2ms;
  payment.attempts = 3;
  BOOST_TEST(
      written([&](std::string& to) { write_payment(to, payment, processors); }) ==
      R"({"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3","amount":0.05,"status":"processed",)"
      R"("processor":"fallback","requestedAt":"2025-07-15T12:00:00.001Z",)"
      R"("acceptedAt":"2025-07-15T12:00:00.000Z","processedAt":"2025-07-15T12:00:00.002Z","attempts":3})");
}

BOOST_AUTO_TEST_CASE(writes_since_when_and_why_a_payment_is_in_doubt) {
  payment_record payment;
  payment.status = payment_status::unknown;
  const auto text = [&payment] {
    const std::string whole = written([&](std::string& to) { write_payment(to, payment, processors); });
    return whole.substr(whole.find(R"("attempts")"));
  };
  BOOST_TEST(text() == R"("attempts":0,"doubtAgeSeconds":null,"doubtReason":null})");
  payment.doubt = {61'007ms, "failed, silent"};
  BOOST_TEST(text() == R"("attempts":0,"doubtAgeSeconds":61.007,"doubtReason":"failed, silent"})");
  payment.doubt->reason = "";
  BOOST_TEST(text() == R"("attempts":0,"doubtAgeSeconds":61.007,"doubtReason":null})");
  payment.status = payment_status::processed;
  BOOST_TEST(text() == R"("attempts":0})");
}

BOOST_AUTO_TEST_CASE(writes_a_page_and_where_the_next_begins) {
  page page;
  BOOST_TEST(written([&](std::string& to) { write_page(to, page, processors); }) ==
             R"({"payments":[],"next":null})");
  page.payments.resize(2);
  page.payments[1].id = id;
  page.payments[1].accepted_at = noon;
  const std::string last = written([&](std::string& to) { write_page(to, page, processors); });
  BOOST_TEST(last.ends_with(R"("attempts":0}],"next":null})"));
  BOOST_TEST(last.find("},{") != std::string::npos);
  page.next = {noon, id};
  const std::string text = written([&](std::string& to) { write_page(to, page, processors); });
  BOOST_TEST(text.ends_with(R"(],"next":")" + encode_cursor({noon, id}) + "\"}"));
}

BOOST_AUTO_TEST_CASE(writes_an_undisturbed_life_from_the_payments_own_row) {
  payment_record payment;
  payment.id = id;
  payment.amount_cents = 1990;
  payment.accepted_at = wall_time{1ms};
  const auto text = [&payment] {
    const std::string audit = written([&](std::string& to) { write_audit(to, id, payment, {}, processors); });
    BOOST_TEST(audit.starts_with(R"({"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3","entries":[)"));
    return audit.substr(audit.find('['));
  };
  const std::string accepted =
      R"([{"at":"1970-01-01T00:00:00.001Z","event":"accepted","by":null,"detail":"19.90"})";
  BOOST_TEST(text() == accepted + "]}");
  payment.processor = 1;
  payment.status = payment_status::sending;
  BOOST_TEST(text() == accepted + R"(,{"at":null,"event":"sent","by":null,"detail":"to fallback"}]})");
  payment.status = payment_status::processed;
  payment.requested_at = wall_time{2ms};
  payment.processed_at = wall_time{3ms};
  payment.attempts = 2;
  BOOST_TEST(text() ==
             accepted +
                 R"(,{"at":"1970-01-01T00:00:00.002Z","event":"sent","by":null,"detail":"to fallback"})"
                 R"(,{"at":"1970-01-01T00:00:00.003Z","event":"settled","by":null,)"
                 R"("detail":"taken by fallback, attempts: 2"}]})");
}

BOOST_AUTO_TEST_CASE(writes_what_disturbed_a_life_in_its_place) {
  payment_record payment;
  payment.id = id;
  payment.processor = 0;
  payment.accepted_at = wall_time{10ms};
  payment.status = payment_status::processed;
  payment.requested_at = wall_time{20ms};
  payment.processed_at = wall_time{40ms};
  const std::vector<audit_entry> entries{{wall_time{30ms}, 17, "in doubt", "a \"quoted\" detail"},
                                         {wall_time{35ms}, 0, "resolved", ""}};
  const std::string audit =
      written([&](std::string& to) { write_audit(to, id, payment, entries, processors); });
  std::vector<std::size_t> places;
  for (const auto* event : {"accepted", "sent", "in doubt", "resolved", "settled"})
    places.push_back(audit.find("\"event\":\"" + std::string(event)));
  BOOST_TEST(std::ranges::is_sorted(places));
  BOOST_TEST(places.back() != audit.npos);
  BOOST_TEST(audit.find(R"("by":"epoch 17","detail":"a \"quoted\" detail")") != audit.npos, audit);
  BOOST_TEST(audit.find(R"("event":"resolved","by":"administrator","detail":"")") != audit.npos, audit);
  BOOST_TEST(written([](std::string& to) { write_audit(to, id, std::nullopt, {}, processors); }) ==
             R"({"correlationId":"4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3","entries":[]})");
}

BOOST_AUTO_TEST_CASE(writes_a_send_whose_time_is_not_known_before_what_came_of_it) {
  payment_record payment;
  payment.id = id;
  payment.processor = 1;
  payment.accepted_at = wall_time{10ms};
  payment.status = payment_status::unknown;
  const audit_entry elsewhere{wall_time{20ms}, 17, "sent elsewhere", "fallback, 2 sends"};
  const audit_entry doubt{wall_time{30ms}, 17, "in doubt", "fallback, 2 sends"};
  const audit_entry conflict{wall_time{40ms}, 17, "conflict", "posted again with 2.00"};
  const auto events = [&](const std::vector<audit_entry>& entries) {
    const std::string audit =
        written([&](std::string& to) { write_audit(to, id, payment, entries, processors); });
    std::string names;
    for (std::size_t at = audit.find(R"("event":")"); at != audit.npos; at = audit.find(R"("event":")", at)) {
      at += 9;
      names += audit.substr(at, audit.find('"', at) - at) + "; ";
    }
    return names;
  };
  BOOST_TEST(events({}) == "accepted; sent; ");
  BOOST_TEST(events({conflict}) == "accepted; conflict; sent; ");
  BOOST_TEST(events({doubt, conflict}) == "accepted; sent; in doubt; conflict; ");
  BOOST_TEST(events({elsewhere, doubt}) == "accepted; sent elsewhere; sent; in doubt; ");
  BOOST_TEST(events({doubt, {wall_time{35ms}, 17, "sent elsewhere", ""}}) ==
             "accepted; in doubt; sent elsewhere; sent; ");
}

BOOST_AUTO_TEST_CASE(writes_the_summary_to_the_letter) {
  summary totals{};
  totals[0] = {43'236, 41'554'234'598};
  totals[1] = {423'545, 32'934'734};
  BOOST_TEST(written([&](std::string& to) { write_summary(to, totals, processors); }) ==
             R"({"default":{"totalRequests":43236,"totalAmount":415542345.98},)"
             R"("fallback":{"totalRequests":423545,"totalAmount":329347.34}})");
  BOOST_TEST(written([&](std::string& to) {
               write_summary(to, summary{}, std::span(processors).first(1));
             }) == R"({"default":{"totalRequests":0,"totalAmount":0.00}})");
}

BOOST_AUTO_TEST_CASE(writes_problems_with_their_detail_escaped) {
  BOOST_TEST(
      written([](std::string& to) { write_problem(to, 422, "Unprocessable Entity", "a \"b\"\n"); }) ==
      R"({"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"a \"b\"\u000a"})");
}

BOOST_AUTO_TEST_CASE(strings_are_always_utf8) {
  const auto text = [](std::string_view from) {
    return written([&](std::string& to) { write_json_string(to, from); });
  };
  BOOST_TEST(text("é \xf0\x9f\x98\x80") == "\"é \xf0\x9f\x98\x80\"");
  BOOST_TEST(text(std::string_view("\0\x1f\x7f\\", 4)) == R"("\u0000\u001f\u007f\\")");
  const std::string bad = "\xef\xbf\xbd";
  BOOST_TEST(text("a\x80z") == "\"a" + bad + "z\"");
  BOOST_TEST(text("\xc3") == '"' + bad + '"');
  BOOST_TEST(text("\xc0\xaf") == '"' + bad + bad + '"');
  BOOST_TEST(text("\xe0\x80\x80") == '"' + bad + bad + bad + '"');
  BOOST_TEST(text("\xed\xa0\x80") == '"' + bad + bad + bad + '"');
  BOOST_TEST(text("\xf4\x90\x80\x80") == '"' + bad + bad + bad + bad + '"');
}

BOOST_AUTO_TEST_CASE(cursors_survive_the_way_there_and_back) {
  for (const wall_time time : {noon, wall_time{}, wall_time{-1ms}, wall_time::max()}) {
    const auto cursor = decode_cursor(encode_cursor({time, id}));
    BOOST_REQUIRE(cursor);
    BOOST_TEST((cursor->accepted_at == time));
    BOOST_TEST((cursor->id == id));
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_cursor_is_refused) {
  const std::string good = encode_cursor({noon, id});
  BOOST_TEST(!decode_cursor(""));
  BOOST_TEST(!decode_cursor(good.substr(1)));
  BOOST_TEST(!decode_cursor(good + "0"));
  for (std::size_t i = 0; i < good.size(); ++i)
    for (const char wrong : {'g', '-', '+', ' ', '%'}) {
      std::string text = good;
      text[i] = wrong;
      BOOST_TEST(!decode_cursor(text), text);
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
