// What http_parser takes, what it refuses and with which status, and that it does not matter how the bytes
// of a request arrive.
#include "server/http_parser.hpp"

#include "test/unit/http_requests.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

namespace repasse {

using namespace http_requests;

namespace {

using state = http_parser::state;

/// A request as parsed, owning its text.
struct outcome {
  state what = state::need_more;
  int status = 0;
  std::string method, target, content_type, admin_token, traceparent, body;
  int version = 0;
  bool keep_alive = false;
  bool is_head = false;
  std::size_t consumed = 0;

  friend bool operator==(const outcome&, const outcome&) = default;
};

outcome outcome_of(http_parser& parser, state what, const http_request& request) {
  outcome result;
  result.what = what;
  if (what == state::failed) result.status = parser.error_status();
  if (what != state::complete) return result;
  result.method = request.method;
  result.target = request.target;
  result.content_type = request.content_type;
  result.admin_token = request.admin_token;
  result.traceparent = request.traceparent;
  result.body = request.body;
  result.version = request.version;
  result.keep_alive = request.keep_alive;
  result.is_head = request.is_head;
  result.consumed = parser.consumed();
  return result;
}

outcome parse_whole(std::string text) {
  http_parser parser;
  http_request request;
  const state what = parser.parse(text, request);
  return outcome_of(parser, what, request);
}

/// The way of a slow sender: `step` bytes with each read, kept in a buffer that moves.
outcome parse_in_steps(std::string_view text, std::size_t first, std::size_t step) {
  http_parser parser;
  http_request request;
  std::string kept;
  for (std::size_t end = first;; end = std::min(end + step, text.size())) {
    std::string moved = kept;
    moved.append(text.substr(kept.size(), end - kept.size()));
    kept.swap(moved);
    const state what = parser.parse(kept, request);
    if (what == state::complete || what == state::failed) return outcome_of(parser, what, request);
    if (end == text.size()) return {};
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_parser_test)

BOOST_AUTO_TEST_CASE(reads_what_a_request_says) {
  const outcome post = parse_whole(good_requests()[6]);
  BOOST_TEST((post.what == state::complete));
  BOOST_TEST(post.method == "POST");
  BOOST_TEST(post.target == "/payments");
  BOOST_TEST(post.content_type == "application/json");
  BOOST_TEST(post.body == "{}");
  BOOST_TEST(post.version == 11);
  BOOST_TEST(post.keep_alive);
  BOOST_TEST(!post.is_head);
  const outcome head = parse_whole(good_requests()[3]);
  BOOST_TEST(head.is_head);
  BOOST_TEST(!head.keep_alive);
  BOOST_TEST(head.target == "/payments-summary?from=2025&to=");
  const outcome admin = parse_whole(good_requests()[8]);
  BOOST_TEST(admin.admin_token == "secret");
  BOOST_TEST(admin.traceparent == "00-ab-cd-01");
  BOOST_TEST(admin.body == "a\r\n");
}

BOOST_AUTO_TEST_CASE(takes_every_good_request_whole) {
  for (const std::string& text : good_requests()) {
    const outcome whole = parse_whole(text);
    BOOST_TEST((whole.what == state::complete), text);
    BOOST_TEST(whole.consumed == text.size(), text);
  }
}

BOOST_AUTO_TEST_CASE(joins_chunks) {
  BOOST_TEST(parse_whole(good_requests()[10]).body == "");
  BOOST_TEST(parse_whole(good_requests()[11]).body == "hello world");
  BOOST_TEST(parse_whole(good_requests()[12]).body == "0123456789");
}

BOOST_AUTO_TEST_CASE(refuses_with_the_right_status) {
  for (const refused_request& refused : refused_requests()) {
    // A line alone is enough for the request to be refused; a complete rest must not change that.
    const std::string shown = refused.text.substr(0, 120);
    const outcome whole = parse_whole(refused.text);
    BOOST_TEST((whole.what == state::failed), shown);
    BOOST_TEST(whole.status == refused.status, shown << " was answered with " << whole.status);
    BOOST_TEST((parse_whole(refused.text + "Host: h\r\n\r\n") == whole), shown);
  }
}

BOOST_AUTO_TEST_CASE(it_does_not_matter_where_a_request_is_split) {
  std::vector<std::string> requests = good_requests();
  for (const refused_request& refused : refused_requests())
    if (refused.text.size() < 1000) requests.push_back(refused.text);
  for (const std::string& text : requests) {
    const outcome whole = parse_whole(text);
    for (std::size_t first = 0; first <= text.size(); ++first)
      BOOST_TEST((parse_in_steps(text, first, text.size()) == whole), text << " split at " << first);
    BOOST_TEST((parse_in_steps(text, 1, 1) == whole), text << " byte by byte");
  }
}

BOOST_AUTO_TEST_CASE(large_requests_are_judged_alike_in_pieces) {
  for (const refused_request& refused : refused_requests())
    BOOST_TEST((parse_in_steps(refused.text, 1, 997) == parse_whole(refused.text)),
               refused.text.substr(0, 80));
}

BOOST_AUTO_TEST_CASE(what_is_not_whole_needs_more) {
  for (const std::string& text : good_requests())
    for (std::size_t end = 0; end < text.size(); ++end) {
      const state what = parse_whole(text.substr(0, end)).what;
      BOOST_TEST((what == state::need_more || what == state::need_more_continue), text << " until " << end);
    }
}

BOOST_AUTO_TEST_CASE(pipelined_requests_come_one_after_the_other) {
  std::string bytes;
  for (const std::string& text : good_requests())
    bytes += text;
  http_parser parser;
  std::span<char> rest = bytes;
  for (const std::string& text : good_requests()) {
    http_request request;
    const state what = parser.parse(rest, request);
    BOOST_TEST((outcome_of(parser, what, request) == parse_whole(text)), text);
    BOOST_REQUIRE(what == state::complete);
    rest = rest.subspan(parser.consumed());
  }
  BOOST_TEST(rest.empty());
}

BOOST_AUTO_TEST_CASE(limits_are_inclusive) {
  const std::string body(body_bytes_max, 'x');
  BOOST_TEST(parse_whole(with_body("Content-Length: 16384\r\n", body)).body == body);
  BOOST_TEST(parse_whole(chunked("4000\r\n" + body + "\r\n0\r\n\r\n")).body == body);
  const std::string target = "/" + std::string(target_bytes_max - 1, 'a');
  BOOST_TEST(parse_whole("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n").target == target);
  const std::size_t around = get_with("Host: h\r\nX: \r\n").size();
  const std::string header =
      get_with("Host: h\r\nX: " + std::string(header_bytes_max - around, 'x') + "\r\n");
  BOOST_TEST(header.size() == header_bytes_max);
  BOOST_TEST((parse_whole(header).what == state::complete));
}

BOOST_AUTO_TEST_CASE(many_small_chunks_are_bounded) {
  std::string body;
  while (body.size() < chunked_bytes_max)
    body += "1\r\nx\r\n";
  BOOST_TEST(parse_whole(chunked(body + "0\r\n\r\n")).status == 413);
}

BOOST_AUTO_TEST_CASE(asks_for_the_body_once) {
  std::string text = with_body("Expect: 100-Continue\r\nContent-Length: 2\r\n", "");
  http_parser parser;
  http_request request;
  BOOST_TEST((parser.parse(text, request) == state::need_more_continue));
  BOOST_TEST((parser.parse(text, request) == state::need_more));
  text += "a";
  BOOST_TEST((parser.parse(text, request) == state::need_more));
  text += "b";
  BOOST_TEST((parser.parse(text, request) == state::complete));
  BOOST_TEST(request.body == "ab");
}

BOOST_AUTO_TEST_CASE(does_not_ask_for_a_body_that_is_on_its_way_or_for_none) {
  BOOST_TEST((parse_whole(with_body("Expect: 100-continue\r\nContent-Length: 2\r\n", "a")).what ==
              state::need_more));
  BOOST_TEST((parse_whole(with_body("Expect: 100-continue\r\n", "")).what == state::complete));
  BOOST_TEST((parse_whole("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").what ==
              state::need_more));
}

BOOST_AUTO_TEST_CASE(connections_persist_by_version_and_option) {
  BOOST_TEST(parse_whole(get_with(host)).keep_alive);
  BOOST_TEST(!parse_whole(get_with("Host: h\r\nConnection: x, CLOSE\r\n")).keep_alive);
  BOOST_TEST(!parse_whole("GET / HTTP/1.0\r\n\r\n").keep_alive);
  BOOST_TEST(parse_whole("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

BOOST_AUTO_TEST_CASE(a_repeated_traceparent_is_none) {
  BOOST_TEST(parse_whole(get_with("Host: h\r\nTraceparent: a\r\nTraceparent: b\r\n")).traceparent == "");
}

BOOST_AUTO_TEST_CASE(finds_a_field_by_its_name) {
  std::string text = get_with("Host: h\r\nIf-None-Match: \t\"a\" \r\nif-none-match: b\r\nEmpty:\r\n");
  http_parser parser;
  http_request request;
  BOOST_REQUIRE((parser.parse(text, request) == state::complete));
  BOOST_TEST(find_field(request.header, "if-none-match") == "\"a\"");
  BOOST_TEST(find_field(request.header, "empty") == "");
  BOOST_TEST(find_field(request.header, "none-match") == "");
  BOOST_TEST(find_field(request.header, "get / http/1.1") == "");
}

BOOST_AUTO_TEST_CASE(stays_failed) {
  std::string bad = "GET / HTTP/1.1\n";
  std::string good = get_with(host);
  http_parser parser;
  http_request request;
  BOOST_TEST((parser.parse(bad, request) == state::failed));
  BOOST_TEST((parser.parse(good, request) == state::failed));
  BOOST_TEST(parser.error_reason() != std::string_view{});
}

BOOST_AUTO_TEST_CASE(idle_connections_cost_little) { BOOST_TEST(sizeof(http_parser) <= 64U); }

BOOST_AUTO_TEST_CASE(media_types_that_are_json) {
  for (const std::string_view type :
       {"application/json", "Application/JSON", "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"", "application/json ; charset=Utf-8 ; x=y", "application/json;"})
    BOOST_TEST(is_json(type), type);
  for (const std::string_view type :
       {"", "json", "text/json", "application/jsonx", "application/json+x", "application/json charset=utf-8",
        "application/json; charset=latin1", "application/json; charset", "application/json; charset=\"utf-8",
        "application/problem+json", "application/json, application/json"})
    BOOST_TEST(!is_json(type), type);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace repasse
