// What a browser asks for: the dashboard's files, and the events that feed it.
#include "server/endpoints.hpp"
#include "server/event_feed.hpp"
#include "server/static_files.hpp"

namespace repasse {

task<http_response> endpoints::file(const question& to) {
  co_return static_answer(to.path, to.request.field("accept-encoding"), to.request.field("if-none-match"));
}

/// The beginning of a stream; the rest comes by the feed.
task<http_response> endpoints::events(const question& to) {
  http_response response;
  response.is_stream = true;
  response.content_type = "text/event-stream";
  response.headers = "Cache-Control: no-store\r\n"
                     "X-Accel-Buffering: no\r\n"
                     "X-Content-Type-Options: nosniff\r\n";
  response.body = feed_.history().beginning(to.request.field("last-event-id"));
  co_return response;
}

} // namespace repasse
