#include "server/http_parser.hpp"

#include "server/http_syntax.hpp"

#include <boost/beast/http/basic_parser.hpp>

#include <algorithm>

namespace repasse {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;

std::string_view view_of(beast::string_view text) { return {text.data(), text.size()}; }

/// Reads one header section that has passed the raw check, and judges what its fields say together.
class header_reader final : public http::basic_parser<true> {
public:
  explicit header_reader(http_request& request) : request_(request) {
    body_limit(body_bytes_max);
    header_limit(header_bytes_max);
  }

  bool read(std::span<const char> header) {
    beast::error_code ec;
    put(boost::asio::const_buffer(header.data(), header.size()), ec);
    if (ec == http::error::body_limit) return refuse(ec, "the body is too large", 413);
    if (ec) return false;
    request_.keep_alive = keep_alive();
    return true;
  }

  [[nodiscard]] std::uint32_t body_bytes() const {
    return static_cast<std::uint32_t>(content_length().value_or(0));
  }
  [[nodiscard]] bool expects_continue() const { return expects_continue_ && request_.version == 11; }
  [[nodiscard]] int error_status() const { return error_status_; }
  [[nodiscard]] const char* error_reason() const { return error_reason_; }

private:
  bool refuse(beast::error_code& ec, const char* reason, int status = 400) {
    ec = http::error::bad_field;
    error_reason_ = reason;
    error_status_ = status;
    return false;
  }

  void on_request_impl(http::verb, beast::string_view method, beast::string_view target, int version,
                       beast::error_code&) override {
    request_ = http_request{};
    request_.method = view_of(method);
    request_.target = view_of(target);
    request_.version = version;
    request_.is_head = request_.method == "HEAD";
  }

  // What is said of framing here goes beyond Beast, which has looked at the field before.
  void on_field_impl(http::field field, beast::string_view name, beast::string_view value,
                     beast::error_code& ec) override {
    if (field == http::field::host) return on_host(view_of(value), ec);
    if (field == http::field::content_length) return on_content_length(view_of(value), ec);
    if (field == http::field::transfer_encoding) return on_transfer_encoding(view_of(value), ec);
    if (field == http::field::expect) return on_expect(view_of(value), ec);
    if (field == http::field::content_type) return set_once(request_.content_type, value, ec);
    if (field != http::field::unknown) return;
    if (equals_ignoring_case(view_of(name), "x-admin-token"))
      return set_once(request_.admin_token, value, ec);
    if (equals_ignoring_case(view_of(name), "traceparent")) on_traceparent(view_of(value));
  }

  void on_host(std::string_view value, beast::error_code& ec) {
    if (has_host_)
      refuse(ec, "more than one Host");
    else if (!is_valid_host(value))
      refuse(ec, "malformed Host");
    has_host_ = true;
  }

  void on_content_length(std::string_view value, beast::error_code& ec) {
    const bool digits_only =
        std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (has_content_length_)
      refuse(ec, "more than one Content-Length");
    else if (!digits_only)
      refuse(ec, "malformed Content-Length");
    has_content_length_ = true;
  }

  void on_transfer_encoding(std::string_view value, beast::error_code& ec) {
    if (request_.version < 11)
      refuse(ec, "Transfer-Encoding in HTTP/1.0");
    else if (!equals_ignoring_case(value, "chunked"))
      refuse(ec, "only the transfer coding chunked is understood");
    else if (has_content_length_)
      refuse(ec, "both Content-Length and Transfer-Encoding");
  }

  void on_expect(std::string_view value, beast::error_code& ec) {
    if (!equals_ignoring_case(value, "100-continue")) refuse(ec, "only 100-continue can be expected", 417);
    expects_continue_ = true;
  }

  // A field that repeats has no one value; W3C's trace context then begins a trace anew.
  void on_traceparent(std::string_view value) {
    request_.traceparent = has_traceparent_ ? std::string_view{} : value;
    has_traceparent_ = true;
  }

  void set_once(std::string_view& member, beast::string_view value, beast::error_code& ec) {
    if (member.data() != nullptr) refuse(ec, "a field that may stand once is repeated");
    member = view_of(value);
  }

  void on_header_impl(beast::error_code& ec) override {
    if (!has_host_ && request_.version == 11) refuse(ec, "Host is missing");
  }

  void on_response_impl(int, beast::string_view, int, beast::error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, beast::error_code&) override {}
  std::size_t on_body_impl(beast::string_view body, beast::error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, beast::error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, beast::error_code&) override {
    return body.size();
  }
  void on_finish_impl(beast::error_code&) override {}

  http_request& request_;
  const char* error_reason_ = "malformed or ambiguous header field";
  int error_status_ = 400;
  bool has_host_ = false;
  bool has_content_length_ = false;
  bool has_traceparent_ = false;
  bool expects_continue_ = false;
};

} // namespace

http_parser::state http_parser::parse(std::span<char> bytes, http_request& request) {
  if (stage_ == stage::failed) return state::failed;
  if (stage_ == stage::done) *this = http_parser{};
  const bool begins = stage_ == stage::request_line || stage_ == stage::fields;
  if (begins) {
    if (const state checked = check_header(bytes); checked != state::complete) return checked;
    if (!read_header(bytes, request)) return state::failed;
  }
  if (const state read = read_body(bytes); read != state::complete) {
    const bool wait =
        begins && expects_continue_ && read == state::need_more && bytes.size() == header_bytes_;
    return wait ? state::need_more_continue : read;
  }
  // The views of an earlier call may be gone.
  if (!begins && !read_header(bytes, request)) return state::failed;
  request.body = {bytes.data() + header_bytes_, body_bytes_};
  stage_ = stage::done;
  return state::complete;
}

http_parser::state http_parser::check_header(std::span<const char> bytes) {
  const std::string_view visible{bytes.data(), std::min(bytes.size(), header_bytes_max)};
  while (stage_ == stage::request_line && leading_bytes_ < leading_bytes_max &&
         visible.substr(leading_bytes_).starts_with("\r\n")) {
    leading_bytes_ += 2;
    checked_bytes_ += 2;
  }
  // Half of an empty line.
  if (leading_bytes_ < leading_bytes_max && visible.substr(leading_bytes_) == "\r") return state::need_more;
  for (;;) {
    const std::string_view rest = visible.substr(checked_bytes_);
    const checked_line line =
        stage_ == stage::request_line ? check_request_line(rest, target_bytes_max) : check_field_line(rest);
    checked_bytes_ += line.bytes;
    switch (line.what) {
    case checked_line::kind::line:
      stage_ = stage::fields;
      break;
    case checked_line::kind::empty:
      header_bytes_ = checked_bytes_;
      return state::complete;
    case checked_line::kind::malformed:
      return fail(line.error_status, line.error_reason);
    case checked_line::kind::incomplete:
      return bytes.size() < header_bytes_max ? state::need_more
                                             : fail(431, "the header section is too large");
    }
  }
}

bool http_parser::read_header(std::span<const char> bytes, http_request& request) {
  header_reader reader(request);
  if (!reader.read(bytes.first(header_bytes_).subspan(leading_bytes_))) {
    fail(reader.error_status(), reader.error_reason());
    return false;
  }
  request.header = {bytes.data() + leading_bytes_, header_bytes_ - leading_bytes_};
  if (reader.chunked()) {
    stage_ = stage::chunked;
  } else {
    stage_ = stage::body;
    body_bytes_ = reader.body_bytes();
    message_bytes_ = header_bytes_ + body_bytes_;
  }
  expects_continue_ = reader.expects_continue();
  return true;
}

http_parser::state http_parser::read_body(std::span<char> bytes) {
  if (stage_ == stage::body) return bytes.size() < message_bytes_ ? state::need_more : state::complete;
  switch (chunks_.decode(bytes.subspan(header_bytes_), body_bytes_max)) {
  case chunked_body::state::need_more:
    return state::need_more;
  case chunked_body::state::malformed:
    return fail(400, "malformed chunked body");
  case chunked_body::state::too_large:
    return fail(413, "the body is too large");
  case chunked_body::state::complete:
    break;
  }
  body_bytes_ = static_cast<std::uint32_t>(chunks_.body_bytes());
  message_bytes_ = header_bytes_ + static_cast<std::uint32_t>(chunks_.consumed());
  return state::complete;
}

http_parser::state http_parser::fail(int status, const char* reason) {
  stage_ = stage::failed;
  error_status_ = static_cast<std::uint16_t>(status);
  error_reason_ = reason;
  return state::failed;
}

std::string_view find_field(std::string_view header, std::string_view lower_case_name) {
  for (std::size_t end = header.find("\r\n"); end != std::string_view::npos; end = header.find("\r\n")) {
    header.remove_prefix(end + 2);
    const std::string_view line = header.substr(0, header.find("\r\n"));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !equals_ignoring_case(line.substr(0, colon), lower_case_name))
      continue;
    std::string_view value = line.substr(colon + 1);
    skip_blanks(value);
    while (value.ends_with(' ') || value.ends_with('\t'))
      value.remove_suffix(1);
    return value;
  }
  return {};
}

bool is_json(std::string_view content_type) {
  constexpr std::string_view json = "application/json";
  if (!equals_ignoring_case(content_type.substr(0, json.size()), json)) return false;
  content_type.remove_prefix(json.size());
  for (skip_blanks(content_type); !content_type.empty(); skip_blanks(content_type)) {
    if (content_type.front() != ';') return false;
    content_type.remove_prefix(1);
    skip_blanks(content_type);
    const std::string_view name = take_token(content_type);
    if (name.empty()) continue; // an empty parameter is allowed (RFC 9110 section 5.6.6)
    if (!content_type.starts_with('=')) return false;
    content_type.remove_prefix(1);
    std::string_view value;
    if (!take_token_or_quoted(content_type, value)) return false;
    if (equals_ignoring_case(name, "charset") && !equals_ignoring_case(value, "utf-8")) return false;
  }
  return true;
}

} // namespace repasse
