// What a browser asks for: the dashboard's files, and the events that feed it.
#include "server/endpoints.hpp"
#include "server/static_files.hpp"

namespace repasse {

task<http_response> endpoints::file(const question& to) {
  co_return static_answer(to.path, to.request.field("accept-encoding"), to.request.field("if-none-match"));
}

} // namespace repasse
