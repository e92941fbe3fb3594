// Requests that must be taken and requests that must be refused: the tables of http_parser_test, and where
// http_parser_fuzz begins.
#pragma once

#include "server/http_parser.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace repasse::http_requests {

inline constexpr std::string_view host = "Host: h\r\n";

inline std::string with_body(std::string_view fields, std::string_view body) {
  return "POST /payments HTTP/1.1\r\n" + std::string(host) + std::string(fields) + "\r\n" + std::string(body);
}

inline std::string chunked(std::string_view body) {
  return with_body("Transfer-Encoding: chunked\r\n", body);
}

inline std::string get_with(std::string_view fields) {
  return "GET / HTTP/1.1\r\n" + std::string(fields) + "\r\n";
}

inline const std::vector<std::string>& good_requests() {
  static const std::vector<std::string> requests = {
      get_with(host),
      "GET / HTTP/1.0\r\n\r\n",
      "\r\n\r\nGET /healthz HTTP/1.1\r\nhOsT:\t h:80 \t\r\n\r\n",
      "HEAD /payments-summary?from=2025&to= HTTP/1.1\r\nHost: [::1]:9999\r\nConnection: close\r\n\r\n",
      "DELETE http://h/payments HTTP/1.1\r\nHost:\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: h\r\nAccept:\r\n\r\n",
      with_body("Content-Length: 2\r\nContent-Type: application/json\r\n", "{}"),
      with_body("Content-Length: 0\r\n", ""),
      with_body("Content-Length: 00003\r\nX-Admin-Token: secret\r\nTraceParent: 00-ab-cd-01\r\n", "a\r\n"),
      with_body("Expect: 100-continue\r\nContent-Length: 1\r\n", "x"),
      chunked("0\r\n\r\n"),
      chunked("5\r\nhello\r\n00006;name=value ; q=\"a;\\\"b\" ;n\r\n world\r\n0\r\n\r\n"),
      chunked("A\r\n0123456789\r\n000;last\r\nTrailer: ignored\r\nContent-Length: 9\r\n\r\n"),
      with_body("transfer-encoding: CHUNKED\r\n", "1\r\nx\r\n0\r\n\r\n"),
      get_with("Host: h\r\nX: \x80\xff tab\tinside\r\n"),
  };
  return requests;
}

struct refused_request {
  int status;
  std::string text;
};

inline const std::vector<refused_request>& refused_requests() {
  static const std::vector<refused_request> requests = {
      // The request line.
      {400, " GET / HTTP/1.1\r\n"},
      {400, "\tGET / HTTP/1.1\r\n"},
      {400, "\r\n\r\n\r\nGET / HTTP/1.1\r\n"},
      {400, "\nGET / HTTP/1.1\r\n"},
      {400, "\rGET / HTTP/1.1\r\n"},
      {400, "GET  / HTTP/1.1\r\n"},
      {400, "GET /  HTTP/1.1\r\n"},
      {400, "GET / HTTP/1.1 \r\n"},
      {400, "GET\t/ HTTP/1.1\r\n"},
      {400, "GET / \tHTTP/1.1\r\n"},
      {400, "GET /\r\n"},
      {400, "GET\r\n"},
      {400, "G(T / HTTP/1.1\r\n"},
      {400, "G\xc3\x84T / HTTP/1.1\r\n"},
      {400, "GET /a b HTTP/1.1\r\n"},
      {400, "GET /#fragment HTTP/1.1\r\n"},
      {400, "GET /\xc3\xa4 HTTP/1.1\r\n"},
      {400, "GET /\x01 HTTP/1.1\r\n"},
      {400, std::string("GET /\0 HTTP/1.1\r\n", 17)},
      {400, "GET /<> HTTP/1.1\r\n"},
      {400, "GET / HTTP/1.1\n"},
      {400, "GET / HTTP/1.1\r\r\n"},
      {400, "GET / http/1.1\r\n"},
      {400, "GET / HTTP/1\r\n"},
      {400, "GET / HTTP/1.\r\n"},
      {400, "GET / HTTP/11\r\n"},
      {400, "GET / HTTP/1.11\r\n"},
      {400, "GET / HTTP/01.1\r\n"},
      {400, "GET / HTTP 1.1\r\n"},
      {400, "GET / HTTPS/1.1\r\n"},
      {400, "GET / FTP/1.1\r\n"},
      {400, "\x16\x03\x01\x02\x00"},
      {505, "GET / HTTP/2.0\r\n"},
      {505, "GET / HTTP/0.9\r\n"},
      {505, "GET / HTTP/1.2\r\n"},
      {505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {414, "GET /" + std::string(target_bytes_max, 'a') + " HTTP/1.1\r\n"},
      {414, "GET /" + std::string(target_bytes_max, 'a')},
      // Field lines.
      {400, get_with("Host : h\r\n")},
      {400, get_with(" Host: h\r\n")},
      {400, get_with("Host: h\r\nX : y\r\n")},
      {400, get_with("Host: h\r\n X: y\r\n")},
      {400, get_with("Host: h\r\nX: y\r\n z\r\n")},
      {400, get_with("Host: h\r\nX: y\r\n\tz\r\n")},
      {400, get_with("Host: h\r\nX: y\r\n \r\n")},
      {400, get_with("Host: h\r\n: y\r\n")},
      {400, get_with("Host: h\r\nno colon\r\n")},
      {400, get_with("Host: h\r\nnocolon\r\n")},
      {400, get_with("Host: h\r\nX(): y\r\n")},
      {400, get_with("Host: h\r\nX\xc3\xa4: y\r\n")},
      {400, get_with("Host: h\nX: y\r\n")},
      {400, get_with("Host: h\r\nX: y\n")},
      {400, get_with("Host: h\r\nX: y\rz\r\n")},
      {400, get_with("Host: h\r\nX: y\r\r\n")},
      {400, get_with("Host: h\r\nX: y\x01z\r\n")},
      {400, get_with("Host: h\r\nX: y\x7fz\r\n")},
      {400, get_with("Host: h\r\nX: y\x1b[0m\r\n")},
      {400, get_with(std::string("Host: h\r\nX: \0\r\n", 14))},
      {400, get_with(std::string("Host: h\r\nX\0: y\r\n", 15))},
      {400, "GET / HTTP/1.1\r\nHost: h\r\n\n"},
      {400, "GET / HTTP/1.1\r\nHost: h\r\n\rX"},
      {431, "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(header_bytes_max, 'x')},
      {431, get_with("Host: h\r\nX: " + std::string(header_bytes_max - 31, 'x') + "\r\n")},
      {431, std::string(header_bytes_max, 'M')},
      // Host.
      {400, get_with("")},
      {400, get_with("Host: h\r\nHost: h\r\n")},
      {400, get_with("Host: h\r\nhost: i\r\n")},
      {400, "GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n"},
      {400, get_with("Host: a b\r\n")},
      {400, get_with("Host: h/\r\n")},
      {400, get_with("Host: user@h\r\n")},
      {400, get_with("Host: h:port\r\n")},
      {400, get_with("Host: h:80:80\r\n")},
      {400, get_with("Host: h:-1\r\n")},
      {400, get_with("Host: [::1\r\n")},
      {400, get_with("Host: []\r\n")},
      {400, get_with("Host: [::1]x\r\n")},
      {400, get_with("Host: h%\r\n")},
      {400, get_with("Host: h%4\r\n")},
      {400, get_with("Host: h%zz\r\n")},
      {400, get_with("Host: h\xc3\xa4\r\n")},
      // Framing.
      {400, with_body("Content-Length: 1\r\nContent-Length: 2\r\n", "x")},
      {400, with_body("Content-Length: 1\r\nContent-Length: 1\r\n", "x")},
      {400, with_body("Content-Length: 1\r\ncontent-length: 1\r\n", "x")},
      {400, with_body("Content-Length: 1, 1\r\n", "x")},
      {400, with_body("Content-Length: 1,\r\n", "x")},
      {400, with_body("Content-Length: 1 1\r\n", "x")},
      {400, with_body("Content-Length: +1\r\n", "x")},
      {400, with_body("Content-Length: -1\r\n", "x")},
      {400, with_body("Content-Length: 0x1\r\n", "x")},
      {400, with_body("Content-Length: 1a\r\n", "x")},
      {400, with_body("Content-Length: 1.0\r\n", "x")},
      {400, with_body("Content-Length:\r\n", "x")},
      {400, with_body("Content-Length: \"1\"\r\n", "x")},
      {400, with_body("Content-Length: 18446744073709551617\r\n", "x")},
      {400, with_body("Content-Length: 99999999999999999999999999\r\n", "x")},
      {413, with_body("Content-Length: 16385\r\n", "")},
      {413, with_body("Content-Length: 18446744073709551615\r\n", "")},
      {400, with_body("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
      {400, with_body("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")},
      {400, with_body("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n", "0\r\n\r\n")},
      {400, with_body("Content-Length: 5\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n")},
      {400, with_body("Transfer-Encoding: gzip\r\n", "0\r\n\r\n")},
      {400, with_body("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")},
      {400, with_body("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n")},
      {400, with_body("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n")},
      {400, with_body("Transfer-Encoding: chunked,\r\n", "0\r\n\r\n")},
      {400, with_body("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n")},
      {400, with_body("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")},
      {400, with_body("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n")},
      {400, with_body("Transfer-Encoding:\r\n", "0\r\n\r\n")},
      {400, with_body("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
      {400, with_body("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n")},
      {400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {417, with_body("Expect: something\r\nContent-Length: 1\r\n", "x")},
      {417, with_body("Expect: 100-continue, more\r\nContent-Length: 1\r\n", "x")},
      {400, get_with("Host: h\r\nContent-Type: a/b\r\nContent-Type: a/b\r\n")},
      {400, get_with("Host: h\r\nX-Admin-Token: a\r\nX-Admin-Token: b\r\n")},
      {400, get_with("Host: h\r\nConnection: close;\r\n")},
      // Chunks.
      {400, chunked("\r\n")},
      {400, chunked("x\r\n")},
      {400, chunked("-1\r\nx\r\n0\r\n\r\n")},
      {400, chunked("+1\r\nx\r\n0\r\n\r\n")},
      {400, chunked("0x1\r\nx\r\n0\r\n\r\n")},
      {400, chunked(" 1\r\nx\r\n0\r\n\r\n")},
      {400, chunked("1 \r\nx\r\n0\r\n\r\n")},
      {400, chunked("\t1\r\nx\r\n0\r\n\r\n")},
      {400, chunked("1\nx\r\n0\r\n\r\n")},
      {400, chunked("1\r\nxy\r\n0\r\n\r\n")},
      {400, chunked("1\r\nx0\r\n\r\n")},
      {400, chunked("1\r\nx\n0\r\n\r\n")},
      {400, chunked("1\r\nx\rx0\r\n\r\n")},
      {400, chunked("1\rx\r\n0\r\n\r\n")},
      {400, chunked("10000000000000001\r\n")},
      {400, chunked("1;\r\nx\r\n0\r\n\r\n")},
      {400, chunked("1;=a\r\nx\r\n0\r\n\r\n")},
      {400, chunked("1;a=\r\nx\r\n0\r\n\r\n")},
      {400, chunked("1;a=\"b\r\nx\r\n0\r\n\r\n")},
      {400, chunked("1;a\nb\r\nx\r\n0\r\n\r\n")},
      {400, chunked("1;a b\r\nx\r\n0\r\n\r\n")},
      {400, chunked("1;" + std::string(chunk_line_bytes_max, 'a'))},
      {400, chunked(std::string(chunk_line_bytes_max, '0'))},
      {400, chunked("0\r\nTrailer : x\r\n\r\n")},
      {400, chunked("0\r\n folded\r\n\r\n")},
      {400, chunked("0\r\nT: x\n\r\n")},
      {400, chunked("0\r\n\n")},
      {413, chunked("4001\r\n")},
      {413, chunked("ffffffffffffffff\r\n")},
      {413, chunked("4000\r\n" + std::string(0x4000, 'x') + "\r\n1\r\nx\r\n0\r\n\r\n")},
      {413, chunked("0\r\n" + std::string(chunked_bytes_max, 't'))},
  };
  return requests;
}

} // namespace repasse::http_requests
