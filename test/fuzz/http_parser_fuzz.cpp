// Whatever a client sends: the parser ends, gives views into the bytes, and gives the same in one read as in
// several.
#include "server/http_parser.hpp"
#include "server/http_target.hpp"
#include "storage/check.hpp"
#include "test/fuzz/fuzz_driver.hpp"
#include "test/unit/http_requests.hpp"

#include <algorithm>

namespace repasse {
namespace {

using state = http_parser::state;

/// Everything that a connection would see of the requests in some bytes.
struct seen {
  std::string text;
  int error_status = 0;

  friend bool operator==(const seen&, const seen&) = default;
};

void check_view(std::span<const char> bytes, std::string_view view) {
  if (view.empty()) return;
  REPASSE_CHECK(view.data() >= bytes.data() && view.data() + view.size() <= bytes.data() + bytes.size());
}

void check_request(std::span<const char> bytes, const http_parser& parser, const http_request& request) {
  REPASSE_CHECK(parser.consumed() > 0 && parser.consumed() <= bytes.size());
  REPASSE_CHECK(parser.consumed() <= request_bytes_max);
  REPASSE_CHECK(request.body.size() <= body_bytes_max && request.target.size() <= target_bytes_max);
  REPASSE_CHECK(!request.method.empty() && !request.target.empty());
  for (const std::string_view view : {request.method, request.target, request.content_type,
                                      request.admin_token, request.traceparent, request.body})
    check_view(bytes.first(parser.consumed()), view);
}

/// Reads `bytes_per_read` at a time, as a session does: what is not complete is kept and grows.
seen read_all(std::string_view sent, std::size_t bytes_per_read) {
  seen result;
  http_parser parser;
  std::string kept;
  while (!sent.empty()) {
    const std::string_view read = sent.substr(0, bytes_per_read);
    sent.remove_prefix(read.size());
    kept += read;
    for (;;) {
      http_request request;
      const state what = parser.parse(kept, request);
      if (what == state::failed) {
        result.error_status = parser.error_status();
        return result;
      }
      if (what != state::complete) break;
      check_request(kept, parser, request);
      for (const std::string_view part : {request.method, request.target, request.content_type,
                                          request.admin_token, request.traceparent, request.body})
        result.text.append(part).push_back('\n');
      result.text.push_back(request.keep_alive ? 'k' : 'c');
      kept.erase(0, parser.consumed());
    }
  }
  return result;
}

void check_target(std::string_view text) {
  if (const auto target = http_target::parse("GET", text)) {
    REPASSE_CHECK(target->path().starts_with('/'));
    const auto query = query_parameters::parse(target->query());
    if (query) REPASSE_CHECK(!query->repeated() || query->find(*query->repeated()));
  }
}

} // namespace

std::vector<std::string> fuzz_corpus() {
  std::vector<std::string> corpus = http_requests::good_requests();
  corpus.push_back(corpus[0] + corpus[6] + corpus[11] + corpus[2]);
  for (const auto& refused : http_requests::refused_requests())
    if (refused.text.size() < 1'000) corpus.push_back(refused.text);
  return corpus;
}

std::vector<std::string> fuzz_pieces() {
  return {"\r\n",       "\n",    "\r",   " ",      "\t",  ":",        ";",        ",",
          "0",          "5",     "%",    "%00",    "%41", "?a=b&a",   "http://",  "Host: h\r\n",
          "0\r\n\r\n",  "\r\n ", "\x80", "\"",     "\\",  "HTTP/1.0", "HTTP/2.0", "Content-Length: 3\r\n",
          "Connection", "close", "gzip", "chunked"};
}

} // namespace repasse

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace repasse;
  const std::string_view sent{reinterpret_cast<const char*>(bytes), size};
  const seen whole = read_all(sent, std::max<std::size_t>(size, 1));
  const std::size_t step = 1 + size % 7;
  REPASSE_CHECK(read_all(sent, step) == whole);
  REPASSE_CHECK(read_all(sent, size / 2 + 1) == whole);
  check_target(sent);
  return 0;
}
